"""Every kind of data goes the whole way: read, trained, tested, asked about raw files, explained in its own terms."""

import io
import json
import re
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from PIL import Image

import glassnet as gn
from glassnet.config import Reading
from glassnet.data import contact_sheet, kinds
from glassnet.data.dataset import TRAIN, Preparation
from glassnet.data.kind import Looks, Unreadable
from glassnet.data.kinds import KINDS
from glassnet.data.split import split

EACH = 24  # examples a class


def a_picture(k, random):
    """A bright bar across or down."""
    pixels = random.integers(0, 60, (20, 20), np.uint8)
    at = random.integers(3, 15)
    pixels[(slice(at, at + 3), slice(None)) if k else (slice(None), slice(at, at + 3))] = 220
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return ".png", data.getvalue()


def a_sound(k, random):
    """A pitch that rises or falls."""
    seconds = random.uniform(0.2, 0.3)
    t = np.arange(round(8000 * seconds)) / 8000
    start, end = (500, 1500) if k else (1500, 500)
    start *= random.uniform(0.9, 1.1)
    phase = 2 * np.pi * (start * t + (end - start) * t**2 / (2 * seconds))
    data = io.BytesIO()
    soundfile.write(data, 0.5 * np.sin(phase) + random.normal(0, 0.01, len(t)), 8000, format="WAV")
    return ".wav", data.getvalue()


def a_series(k, random):
    """A bump that comes slowly and goes fast, or the other way round, somewhere."""
    bump = np.concatenate([np.linspace(0, 1, 12), np.linspace(1, 0, 3)])
    values, at = random.normal(0, 0.1, 60), random.integers(0, 45)
    values[at : at + 15] += bump if k else bump[::-1]
    data = io.BytesIO()
    np.save(data, values.astype(np.float32)[None])
    return ".npy", data.getvalue()


def a_volume(k, random):
    """A plate that lies or stands, somewhere."""
    voxels = np.zeros((12, 12, 12), np.uint8)
    at, low = random.integers(2, 10), random.integers(0, 3, 2)
    inside = [slice(low[0], low[0] + 9), slice(low[1], low[1] + 9)]
    inside.insert(0 if k else 1, slice(at, at + 1))
    voxels[tuple(inside)] = 255
    data = io.BytesIO()
    np.save(data, voxels)
    return ".npy", data.getvalue()


MAKERS = {"pictures": a_picture, "sounds": a_sound, "series": a_series, "volumes": a_volume}
PLACES = {
    "pictures": r"rows? \d+", "sounds": r"\d+ Hz", "series": r"moments? \d+", "volumes": r"slices? \d+",
}  # fmt: skip


@pytest.fixture(scope="session", params=MAKERS)
def kind_and_folder(request, tmp_path_factory):
    """A kind with a folder of 2 x EACH files of it."""
    root = tmp_path_factory.mktemp(request.param) / "data"
    random = np.random.default_rng(0)
    for k, label in enumerate(("one", "other")):
        (root / label).mkdir(parents=True)
        for i in range(EACH):
            suffix, data = MAKERS[request.param](k, random)
            (root / label / f"{i:02}{suffix}").write_bytes(data)
    return request.param, root


def test_every_kind_is_listed_and_tried():
    assert set(KINDS) == {*MAKERS, "tables", "sentences"}, "these two: test_records.py, test_sentences.py"


def test_a_kind_is_told_by_its_files_and_said_in_one_line(kind_and_folder):
    name, root = kind_and_folder
    dataset = gn.read(root)
    assert dataset.kind == name and len(dataset) == 2 * EACH and not dataset.skipped
    words = dataset.describe()
    assert words.startswith(f"48 {name} in 2 classes, ")
    assert len(dataset.shape) == 1 + len(KINDS[name].axes(dataset.preparation))
    for axis, size in zip(KINDS[name].axes(dataset.preparation), dataset.shape[1:], strict=True):
        assert not axis.at or len(axis.at) == size
    seen = KINDS[name].picture(dataset.samples.x[0], dataset.preparation)
    assert seen.dtype == np.uint8 and seen.ndim == 3 and seen.shape[0] in (1, 3) and seen.min() < seen.max()


def test_a_contact_sheet_has_cells_of_the_kinds_own_form(kind_and_folder):
    name, root = kind_and_folder
    dataset, kind = gn.read(root), KINDS[name]
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet.contact_sheet(dataset, kind))).convert("RGB"), int)
    left = contact_sheet.EDGE + contact_sheet.LABEL
    row = sheet[contact_sheet.EDGE : contact_sheet.EDGE + contact_sheet.CELL, left : left + contact_sheet.WIDTH]
    inked = (np.abs(row - contact_sheet.PAPER).max(2) > 3).any(0)
    assert inked.mean() > 0.7, "cells as wide as the examples fill the row"


def test_a_kind_goes_the_whole_way(kind_and_folder, tmp_path, glassnet):
    name, root = kind_and_folder
    done = glassnet("train", root, "--out", "model", "--epochs", 24, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["kind"] == name and found["test"]["accuracy"] == 1.0, "a set with a known answer"
    files = sorted((root / "other").iterdir())[:3]
    answers = glassnet("predict", "model", *files, root / "one", "--json")
    said = [json.loads(line) for line in answers.out.splitlines()]
    assert answers.code == 0 and [one["class"] for one in said[:3]] == ["other"] * 3
    assert np.mean([one["class"] == "one" for one in said[3:]]) > 0.9 and len(said) == 3 + EACH
    why = glassnet("explain", "model", files[0], "--out", "why.html", "--json")
    assert why.code == 0, why.err
    votes = json.loads(why.out)
    for one in votes["votes"].values():
        assert one["bias"] + sum(v["vote"] for v in one["values"]) + one["weaker"]["vote"] == pytest.approx(
            one["logit"], abs=1e-6
        )
    page = (tmp_path / "why.html").read_text("utf-8")
    assert len(page) < 5_000_000
    if votes["hangs_on"]:
        assert " and ".join([", ".join(votes["hangs_on"][:-1]), votes["hangs_on"][-1]]).removeprefix(" and ") in page
    assert ("<audio" in page) == (name == "sounds")
    judged = glassnet("evaluate", "model", root)
    assert judged.code == 0 and f"{name}" in judged.out + judged.err
    shown = glassnet("show", root, "--out", "sheet.png")
    assert shown.code == 0 and (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    damaged = tmp_path / f"damaged{files[0].suffix}"
    damaged.write_bytes(files[0].read_bytes()[:90])
    refused = glassnet("predict", "model", damaged, files[0], "--json")
    bad, good = map(json.loads, refused.out.splitlines())
    assert refused.code == 2 and "is " in bad["error"] and good["class"] == "other"
    assert "Traceback" not in done.err + answers.err + why.err + judged.err + shown.err + refused.err


def test_what_stretches_over_an_explanation_is_named_in_the_terms_of_its_kind(kind_and_folder):
    name, root = kind_and_folder
    dataset = gn.read(root)
    for axis, size in zip(KINDS[name].axes(dataset.preparation), dataset.shape[1:], strict=True):
        whole = axis.words(range(size))
        assert whole and axis.words(range(1)) and axis.words(range(1)) != whole
    first = KINDS[name].axes(dataset.preparation)[0].words(range(3))
    assert re.search(PLACES[name], first), first


def test_normalisation_is_learnt_from_the_training_split_alone(kind_and_folder):
    _, root = kind_and_folder
    dataset = gn.read(root)
    model = gn.train(dataset, epochs=1)
    rows = split(dataset, 0).rows(TRAIN)
    x = dataset.samples.x[rows].astype(np.float64) / dataset.full_scale
    axes = (0, *range(2, x.ndim))
    assert np.allclose(model.card.normalisation.mean, x.mean(axes), atol=1e-6)
    assert np.allclose(model.card.normalisation.std, x.std(axes), atol=1e-6)


def test_a_kind_can_be_named_and_files_of_another_count_as_others(tmp_path):
    random = np.random.default_rng(0)
    for k, label in enumerate(("a", "b")):
        (tmp_path / label).mkdir()
        for i in range(6):
            for maker in (a_picture, a_sound):
                suffix, data = maker(k, random)
                (tmp_path / label / f"{i}{suffix}").write_bytes(data)
    assert gn.read(tmp_path).kind == "pictures", "as many of both: the first kind"
    sounds = kinds.read(tmp_path, Reading(kind="sounds"))
    assert sounds.kind == "sounds" and len(sounds) == 12 and sounds.ignored == {".png": 12}


@pytest.mark.parametrize("name", MAKERS)
def test_no_bytes_bring_a_reader_down(name):
    random = np.random.default_rng(0)
    _, whole = MAKERS[name](0, random)
    kind = KINDS[name]
    preparation = kind.prepare(Looks.of([kind.look(whole)]), None)
    for i in range(150):
        data = bytearray(whole[: random.integers(1, len(whole))] if i % 3 == 0 else whole)
        for at in random.integers(0, min(len(data), 200), 3):
            data[at] = random.integers(0, 256)
        for read in (kind.look, lambda one: kind.decode(one, preparation)):
            with suppress(Unreadable):
                read(bytes(data))


def test_a_preparation_of_every_kind_survives_its_model(kind_and_folder, tmp_path):
    _, root = kind_and_folder
    dataset = gn.read(root)
    gn.train(dataset, epochs=1).save(tmp_path / "model")
    again = gn.load(tmp_path / "model").card.preparation
    assert again == Preparation(dataset.preparation.shape, dict(dataset.preparation.settings))
