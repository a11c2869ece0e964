"""Folders without labels: features alone are learnt, and all commands answer by them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import glassnet as gn
from glassnet.config import Reading, Training
from glassnet.data import kinds
from glassnet.data.listing import list_folder
from glassnet.doors import choosing, timing
from glassnet.doors.cli import run as glassnet
from glassnet.doors.model import Model
from glassnet.doors.run import Finished, run
from glassnet.errors import GlassnetError
from glassnet.nets import belief, zoo
from glassnet.nets.text import parse
from glassnet.training.completion import hidden_errors, mean
from glassnet.training.progress import Progress

NET = "whiten 1, rbm 12 4, probpool 2, rbm 8 3, probpool 2, batchnorm, fc"
PNG = frozenset([".png"])


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(belief, "STEPS", (200, 100))


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "loose"
    folder.mkdir()
    for i, image in enumerate(load_digits().images[:300]):
        Image.fromarray((image * 15.9).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def learnt(flat, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "loose"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(belief, "STEPS", (200, 100))
        assert glassnet(["train", str(flat), "--net", NET, "--out", str(out), "--threads", "1"]) == 0
    return out


def told(capsys, *words):
    """What a command prints as JSON."""
    capsys.readouterr()
    assert glassnet([str(word) for word in words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_folder_of_loose_files_has_no_classes_and_may_have_splits(tmp_path):
    for name in ("1.png", "2.png", "10.png"):
        (tmp_path / name).touch()
    found = list_folder(tmp_path, PNG, unlabelled=True)
    assert (list(found.names), found.classes, found.split.tolist()) == (["1.png", "2.png", "10.png"], (), [-1, -1, -1])
    for name in ("train", "test"):
        (tmp_path / "split" / name).mkdir(parents=True)
        (tmp_path / "split" / name / "1.png").touch()
    assert list_folder(tmp_path / "split", PNG, unlabelled=True).split.tolist() == [2, 0]


def test_class_folders_keep_their_classes_when_none_are_needed(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    assert list_folder(tmp_path, PNG, unlabelled=True).classes == ("cat", "dog")


def test_a_net_without_labels_ends_in_the_features_of_its_highest_machine():
    spec, features = zoo.without_labels(parse(NET))
    assert str(spec) == "whiten 1, rbm 12 4, probpool 2, rbm 8 3, probpool 2, max, fc"
    assert features == tuple(f"feature {k}" for k in range(1, 9))


def test_what_needs_labels_says_that_only_one_net_does_without(flat):
    for work in (lambda: kinds.find(flat), lambda: gn.train(str(flat)), lambda: gn.check(str(flat))):
        with pytest.raises(GlassnetError, match="without labels only --net cdbn learns"):
            work()


def test_features_are_learnt_without_votes(flat):
    events = list(run(kinds.read(flat, unlabelled=True), Training(net=NET, threads=1)))
    assert {event.phase for event in events if isinstance(event, Progress)} == {"rbm1", "rbm2"}
    votes = events[-1].model.net.votes
    assert torch.equal(votes.weight, torch.eye(8)) and not votes.bias.any()
    assert 0.1 < events[-1].outcome.test.share.value < 1


def test_votes_are_the_chances_of_the_highest_features(learnt, flat):
    model = gn.load(learnt)
    x = np.asarray(Image.open(flat / "3.png"))[None, None]
    layers = list(model.net.children())
    chances = model.look(x)
    with torch.no_grad():
        for layer in layers[:-2]:
            chances = layer(chances)
    highest = chances.amax((2, 3))[0].numpy()  # by hand, from the pooling units
    said = model.predict(str(flat / "3.png"))
    assert said.label == f"feature {highest.argmax() + 1}" and said.score == pytest.approx(highest.max())
    assert [said.votes[f"feature {k + 1}"] for k in range(8)] == pytest.approx(highest.tolist())


def test_every_command_answers(learnt, flat, capsys, tmp_path):
    one = flat / "7.png"
    assert told(capsys, "predict", learnt, one, "--json")["class"].startswith("feature ")
    why = told(capsys, "explain", learnt, one, "--out", tmp_path / "e.html", "--json")
    for cast in why["votes"].values():
        assert sum(v["vote"] for v in cast["values"]) + cast["bias"] == pytest.approx(cast["logit"])
        assert cast["probability"] == cast["logit"]
    assert [half["hidden"] for half in why["halves"]] == ["top", "bottom", "left", "right"]
    features = told(capsys, "features", learnt, "--out", tmp_path / "f.html", "--json")
    assert [layer["name"] for layer in features["layers"]] == ["rbm1", "rbm2"]
    measured = told(capsys, "evaluate", learnt, flat, "--json")
    assert measured["accuracy"] is None and measured["examples"] == 30 and 0 < measured["explained"] < 1
    assert told(capsys, "evaluate", learnt, "digits", "--json")["examples"] == 500
    shown = told(capsys, "show", flat, "--out", tmp_path / "s.png", "--json")
    assert (shown["classes"], shown["examples"]) == ([], 300)


def test_its_folder_has_what_every_model_has(learnt):
    assert {"README.md", "report.html", "hierarchy.png", "metrics.json"} <= {path.name for path in learnt.iterdir()}
    card = (learnt / "README.md").read_text()
    assert "learnt without labels" in card and "feature-extraction" in card
    assert Model.load(learnt).card.unlabelled


def test_train_tells_what_was_measured_as_json(flat, tmp_path, capsys):
    made = told(capsys, "train", flat, "--net", NET, "--out", tmp_path / "m", "--threads", "1", "--json")
    assert made["classes"][0] == "feature 1" and made["test"]["accuracy"] is None
    assert made["test"]["explained_low"] <= made["test"]["explained"] <= made["test"]["explained_high"]
    assert made["examples"] == {"train": 240, "val": 30, "test": 30, "skipped": 0}


@pytest.mark.parametrize(
    ("shape", "net"),
    [
        ((2, 40), "whiten 1, rbm 6 5, probpool 2, batchnorm, fc"),
        ((1, 8, 8, 8), "whiten 1, rbm 6 3, probpool 2, batchnorm, fc"),
    ],
)
def test_series_and_volumes_are_learnt_from_without_labels_too(tmp_path, shape, net):
    random = np.random.default_rng(0)
    for i in range(40):
        np.save(tmp_path / f"{i}.npy", random.normal(size=shape).astype(np.float32))
    finished = list(run(kinds.read(tmp_path, unlabelled=True), Training(net=net, threads=1)))[-1]
    assert isinstance(finished, Finished) and finished.outcome.test.halves == ()


def test_too_few_examples_are_refused(tmp_path):
    for i in range(3):
        Image.new("L", (8, 8), i * 80).save(tmp_path / f"{i}.png")
    with pytest.raises(GlassnetError, match="expected ten examples to learn from, found 3 pictures"):
        next(run(kinds.read(tmp_path, unlabelled=True), Training(net=NET)))


@pytest.mark.parametrize("minutes", [0.02, 1000.0])
def test_minutes_shorten_or_draw_out_the_machines_alike(minutes):
    dataset = gn.read("digits")
    plan, _, _ = choosing.make(dataset, "digits", Reading(), Training(net=NET, minutes=minutes, threads=1))
    trainer = next(run(dataset, Training(net=NET, minutes=minutes, threads=1))).trainer
    machines = [phase.steps for phase in trainer.phases if not phase.has_labels]
    if minutes > 1:
        assert plan.recipe.patience == timing.MOST_TIMES and machines == [1000, 500]
    else:
        assert plan.recipe.patience < 1 and machines[0] < 200
    assert any("times the usual steps" in note for note in plan.notes)


def test_halves_are_measured_as_they_would_be_by_hand(learnt):
    """The mean example's error, worked out from the pixels that are hidden."""
    model = gn.load(learnt)
    x = model.look(np.random.default_rng(1).integers(0, 255, (3, 1, 8, 8), np.uint8))
    usual = dict(model.net.named_buffers())["whiten1.mean"]
    found = hidden_errors(model.net, x)["top"][1]
    by_hand = ((x - usual)[:, :, :4] ** 2).mean((1, 2, 3))
    assert found == pytest.approx(by_hand.tolist(), rel=1e-5)


def test_an_interval_holds_its_mean():
    one = mean(np.arange(100.0))
    assert one.value == 49.5 and 40 < one.low < 49.5 < one.high < 60  # 49.5 -+ 1.96 * 28.9 / 10


def test_a_training_without_labels_that_was_stopped_goes_on(flat, tmp_path):
    """Killed in its first machine, and taken up again by the command that is printed."""
    out = tmp_path / "m"
    command = [
        sys.executable,
        "-m",
        "glassnet",
        "train",
        str(flat),
        "--net",
        "cdbn",
        "--out",
        str(out),
        "--threads",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (out / "checkpoints" / "run.json").is_file():
            assert process.poll() is None
        process.send_signal(2)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in said
    assert glassnet(["train", str(flat), "--out", str(out), "--resume"]) == 0
    assert Model.load(out).card.unlabelled


def test_the_usual_net_suits_small_pictures_from_the_command_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(belief, "STEPS", (20, 20))
    made = told(capsys, "train", "digits", "--net", "cdbn", "--epochs", "1", "--out", tmp_path / "m", "--json")
    assert made["net"] == "whiten 1, rbm 64 5, probpool 2, batchnorm, fc"
