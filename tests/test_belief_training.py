"""Nets that learn without labels first: layer by layer in the one training loop, then all that other nets can."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import glassnet as gn
from benchmarks import cdbn_labels
from glassnet.config import Training
from glassnet.data.kinds import read
from glassnet.doors.model import Model
from glassnet.doors.run import Prepared, run
from glassnet.errors import GlassnetError
from glassnet.explaining.halves import halves
from glassnet.nets import belief, generating, zoo
from glassnet.nets.belief import hidden_chances, machines, upward
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import measure, parse
from glassnet.training.progress import Progress

NET = "whiten 1, rbm 12 4, probpool 2, rbm 8 3, probpool 2, batchnorm, fc"


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(belief, "STEPS", (60, 40))


def learn(net=NET, out=None, **settings):
    """Everything that happens in a training on digits."""
    return list(run(read("digits"), Training(net=net, epochs=3, threads=1, **settings), out, "digits"))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(belief, "STEPS", (300, 150))
        out = tmp_path_factory.mktemp("models") / "digits"
        events = learn(out=out)
    return out, events


def test_each_machine_learns_in_a_phase_of_its_own_and_then_the_votes(learnt):
    phases = [event.phase for event in learnt[1] if isinstance(event, Progress)]
    assert list(dict.fromkeys(phases)) == ["rbm1", "rbm2", "votes"]
    errors = [e.finished.held_loss for e in learnt[1] if isinstance(e, Progress) and e.finished and e.phase == "rbm2"]
    assert errors[-1] < errors[0]


def test_what_was_learnt_without_labels_stays_as_it_is_while_the_votes_learn():
    kept = {}
    for event in run(read("digits"), Training(net=NET, epochs=2, threads=1)):
        if isinstance(event, Prepared):
            net = event.trainer.net
        if isinstance(event, Progress) and event.phase == "votes" and not kept:
            kept = {name: one.clone() for name, one in net.state_dict().items() if name.startswith("rbm")}
            votes = net.votes.weight.clone()
    assert all(torch.equal(net.state_dict()[name], one) for name, one in kept.items())
    assert not torch.equal(net.votes.weight, votes)


def test_features_learnt_without_labels_tell_digits_apart(learnt):
    assert Model.load(learnt[0]).metrics["test"]["accuracy"] > 0.8


def test_a_seed_gives_the_same_weights_twice():
    one, other = (learn()[-1].model.net.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("left_in", ["rbm1", "rbm2", "votes"])
def test_a_training_that_was_left_in_any_phase_goes_on_bit_for_bit(left_in):
    whole = learn()[-1].model.net.state_dict()
    snapshot = None
    events = run(read("digits"), Training(net=NET, epochs=3, threads=1))
    for event in events:
        if isinstance(event, Prepared):
            trainer = event.trainer
        if isinstance(event, Progress) and event.phase == left_in and event.step == 5:
            snapshot = trainer.snapshot()
            events.close()
            break
    assert snapshot is not None and snapshot.facts["at"]["phase"] == ["rbm1", "rbm2", "votes"].index(left_in)
    snapshot = type(snapshot)(snapshot.tensors, json.loads(json.dumps(snapshot.facts)))
    again = run(read("digits"), Training(net=NET, epochs=3, threads=1))
    for event in again:
        if isinstance(event, Prepared):
            event.trainer.restore(snapshot)
    found = event.model.net.state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_a_machine_learns_the_bars_that_its_pictures_are_made_of():
    """Each picture is one bar across or down in noise; the strongest features become bars, not noise."""
    made = torch.Generator().manual_seed(0)
    x = torch.randn(300, 1, 9, 9, generator=made) * 0.3
    for i in range(300):
        at = int(torch.randint(9, (1,), generator=made))
        x[i, 0, at] += 3
        if i % 2:
            x[i] = x[i].transpose(1, 2).clone()
    net = ConvNet(parse("rbm 6 5, probpool 2, fc"), (1, 9, 9), 2)
    phase = net.phases()[0]
    phase.begin(x)
    optimizer = torch.optim.SGD(phase.moved, lr=0.1, momentum=0.9)
    torch.manual_seed(0)
    for step in range(300):
        rows = torch.arange(step * 8, step * 8 + 8) % 300
        loss, _ = belief.contrastive(machines(list(net.named_children()))[0].rbm, x[rows], 2, 0.05, 5.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weight = net.get_submodule("rbm1").weight.detach()[:, 0]
    along = torch.stack([weight.mean(2).var(1), weight.mean(1).var(1)]).amax(0)  # how much lines differ
    share = along / weight.flatten(1).var(1)
    assert (share > 0.6).sum() >= 4 and weight.flatten(1).norm(dim=1).median() > 0.5


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (1, 40, 100), (2, 128), (1, 16, 16, 16)])
def test_there_is_a_net_for_every_grid(shape):
    net = zoo.belief(shape)
    rows = measure(net, shape, 5)
    assert rows[-1].flow.shape == (5,) and sum(row.cost.multiply_adds for row in rows) < 2e9


@pytest.mark.parametrize("hidden", [(slice(0, 4), slice(None)), (slice(None), slice(4, 8))])
def test_what_is_known_stays_when_the_rest_is_filled_in(learnt, hidden):
    model = Model.load(learnt[0])
    x = model.look(read("digits").samples.x[:5])
    known = torch.ones(8, 8, dtype=torch.bool)
    known[hidden] = False
    found = generating.complete(model.net, x, known)
    assert torch.allclose(found[:, :, known], x[:, :, known], atol=1e-6)
    assert torch.isfinite(found).all() and not torch.allclose(found[:, :, ~known], x[:, :, ~known], atol=1e-3)


def test_the_lowest_bases_are_the_features_and_higher_ones_sums_of_them(learnt):
    net = Model.load(learnt[0]).net
    low, high = generating.bases(net)
    one, other = machines(list(net.named_children()))
    assert torch.equal(low.pictures, one.rbm.weight.detach())
    wanted = torch.zeros(1, 9, 9)
    k = 3
    for i in range(12):  # each weight of the second machine lays the first one's feature over a block of 2 x 2 places
        for r in range(3):
            for c in range(3):
                for dr in range(2):
                    for dc in range(2):
                        at = (slice(None), slice(2 * r + dr, 2 * r + dr + 4), slice(2 * c + dc, 2 * c + dc + 4))
                        wanted[at] += other.rbm.weight[k, i, r, c].item() / 4 * one.rbm.weight[i].detach()
    assert torch.allclose(high.pictures[k], wanted, atol=1e-5)


def test_it_is_explained_as_every_net_is(learnt, tmp_path):
    model = Model.load(learnt[0])
    why = gn.explain(model, learnt[0] / "examples" / "3.png")
    assert np.allclose(why.votes.contribution.sum(1) + why.votes.bias, why.votes.logit, atol=1e-4)
    why.save(tmp_path / "why.html")
    assert "rbm2" in (tmp_path / "why.html").read_text()


@pytest.mark.parametrize("words", [["--weights", "resnet18.safetensors"]])
def test_settings_without_sense_are_refused_in_one_line(words, glassnet, tmp_path):
    (tmp_path / "resnet18.safetensors").write_bytes(b"")
    found = glassnet("train", "digits", "--net", "cdbn", *words)
    assert found.code == 2 and found.err.count("\n") == 1, found.err


def test_words_are_refused_since_they_are_no_grid(tmp_path):
    (tmp_path / "s.csv").write_text(
        "text,label\n" + "".join(f"word {i} {'ab'[i % 2]},{'ab'[i % 2]}\n" for i in range(40))
    )
    with pytest.raises(GlassnetError, match="begins with `whiten"):
        gn.train(tmp_path / "s.csv", net="cdbn")


def test_pictures_in_colour_are_learnt_from(tmp_path):
    random = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(24):
            pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
            pixels[:, :, "ab".index(label)] //= 3
            Image.fromarray(pixels).save(tmp_path / label / f"{i}.png")
    model = gn.train(tmp_path, net="whiten 3, rbm 6 5, probpool 2, batchnorm, fc", epochs=2, threads=1)
    rbm = machines(list(model.net.named_children()))[0].rbm
    assert rbm.weight.shape == (6, 3, 5, 5)
    on = hidden_chances(upward(rbm, torch.zeros(1, 3, 18, 18)), 2)
    assert torch.isfinite(on).all()


def test_each_half_of_a_picture_is_hidden_and_filled_in(learnt):
    model = Model.load(learnt[0])
    raw = read("digits").samples.x[3]
    found = halves(model.net, model.look(raw[None]), raw)
    assert [one.name for one in found] == ["top", "bottom", "left", "right"]
    mean = next(iter(model.net.children())).mean.numpy()
    scale = model.card.normalisation
    pixels = (mean * scale.std[0] + scale.mean[0]) * 255
    for one in found:
        assert one.known.sum() == 32 and (one.filled[:, one.known] == raw[:, one.known]).all()
        assert (one.hidden[:, ~one.known] == 128).all()
        wanted = np.sqrt(((pixels.clip(0, 255) - raw)[:, ~one.known] ** 2).mean())
        assert one.of_mean == pytest.approx(wanted, abs=0.1)
        real = np.sqrt(((one.filled.astype(float) - raw)[:, ~one.known] ** 2).mean())
        assert one.error == pytest.approx(real, abs=0.6), "rounded to bytes"


def test_the_folder_and_the_pages_show_what_was_learnt_without_labels(learnt, glassnet, tmp_path):
    with Image.open(learnt[0] / "hierarchy.png") as drawn:
        assert drawn.width == 1600
    image = next((learnt[0] / "examples").glob("*.png"))
    told = json.loads(glassnet("explain", learnt[0], image, "--out", "why.html", "--json").out)
    assert [one["hidden"] for one in told["halves"]] == ["top", "bottom", "left", "right"]
    assert "half filled in" in (tmp_path / "why.html").read_text()
    glassnet("features", learnt[0], "--out", "features.html")
    assert 'class="hierarchy"' in (tmp_path / "features.html").read_text()


def test_few_labels_are_compared(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cdbn_labels", "digits", "--labels", "30", "--net", NET, "--json"])
    cdbn_labels.main()
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"error", "low", "high", "labels", "seconds"} and told["labels"] == 30
    assert 0 <= told["low"] <= told["error"] <= told["high"] < 0.6


def test_labels_are_drawn_as_many_of_each_class():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    chosen = cdbn_labels.choose(y, np.arange(100), 12, 0)
    assert np.bincount(y[chosen]).tolist() == [4, 4, 4] and len(set(chosen)) == 12
    assert len(cdbn_labels.choose(y, np.arange(100), 1000, 0)) == 100
    assert not np.array_equal(chosen, cdbn_labels.choose(y, np.arange(100), 12, 1))
