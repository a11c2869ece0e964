"""What answers are worth: every figure against a paper, a count by hand or scikit-learn."""

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from glassnet.training.evaluate import Report, figures, report, softmax, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (174, 180, 0.929, 0.985),  # design/pictures/6-report.png
        (20, 20, 1 - 0.1611, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_intervals_are_those_printed_by_newcombe(hits, trials, low, high):
    found = wilson(hits, trials)
    assert found == pytest.approx((low, high), abs=0.5 * 10 ** -(3 if trials == 180 else 4))


def test_an_interval_holds_its_share_and_never_leaves_0_to_1():
    for trials in (1, 2, 7, 1000):
        for hits in range(0, trials + 1, max(1, trials // 7)):
            low, high = wilson(hits, trials)
            assert 0 <= low <= hits / trials <= high <= 1


def answers(seed, count, classes, present=None):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    y = random.choice(np.arange(classes) if present is None else present, count)
    logits[np.arange(count), y] += 1.5
    return logits, y.astype(np.int64)


def report_of(logits, y):
    names = tuple(f"class {k}" for k in range(logits.shape[1]))
    return report(names, logits, y, np.arange(len(y)))


@pytest.mark.parametrize(("count", "classes"), [(1, 2), (2, 2), (60, 2), (200, 3), (500, 10), (300, 100)])
def test_every_figure_is_scikit_learns(count, classes):
    logits, y = answers(0, count, classes)
    found, every = report_of(logits, y), np.arange(classes)
    said = logits.argmax(1)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert (found.examples, found.hits) == (count, int(metrics.accuracy_score(y, said, normalize=False)))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, said))
    assert found.loss == pytest.approx(metrics.log_loss(y, shares, labels=every))
    assert found.confusion.tolist() == metrics.confusion_matrix(y, said, labels=every).tolist()
    present = sorted(set(y.tolist()))
    recall = metrics.recall_score(y, said, labels=present, average="macro", zero_division=0)
    assert found.balanced_accuracy == pytest.approx(recall)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, said, labels=every, zero_division=math.nan
    )
    for k, one in enumerate(found.by_class):
        assert (one.name, one.examples, one.said) == (f"class {k}", support[k], int((said == k).sum()))
        assert one.found == pytest.approx(recall[k], nan_ok=True)
        assert one.right_when_said == pytest.approx(precision[k], nan_ok=True)
        assert one.f1 == pytest.approx(f1[k], nan_ok=True)
        assert (one.found_low, one.found_high) == wilson(one.hits, one.examples)
        assert (one.right_low, one.right_high) == wilson(one.hits, one.said)


@pytest.fixture
def six():
    """Six answers to three classes that a person can count; class c is never said, and there is no d at all."""
    shares = [[0.9, 0.1, 0, 0], [0.6, 0.4, 0, 0], [0.35, 0.65, 0, 0], [0.05, 0.95, 0, 0], [0.8, 0.0, 0.2, 0],
              [0.45, 0.55, 0, 0]]  # fmt: skip
    return Report(("a", "b", "c", "d"), np.array([0, 0, 0, 1, 2, 2]), np.array(shares), np.array([8, 6, 7, 5, 3, 0]))


def test_a_small_report_is_what_is_counted_by_hand(six):
    assert six.said.tolist() == [0, 0, 1, 1, 0, 1]
    assert (six.hits, six.accuracy) == (3, 0.5)
    assert six.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    a, b, c, d = six.by_class
    assert (a.found, a.right_when_said, a.f1) == (2 / 3, 2 / 3, 2 / 3)
    assert (b.found, b.right_when_said, b.f1) == (1, 1 / 3, 0.5)
    assert (c.found, c.f1, c.said) == (0, 0, 0)
    assert math.isnan(c.right_when_said) and (c.right_low, c.right_high) == (0, 1)
    assert d.examples == d.said == 0 and math.isnan(d.found) and math.isnan(d.f1)
    assert six.balanced_accuracy == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert six.mistakes.tolist() == [4, 2, 5], "the surest first"
    assert six.narrow.tolist() == [1, 0, 3], "the least sure first"
    assert six.confused() == [(0, 1, 1), (2, 0, 1), (2, 1, 1)]
    logs = [math.log(p) for p in (0.9, 0.6, 0.35, 0.95, 0.2, 1e-30)]
    assert six.loss == pytest.approx(-sum(logs) / 6)


def test_calibration_is_counted_by_hand_as_by_guo_et_al(six):
    # steps of a tenth: 0.5 to 0.6 holds 0.55 (wrong); 0.6 to 0.7 holds 0.6 (right) and 0.65 (wrong); 0.8 (wrong);
    # 0.9 to 1 holds 0.9 and 0.95 (both right)
    assert [(one.examples, one.confidence, one.accuracy) for one in six.bins] == [
        (1, 0.55, 0),
        (2, pytest.approx(0.625), 0.5),
        (1, 0.8, 0),
        (2, pytest.approx(0.925), 1),
    ]
    assert six.calibration_error == pytest.approx((0.55 + 2 * 0.125 + 0.8 + 2 * 0.075) / 6)
    assert [(one.low, one.high) for one in six.bins] == [wilson(0, 1), wilson(1, 2), wilson(0, 1), wilson(2, 2)]


def test_full_certainty_falls_into_the_last_step():
    sure = Report(("a", "b"), np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.arange(2))
    assert [(one.confidence, one.accuracy, one.examples) for one in sure.bins] == [(1.0, 1.0, 2)]
    assert (sure.calibration_error, sure.loss, sure.accuracy) == (0, 0, 1)
    assert sure.mistakes.tolist() == [] and sure.confused() == []


def test_many_confusions_come_most_frequent_first():
    y = np.array([0, 0, 0, 1, 1, 2])
    said = np.array([1, 1, 2, 0, 0, 0])
    found = Report(("a", "b", "c"), y, np.eye(3)[said], np.arange(6))
    assert found.confused() == [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 0, 1)]


def test_shares_of_huge_votes_are_whole_and_finite():
    shares = softmax(np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4], [0, math.log(2), math.log(5)]]))
    assert shares == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3, [1 / 8, 2 / 8, 5 / 8]]))


def test_the_figures_are_plain_json_also_where_a_share_is_of_nothing(six):
    read = json.loads(json.dumps(figures(six), allow_nan=False))
    assert (read["examples"], read["accuracy"]) == (6, 0.5)
    assert (read["low"], read["high"]) == wilson(3, 6)
    assert read["classes"][2] == {"class": "c", "examples": 2, "found": 0, "right_when_said": None, "f1": 0}
    assert read["classes"][3] == {"class": "d", "examples": 0, "found": None, "right_when_said": None, "f1": None}
    assert read["confusion"] == six.confusion.tolist()
    assert sum(one["examples"] for one in read["calibration"]) == 6
