"""The model folder: opened as it was saved, checked, and refused with a line where it can't be trusted."""

import csv
import json
import shutil

import numpy as np
import pytest

import glassnet as gn
from glassnet.data import kinds, xo


@pytest.fixture
def copy(xo_model, tmp_path):
    return shutil.copytree(xo_model, tmp_path / "copy")


def test_it_holds_what_the_readme_promises(xo_model):
    names = {path.name for path in xo_model.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "metrics.json", "history.csv", "README.md", "report.html", "seen.npy",
        "SHA256SUMS", "examples", "familiarity.safetensors",
    }  # fmt: skip
    config = json.loads((xo_model / "config.json").read_text())
    assert config["kind"] == "pictures"
    assert config["classes"] == ["X", "O"]
    assert config["net"] == "conv 8 3 valid, relu, pool 2, fc"
    assert config["preparation"]["shape"] == [1, 9, 9]
    assert config["normalisation"] == {"mean": [0.5], "std": [0.5]}
    assert config["training"]["settings"]["epochs"] == 12
    assert (config["glassnet"], config["format"], config["seed"]) == (gn.__version__, 1, 0)
    metrics = json.loads((xo_model / "metrics.json").read_text())
    assert metrics["test"]["low"] <= metrics["test"]["accuracy"] <= metrics["test"]["high"]
    assert metrics["examples"]["skipped"] == 0
    rows = list(csv.DictReader((xo_model / "history.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert (xo_model / "README.md").read_text().startswith("---\nlibrary_name: glassnet\n")


def test_its_checksums_are_those_of_sha256sum(xo_model):
    import hashlib

    for line in (xo_model / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((xo_model / name).read_bytes()).hexdigest() == digest


def test_an_opened_model_answers_as_the_trained_one(tmp_path):
    model = gn.train("digits", epochs=1, net="conv 4 3, batchnorm, relu, pool 2, fc", out=tmp_path / "one")
    opened = gn.load(tmp_path / "one")
    x = kinds.read("digits").samples.x[:50]
    assert np.array_equal(model.logits(x), opened.logits(x))
    saved = opened.save(tmp_path / "two")
    assert np.array_equal(gn.load(saved).logits(x), opened.logits(x))
    assert (saved / "config.json").read_bytes() == (tmp_path / "one" / "config.json").read_bytes()


def test_saving_onto_something_is_refused(copy, xo_model):
    with pytest.raises(gn.GlassnetError, match="expected a new or empty folder"):
        gn.load(xo_model).save(copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "seen.npy"])
def test_one_flipped_bit_is_found(copy, name):
    raw = bytearray((copy / name).read_bytes())
    raw[len(raw) // 2] ^= 4
    (copy / name).write_bytes(raw)
    with pytest.raises(gn.GlassnetError, match="the model is damaged"):
        gn.load(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "seen.npy", "SHA256SUMS"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(gn.GlassnetError, match=f"the model is damaged, {name} is missing"):
        gn.load(copy)


def rewrite(folder, **changes):
    from glassnet.doors.card import write_sums

    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    write_sums(folder)


def test_a_model_of_a_newer_glassnet_is_refused_with_what_to_do(copy):
    rewrite(copy, format=2, glassnet="9.1.0")
    with pytest.raises(gn.GlassnetError, match=r"found format 2 \(glassnet 9\.1\.0\)\. Install a newer glassnet"):
        gn.load(copy)


def test_another_programs_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    with pytest.raises(gn.GlassnetError, match="was not written by glassnet"):
        gn.load(tmp_path)


def test_weights_of_another_net_are_refused(copy):
    rewrite(copy, net="conv 9 3 valid, relu, pool 2, fc")
    with pytest.raises(gn.GlassnetError, match="its weights don't fit its net"):
        gn.load(copy)


def test_places_that_are_no_model_are_named(tmp_path):
    for place, words in ((tmp_path / "no", "found nothing there"), (tmp_path, "found a folder without config.json")):
        with pytest.raises(gn.GlassnetError, match=words):
            gn.load(place)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(gn.GlassnetError, match="found a file"):
        gn.load(file)


def test_metrics_are_for_people_and_may_be_lost(copy):
    (copy / "metrics.json").unlink()
    (copy / "README.md").unlink()
    assert gn.load(copy).predict(xo.draw("X"))[0].label == "X"


def test_a_swap_that_was_cut_off_is_mended_on_opening(copy):
    copy.rename(copy.parent / ".copy.old")
    assert gn.load(copy).classes == ("X", "O")


def test_predictions_come_for_every_way_of_asking(xo_model, tmp_path):
    from PIL import Image

    model = gn.load(xo_model)
    x, o = xo.draw("X"), xo.draw("O")
    path = tmp_path / "x.png"
    Image.fromarray(((x + 1) * 127.5).astype(np.uint8)).save(path)
    assert model.predict(path).label == "X"
    assert model.predict(str(path)).votes == model.predict(x)[0].votes
    for batch in (np.stack([x, o]), np.stack([x, o])[:, None], np.stack([x, o])[..., None]):
        assert [one.label for one in model.predict(batch)] == ["X", "O"]
    as_bytes = ((np.stack([x, o]) + 1) * 127.5).astype(np.uint8)
    assert model.predict(as_bytes) == model.predict(np.stack([x, o]))
    both = model.predict([path, tmp_path / "missing.png"])
    assert both[0].label == "X"
    assert (both[1].votes, both[1].error) == (None, "is not there")
    shares = both[0].votes
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    with pytest.raises(gn.GlassnetError, match="expected an array of 1x9x9"):
        model.predict(np.zeros((5, 5)))
    Image.fromarray(((o + 1) * 127.5).astype(np.uint8)).save(tmp_path / "o.png")
    with pytest.raises(gn.GlassnetError, match="expected one input"):
        model.predict(tmp_path)
