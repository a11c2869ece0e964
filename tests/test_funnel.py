"""Where objects are lost, what is said of them, and false boxes by sort: by hand, and by slow second programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_precision import FAR, A, B, found, objects

from glassnet.training.detection.confusion import confusion
from glassnet.training.detection.funnel import funnel
from glassnet.training.detection.matching import Found, Objects, Stages
from glassnet.training.detection.mistakes import SORTS, mistakes

CLASSES = ("cat", "dog", "cow")
NEAR_A = (0, 0, 10, 6)  # overlaps A by 0.6
HALF_OFF_A = (0, 5, 10, 15)  # by 50 of 150: 0.33
NONE = found([], [])


def made(proposals=(), scored=NONE, kept=NONE):
    return Stages(np.array(proposals, float).reshape(-1, 4), scored, kept)


def follow(real, stages, thresholds=(0.5, 0.5, 0.5)):
    return funnel(CLASSES, [real], [stages], thresholds)


def test_each_object_is_counted_as_far_as_it_gets():
    real = objects([A, B, FAR, (80, 80, 90, 90)])
    scored = found([A, B, FAR], [0.9, 0.6, 0.4])
    one = follow(real, made([A, B, FAR], scored, found([A], [0.9])))
    assert one.reached() == (4, 3, 2, 1) == one.reached(0)
    assert one.reached(1) == (0, 0, 0, 0)
    assert [(lost.place, lost.stage) for lost in one.lost] == [(1, "kept"), (2, "scored"), (3, "proposed")]


def test_a_box_moved_onto_an_object_from_further_off_makes_it_count_as_proposed():
    one = follow(objects([A]), made([HALF_OFF_A], found([A], [0.9]), found([A], [0.9])))
    assert one.reached() == (1, 1, 1, 1) and one.moved.tolist() == [1, 0, 0]
    near = follow(objects([A]), made([NEAR_A], found([A], [0.9]), found([A], [0.9])))
    assert near.moved.tolist() == [0, 0, 0]


def test_an_object_that_no_proposal_reaches_is_told_the_best_of_them():
    (lost,) = follow(objects([A]), made([HALF_OFF_A, FAR])).lost
    assert (lost.stage, lost.words, lost.rival) == (
        "proposed",
        "no proposal overlaps it by 0.50, the best by 0.33",
        None,
    )
    (lost,) = follow(objects([A]), made()).lost
    assert lost.words.endswith("the best by 0.00")


@pytest.mark.parametrize(
    ("scored", "words"),
    [
        (found([], []), "proposed (1.00), but no box there has a score"),
        (found([HALF_OFF_A], [0.9]), "proposed (1.00), but the nearest box with a score overlaps it by 0.33"),
        (found([A, NEAR_A], [0.2, 0.3]), "0.30 at most for its own class, 0.50 is needed"),
        (found([A, A], [0.2, 0.8], [0, 1]), "dog won there with 0.80; 0.20 at most for its own class, 0.50 is needed"),
        (found([A], [0.8], [1]), "dog won there with 0.80; its own class has no score there"),
        (found([A, A], [0.4, 0.3], [0, 1]), "0.40 at most for its own class, 0.50 is needed"),
    ],
)
def test_an_object_that_is_not_scored_is_told_what_was_said_there(scored, words):
    (lost,) = follow(objects([A]), made([A], scored)).lost
    assert (lost.stage, lost.words) == ("scored", words)


def test_an_object_that_is_not_kept_is_told_the_box_that_its_own_was_dropped_for():
    real = objects([A, (0, 4, 10, 14)])
    scored = found([A, (0, 4, 10, 14)], [0.9, 0.8])
    (lost,) = follow(real, made([A, B, (0, 4, 10, 14)], scored, found([A], [0.9]))).lost
    assert (lost.place, lost.stage, lost.rival) == (1, "kept", A)
    assert (
        lost.words == "its box scored 0.80, dropped for a kept box of another object (0.90), which overlaps it by 0.43"
    )
    (lost,) = follow(objects([A]), made([A], found([A], [0.8]), found([HALF_OFF_A], [0.9]))).lost
    assert lost.words == "its box scored 0.80, dropped for a kept box on no object (0.90), which overlaps it by 0.33"
    (lost,) = follow(objects([A]), made([A], found([A], [0.8]), found([FAR], [0.9]))).lost
    assert lost.words == "its box scored 0.80, but was dropped though no surer kept box overlaps it"


def test_an_object_whose_box_lies_more_on_another_is_told_so():
    real, both = objects([A, (0, 2, 10, 14)]), found([(0, 1, 10, 10), A], [0.9, 0.8])
    (lost,) = follow(real, made([A, (0, 2, 10, 14)], both, both)).lost
    assert (lost.place, lost.words) == (1, "its box scored 0.90 and was kept, but overlaps another object more")


def test_hard_objects_are_neither_followed_nor_confused_nor_mistaken():
    real, said = objects([A, B], hard=[True, False]), found([A, B], [0.9, 0.8])
    assert follow(real, made([B], said, said)).reached() == (1, 1, 1, 1)
    table = confusion(3, [real], [said], [0.5] * 3)
    assert table.counts[0].tolist() == [1, 0, 0, 0] and table.counts.sum() == 1 and table.left_out.tolist() == [1, 0, 0]
    assert mistakes([real], [said], [0.5] * 3) == ()


def test_the_confusion_takes_the_surest_first_and_whatever_class_it_is_of():
    real = objects([A, B, FAR], [0, 1, 2])
    said = found([A, B, (0, 0, 10, 9), (70, 0, 80, 10), B], [0.9, 0.8, 0.7, 0.6, 0.3], [0, 0, 0, 2, 1])
    table = confusion(3, [real], [said], [0.5] * 3)
    assert table.counts.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert table.confused() == [(1, 0, 1), (2, 3, 1), (3, 0, 1), (3, 2, 1)]


def test_of_two_objects_at_one_place_a_box_takes_that_of_its_class():
    real, said = objects([A, A], [0, 1]), found([A, A], [0.9, 0.8], [1, 0])
    assert confusion(2, [real], [said], [0.5] * 2).counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_false_boxes_are_sorted_as_the_paper_has_it():
    real = objects([A, B], [0, 1])
    said = found(
        [A, NEAR_A, HALF_OFF_A, B, FAR, (0, 9, 10, 19), B], [0.9, 0.8, 0.7, 0.95, 0.6, 0.55, 0.4], [0, 0, 0, 0, 0, 0, 0]
    )
    wrong = mistakes([real], [said], [0.5, 0.5])
    assert [(one.place, one.sort, one.of, round(one.overlap, 2)) for one in wrong] == [
        (3, "confused", 1, 1.0),
        (1, "duplicate", 0, 0.6),
        (2, "badly placed", 0, 0.33),
        (4, "background", -1, 0.0),
        (5, "background", -1, 0.0),  # overlaps by 10 of 190: 0.05
    ]


corner = st.integers(0, 12)
boxes = st.tuples(corner, corner, st.integers(1, 10), st.integers(1, 10)).map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))  # fmt: skip  # noqa: E501
label, score = st.integers(0, 2), st.integers(0, 20).map(lambda n: n / 20)


@st.composite
def real_ones(draw):
    rows = draw(st.lists(st.tuples(boxes, label, st.booleans()), max_size=5))
    return Objects(np.array([b for b, *_ in rows], float).reshape(-1, 4), np.array([k for _, k, _ in rows], np.int64),
                   np.array([h for *_, h in rows], bool))  # fmt: skip


@st.composite
def detections(draw, most=8):
    rows = draw(st.lists(st.tuples(boxes, label, score), max_size=most))
    return Found(np.array([b for b, *_ in rows], float).reshape(-1, 4), np.array([k for _, k, _ in rows], np.int64),
                 np.array([s for *_, s in rows], float))  # fmt: skip


@st.composite
def scenes(draw):
    """Pictures, some of them empty; what is kept need not be among what was scored."""
    rows = draw(st.lists(st.tuples(real_ones(), st.lists(boxes, max_size=6), detections(), detections()), max_size=3))
    stages = [made(proposals, scored, kept) for _, proposals, scored, kept in rows]
    return [real for real, *_ in rows], stages, draw(st.lists(score, min_size=3, max_size=3))


def slow_overlap(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, wide) * max(0, high)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def slow_hits(real, said, threshold, k):
    """The objects of a class that are found, as the devkit's program goes about it; and the false boxes."""
    mine, hits, false = [i for i in range(len(real.labels)) if real.labels[i] == k], set(), []
    for j in sorted((j for j in range(len(said.labels)) if said.labels[j] == k), key=lambda j: -said.scores[j]):
        best = max(mine, key=lambda i: slow_overlap(real.boxes[i], said.boxes[j]), default=None)
        on = best is not None and slow_overlap(real.boxes[best], said.boxes[j]) >= 0.5
        if said.scores[j] < threshold or (on and real.is_hard[best]):
            continue
        if on and best not in hits:
            hits.add(best)
        else:
            false.append(j)
    return hits, false


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_the_funnel_never_rises_and_is_what_its_definition_says(scene):
    real, stages, thresholds = scene
    one = funnel(CLASSES, real, stages, thresholds)
    expected = np.zeros((4, 3), int)
    for picture, stage in zip(real, stages, strict=True):
        for k in range(3):
            hits, _ = slow_hits(picture, stage.kept, thresholds[k], k)
            for i in [i for i in range(len(picture.labels)) if picture.labels[i] == k and not picture.is_hard[i]]:
                box, scored = picture.boxes[i], stage.scored
                near = any(slow_overlap(box, p) >= 0.5 for p in stage.proposals)
                good = i in hits or any(
                    scored.labels[j] == k and scored.scores[j] >= thresholds[k]
                    and slow_overlap(box, scored.boxes[j]) >= 0.5
                    for j in range(len(scored.labels))
                )  # fmt: skip
                expected[:, k] += [1, near or good, good, i in hits]
    assert [one.objects.tolist(), one.proposed.tolist(), one.scored.tolist(), one.kept.tolist()] == expected.tolist()
    for k in (None, 0, 1, 2):
        assert list(one.reached(k)) == sorted(one.reached(k), reverse=True)
    assert len(one.lost) == one.objects.sum() - one.kept.sum()
    assert all(lost.words for lost in one.lost)


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_the_confusions_rows_are_the_objects_and_its_columns_the_detections(scene):
    real, stages, thresholds = scene
    said = [stage.kept for stage in stages]
    table = confusion(3, real, said, thresholds)
    easy = [int(k) for one in real for k, hard in zip(one.labels, one.is_hard, strict=True) if not hard]
    over = [int(k) for one in said for k, s in zip(one.labels, one.scores, strict=True) if s >= thresholds[k]]
    assert table.counts.sum(1)[:3].tolist() == [easy.count(k) for k in range(3)]
    assert (table.counts.sum(0)[:3] + table.left_out).tolist() == [over.count(k) for k in range(3)]
    assert table.counts[3, 3] == 0


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_every_false_box_has_one_sort_and_no_right_one_has(scene):
    real, stages, thresholds = scene
    said = [stage.kept for stage in stages]
    wrong = mistakes(real, said, thresholds)
    expected = {
        (i, j)
        for i, (picture, stage) in enumerate(zip(real, stages, strict=True))
        for k in range(3)
        for j in slow_hits(picture, stage.kept, thresholds[k], k)[1]
    }
    assert {(one.picture, one.place) for one in wrong} == expected and len(wrong) == len(expected)
    for one in wrong:
        share = [slow_overlap(box, said[one.picture].boxes[one.place]) for box in real[one.picture].boxes]
        own = max([s for s, k in zip(share, real[one.picture].labels, strict=True) if k == one.label], default=0)
        other = max([s for s, k in zip(share, real[one.picture].labels, strict=True) if k != one.label], default=0)
        sort = SORTS[0 if own >= 0.5 else 1 if own >= 0.1 else 2 if other >= 0.1 else 3]
        assert one.sort == sort
    assert [one.score for one in wrong] == sorted((one.score for one in wrong), reverse=True)
