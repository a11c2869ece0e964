"""Boxes as tensors: overlap, corrections and non-maximum suppression, by hand and against slow second programs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.data.boxes import geometry as plain
from glassnet.nets.rcnn.geometry import MOST, area, corrected, correction, inside, kept, overlap, suppress

place = st.integers(0, 30)
side = st.integers(0, 20)
box = st.tuples(place, place, side, side).map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))
real = st.tuples(place, place, st.integers(1, 20), st.integers(1, 20)).map(
    lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3])
)
EMPTY = torch.zeros(0, 4)


def of(*boxes, dtype=torch.float32):
    return torch.tensor(boxes, dtype=dtype).reshape(-1, 4)


def test_overlaps_by_hand():
    a = of((0, 0, 10, 10))
    others = of((0, 0, 10, 10), (5, 0, 15, 10), (0, 5, 10, 10), (10, 0, 20, 10), (2, 2, 4, 4))
    expected = [1, 50 / 150, 50 / 100, 0, 4 / 100]
    assert torch.allclose(overlap(a, others), torch.tensor([expected]))
    assert area(others).tolist() == [100, 100, 50, 100, 4]


@given(st.lists(box, max_size=6), st.lists(box, max_size=6))
@settings(max_examples=60, deadline=None)
def test_overlap_is_that_of_the_readers_own_program(one, other):
    found = overlap(of(*one), of(*other))
    wanted = plain.overlap(np.array(one, float).reshape(-1, 4), np.array(other, float).reshape(-1, 4))
    assert found.shape == (len(one), len(other))
    assert np.allclose(found.numpy(), wanted, atol=1e-6)
    assert np.allclose(area(of(*one)).numpy(), plain.area(np.array(one, float).reshape(-1, 4)))


def test_boxes_without_area_overlap_nothing():
    flat = of((3, 3, 3, 9), (3, 3, 3, 3), (9, 9, 1, 1))  # the last is turned inside out
    assert not overlap(flat, flat).any() and not overlap(flat, of((0, 0, 10, 10))).any()
    assert area(flat).tolist() == [0, 0, 0]


def test_nothing_in_gives_nothing_out():
    one = of((0, 0, 4, 4))
    assert overlap(EMPTY, one).shape == (0, 1) and overlap(one, EMPTY).shape == (1, 0)
    assert correction(EMPTY, EMPTY).shape == corrected(EMPTY, EMPTY).shape == inside(EMPTY, (3, 3)).shape == (0, 4)
    stands = suppress(EMPTY, torch.zeros(0), 0.5)
    assert stands.shape == (0,) and kept(stands, torch.zeros(0)).shape == (0,)


def test_a_correction_by_hand():
    """10 wide and 20 high about (5, 10); the truth 20 wide and 10 high about (12, 13): appendix C."""
    change = correction(of((0, 0, 10, 20)), of((2, 8, 22, 18)))
    assert torch.allclose(change, of((7 / 10, 3 / 20, math.log(2), -math.log(2))))


@given(st.lists(st.tuples(real, real), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_box_after_its_correction_is_its_truth(pairs):
    boxes, truth = of(*(a for a, _ in pairs), dtype=torch.float64), of(*(b for _, b in pairs), dtype=torch.float64)
    change = correction(boxes, truth)
    assert torch.allclose(corrected(boxes, change), truth, atol=1e-9)
    assert torch.allclose(correction(boxes, corrected(boxes, change)), change, atol=1e-9)


def test_no_correction_leaves_a_box_and_a_wild_one_stays_finite():
    one = of((2, 3, 12, 33))
    assert torch.equal(corrected(one, torch.zeros(1, 4)), one)
    wild = corrected(one, torch.tensor([[0.0, 0, 1e4, 1e4]]))
    assert torch.allclose(wild[0, 2:] - wild[0, :2], torch.tensor([10.0, 30.0]) * math.exp(MOST), rtol=1e-4)


def test_boxes_are_cut_at_the_edge_of_the_picture():
    cut = inside(of((-5, -5, 5, 5), (90, 40, 130, 70), (200, 10, 300, 20), (1, 2, 3, 4)), (100, 50))
    assert cut.tolist() == [[0, 0, 5, 5], [90, 40, 100, 50], [100, 10, 100, 20], [1, 2, 3, 4]]


def slowly(boxes, scores, most):
    """Non-maximum suppression as the paper has it, a box at a time."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    stands = [-1] * len(boxes)
    while left:
        best = left.pop(0)
        share = plain.overlap(np.array([boxes[best]], float), np.array(boxes, float))[0]
        stands[best] = best
        for i in [i for i in left if share[i] > most]:
            stands[i] = best
            left.remove(i)
    return stands


@given(st.lists(st.tuples(box, st.integers(0, 5)), max_size=25), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
@settings(max_examples=100, deadline=None)
def test_suppression_is_that_of_a_plain_loop(pairs, most):
    """Few different scores, so that ties are common."""
    boxes, scores = [b for b, _ in pairs], [s / 5 for _, s in pairs]
    stands = suppress(of(*boxes, dtype=torch.float64), torch.tensor(scores, dtype=torch.float64), most)
    wanted = slowly(boxes, scores, most)
    assert stands.tolist() == wanted
    stays = kept(stands, torch.tensor(scores))
    assert stays.tolist() == sorted((i for i, at in enumerate(wanted) if at == i), key=lambda i: (-scores[i], i))


def test_of_equal_scores_the_first_stays():
    boxes = of((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60))
    stands = suppress(boxes, torch.tensor([0.5, 0.5, 0.5]), 0.5)
    assert stands.tolist() == [0, 0, 2] and kept(stands, torch.tensor([0.5, 0.5, 0.5])).tolist() == [0, 2]


def test_a_box_that_was_taken_away_takes_none_away():
    """A chain: the middle one overlaps both others, but falls to the first, so the last stays."""
    boxes = of((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    assert suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 0, 2]


@pytest.mark.parametrize(("most", "stands"), [(0.5, [0, 1]), (0.4999, [0, 0])])
def test_a_box_that_overlaps_by_just_the_limit_stays(most, stands):
    boxes = of((0, 0, 10, 10), (0, 0, 10, 5))
    assert suppress(boxes, torch.tensor([0.9, 0.8]), most).tolist() == stands
