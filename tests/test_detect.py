"""Detectors from boxes to a model folder, with both engines: trained, left and taken up again, asked, measured."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from box_data import CROPPED, FAST, annotation, make_voc
from PIL import Image

from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.detection.plan import read_detector_plan
from glassnet.doors.detection.run import Finished, Prepared, run
from glassnet.doors.run import Stop
from glassnet.errors import GlassnetError, Interrupted
from glassnet.steps import finish

ENGINES = {
    "fast": (Training(net=FAST, epochs=12), Detecting(regions=400)),
    "rcnn": (Training(net=CROPPED, epochs=12), Detecting(engine="rcnn", proposals="grid", regions=400, crop=16)),
}
TYPED = {
    "fast": ("--net", FAST, "--regions", 400),
    "rcnn": ("--engine", "rcnn", "--net", CROPPED, "--regions", 400, "--proposals", "grid", "--crop", 16),
}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return make_voc(tmp_path_factory.mktemp("shapes") / "shapes", 70, empty=(3, 67), tested=15)


def read(root):
    return finish(find_boxes(root).steps())


def trained(root, engine, out=None, **changes):
    settings, detecting = ENGINES[engine]
    settings = Training(**{**vars(settings), **{k: v for k, v in changes.items() if k in vars(settings)}})
    detecting = Detecting(**{**vars(detecting), **{k: v for k, v in changes.items() if k in vars(detecting)}})
    *_, last = run(read(root), settings, detecting, out, str(root))
    assert isinstance(last, Finished)
    return last.outcome


def leave(events, stopped):
    """Ends a training after so many events of its own."""
    after = 0
    for event in events:
        after += after > 0 or isinstance(event, Prepared)
        if after > stopped:
            events.throw(Stop(2))


def test_a_training_that_is_left_while_pictures_are_read_says_so(shapes, tmp_path):
    events = run(read(shapes), *ENGINES["fast"], tmp_path / "out", str(shapes))
    next(events)
    with pytest.raises(Interrupted, match="stopped before there was anything to lose") as left:
        events.throw(Stop(2))
    assert left.value.exit_code == 130 and not (tmp_path / "out").exists()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def model(engine, shapes, tmp_path_factory):
    """A detector's folder, and what came of its training."""
    out = tmp_path_factory.mktemp("detectors") / engine
    return out, trained(shapes, engine, out)


def test_both_engines_find_made_up_shapes(model):
    _, outcome = model
    assert outcome.test.map50 > 0.75, "squares and discs on a plain ground"
    assert all(one.objects == sum((o.labels == k).sum() for o in outcome.test.objects)
               for k, one in enumerate(outcome.test.by_class))  # fmt: skip


def test_a_folder_opened_again_says_the_same(model):
    out, outcome = model
    again = DetectorModel.load(out)
    assert (again.limits, again.thresholds, again.proposals) == (
        outcome.limits, outcome.thresholds, outcome.basis.proposals,
    )  # fmt: skip
    for row in outcome.test_rows[:3]:
        path = outcome.basis.data.file(row)
        _, seen = again.look(path.read_bytes())
        place = outcome.test_rows.index(row)
        assert np.allclose(seen.found.boxes, outcome.test.found[place].boxes, atol=1e-3)
        assert np.allclose(seen.found.scores, outcome.test.found[place].scores, atol=1e-4)


def test_a_seed_gives_the_same_detector_twice(engine, model, shapes):
    _, outcome = model
    again = trained(shapes, engine)
    one, two = outcome.net.state_dict(), again.net.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert outcome.test.map50 == again.test.map50 and outcome.thresholds == again.thresholds


@pytest.mark.parametrize("moment", range(3))
def test_what_was_left_goes_on_to_the_same_detector(engine, model, shapes, tmp_path, moment):
    """After so many events: while it trains, and for rcnn in both passes of mining; for fast while it chooses."""
    stopped = {"fast": (7, 70, 160), "rcnn": (30, 125, 160)}[engine][moment]
    out, outcome = tmp_path / "left", model[1]
    settings, detecting = ENGINES[engine]
    events = run(read(shapes), settings, detecting, out, str(shapes))
    with pytest.raises(Interrupted) as left:
        leave(events, stopped)
    assert "nothing is lost" in left.value.found and left.value.command.endswith("--resume")
    plan = read_detector_plan(out)
    *_, last = run(read(shapes), plan.settings, plan.detecting, out, plan.source, plan.reading, plan)
    one, two = outcome.net.state_dict(), last.outcome.net.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one), "bit for bit"
    assert not (out / "checkpoints").exists()


def test_the_commands_train_ask_and_measure(engine, shapes, glassnet, tmp_path):
    done = glassnet("train", shapes, *TYPED[engine], "--epochs", 6, "--threads", 1, "--out", "m", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert {"model", "kind", "net", "parameters", "classes", "examples", "test", "epochs", "seconds"} <= told.keys()
    assert told["kind"] == "boxes" and told["classes"] == ["disc", "square"] and told["engine"] == engine
    assert told["examples"] == {"train": 50, "val": 5, "test": 15, "skipped": 0}
    assert 0 <= told["test"]["map"] <= told["test"]["map50"] <= 1
    assert {"config.json", "model.safetensors", "metrics.json", "report.html", "README.md", "SHA256SUMS"} <= {
        path.name for path in (tmp_path / "m").iterdir()
    }
    weights = safetensors.torch.load_file(tmp_path / "m" / "model.safetensors")
    assert sum(t.numel() for n, t in weights.items()) >= told["parameters"]

    (tmp_path / "bad.png").write_bytes(b"no picture")
    asked = glassnet("predict", "m", shapes / "JPEGImages" / "058.png", "bad.png", "--json")
    one, two = map(json.loads, asked.out.splitlines())
    assert asked.code == 2 and "error" in two and one.keys() == {"input", "boxes"}
    for box in one["boxes"]:
        x1, y1, x2, y2 = box["box"]
        assert 0 <= x1 < x2 <= 96 and 0 <= y1 < y2 <= 72 and box["class"] in told["classes"] and 0 < box["score"] <= 1
    assert [box["score"] for box in one["boxes"]] == sorted((b["score"] for b in one["boxes"]), reverse=True)
    plain = glassnet("predict", "m", shapes / "JPEGImages", "--top", 1)
    assert plain.code == 0 and plain.out.count(".png   ") == 70

    measured = glassnet("evaluate", "m", shapes, "--json")
    figures = json.loads(measured.out)
    assert figures["map50"] == pytest.approx(told["test"]["map50"], abs=1e-6)
    assert figures["funnel"]["all"]["objects"] >= figures["funnel"]["all"]["kept"]
    assert (tmp_path / figures["page"]).read_text().startswith("<!doctype html>")


def test_one_class_no_objects_and_boxes_outside_are_taken(tmp_path, engine):
    root = make_voc(tmp_path / "one", 40, classes=("square",), empty=range(0, 40, 4))
    (root / "Annotations" / "001.xml").write_text(
        annotation("001.png", (96, 72), [("square", -5, 10, 20, 30), ("square", 200, 200, 220, 220)])
    )
    outcome = trained(root, engine, epochs=3)
    assert outcome.basis.data.classes == ("square",)
    assert {one.what for one in outcome.basis.data.found} == {"beyond the edge", "outside"}


def test_parts_that_are_not_wanted_are_left_out(shapes):
    plain = trained(shapes, "rcnn", epochs=2, without="svm, regression")
    assert not plain.net.has_svms and not plain.net.corrections.weight.any()
    still = trained(shapes, "fast", epochs=2, without="regression")
    assert not still.net.corrections.weight.any()
    for outcome in (plain, still):
        for real, said in zip(outcome.test.objects, outcome.test.found, strict=True):
            assert len(real.boxes) >= 0 and np.isfinite(said.scores).all()
    untuned = trained(shapes, "rcnn", epochs=2, without="fine-tuning")
    assert untuned.history == () and untuned.net.has_svms


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--crop", 32), "--crop"),
        (("--without", "svm"), "--without"),
        (("--without", "cheese"), "regression, svm, fine-tuning"),
        (("--engine", "yolo"), "fast or rcnn"),
        (("--proposals", "edges"), "grid or selective or both"),
        (("--net", "conv 8 3, relu, fc"), "roi"),
        (("--fold", 1), "--fold"),
    ],
)
def test_what_can_not_be_is_one_line(shapes, glassnet, words, found):
    done = glassnet("train", shapes, *words)
    assert done.code == 2 and found in done.err and len(done.err.strip().splitlines()) == 1, done.err


def test_a_setting_of_detectors_is_refused_for_other_data(glassnet):
    done = glassnet("train", "xo", "--engine", "fast")
    assert done.code == 2 and "boxes" in done.err and len(done.err.strip().splitlines()) == 1


def test_a_damaged_picture_among_the_boxes_is_named(tmp_path, glassnet):
    root = make_voc(tmp_path / "data", 24)
    whole = (root / "JPEGImages" / "004.png").read_bytes()
    (root / "JPEGImages" / "004.png").write_bytes(whole[:-900])
    done = glassnet("train", root)
    assert done.code == 2 and "004.png" in done.err and len(done.err.strip().splitlines()) == 1


def test_changed_boxes_are_not_gone_on_with(tmp_path):
    root, out = make_voc(tmp_path / "data", 24), tmp_path / "out"
    settings, detecting = ENGINES["fast"]
    events = run(read(root), settings, detecting, out, str(root))
    with pytest.raises(Interrupted):
        leave(events, 1)
    file = root / "Annotations" / "002.xml"
    file.write_text(annotation("002.png", (96, 72), [("square", 1, 1, 9, 9)]))
    plan = read_detector_plan(out)
    with pytest.raises(GlassnetError, match="not what this training began with"):
        list(run(read(root), plan.settings, plan.detecting, out, plan.source, Reading(), plan))


def test_a_grey_picture_and_one_held_upside_down_are_seen_upright(tmp_path):
    root = make_voc(tmp_path / "data", 24)
    grey = Image.open(root / "JPEGImages" / "000.png").convert("L")
    grey.save(root / "JPEGImages" / "000.png")
    outcome = trained(root, "fast", epochs=1)
    assert outcome.basis.store[0].shape == (3, 72, 96)
