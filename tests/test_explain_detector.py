"""glassnet explain with a detector, and gn.explain: what is printed, found again, refused, for both engines."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from box_data import make_voc
from detectors import TYPED, train_detector
from PIL import Image

import glassnet as gn
from glassnet.doors.detection import learnt
from glassnet.doors.detection.model import DetectorModel
from glassnet.errors import GlassnetError

PICTURES = [f"shapes/JPEGImages/{i:03}.png" for i in range(40)]
TESTED, EMPTY = PICTURES[37:39]


@pytest.fixture(scope="module", params=TYPED)
def home(request, tmp_path_factory):
    """A folder with data, a detector that learnt from it, and a picture that is none."""
    root = tmp_path_factory.mktemp(request.param)
    make_voc(root / "shapes", 40, empty=(38,))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        train_detector("shapes", root / "model", request.param)
    (root / "damaged.png").write_bytes((root / TESTED).read_bytes()[:300])
    shutil.copy(root / TESTED, root / "outside.png")
    return root


@pytest.fixture(scope="module")
def best(home):
    """The training picture and the test picture on which it finds most."""
    model = DetectorModel.load(home / "model")
    found = {one: len(model.answer_bytes(one, (home / one).read_bytes()).likely) for one in PICTURES}
    return max(PICTURES[:30], key=found.get), max(PICTURES[35:], key=found.get)


@pytest.fixture
def ask(home, monkeypatch):
    """Explains one of its pictures, as JSON."""
    monkeypatch.chdir(home)
    model = DetectorModel.load("model")
    return lambda picture: gn.explain(model, picture).as_json()


def test_the_command_says_the_answer_first_and_leaves_a_page(home, glassnet, tmp_path):
    page = tmp_path / "why.html"
    answer = glassnet("explain", "model", TESTED, "--out", page, cwd=home)
    lines = answer.out.splitlines()
    assert answer.code == 0 and lines[0].endswith(" on 037.png")
    assert any(line.startswith("The surest") for line in lines)
    assert any(line.startswith("Found ") and "marked object" in line for line in lines)
    assert lines[-2] == f"page    {page}" and lines[-1] == "next    glassnet evaluate model shapes"
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_boxes_and_scores_are_those_that_predict_says(home, best, glassnet, tmp_path):
    said = json.loads(glassnet("predict", "model", best[1], "--json", cwd=home).out)
    likely = [one for one in said["boxes"] if one["likely"]]
    page = tmp_path / "why.html"
    found = json.loads(glassnet("explain", "model", best[1], "--json", "--out", page, cwd=home).out)
    assert (found["model"], found["input"], found["page"]) == ("model", best[1], str(page))
    assert [(one["class"], one["box"], one["score"]) for one in found["boxes"]] == [
        (one["class"], one["box"], one["score"]) for one in likely
    ]
    assert len(likely) > 0 and sum(found["found"].values()) == len(likely) and found["size"] == [96, 72]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_explained_is_float32_whatever_the_detector_looks_with(home, best, precision):
    model = DetectorModel.load(home / "model")
    model = replace(model, card=replace(model.card, detector={**model.card.detector, "precision": precision}))
    boxes = gn.explain(model, home / best[1]).as_json()["boxes"]
    assert boxes
    for box in boxes:
        votes, looks = box["votes"], [box["votes"]["score"]]
        if model.limits.twice:
            looks.append(box["first_score"])
        else:
            assert box["first_score"] is None
        told = sum(one["contribution"] for one in votes["features"]) + votes["rest"] + votes["bias"]
        assert abs(told - votes["logit"]) < 1e-9
        assert abs(np.mean(looks) - box["score"]) < (1e-4 if precision == "float32" else 0.1)
        assert set(box["moved"]) == {"dx_percent", "dy_percent", "width_percent", "height_percent"}


def test_the_nearest_are_training_objects_and_never_of_the_picture_itself(best, ask):
    for picture in best:
        found = ask(picture)
        near = [one for box in found["boxes"] for one in box["nearest"]]
        assert near and all(len(box["nearest"]) == 6 for box in found["boxes"])
        names = {one["input"] for one in near}
        assert names <= {f"JPEGImages/{i:03}.png" for i in range(30)} - {picture.removeprefix("shapes/")}, (
            "the first thirty train"
        )
        assert all(-1 <= one["similarity"] <= 1.000001 for one in near)
        assert ("made with this very picture" in " ".join(found["notes"])) == (picture == best[0])


def test_missed_objects_are_told_where_the_truth_is_known_only(ask):
    found = ask(TESTED)
    assert found["objects"] == found["right"] + len(found["missed"])
    assert all(one["truth"] for one in found["boxes"])
    outside = ask("outside.png")
    assert not {"missed", "objects", "right"} & set(outside) and outside["notes"] == []
    assert [one["box"] for one in outside["boxes"]] == [one["box"] for one in found["boxes"]]
    bare = ask(EMPTY)
    assert (bare["objects"], bare["missed"]) == (0, []) and bare["false"] == len(bare["boxes"])


def test_data_that_is_gone_or_was_changed_is_said_in_a_sentence(home, best, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = DetectorModel.load(home / "model")
    gone = gn.explain(model, home / best[1])
    assert gone.notes == (
        "The data that the detector learnt from is gone (shapes, where it lay, is not there): "
        "nothing is shown beside it.",
    )
    assert gone.boxes and not any(box.nearest for box in gone.boxes) and "Nearest in" not in gone.html()
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "cache"))
    shutil.copytree(home / "shapes", tmp_path / "shapes")
    assert gn.explain(model, home / best[1]).notes == ()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "shapes" / "Annotations" / "004.xml").unlink()
    (changed,) = gn.explain(model, home / best[1]).notes
    assert changed.startswith("The data at shapes is not as it was when the detector learnt from it")
    shutil.rmtree(tmp_path / "shapes" / "Annotations")
    (unread,) = gn.explain(model, home / best[1]).notes
    assert unread == changed


def test_training_objects_are_looked_at_once(home, best, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "cache"))
    model = DetectorModel.load(home / "model")
    first = gn.explain(model, best[1])
    with monkeypatch.context() as patch:
        patch.setattr(learnt, "_look", None)
        again = gn.explain(model, best[1])
    near = [[(one.name, one.similarity) for one in box.nearest] for box in first.boxes]
    assert near == [[(one.name, one.similarity) for one in box.nearest] for box in again.boxes]
    (kept,) = (tmp_path / "cache" / "cache").glob("*-objects-*")
    (kept / "objects.npz").write_bytes(b"damaged")
    assert gn.explain(model, best[1]).boxes[0].nearest[0].name == near[0][0][0]


def test_nothing_found_is_an_answer_too(home, tmp_path):
    model = DetectorModel.load(home / "model")
    picture = tmp_path / "grey.png"
    Image.fromarray(np.full((72, 96, 3), 120, np.uint8)).save(picture)
    silent = gn.explain(DetectorModel(**{**vars(model), "thresholds": (2.0, 2.0)}), picture)
    assert silent.answer == "nothing" and silent.as_json()["boxes"] == []
    assert "Nothing</b> is found." in silent.html() and silent.png()[:4] == b"\x89PNG"


def test_the_library_opens_detectors_and_saves_pages_and_pictures(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    model = gn.load("model")
    assert isinstance(model, DetectorModel)
    why = gn.explain(model, TESTED)
    assert why.save(tmp_path / "why.html").read_text("utf-8") == why.html()
    with Image.open(why.save(tmp_path / "why.png")) as image:
        assert image.width == 2000 and image.height > 1440
    for wrong in (np.zeros((3, 9, 9), np.uint8), "nowhere.png"):
        with pytest.raises(GlassnetError):
            gn.explain(model, wrong)
    with pytest.raises(GlassnetError, match="--right"):
        gn.explain(model, TESTED, right="disc")
    with pytest.raises(GlassnetError, match="found a detector"):
        gn.features(model)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("explain", "model", TESTED, "--right", "disc"), "--right: expected a model that says one class of a picture"),
        (("explain", "model", "damaged.png"), "damaged.png: "),
        (("explain", "model", "nowhere.png"), "nowhere.png: expected one file, found nothing there"),
        (("explain", "model", TESTED, "--out", "why.pdf"), "--out: expected a file that ends in .html"),
        (("features", "model"), "model: expected a model that names whole examples, found a detector"),
    ],
)
def test_a_mistake_is_answered_in_one_line(home, glassnet, words, line):
    answer = glassnet(*words, cwd=home)
    assert answer.code == 2 and answer.out == "" and answer.err.startswith(line) and answer.err.count("\n") == 1


def test_a_picture_on_standard_input_is_explained(home, glassnet, tmp_path):
    data = (home / TESTED).read_bytes()
    answer = glassnet("explain", "model", "-", "--out", tmp_path / "why.html", stdin=data, cwd=home)
    assert answer.code == 0 and answer.out.splitlines()[0].endswith(" on -")
