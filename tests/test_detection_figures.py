"""What a detector is worth, as figures and in words: by hand, against slow second programs, and for no data at all."""

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_funnel import made, scenes
from test_precision import FAR, A, B, found, objects, of, scene

from glassnet.training.detection.judging import figures, judge
from glassnet.training.detection.matching import Matches, Stages, match
from glassnet.training.detection.precision import (
    all_points,
    at_threshold,
    best_threshold,
    curve,
    curve_points,
    drawn,
    draws,
)
from glassnet.training.detection.telling import confusions, lines


def staged(real, said):
    """As if every box that was kept had been proposed, and no other."""
    return real, [Stages(one.boxes, one, one) for one in said]


def judged(seed=0, thresholds=(0.5, 0.5, 0.5), pictures=12):
    return judge(("cat", "dog", "cow"), *staged(*scene(seed, pictures)), thresholds)


def test_the_best_threshold_is_just_below_the_score_with_the_best_f1():
    one = Matches(
        np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), np.zeros(4, int), 3, np.array([3])
    )
    assert [2 * hits / (said + 3) for hits, said in ((1, 1), (1, 2), (2, 3), (2, 4))] == [0.5, 0.4, 4 / 6, 4 / 7]
    assert best_threshold(one) == pytest.approx(0.65), "half way to the next score"
    assert at_threshold(one, 0.7) == pytest.approx((2 / 3, 2 / 3)) and at_threshold(one, 0.95)[1] == 0
    assert math.isnan(at_threshold(one, 0.95)[0])


def test_equal_scores_are_taken_together_and_of_equal_f1s_the_highest_score():
    tied = Matches(
        np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, True, False, False]), np.zeros(4, int), 2, np.array([2])
    )
    assert 2 * 1 / (1 + 2) == 2 * 2 / (4 + 2), "the second hit can't be had without the two false ones"
    assert best_threshold(tied) == pytest.approx(0.7)


def test_without_a_hit_the_threshold_is_what_the_caller_says():
    assert best_threshold(of([False, False], 2)) == 0.5 and best_threshold(of([], 0), otherwise=0.0) == 0.0


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_no_other_threshold_has_a_better_f1(rows, missed):
    rows = sorted(rows, key=lambda row: -row[0])
    scores, hit = np.array([s for s, _ in rows], float), np.array([h for _, h in rows], bool)
    one = Matches(scores, hit, np.zeros(len(rows), int), int(hit.sum()) + missed, np.array([int(hit.sum()) + missed]))

    def f1(threshold):
        over = scores >= threshold
        return 2 * hit[over].sum() / (over.sum() + one.objects) if over.any() else 0

    if hit.any():
        best = best_threshold(one)
        assert f1(best) == pytest.approx(max(map(f1, scores)))


@pytest.mark.parametrize("seed", range(3))
def test_draws_that_weigh_are_the_same_as_pictures_put_together_anew(seed):
    real, said = scene(seed, 8)
    one, times = match(real, said, 0), draws(8, seed, 40)
    assert times.sum(1).tolist() == [8] * 40
    for row, value in zip(times, drawn(one, times), strict=True):
        again = [i for i in range(8) for _ in range(row[i])]
        slow = all_points(match([real[i] for i in again], [said[i] for i in again], 0))
        assert value == pytest.approx(slow, nan_ok=True)


def test_a_thinned_curve_goes_where_the_whole_one_goes():
    hit = [True, False, False, False, True, True, False, False, True, False]
    whole, few = curve(of(hit, 5)), curve_points(curve(of(hit, 5)))
    every = list(zip(whole.recall.tolist(), whole.precision.tolist(), strict=True))
    assert set(few) <= set(every) and few[0] == every[0] and few[-1] == every[-1]
    for recall in {r for r, _ in every}:
        ends = [p for r, p in every if r == recall]
        assert {max(ends), min(ends)} <= {p for r, p in few if r == recall}, "each fall from its top to its foot"
    assert curve_points(curve(of([], 3))) == []


def test_the_mean_is_over_classes_that_have_objects_and_so_is_its_interval():
    one = judged()
    aps = [all_points(match(*scene(0), k)) for k in range(3)]
    assert one.map50 == pytest.approx(sum(aps) / 3)
    real, said = scene(0)
    more = judge(("cat", "dog", "cow", "unicorn"), *staged(real, said), (0.5,) * 4)
    assert more.map50 == one.map50 and (more.low, more.high) == (one.low, one.high)
    assert one.low < one.map50 < one.high and math.isnan(more.by_class[3].ap)
    times, means = draws(12), []
    for row in times:
        again = [i for i in range(12) for _ in range(row[i])]
        values = [all_points(match([real[i] for i in again], [said[i] for i in again], k)) for k in range(3)]
        means.append(np.nanmean(values))
    assert (one.low, one.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


def test_an_interval_holds_its_figure_however_few_objects_a_class_has():
    real, said = scene(3, 60, 60)
    one = judge([f"class {k}" for k in range(60)], *staged(real, said), (0.5,) * 60)
    assert one.low <= one.map50 <= one.high
    assert all(row.low <= row.ap <= row.high for row in one.by_class if row.objects)


def test_the_same_seed_gives_the_same_figures_and_another_another_interval():
    real, stages = staged(*scene(1))
    same = [judge(("a", "b", "c"), real, stages, (0.5,) * 3, seed=seed) for seed in (3, 3, 4)]
    assert figures(same[0]) == figures(same[1])
    assert same[0].map50 == same[2].map50 and same[0].low != same[2].low


def test_figures_by_hand():
    real = [objects([A, B], [0, 1]), objects([A, FAR])]
    said = [found([A, B], [0.9, 0.8], [0, 0]), found([A, (0, 0, 10, 9)], [0.7, 0.6], [0, 0])]
    told = figures(judge(("cat", "dog"), *staged(real, said), (0.65, 0.5)), names=["one.png", "two.png"])
    cat, dog = told["classes"]
    assert (cat["objects"], cat["ap50"], cat["threshold"]) == (3, pytest.approx((1 + 2 / 3) / 3), 0.65)
    assert (cat["precision"], cat["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (dog["ap50"], dog["precision"], dog["recall"]) == (0, None, 0)
    assert told["map50"] == pytest.approx((1 + 2 / 3) / 6) and told["pictures"] == 2
    assert told["confusion"] == {
        "rows": ["cat", "dog", "background"],
        "columns": ["cat", "dog", "missed"],
        "counts": [[2, 0, 1], [1, 0, 0], [0, 0, 0]],
    }
    assert told["funnel"] == {
        "cat": {"objects": 3, "proposed": 2, "scored": 2, "kept": 2},
        "dog": {"objects": 1, "proposed": 1, "scored": 0, "kept": 0},
        "all": {"objects": 4, "proposed": 3, "scored": 2, "kept": 2},
    }
    (wrong,) = told["mistakes"]["confused"]["worst"]
    assert (wrong["picture"], wrong["class"], wrong["is"], wrong["box"]) == ("one.png", "cat", "dog", [20, 20, 30, 30])
    assert [told["mistakes"][sort]["count"] for sort in ("duplicate", "badly placed", "background")] == [0, 0, 0]
    assert {(one["class"], one["stage"], one["picture"]) for one in told["missed"]} == {
        ("cat", "proposed", "two.png"),
        ("dog", "scored", "one.png"),
    }


def test_cocos_figures_are_its_librarys_or_none(monkeypatch):
    pytest.importorskip("pycocotools")
    perfect = staged([objects([A, B])], [found([A, B], [0.9, 0.8])])
    told = figures(judge(("cat",), *perfect, (0.5,)))
    assert told["map"] == told["map50_coco"] == told["classes"][0]["ap"] == pytest.approx(1)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    without = judge(("cat",), *perfect, (0.5,))
    assert figures(without)["map"] is None and figures(without)["classes"][0]["ap"] is None
    assert figures(without)["map50"] == 1
    assert any('pip install "glassnet[detect]"' in line for line in lines(without))


EMPTY = {
    "no objects at all": ([objects([])], [made([A], found([A], [0.9]), found([A], [0.9]))]),
    "no detections at all": ([objects([A, B])], [made()]),
    "nothing at all": ([objects([])], [made()]),
    "no pictures": ([], []),
    "only hard ones": ([objects([A], hard=[True])], [made([A], found([A], [0.9]), found([A], [0.9]))]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_whatever_is_empty_has_figures_that_are_plain_json(name):
    one = judge(("cat",), *EMPTY[name], (0.5,))
    told = json.loads(json.dumps(figures(one), allow_nan=False))
    assert told["map50"] == (0 if name == "no detections at all" else None)
    assert next(lines(one)) == (
        "mAP50 0.0 % (0.0 to 0.0) on 1 test picture."
        if name == "no detections at all"
        else f"No mAP50: there is nothing to find on {len(one.objects)} test picture{'s' * (not one.objects)}."
    )


@given(scenes())
@settings(max_examples=25, deadline=None)
def test_every_scene_has_figures_that_are_plain_json_and_lines_that_fit(seen):
    real, stages, thresholds = seen
    one = judge(("cat", "dog", "cow"), real, stages, thresholds)
    json.dumps(figures(one), allow_nan=False)
    assert len(one.missed) == len(one.funnel.lost) and set(one.missed) == set(one.funnel.lost)
    assert sum(map(len, one.wrong_by_sort().values())) == len(one.wrong)
    rows = list(lines(one))
    assert all(len(row) <= 80 for row in rows[1:5]), "a table fits a terminal"


def test_the_lines_say_the_answer_first_then_where_it_fails():
    one = judged(2)
    rows = list(lines(one))
    low, high = figures(one)["map50_low"], figures(one)["map50_high"]
    assert rows[0] == f"mAP50 {one.map50 * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f}) on 12 test pictures."
    assert rows[1].split() == ["class", "objects", "AP50", "AP", "right", "found", "from"]
    assert [row.split()[0] for row in rows[2:5]] == ["cat", "dog", "cow"]
    objects_, proposed, scored, kept = one.funnel.reached()
    assert f"Of {objects_} objects {proposed} are proposed, {scored} scored as what they are, {kept} kept." in rows
    assert rows[-1] == f"Most mistaken: {'; '.join(confusions(one)[:3])}."


def test_a_confusion_is_told_as_a_sentence():
    real = [objects([A, B, FAR], [0, 0, 1])]
    said = [found([A, (70, 70, 80, 80), FAR], [0.9, 0.8, 0.7], [1, 1, 1])]
    one = judge(("cat", "dog"), *staged(real, said), (0.5, 0.5))
    assert sorted(confusions(one)) == ["1 cat missed", "1 cat said dog", "1 dog said where none is left"]


def test_a_table_of_very_many_classes_shows_the_worst_and_counts_the_others():
    names = [f"class {k} with a name that is far too long" for k in range(30)]
    real = [objects([A] * 30, list(range(30)))]
    one = judge(names, *staged(real, [found([A] * 5, [0.9] * 5, list(range(5)))]), (0.5,) * 30)
    rows = list(lines(one))
    assert "and 10 classes with a higher AP50" in rows and all(len(row) <= 80 for row in rows[1:22])
    assert not any(row.startswith("class 0 ") for row in rows), "it is found"
