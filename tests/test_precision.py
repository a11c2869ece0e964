"""Average precision against its definition, written out slowly, against figures by hand, and against COCO's library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.training.detection.coco import coco_figures
from glassnet.training.detection.matching import Found, Matches, Objects, match
from glassnet.training.detection.precision import all_points, curve, eleven_points, interval


def objects(boxes, labels=None, hard=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    n = len(boxes)
    return Objects(boxes, np.array(labels or [0] * n, np.int64), np.array(hard or [False] * n, bool))


def found(boxes, scores, labels=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    return Found(boxes, np.array(labels or [0] * len(boxes), np.int64), np.array(scores, float))


def of(hit, count):
    hit = np.array(hit, bool)
    return Matches(np.linspace(1, 0, len(hit)), hit, np.zeros(len(hit), np.int64), count, np.array([count]))


A, B, FAR = (0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)


def test_the_surest_of_two_on_one_object_is_the_hit_and_the_other_is_false():
    one = match([objects([A, B])], [found([(0, 0, 10, 9), A, FAR, B], [0.6, 0.9, 0.8, 0.1])], 0)
    assert one.hit.tolist() == [True, False, False, True] and one.scores.tolist() == [0.9, 0.8, 0.6, 0.1]
    assert one.objects == 2
    assert all_points(one) == pytest.approx((1 + 2 / 4) / 2)
    assert eleven_points(one) == pytest.approx((6 * 1 + 5 * 0.5) / 11)


def test_a_detection_belongs_to_the_object_it_overlaps_most_even_where_another_is_free():
    near = (0, 0, 10, 11)
    one = match([objects([A, (0, 2, 10, 14)])], [found([A, near], [0.9, 0.8])], 0)
    assert one.hit.tolist() == [True, False], "as VOC's own program has it"


def test_hard_objects_count_neither_way():
    one = match([objects([A, B], hard=[True, False])], [found([A, B, A], [0.9, 0.5, 0.4])], 0)
    assert one.objects == 1 and one.hit.tolist() == [True] and all_points(one) == 1


def test_classes_and_pictures_are_apart():
    real = [objects([A], [1]), objects([A, B], [0, 1])]
    said = [found([A], [0.9], [0]), found([A, B], [0.8, 0.7], [1, 1])]
    assert match(real, said, 0).hit.tolist() == [False] and match(real, said, 0).objects == 1
    assert match(real, said, 1).hit.tolist() == [False, True] and match(real, said, 1).each.tolist() == [1, 1]


def test_without_objects_there_is_no_figure_and_without_detections_it_is_nought():
    assert np.isnan(all_points(of([False], 0))) and np.isnan(eleven_points(of([], 0)))
    assert all_points(of([], 3)) == 0 == eleven_points(of([], 3))
    assert all(map(np.isnan, interval(of([False], 0))))


hits = st.lists(st.booleans(), min_size=1, max_size=30)


@given(hits, st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_both_are_what_their_definitions_say(hit, missed):
    count = max(1, sum(hit) + missed)
    points = [(sum(hit[: i + 1]) / count, sum(hit[: i + 1]) / (i + 1)) for i in range(len(hit))]

    def best(level):
        return max((p for r, p in points if r >= level - 1e-12), default=0)

    steps = np.linspace(0, 1, 11)
    assert eleven_points(of(hit, count)) == pytest.approx(sum(best(level) for level in steps) / 11)
    area = sum(best((i + 1) / count) / count for i in range(count))
    assert all_points(of(hit, count)) == pytest.approx(area)
    shown = curve(of(hit, count))
    assert shown.recall.tolist() == pytest.approx([recall for recall, _ in points])
    assert shown.precision.tolist() == pytest.approx([precision for _, precision in points])


def scene(seed, pictures=12, classes=3):
    """Objects, and detections that lie near most of them and elsewhere."""
    random, real, said = np.random.default_rng(seed), [], []
    for _ in range(pictures):
        n = int(random.integers(0, 6))
        low = random.uniform(0, 80, (n, 2))
        boxes = np.concatenate([low, low + random.uniform(8, 20, (n, 2))], 1)
        labels = random.integers(0, classes, n)
        real.append(Objects(boxes, labels, random.random(n) < 0.1))
        near = boxes + random.normal(0, 1.5, boxes.shape)
        stray = random.uniform(0, 80, (3, 2))
        every = np.concatenate([near, np.concatenate([stray, stray + 12], 1)])
        said.append(Found(every, np.concatenate([labels, random.integers(0, classes, 3)]), random.random(n + 3)))
    return real, said


@pytest.mark.parametrize("seed", range(4))
def test_cocos_library_agrees_at_one_half_but_for_its_101_points(seed):
    pytest.importorskip("pycocotools")
    real, said = scene(seed)
    figures = coco_figures(real, said, 3)
    own = [all_points(match(real, said, k)) for k in range(3)]
    assert [half for _, half in figures.each] == pytest.approx(own, abs=0.03)
    assert figures.half == pytest.approx(np.nanmean([half for _, half in figures.each]))
    assert figures.mean < figures.half


def test_coco_knows_a_perfect_detector_one_that_says_nothing_and_a_class_without_objects():
    pytest.importorskip("pycocotools")
    real = [objects([A, B]), objects([FAR])]
    perfect = coco_figures(real, [found([A, B], [0.9, 0.8]), found([FAR], [0.7])], 2)
    assert (perfect.mean, perfect.half) == pytest.approx((1, 1)) and np.isnan(perfect.each[1][0])
    assert coco_figures(real, [found([], []), found([], [])], 1).half == 0


def test_the_interval_holds_the_figure_is_seeded_and_narrows_with_more_pictures():
    few, many = scene(0, 12), scene(1, 200)
    narrow, wide = interval(match(*many, 0), count=200), interval(match(*few, 0), count=200)
    assert narrow[0] < all_points(match(*many, 0)) < narrow[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    assert interval(match(*few, 0), seed=3, count=50) == interval(match(*few, 0), seed=3, count=50)
