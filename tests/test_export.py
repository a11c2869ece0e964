"""Models as standard files: asked by another program, they say what glassnet says."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from box_data import make_voc
from detectors import train_detector
from lab_models import ball, digit, npy, tone, wiggle

import glassnet as gn
from glassnet.data.boxes import store
from glassnet.data.kinds import KINDS
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting import comparing, exporting
from glassnet.doors.exporting.answering import open_file
from glassnet.doors.exporting.comparing import Apart, apart
from glassnet.doors.exporting.needed import refuse_no_onnx
from glassnet.doors.exporting.opened import read_file
from glassnet.doors.exporting.taken import as_taken
from glassnet.doors.inputs import read_data
from glassnet.errors import GlassnetError

FILES = {  # of each kind, some as long or large as those it learnt from, some not
    "digits": [digit(3), digit(7)],
    "tones": [tone(500), tone(1200, 1.7)],
    "waves": [wiggle(1, 0.3).encode(), wiggle(3, 0.1).encode()],
    "balls": [ball(3), npy(np.random.default_rng(0).normal(0, 1, (20, 15, 9)).astype(np.float32))],
    "reviews": [b"a fine film, and a warm one", b"dull"],
    "flowers": [b"5.1,3.5", b"1.7,3.0"],
}


SUFFIXES = {"digits": ".png", "tones": ".wav", "waves": ".csv", "balls": ".npy", "reviews": ".txt", "flowers": ".csv"}
WITHOUT_TORCH = """
import sys
from glassnet.doors.cli import run
code = run(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(code)
"""


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def without_torch(folder, *words):
    """The lines of JSON that a command prints in a process of its own. It may neither load torch nor leave traces."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)],
        capture_output=True, text=True, timeout=60, cwd=folder, env={**env, "HOME": str(home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(home.iterdir())
    return [json.loads(line) for line in done.stdout.splitlines()]


def npz(x):
    file = io.BytesIO()
    np.savez(file, x=x)
    return file.getvalue()


def arrays(card):
    """Two examples as an .npz holds them, of the kinds that lie in one."""
    if KINDS[card.kind].array_axes is None:
        return {}
    x = np.random.default_rng(0).normal(0.4, 0.3, (2, *card.preparation.shape)).clip(0, 1)
    return {"several.npz": npz((x * 255).astype(np.uint8) if card.full_scale == 255 else x.astype(np.float32))}


@pytest.fixture(scope="module")
def exported(every_kind, tmp_path_factory):
    """Exports a model once."""
    made = {}

    def of(name):
        if name not in made:
            path = tmp_path_factory.mktemp("exported") / f"{name}.onnx"
            made[name] = gn.export(gn.load(every_kind / "models" / name), path)
        return made[name]

    return of


def test_every_kind_is_tried(every_kind):
    assert {gn.load(every_kind / "models" / name).card.kind for name in FILES} == set(KINDS)


@pytest.mark.parametrize("name", FILES)
def test_the_file_answers_as_the_model_does(name, every_kind, exported):
    model, made = gn.load(every_kind / "models" / name), exported(name)
    kind = KINDS[model.card.kind]
    for i, data in enumerate(FILES[name]):
        one = read_data(f"{i}", data, kind.name, model.card.preparation, model.card.full_scale)
        wanted = next(model.answer_inputs([one]))
        assert wanted.votes is not None, wanted.error
        raw = as_taken(kind.raw(data, model.card.preparation))
        found, logits, *strange = session(made.path).run(None, {made.takes[0].name: raw})
        shares = dict(zip(model.classes, found[0].tolist(), strict=True))
        assert shares == pytest.approx(dict(wanted.votes), abs=1e-4)
        assert torch.softmax(torch.from_numpy(logits), 1).numpy() == pytest.approx(found, abs=1e-6)
        if wanted.strangeness is not None:
            assert strange[0][0] == pytest.approx(wanted.strangeness, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", FILES)
def test_predict_asks_the_file_that_lies_in_its_folder_and_needs_no_torch(name, every_kind, exported, tmp_path):
    model, made = gn.load(every_kind / "models" / name), exported(name)
    folder = shutil.copytree(model.folder, tmp_path / "model")
    shutil.copy(made.path, folder / "model.onnx")
    files = {f"{i}{SUFFIXES[name]}": data for i, data in enumerate(FILES[name])} | arrays(model.card)
    if name == "flowers":
        files = {"rows.csv": b"length,width\n5.1,3.5\n1.7,3.0\n"}  # a row lies in no file of its own
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    asked = [str(tmp_path / file) for file in files]
    wanted = [one.as_json() for one in model.answer(asked)]
    assert len(wanted) >= 2 and not any("error" in one for one in wanted)
    for place in (folder, folder / "model.onnx"):
        found = without_torch(tmp_path, "predict", place, *asked, "--json")
        assert [one["input"] for one in found] == [one["input"] for one in wanted]
        for mine, theirs in zip(found, wanted, strict=True):
            assert mine["class"] == theirs["class"] and mine.keys() == theirs.keys()
            assert mine["votes"] == pytest.approx(theirs["votes"], abs=1e-5)
            assert mine.get("none_of_these") == theirs.get("none_of_these")
            assert mine.get("strangeness", 0) == pytest.approx(theirs.get("strangeness", 0), rel=1e-3, abs=1e-3)


def test_many_are_asked_about_at_once(every_kind, exported):
    model, made = gn.load(every_kind / "models" / "digits"), exported("digits")
    raw = np.stack([KINDS["pictures"].raw(data, model.card.preparation) for data in FILES["digits"] * 3])
    asked = session(made.path)
    every = asked.run(None, {"pixels": raw})
    for i, one in enumerate(raw):
        for whole, alone in zip(every, asked.run(None, {"pixels": one[None]}), strict=True):
            assert whole[i] == pytest.approx(alone[0], abs=1e-5)


def test_only_a_picture_of_another_size_is_resized(exported):
    (branch,) = [node for node in onnx.load(str(exported("digits").path)).graph.node if node.op_type == "If"]
    bodies = {one.name: [node.op_type for node in one.g.node] for one in branch.attribute}
    assert bodies["then_branch"] == ["Identity"]
    assert bodies["else_branch"].count("MatMul") == 2  # along each axis


def test_the_file_tells_its_classes_and_how_its_files_are_read(every_kind, exported):
    facts = {one.key: one.value for one in onnx.load(str(exported("tones").path)).metadata_props}
    model = gn.load(every_kind / "models" / "tones")
    assert json.loads(facts["classes"]) == list(model.classes)
    assert json.loads(facts["glassnet"])["preparation"]["settings"]["rate_hz"] == 8000


def test_a_file_that_says_something_else_is_not_kept(every_kind, tmp_path, monkeypatch):
    model = gn.load(every_kind / "models" / "waves")
    other = gn.load(every_kind / "models" / "waves")
    with torch.no_grad():
        other.net.votes.weight.mul_(-1)
    real = exporting.to_onnx
    monkeypatch.setattr(exporting, "to_onnx", lambda _: real(other))
    with pytest.raises(GlassnetError, match="so it was not kept"):
        gn.export(model, tmp_path / "waves.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(GlassnetError, match=r"no onnxscript\. pip install \"glassnet\[onnx\]\""):
        refuse_no_onnx()


def test_the_command_leaves_a_file_beside_the_model(glassnet, every_kind):
    found = glassnet("export", every_kind / "models" / "flowers", "--to", "onnx", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["path"] == str(every_kind / "models" / "flowers" / "model.onnx")
    assert told["largest_difference"] < 1e-4 and told["compared"]["made_up"] == 4
    assert told["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", 1, 2]}]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere: expected a model folder, found nothing there. Check the path."),
        (["MODEL", "--to", "tflite"], "--to: expected onnx, found tflite. Write --to onnx."),
        (["MODEL", "--out", "net.pt"], "--out: expected a file that ends in .onnx, found net.pt. Name one."),
    ],
)
def test_mistakes_are_answered_in_one_line(words, line, glassnet, every_kind):
    found = glassnet("export", *[every_kind / "models" / "digits" if word == "MODEL" else word for word in words])
    assert (found.code, found.out, found.err.strip()) == (2, "", line)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """Some pictures with boxes, and a model folder that learnt from them; each engine learns once."""
    root = tmp_path_factory.mktemp("detectors")
    data, made = make_voc(root / "data", 30, seed=3), {}

    def of(engine):
        if engine not in made:
            made[engine] = train_detector(data, root / engine, engine)
        return data, made[engine]

    return of


@pytest.mark.parametrize(("engine", "proposals"), [("fast", "grid"), ("rcnn", "grid"), ("rcnn", "selective")])
def test_a_detector_finds_the_same_boxes(engine, proposals, detector, tmp_path, monkeypatch):
    data, folder = detector(engine)
    model = DetectorModel.load(folder)
    if proposals == "selective":
        pytest.importorskip("cv2")
        monkeypatch.setattr(comparing, "FILES", 1)  # a search takes a second, and grid is compared with all
        monkeypatch.setattr(comparing, "MADE_UP", 2)
        from dataclasses import replace

        searched = replace(model.proposals, kind="selective")
        card = replace(model.card, detector={**model.card.detector, "proposals": searched.as_json()})
        model = replace(model, proposals=searched, card=card)
    made = gn.export(model, tmp_path / "model.onnx")
    assert made.compared.largest < 1e-3 and made.compared.farthest < 0.5
    assert [one.name for one in made.takes] == (["pixels"] if proposals == "grid" else ["pixels", "regions"])
    asked = session(made.path)
    several = 0
    for path in sorted((data / "JPEGImages").iterdir())[:4]:
        raw = path.read_bytes()
        taken = {"pixels": np.ascontiguousarray(store.whole(raw).transpose(1, 2, 0))}
        if proposals == "selective":
            taken["regions"] = model.proposals.of(raw).astype(np.float32)
        boxes, scores, labels = asked.run(None, taken)
        _, seen = model.look(raw)
        wanted = [(model.classes.index(one.label), one.score, *one.box) for one in model.boxes(seen)]
        several += len(wanted)
        found = apart(np.array(wanted), np.column_stack([labels, scores, boxes]), 1.0)
        assert max(found.score, *found.alone, 0) < 0.02 and found.place < 0.2  # the model may answer in bfloat16
        assert (np.diff(scores) <= 0).all()
        told = open_file(read_file(made.path)).answer_bytes(path.name, raw)
        assert [one.box for one in told.boxes] == [tuple(box) for box in boxes.tolist()] and told.size == (96, 72)
        assert [one.is_likely for one in told.boxes] == [
            one.score >= model.thresholds[model.classes.index(one.label)] for one in told.boxes
        ]
    assert several > 3
    picture = min((data / "JPEGImages").iterdir())
    (found,) = without_torch(tmp_path, "predict", made.path, picture, "--json")
    wanted = model.answer_bytes(str(picture), picture.read_bytes()).as_json()
    assert [one["class"] for one in found["boxes"]] == [one["class"] for one in wanted["boxes"]]


def test_a_detector_s_file_that_finds_less_is_not_kept(detector, tmp_path, monkeypatch):
    _, folder = detector("fast")
    blind = DetectorModel.load(folder)
    with torch.no_grad():
        blind.net.head.votes.weight.zero_()
    real = exporting.to_onnx
    monkeypatch.setattr(exporting, "to_onnx", lambda _: real(blind))
    with pytest.raises(GlassnetError, match="so it was not kept"):
        gn.export(DetectorModel.load(folder), tmp_path / "blind.onnx")
    assert not list(tmp_path.iterdir())


def test_a_box_without_its_like_stands_alone():
    one = np.array([(0, 0.9, 0, 0, 10, 10), (1, 0.4, 5, 5, 9, 9)])
    other = np.array([(0, 0.8, 0, 0, 10, 10.5), (0, 0.3, 50, 50, 60, 60)])
    assert apart(one, one, 1) == Apart(0, 0, ())
    found = apart(one, other, 1)
    assert (found.score, found.place) == pytest.approx((0.1, 0.5)) and found.alone == (0.4, 0.3)
    assert apart(one[:1], other[:1], 1).alone == ()
    assert apart(one, np.zeros((0, 6)), 1) == Apart(0, 0, (0.9, 0.4))
