"""Folds of a table: one is tested, the others train; `evaluate --folds` does so with each."""

import json

import numpy as np
import pytest

import glassnet as gn
from glassnet.data.dataset import TEST, TRAIN


def reviews(path, fold=lambda i: i % 3, rows=180):
    """A CSV of texts in three folds; one word tells the class."""
    lines = ["text,label,fold"]
    random = np.random.default_rng(0)
    for i in range(rows):
        label = ("bad", "good")[int(random.integers(2))]
        lines.append(f"the plot is {label} indeed number{i},{label},{fold(i)}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_one_fold_is_tested_and_the_others_train(tmp_path):
    dataset = gn.read(reviews(tmp_path / "r.csv"), fold=1)
    sides = dataset.samples.split
    assert np.flatnonzero(sides == TEST).tolist() == list(range(1, 180, 3))
    assert (sides[np.arange(180) % 3 != 1] == TRAIN).all()


def test_rows_of_numbers_have_folds_too_which_are_no_feature(tmp_path):
    rows = "".join(f"{i},{i % 7},{i % 2},{i % 5},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "n.csv").write_text("x,y,fold,subject,label\n" + rows)
    dataset = gn.read(tmp_path / "n.csv", fold=0)
    assert dataset.shape == (1, 2) and dataset.samples.split.tolist() == [TEST, TRAIN] * 20
    assert not dataset.notes, "what says where a row belongs is not left out for want of numbers"


@pytest.mark.parametrize(
    ("fold", "asked", "why"),
    [
        (lambda i: i % 3, 7, "--fold: expected a fold of .*r.csv: 0, 1, 2, found 7"),
        (lambda i: "first" if i == 5 else 0, 0, "r.csv, line 7: expected the number of a fold, found 'first'"),
        (lambda i: -1 - i, 0, "r.csv, line 2: expected the number of a fold, found '-1'"),
    ],
)
def test_a_fold_that_is_none_is_refused(tmp_path, fold, asked, why):
    with pytest.raises(gn.GlassnetError, match=why):
        gn.read(reviews(tmp_path / "r.csv", fold), fold=asked)


def test_a_table_without_folds_is_refused(tmp_path):
    (tmp_path / "n.csv").write_text("x,y,label\n" + "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40)))
    with pytest.raises(gn.GlassnetError, match="expected a column fold, found the columns x, y, label"):
        gn.read(tmp_path / "n.csv", fold=0)


def test_every_fold_is_tested_by_a_net_that_never_saw_it(tmp_path, glassnet):
    path = reviews(tmp_path / "r.csv")
    trained = glassnet("train", path, "--out", "model", "--epochs", 6, "--json")
    assert trained.code == 0, trained.err
    done = glassnet("evaluate", "model", path, "--folds", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [(one["fold"], one["examples"]) for one in found["folds"]] == [(0, 60), (1, 60), (2, 60)]
    assert found["accuracy"] == pytest.approx(np.mean([one["accuracy"] for one in found["folds"]]))
    assert found["accuracy"] > 0.9 and found["sd"] >= 0
    again = glassnet("evaluate", "model", "digits", "--folds")
    assert again.code == 2 and "expected a table with a column fold" in again.err
