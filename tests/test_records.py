"""Tables of numbers: read by their columns, refused with the line, not trained on unless a person insists."""

import json

import numpy as np
import pytest

import glassnet as gn
from glassnet.config import Reading
from glassnet.data import kinds


def table(path, rows=40, extra=""):
    """A CSV of three columns, of which the first two tell the class."""
    random = np.random.default_rng(0)
    lines = ["width,height,weight,name,label"]
    for i in range(rows):
        k = i % 2
        width, height = random.normal(2 * k, 0.3), random.normal(-2 * k, 0.3)
        lines.append(f"{width:.4f},{height:.4f},{random.normal():.4f},thing {i},{'ab'[k]}")
    path.write_text("\n".join(lines) + "\n" + extra)
    return path


def test_a_table_of_numbers_is_read_row_by_row(tmp_path):
    dataset = gn.read(table(tmp_path / "t.csv"))
    assert dataset.kind == "tables" and dataset.shape == (1, 3) and dataset.classes == ("a", "b")
    assert (
        dataset.describe() == "40 rows in 2 classes, 3 columns".replace("rows", "tables") or "40" in dataset.describe()
    )
    assert dataset.notes == ("left out name: no numbers",)
    first = (tmp_path / "t.csv").read_text().splitlines()[1].split(",")
    assert dataset.samples.x[0, 0].tolist() == pytest.approx([float(v) for v in first[:3]], abs=1e-6)
    assert dataset.samples.names[0] == "t.csv, line 2"
    assert kinds.find(tmp_path / "t.csv").shape == (1, 3)
    alone = tmp_path / "folder"
    alone.mkdir()
    table(alone / "things.csv")
    assert gn.read(alone).kind == "tables"


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("1,2,,x,a\n", "line 42: expected a number in weight, found nothing"),
        ("1,2,nan,x,a\n", "line 42: expected a number in weight, found 'nan'"),
        ("1,two,3,x,a\n", "line 42: expected a number in height, found 'two'"),
        ("1,2,3,x,\n", "line 42: expected a label, found nothing"),
        ("1,2,3,x\n", "line 42: expected 5 columns, found 4"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, extra, why):
    with pytest.raises(gn.GlassnetError, match=why):
        gn.read(table(tmp_path / "t.csv", extra=extra))


def test_classes_may_stand_in_any_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("kind,u,v\n" + "".join(f"{'xy'[i % 2]},{i},{i * i}\n" for i in range(20)))
    dataset = kinds.read(path, Reading(label="kind"))
    assert dataset.classes == ("x", "y") and dataset.shape == (1, 2)


def test_training_on_a_table_says_what_fits_unless_a_net_is_named(tmp_path, glassnet):
    path = table(tmp_path / "t.csv", 120)
    refused = glassnet("train", path)
    assert refused.code == 2 and "found tables, whose columns have no order" in refused.err
    assert "glassnet check" in refused.err and len(refused.err.strip().splitlines()) <= 2
    done = glassnet("train", path, "--net", "fc 8, relu, fc", "--epochs", 20, "--out", "model", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["test"]["accuracy"] > 0.9
    rows = tmp_path / "rows.csv"
    rows.write_text("weight,height,width\n0,0,0\n0,-2,2\n")  # another order of columns, no classes
    answers = [json.loads(line) for line in glassnet("predict", "model", rows, "--json").out.splitlines()]
    assert [one["class"] for one in answers] == ["a", "b"]
    rows.write_text("width,weight\n0,0\n")
    lacking = glassnet("predict", "model", rows, "--json")
    assert lacking.code == 2 and "expected the column height, found none" in lacking.err
