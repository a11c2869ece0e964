"""The check: told apart data whose order matters from data whose order does not, by a test that keeps its promises."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Reading
from glassnet.data.dataset import NOT_GIVEN, Dataset, Names, Preparation, Samples, digests
from glassnet.data.kinds import KINDS
from glassnet.doors.commands.check import check, report
from glassnet.doors.screen import console
from glassnet.training import drawn, rivals, suitability
from glassnet.training.suitability import Share, judge

TABLES = KINDS["tables"].check


def made(x, y, kind="pictures"):
    """A data set of arrays."""
    samples = Samples(
        x, y, Names(len(y), str), np.full(len(y), NOT_GIVEN, np.int8), digests(x), np.ones((len(y), 1), np.int32)
    )
    classes = tuple(f"class {k}" for k in range(int(y.max()) + 1))
    settings = {"columns": "\n".join(map(str, range(x.shape[-1])))} if kind == "tables" else {}
    return Dataset(kind, "made", classes, samples, Preparation(x.shape[1:], settings))


def edges(count=360, seed=0):
    """Pictures of a bright patch with a dark one left of it or right of it, anywhere: only neighbours tell."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 0.3, (count, 1, 12, 12)).astype(np.float32)
    y = np.arange(count) % 2
    for i in range(count):
        r, c = random.integers(0, 10), random.integers(0, 8)
        x[i, 0, r : r + 2, c : c + 4] += [[1.5, 1.5, -1.5, -1.5]] if y[i] else [[-1.5, -1.5, 1.5, 1.5]]
    return made(x, y)


def columns(count=360, seed=0):
    """Rows in which some columns tell the class, each for itself."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = random.normal(0, 1, (count, 1, 12)).astype(np.float32)
    x[:, 0, [1, 5, 9]] += 1.2 * y[:, None]
    return made(x, y, "tables")


def limit(monkeypatch, gains=2, **changes):
    """Fewer splits and steps than a user gets, so that a test takes seconds."""
    monkeypatch.setattr(suitability, "GAINS", gains)
    fewer = {name: replace(kind, check=replace(kind.check, **changes)) for name, kind in KINDS.items()}
    monkeypatch.setattr(drawn, "KINDS", fewer)


@pytest.fixture
def short(monkeypatch):
    """Trainings of a few steps on few splits, for tests that ask about something else than what is found."""
    limit(monkeypatch, steps=4, asked=0)


def test_order_matters_in_pictures_of_edges(monkeypatch):
    limit(monkeypatch, steps=60)
    found = gn.check(edges(240))
    assert found.order == "matters" and found.fits and found.p == 0.05
    assert found.drop.low > 0.1
    assert found.scores["ConvNet"] > max(found.scores[name] for name in ("trees", "logistic regression")) + 0.1
    assert "rder matters" in found.verdict and found.best in found.verdict


def test_order_is_nothing_in_columns_and_the_best_competitor_is_named(monkeypatch):
    limit(monkeypatch, steps=30, asked=0)
    found = gn.check(columns())
    assert found.p > 0.05 and found.order in ("nothing", "unclear") and not found.fits
    assert found.best in found.verdict and found.best in found.scores


@pytest.mark.usefixtures("short")
def test_a_seed_gives_the_same_answer_twice():
    one, two = gn.check(columns(160), seed=3), gn.check(columns(160), seed=3)
    assert {k: v for k, v in one.as_json().items() if k != "seconds"} == {
        k: v for k, v in two.as_json().items() if k != "seconds"
    }


@pytest.mark.usefixtures("short")
def test_the_same_orders_are_tried_in_every_split_and_the_first_is_the_given(monkeypatch):
    seen = []
    real = suitability.reordered
    monkeypatch.setattr(suitability, "reordered", lambda *part, **how: (seen.append(part[1]), real(*part, **how))[1])
    gn.check(columns(80))
    each = 1 + suitability.ORDERS
    splits = TABLES.splits
    assert len(seen) == each * splits and (seen[0] == np.arange(12)).all()
    for s in range(1, splits):
        assert all((a == b).all() for a, b in zip(seen[:each], seen[s * each : (s + 1) * each], strict=True))
    assert len({tuple(order) for order in seen}) == each


def test_the_verdict_follows_the_table():
    def said(p, drop, gain):
        return judge(p, Share(*drop), Share(*gain), "trees", 0.9, 1000)[:2]

    nothing = (0.0, -0.01, 0.02)
    assert said(0.3, nothing, nothing) == ("nothing", False)
    assert said(0.3, (0.0, -0.05, 0.05), nothing) == ("unclear", None)
    assert said(0.05, (0.2, 0.1, 0.3), (0.1, 0.05, 0.15)) == ("matters", True)
    assert said(0.05, (0.2, 0.1, 0.3), (0.0, -0.05, 0.05)) == ("matters", True)
    assert said(0.05, (0.2, 0.1, 0.3), (-0.1, -0.15, -0.05)) == ("matters", False)
    words = judge(0.3, Share(0.0, -0.06, 0.06), Share(*nothing), "trees", 0.9, 1000)[2]
    assert words == "Cannot tell with 1,000 examples; about 4,000 would do. trees reaches 90.0 %."


def test_the_interval_of_the_cost_is_worked_out_by_hand():
    """Two values worked out with the formula of check.md: t(.975, 18) = 2.1009."""
    by_order = np.array([0.9, *([0.5] * 10), *([0.6] * 9)])
    differences = np.array([0.3, 0.5] * 50)
    found = suitability._drop(by_order, differences)
    mean = (0.5 * 10 + 0.6 * 9) / 19
    s2 = (10 * (0.5 - mean) ** 2 + 9 * (0.6 - mean) ** 2) / 18
    v = 0.01 * 100 / 99 / 100
    half = 2.10092 * math.sqrt(s2 * (1 + 1 / 19) + v)
    assert found.value == pytest.approx(0.9 - mean)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-5)


def test_the_interval_of_the_gain_knows_that_splits_share_examples():
    """Nadeau and Bengio 2003: t(.975, 9) = 2.26216, variance times (1/10 + test / train)."""
    gains = np.array([0.01, 0.03] * 5)
    limits = TABLES  # of 300 examples 200 train, 100 test
    found = suitability._corrected(gains, limits, 300)
    half = 2.26216 * math.sqrt(gains.var(ddof=1) * (0.1 + 0.5))
    assert (found.value, found.low, found.high) == pytest.approx((0.02, 0.02 - half, 0.02 + half), abs=1e-5)


def test_splits_keep_classes_in_their_shares_and_never_share_an_example():
    y = np.repeat([0, 1, 2], [150, 90, 60])
    train, test = drawn.sides(y, None, TABLES, np.random.default_rng(0))
    assert not set(train) & set(test) and len(train) + len(test) == 300
    assert np.bincount(y[train]).tolist() == [100, 60, 40]


def test_groups_stay_on_one_side():
    group = np.repeat(np.arange(12), 25)
    y = np.tile([0, 1, 2], 100)
    for seed in range(5):
        train, test = drawn.sides(y, group, TABLES, np.random.default_rng(seed))
        assert not set(group[train]) & set(group[test]) and len(train) + len(test) == 300
        assert len(set(group[test])) == 4, "a third of the examples"


def test_copies_are_looked_at_once():
    dataset = columns(120)
    twice = made(np.concatenate([dataset.samples.x] * 2), np.concatenate([dataset.samples.y] * 2), "tables")
    rows = drawn.distinct(twice, TABLES, np.random.default_rng(0))
    assert len(rows) == 120 and len(np.unique(twice.samples.digest[rows])) == 120


def test_values_are_standardised_by_the_training_examples_alone():
    random = np.random.default_rng(0)
    x = random.normal(3, 2, (40, 1, 5)).astype(np.float32) * [1, 2, 3, 4, 5]
    x = x.astype(np.float32)
    train, test = np.arange(30), np.arange(30, 40)
    found = drawn.standardised(x, train, each=True)
    assert np.allclose(found[train].mean(0), 0, atol=1e-5) and np.allclose(found[train].std(0), 1, atol=1e-5)
    assert np.allclose(found[test], (x[test] - x[train].mean(0)) / x[train].std(0), atol=1e-4)
    whole = drawn.standardised(x, train, each=False)
    assert abs(whole[train].mean()) < 1e-5 and abs(whole[train].std() - 1) < 1e-5
    assert np.allclose(whole, (x - x[train].mean()) / x[train].std(), atol=1e-4)


def test_words_are_swapped_within_their_own_sentence():
    x = torch.tensor([[[5.0, 6, 7, 0, 0, 0]], [[5.0, 6, 7, 8, 9, 4]]])
    part = drawn.Part((10, 6), 2, x, torch.tensor([0, 1]), x, torch.tensor([0, 1]), np.arange(2))
    order = np.array([4, 2, 0, 5, 1, 3])
    moved = drawn.reordered(part, order, within=True)
    assert moved.x.tolist() == [[[7.0, 5, 6, 0, 0, 0]], [[9.0, 7, 5, 4, 6, 8]]]
    assert torch.equal(drawn.reordered(part, np.arange(6), within=True).x, x)
    assert drawn.reordered(part, order).x[0].tolist() == [[0.0, 7, 5, 0, 6, 0]]


def test_what_shuffling_costs_counts_an_example_once_however_often_it_is_held_out(monkeypatch):
    """Three splits of few examples hold some out twice: the spread is that of examples, not of answers."""
    seen = {}
    real = suitability._drop
    monkeypatch.setattr(suitability, "_drop", lambda by, each: (seen.setdefault("each", each), real(by, each))[1])
    limit(monkeypatch, steps=4)
    gn.check(columns(60))
    assert TABLES.asked / 20 > 20 and 55 < len(seen["each"]) <= 60, "twenty splits of 20 of 60"


def test_sift_tells_textures_apart():
    pytest.importorskip("cv2")
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    wave = np.sin(np.arange(40) * 0.9)
    x = np.stack([np.broadcast_to(wave if k else wave[:, None], (40, 40)) for k in y])[:, None]
    x = ((x + random.normal(0, 0.3, x.shape)) * 50 + 128).clip(0, 255).astype(np.uint8)
    words = rivals.descriptors(made(x, y), np.arange(60))
    assert words.shape == (60, 128, 128) and np.allclose(np.linalg.norm(words, axis=2), 1, atol=1e-2)
    said = rivals.visual_words(words, y, np.arange(40), np.arange(40, 60), 0)
    assert (said == y[40:]).mean() >= 0.9


def test_too_little_is_refused():
    with pytest.raises(gn.GlassnetError, match="at least two classes of 10 different examples each, found 2 classes"):
        gn.check(columns(16))


@pytest.mark.usefixtures("short")
def test_the_command_prints_a_verdict_and_json(tmp_path, capsys):
    dataset = columns(60)
    rows = ["a,b,c,d,e,f,g,h,i,j,k,l,label"]
    for x, y in zip(dataset.samples.x, dataset.samples.y, strict=True):
        rows.append(",".join([*(f"{v:.5f}" for v in x[0]), f"c{y}"]))
    (tmp_path / "t.csv").write_text("\n".join(rows))
    check(str(tmp_path / "t.csv"), Reading(), 0, json=True)
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert {"order", "fits", "verdict", "p", "effect", "gain", "scores", "seconds"} <= set(found)
    assert set(found["effect"]) == {"drop", "low", "high"}
    assert "60 rows in 2 classes, 12 columns" in printed.err
    check(str(tmp_path / "t.csv"), Reading(), 0, json=False)
    said = capsys.readouterr().out
    assert found["verdict"] in said and "next" in said


@pytest.mark.usefixtures("short")
def test_what_is_printed_holds_the_verdict_every_score_and_what_was_looked_at(capsys):
    found = gn.check(columns(60))
    report(console(), found)
    printed = capsys.readouterr().out
    assert found.verdict.split(".")[0] in printed and "p = " in printed and "60 of 60 pictures" in printed
    assert all(name in printed for name in found.scores)
    shuffled = sum(found.shuffled) / len(found.shuffled)
    assert f"as given {100 * found.as_given:.1f} %, shuffled {100 * shuffled:.1f} %" in printed
