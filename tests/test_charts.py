"""Figures become places on paper: every tick stands where its words say, every point where its value lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.explaining.charts import Scale, apart, curves, line, round_values
from glassnet.explaining.images import value_colour
from glassnet.explaining.panels import Calibration, Confusion
from glassnet.training.evaluate import report


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 1, 3, [0, 0.5, 1]),
        (0, 2.3, 3, [0, 1, 2, 3]),
        (60, 100, 3, [60, 80, 100]),
        (93, 100, 3, [92.5, 95, 97.5, 100]),
        (1, 14, 4, [0, 5, 10, 15]),
        (0.3, 1, 3, [0.25, 0.5, 0.75, 1]),
        (0, 0.0021, 3, [0, 0.001, 0.002, 0.003]),
        (5, 5, 2, [5, 5.5, 6]),
    ],
)
def test_round_values_are_those_a_person_would_write(low, high, about, expected):
    assert round_values(low, high, about) == expected


finite = st.floats(-1e6, 1e6)


@settings(max_examples=200, deadline=None)
@given(finite, st.floats(1e-3, 1e6), st.integers(1, 8))
def test_round_values_reach_around_their_range_in_equal_steps(low, span, about):
    values = round_values(low, low + span, about)
    steps = np.diff(values)
    assert values[0] <= low + 1e-6 * span and values[-1] >= (low + span) - 1e-6 * span
    assert np.allclose(steps, steps[0], rtol=1e-3)
    assert len(values) <= 2 * about + 3


def test_a_scale_puts_values_between_its_ends_and_keeps_the_rest_at_them():
    scale = Scale(10, 20, 140, 0)
    assert [scale.at(v) for v in (10, 12.5, 20, 25, -3)] == [140, 105, 0, 0, 140]
    assert Scale(3, 3, 0, 100).at(3) == 50


def test_a_curve_runs_through_its_values_one_an_epoch():
    drawn = line(Scale(1, 3, 0, 200), Scale(0, 10, 100, 0), [0, 5, 10])
    assert drawn.points == ((0, 100), (100, 50), (200, 0))
    assert drawn.path == "M0,100L100,50L200,0"
    assert drawn.end == (200, 0)


@pytest.mark.parametrize("epochs", [1, 2, 7, 60, 400])
def test_curves_and_their_ticks_share_one_scale(epochs):
    random = np.random.default_rng(epochs)
    training, held = np.exp(-np.arange(epochs) / 9) * 2.3, random.uniform(0.1, 2, epochs)
    kept = int(held.argmin()) + 1
    drawn = curves(list(training), list(held), kept, None, 300)
    (low, zero), *_, (high, top) = [(tick.at, float(tick.words)) for tick in drawn.y_ticks]
    assert (low, zero, high) == (140, 0, 0)
    for tick in drawn.y_ticks:
        assert tick.at == pytest.approx(140 * (1 - float(tick.words) / top), abs=0.06)
    for values, found in ((training, drawn.training), (held, drawn.held)):
        for i, (x, y) in enumerate(found.points):
            assert x == pytest.approx(300 * i / max(epochs - 1, 1), abs=0.06)
            assert y == pytest.approx(140 * (1 - values[i] / top), abs=0.06)
    assert drawn.kept == drawn.held.points[kept - 1]
    assert [int(tick.words) for tick in drawn.x_ticks][:: max(len(drawn.x_ticks) - 1, 1)] in ([1], [1, epochs])


def test_one_wild_value_of_many_does_not_flatten_the_others():
    calm = [1.0] * 99
    drawn = curves([1e6, *calm], [1.0] * 100, 1, None, 300)
    assert float(drawn.y_ticks[-1].words) <= 2
    assert drawn.training.points[0][1] == 0, "it stays at the top"


def test_accuracy_never_rises_over_a_hundred():
    for low in np.linspace(0, 99.9, 57):
        drawn = curves([low, 100.0], [100.0, low], 1, 100, 300)
        assert (float(drawn.y_ticks[-1].words), drawn.y_ticks[-1].at) == (100, 0)
        assert float(drawn.y_ticks[0].words) <= low


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 140), st.floats(0, 140))
def test_labels_are_moved_apart_no_further_than_needed(first, second):
    one, other = apart(first, second)
    assert abs(one - other) >= min(15, max(15, abs(first - second))) - 1e-9
    assert one + other == pytest.approx(first + second)
    assert (one <= other) == (first <= second)


def answers(classes, each=30, strength=2.0, seed=0, names=None):
    random = np.random.default_rng(seed)
    y = np.repeat(np.arange(classes), each)
    logits = random.normal(0, 1, (len(y), classes))
    logits[np.arange(len(y)), y] += strength
    return report(names or tuple(f"class {k}" for k in range(classes)), logits, y, np.arange(len(y)))


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 40, 100])
def test_the_calibration_picture_stands_on_its_own_ticks(classes):
    found = answers(classes)
    drawn = Calibration.of(found)
    low = float(drawn.x_ticks[0].words)
    assert (drawn.x_ticks[0].at, drawn.x_ticks[-1].at, drawn.x_ticks[-1].words) == (0, 200, "1")
    assert low <= found.confidence.min()
    for tick in drawn.x_ticks:
        assert tick.at == pytest.approx(200 * (float(tick.words) - low) / (1 - low), abs=0.06)
    for dot, one in zip(drawn.dots, found.bins, strict=True):
        assert dot.x == pytest.approx(200 * (one.confidence - low) / (1 - low), abs=0.06)
        assert dot.middle == pytest.approx(140 * (1 - one.accuracy), abs=0.06)
        assert dot.high <= dot.middle <= dot.low
    x1, y1, x2, y2 = drawn.diagonal
    assert (x1, y1, x2, y2) == (0, pytest.approx(140 * (1 - low), abs=0.06), 200, 0)


def test_the_confusion_picture_counts_what_the_report_counts():
    found = answers(5, strength=1.0)
    drawn = Confusion.of(found)
    assert [int(tick.words) for tick in drawn.right] == np.diag(found.confusion).tolist()
    mistakes = {(round(w.y / drawn.cell), round(w.x / drawn.cell)): int(w.count) for w in drawn.wrong}
    expected = found.confusion - np.diag(np.diag(found.confusion))
    assert mistakes == {(int(i), int(j)): int(expected[i, j]) for i, j in zip(*expected.nonzero(), strict=True)}
    low = float(drawn.found.ticks[0].words)
    for mark, one in zip(drawn.found.marks, found.by_class, strict=True):
        assert mark.middle == pytest.approx(120 * (one.found * 100 - low) / (100 - low), abs=0.06)
        assert mark.low <= mark.middle <= mark.high
    assert sum(mark.look for mark in drawn.found.marks) >= 3


def test_of_very_many_classes_those_with_the_most_mistakes_are_shown():
    found = answers(100, each=4, strength=4)
    drawn = Confusion.of(found)
    wrong = found.confusion.sum(0) + found.confusion.sum(1) - 2 * np.diag(found.confusion)
    shown = {int(tick.words.split()[1]) for tick in drawn.names}
    assert (len(shown), drawn.left_out) == (40, 60)
    assert min(wrong[k] for k in shown) >= max(wrong[k] for k in range(100) if k not in shown)


def test_a_share_that_is_not_whole_is_never_printed_as_a_hundred():
    y = np.repeat([0, 1], 300)
    logits = np.eye(2)[y] * 9
    logits[0] = [0, 9]
    drawn = Confusion.of(report(("a", "b"), logits, y, np.arange(600)))
    assert [mark.words for mark in drawn.found.marks] == ["99", "100"]


def test_the_value_scale_has_its_anchors_at_the_halves():
    assert value_colour(0) == "color-mix(in oklab, var(--v0), var(--v05) 0%)"
    assert value_colour(0.5) == "color-mix(in oklab, var(--v05), var(--v1) 0%)"
    assert value_colour(-0.25) == "color-mix(in oklab, var(--v0), var(--v-05) 50%)"
    assert value_colour(-7) == value_colour(-1) == "color-mix(in oklab, var(--v-05), var(--v-1) 100%)"
