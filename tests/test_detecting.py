"""What a detector says of a picture, and what is chosen on validation pictures: with nets made by hand."""

import numpy as np
import pytest
import torch
from test_rcnn_geometry import slowly

from glassnet.data.boxes.geometry import overlap
from glassnet.data.dataset import Normalisation
from glassnet.nets.rcnn.judging import Judged, RegionNet
from glassnet.training.detection.choosing import OVERLAPS, chances, choose_overlap, mean_precision
from glassnet.training.detection.detecting import AGAIN, MOST, Limits, Seen, again, see
from glassnet.training.detection.matching import Objects

RAW = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
ONE_TO_ONE = np.ones(2)


class MeanColour(RegionNet):
    """Scores red and green by how much of them there is in a region, and moves boxes as it is told."""

    def __init__(self, change=(0.0, 0.0, 0.0, 0.0)):
        super().__init__()
        self.classes = 2
        self.change = torch.nn.Parameter(torch.tensor(change))
        self.asked = []

    def regions(self, x, boxes):
        self.asked.append(boxes)
        scores = torch.zeros(len(boxes), 2)
        for i, (x1, y1, x2, y2) in enumerate(boxes.round().int().tolist()):
            part = x[:, y1:y2, x1:x2]
            scores[i] = part.mean((1, 2))[:2] if part.numel() else torch.zeros(2)
        return Judged(scores, self.change.detach().expand(len(boxes), 2, 4), torch.zeros(len(boxes), 1))

    def without_corrections(self):
        self.change.data.zero_()

    def voters(self):
        return torch.zeros(2, 1), torch.zeros(2), ()

    def forward(self, x):
        raise NotImplementedError

    def phases(self):
        return ()


RED, GREEN = (10, 10, 30, 30), (50, 20, 70, 40)


def painted(width=100, height=60):
    """A black picture with a red and a green box."""
    x = np.zeros((3, height, width), np.uint8)
    for k, (x1, y1, x2, y2) in enumerate((RED, GREEN)):
        x[k, y1:y2, x1:x2] = 255
    return x


def windows(step=5, sides=((20, 20), (24, 24))):
    """Regions all over the picture."""
    return np.array(
        [(x, y, x + w, y + h) for w, h in sides for x in range(0, 101 - w, step) for y in range(0, 61 - h, step)], float
    )


def ask(net, x=None, scale=ONE_TO_ONE, size=(100, 60), proposals=None, limits=None):
    proposals = windows() if proposals is None else np.array(proposals, float).reshape(-1, 4)
    return see(net, painted() if x is None else x, scale, size, proposals, RAW, limits or Limits(0.3))


def test_painted_squares_are_found_where_they_are():
    seen = ask(MeanColour())
    found = seen.found
    assert found.scores[:2].tolist() == pytest.approx([1, 1])
    best = {int(label): box for label, box in zip(found.labels[:2], found.boxes[:2].tolist(), strict=True)}
    assert best == {0: list(RED), 1: list(GREEN)}
    assert (np.diff(found.scores) <= 0).all() and (seen.scores > 0.01).all()
    assert np.array_equal(seen.before, seen.proposals[seen.region]) and np.array_equal(seen.before, seen.boxes)


def test_what_stands_for_each_box_is_what_a_plain_loop_says():
    seen = ask(MeanColour())
    stays = []
    for k in range(2):
        mine = np.flatnonzero(seen.labels == k)
        wanted = mine[slowly(seen.boxes[mine].tolist(), seen.scores[mine].tolist(), 0.3)]
        assert np.array_equal(seen.stands[mine], wanted)
        stays += [i for i in mine if seen.stands[i] == i]
    assert sorted(seen.kept.tolist()) == sorted(stays) and len(stays) < len(seen.labels)
    removed = np.flatnonzero(seen.stands != np.arange(len(seen.stands)))
    for i in removed:
        by = seen.stands[i]
        assert seen.stands[by] == by and seen.labels[by] == seen.labels[i] and seen.scores[by] >= seen.scores[i]
        assert overlap(seen.boxes[[i]], seen.boxes[[by]])[0, 0] > 0.3
    scored = seen.scored
    assert scored.boxes is seen.boxes and len(scored.scores) == len(seen.labels)


def test_boxes_come_in_the_files_pixels_though_the_net_looks_at_a_smaller_picture():
    net = MeanColour()
    seen = ask(net, scale=np.array([0.25, 0.5]), size=(400, 120), proposals=windows() * [4, 2, 4, 2])
    assert np.allclose(net.asked[0].numpy(), windows(), atol=1e-4)
    best = {int(label): box for label, box in zip(seen.found.labels[:2], seen.found.boxes[:2], strict=True)}
    assert best[0] == pytest.approx([40, 20, 120, 60], abs=1e-3)
    assert best[1] == pytest.approx([200, 40, 280, 80], abs=1e-3)
    assert np.allclose(seen.before, seen.proposals[seen.region], atol=1e-3)


def test_corrected_boxes_are_cut_at_the_edge_of_the_file():
    """Moved by half a width to the left, and twice as high."""
    seen = ask(MeanColour((-0.5, 0.0, 0.0, float(np.log(2)))), proposals=[(5, 10, 25, 30), (50, 2, 70, 42)])
    boxes = {tuple(before): box for before, box in zip(seen.before.tolist(), seen.boxes.tolist(), strict=True)}
    assert boxes[5, 10, 25, 30] == pytest.approx([0, 0, 15, 40], abs=1e-4)
    assert boxes[50, 2, 70, 42] == pytest.approx([40, 0, 60, 60], abs=1e-4)


def test_a_box_that_is_moved_off_the_picture_is_gone():
    assert not len(ask(MeanColour((-9.0, 0.0, 0.0, 0.0)), proposals=[RED]).labels)


def test_no_regions_and_no_scores_give_nothing():
    for seen in (ask(MeanColour(), proposals=[]), ask(MeanColour(), x=np.zeros((3, 60, 100), np.uint8))):
        assert seen.boxes.shape == seen.before.shape == (0, 4)
        assert len(seen.found.labels) == len(seen.kept) == len(seen.stands) == len(seen.region) == 0
        assert seen.found.boxes.shape == (0, 4)


def test_at_most_a_hundred_boxes_of_a_class_stay():
    x = np.zeros((3, 60, 200), np.uint8)
    x[0] = np.linspace(100, 255, 200)
    apart = [(x1, y, x1 + 8, y + 8) for x1 in range(0, 192, 10) for y in range(0, 52, 10)]
    seen = ask(MeanColour(), x=x, size=(200, 60), proposals=apart)
    assert len(apart) == 120 == len(seen.labels) and len(seen.kept) == 100 == MOST
    assert set(seen.kept) == set(np.argsort(-seen.scores, kind="stable")[:100])


def test_another_overlap_is_as_if_it_had_been_asked_with():
    seen = ask(MeanColour())
    for most in OVERLAPS:
        one, other = again(seen, most, 2), ask(MeanColour(), limits=Limits(most))
        assert np.array_equal(one.stands, other.stands) and np.array_equal(one.kept, other.kept)
        assert one.boxes is seen.boxes and len(other.kept) >= len(seen.kept)


def test_asked_twice_the_best_boxes_are_judged_where_they_came_to_lie():
    """A region 5 to the right of the red box is moved onto it and then 5 further; its score is the mean of both."""
    net = MeanColour((-0.25, 0.0, 0.0, 0.0))
    seen = ask(net, proposals=[(15, 10, 35, 30)], limits=Limits(0.3, twice=True))
    assert seen.before.tolist() == [pytest.approx(list(RED), abs=1e-4)]
    assert seen.boxes.tolist() == [pytest.approx([5, 10, 25, 30], abs=1e-4)]
    assert seen.scores.tolist() == pytest.approx([(0.75 + 1) / 2]) and seen.region.tolist() == [0]
    many = MeanColour()
    ask(many, proposals=np.repeat([RED], 500, 0), limits=Limits(0.3, twice=True))
    assert [len(boxes) for boxes in many.asked] == [500, AGAIN]


def objects(*boxes, label=0):
    n = len(boxes)
    return Objects(np.array(boxes, float).reshape(-1, 4), np.full(n, label), np.zeros(n, bool))


def seen_of(boxes, scores, most=1.0, classes=1, labels=None):
    boxes, n = np.array(boxes, float).reshape(-1, 4), len(scores)
    labels = np.zeros(n, np.int64) if labels is None else np.array(labels)
    raw = Seen(boxes, np.arange(n), boxes, boxes, labels, np.array(scores, float), np.arange(n), np.arange(n))
    return again(raw, most, classes)


CROWD = [(0, 0, 10, 10), (4, 0, 14, 10)]  # overlap by 60 of 140: 0.43


@pytest.mark.parametrize(
    ("boxes", "real", "wanted"),
    [
        ([*CROWD, (50, 0, 60, 10)], [*CROWD, (50, 0, 60, 10)], 0.5),  # 0.3 and 0.4 lose one of the two
        ([*CROWD, (50, 0, 60, 10)], [CROWD[0], (50, 0, 60, 10)], 0.3),  # there the second is false
        ([(0, 0, 10, 10)], [(0, 0, 10, 10)], 0.3),  # all are as good: the smallest
    ],
)
def test_the_overlap_is_chosen_by_what_it_finds(boxes, real, wanted):
    seen = [seen_of(boxes, np.linspace(0.9, 0.7, len(boxes)))]
    assert choose_overlap([objects(*real)], seen, 1) == wanted


def test_mean_precision_by_hand():
    """Class 0: a false one first, then the object: 1/2. Class 1: found: 1. Class 2: nothing to find: left out."""
    real = [Objects(np.array([(0, 0, 9, 9), (20, 0, 29, 9)], float), np.array([0, 1]), np.zeros(2, bool))]
    boxes = [(50, 0, 59, 9), (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)]
    seen = [seen_of(boxes, [0.9, 0.8, 0.7, 0.9], classes=3, labels=[0, 0, 1, 2])]
    assert mean_precision(real, seen, 3) == pytest.approx(0.75)
    assert mean_precision([objects()], seen, 3) == 0.0


def judged_margins(margins, right, slope=6.0):
    """A picture with a box for each margin, on an object where it is right."""
    boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(len(margins))]
    scores = 1 / (1 + np.exp(-slope * np.array(margins)))
    real = objects(*[box for box, is_right in zip(boxes, right, strict=True) if is_right])
    order = np.argsort(-scores, kind="stable")
    return real, seen_of(np.array(boxes)[order], scores[order])


def test_a_margins_chance_is_told_by_how_often_it_was_right():
    random = np.random.default_rng(0)
    margins = random.uniform(-1.5, 1.5, 4000)
    right = random.random(4000) < 1 / (1 + np.exp(-(2.0 * margins - 0.5)))
    pairs = [judged_margins(margins[i : i + 80], right[i : i + 80]) for i in range(0, 4000, 80)]
    ((slope, offset),) = chances([real for real, _ in pairs], [seen for _, seen in pairs], 1, 6.0)
    assert slope == pytest.approx(2.0, abs=0.25) and offset == pytest.approx(-0.5, abs=0.15)


@pytest.mark.parametrize(
    "right",
    [
        [True] * 4 + [False] * 30,  # too few hits
        [True] * 30 + [False] * 4,  # too few misses
        [False] * 20 + [True] * 20,  # the surer the wronger: a chance must not fall as the margin grows
        [],
    ],
)
def test_where_it_cannot_be_told_the_slope_stays(right):
    real, seen = judged_margins(np.linspace(1, -1, len(right)), right)
    assert chances([real], [seen], 1, 6.0).tolist() == [[6.0, 0.0]]


def test_classes_that_are_told_apart_without_a_fault_have_finite_chances():
    real, seen = judged_margins(np.linspace(1, -1, 40), [True] * 20 + [False] * 20)
    ((slope, offset),) = chances([real], [seen], 1, 6.0)
    assert 0 < slope < 1000 and abs(offset) < 10
    two = chances([real], [seen], 2, 6.0)
    assert two.shape == (2, 2) and two[1].tolist() == [6.0, 0.0]
