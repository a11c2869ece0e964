"""None of these: what is like nothing a model learnt from is refused, real examples hardly ever, as is measured."""

import json
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import glassnet as gn
from glassnet.doors.card import write_sums
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays
from glassnet.nets.text import parse
from glassnet.training import familiarity, seeing
from glassnet.training.familiarity import Familiarity, View
from glassnet.training.seeing import views_of

PER_100 = familiarity.WANTED


@pytest.fixture(scope="module")
def digits():
    """A model of handwritten digits."""
    return gn.train("digits", epochs=8)


def photo(path, seed=0, size=(120, 90)):
    """A colour picture with the spectrum of a photo: its amplitude falls with the frequency."""
    random, (width, height) = np.random.default_rng(seed), size
    across, down = np.fft.fftfreq(width)[None], np.fft.fftfreq(height)[:, None]
    wave = random.normal(size=(3, height, width)) + 1j * random.normal(size=(3, height, width))
    seen = np.fft.ifft2(wave / (np.hypot(across, down) + 1 / width)).real.transpose(1, 2, 0)
    low, high = np.percentile(seen, [1, 99])
    Image.fromarray(((seen - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)).save(path)
    return path


def test_noise_is_none_of_the_digits_whatever_the_votes_say(digits):
    shape, random = digits.card.preparation.shape, np.random.default_rng(1)
    fine = random.integers(0, 256, (60, *shape)).astype(np.uint8)
    coarse = random.integers(0, 256, (60, 1, shape[1] // 2, shape[2] // 2)).astype(np.uint8).repeat(2, 2).repeat(2, 3)
    for one in digits.predict(fine) + digits.predict(coarse):
        assert one.is_none_of_these and one.strangeness > 1
        assert sum(one.votes.values()) == pytest.approx(1), "the votes are told all the same"


def test_a_photo_is_neither_an_x_nor_an_o(xo_model, glassnet, tmp_path):
    (tmp_path / "photos").mkdir()
    for seed in range(20):
        photo(tmp_path / "photos" / f"{seed}.jpg", seed)
    answer = glassnet("predict", xo_model, "photos", "--json")
    said = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["none_of_these"] for one in said] == [True] * 20
    assert all(one["strangeness"] > 1 and one["class"] in ("X", "O") for one in said)
    assert "none of these   (" in glassnet("predict", xo_model, "photos/0.jpg").out
    why = glassnet("explain", xo_model, "photos/0.jpg", "--json")
    assert json.loads(why.out)["none_of_these"] and "None of these" in glassnet("explain", xo_model, "photos/0.jpg").out
    assert "like nothing that the net learnt from" in (tmp_path / json.loads(why.out)["page"]).read_text()
    example = json.loads(glassnet("predict", xo_model, xo_model / "examples" / "X.png", "--json").out)
    assert (example["none_of_these"], example["class"]) == (False, "X")


@pytest.mark.data
def test_real_photos_are_neither_an_x_nor_an_o(real_data, xo_model):
    photos = sorted((real_data("cifar10-small") / "test").rglob("*.jpg"))[::5]
    said = gn.load(xo_model).predict([str(path) for path in photos])
    assert np.mean([one.is_none_of_these for one in said]) > 0.95


def test_the_rate_of_false_alarms_is_measured_on_the_test_split(digits):
    told = digits.metrics["none_of_these"]
    assert told["examples"] == digits.metrics["examples"]["test"]
    assert told["share"] == told["refused"] / told["examples"] == digits.false_alarms
    assert told["low"] <= told["share"] <= told["high"] and told["low"] <= PER_100 <= 0.1


def test_evaluate_finds_the_rate_that_the_training_measured(xo_model, glassnet):
    told = json.loads((xo_model / "metrics.json").read_text())["none_of_these"]
    glassnet("make", "xo", "more", "--count", 300, "--seed", 5)
    found = json.loads(glassnet("evaluate", xo_model, "more", "--json").out)["none_of_these"]
    assert found["examples"] > 200 and found["low"] <= told["high"] and told["low"] <= found["high"]
    assert "for none of these" in glassnet("evaluate", xo_model, "more").out


def test_a_model_is_saved_and_opened_with_what_it_is_used_to(digits, tmp_path):
    again = gn.load(digits.save(tmp_path / "digits"))
    x = np.random.default_rng(1).integers(0, 256, (9, *digits.card.preparation.shape)).astype(np.uint8)
    before, after = digits.predict(x), again.predict(x)
    assert [one.strangeness for one in after] == pytest.approx([one.strangeness for one in before])


def test_an_older_model_never_says_so(xo_model, tmp_path):
    folder = shutil.copytree(xo_model, tmp_path / "older")
    (folder / "familiarity.safetensors").unlink()
    write_sums(folder)
    (said,) = gn.load(folder).predict(np.zeros((1, 1, 9, 9), np.uint8))
    assert said.strangeness is None and not said.is_none_of_these and "none_of_these" not in said.as_json()


@pytest.mark.parametrize("damage", ["cut", "gone", "flipped", "another shape"])
def test_a_damaged_memory_is_refused_in_one_line(xo_model, glassnet, tmp_path, damage):
    folder = shutil.copytree(xo_model, tmp_path / "model")
    path = folder / "familiarity.safetensors"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "another shape":
        tensors = safetensors.torch.load(data)
        path.write_bytes(safetensors.torch.save({**tensors, "votes.mean": torch.zeros(3)}))
        write_sums(folder)
    else:
        path.write_bytes(data[:-100] if damage == "cut" else data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    answer = glassnet("predict", folder, folder / "examples" / "X.png")
    assert answer.code == 2 and len(answer.err.strip().splitlines()) == 1 and "Traceback" not in answer.err


def test_the_nearest_example_decides_and_the_limit_is_where_one_in_a_hundred_lies():
    bank = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).half()
    view = View(bank, torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0]), 0.5)
    assert view.distance(torch.tensor([[1.0, 3.0], [9.0, 4.0]])).tolist() == pytest.approx([6.0, 8.0])
    two = Familiarity({"a": view, "b": View(bank, torch.zeros(2), torch.ones(2), 1.0)}, 4.0, 100)
    seen = {"a": torch.tensor([[1.0, 3.0]]), "b": torch.tensor([[0.0, 8.0]])}
    assert two.strangeness(seen).tolist() == pytest.approx([2.0]), "the larger of 6 and 8, of a limit of 4"
    assert familiarity._exceeded_by_few(torch.arange(1.0, 200.0)) == 198
    tail = torch.from_numpy(np.random.default_rng(0).exponential(size=(4000, 12)))
    beyond = np.mean([np.exp(-familiarity._exceeded_by_few(row)) for row in tail])
    assert beyond < 0.06, "twelve examples can't tell more; their largest alone would be exceeded by one in thirteen"


@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 33, 20), (20, 70), (1, 5), (2, 9, 8, 7)])
def test_every_shape_is_seen_and_examples_apart_from_each_other(shape):
    random = torch.Generator().manual_seed(0)
    x, voted = torch.randn(6, *shape, generator=random), torch.randn(6, 700, generator=random)
    views = views_of(x, voted)
    assert {name: len(values) for name, values in views.items()} == {"votes": 6, "layout": 6, "spread": 6}
    assert views["votes"].shape[1] <= seeing.WIDEST
    for name, values in views.items():
        alone = views_of(x[2:3], voted[2:3])[name]
        assert torch.allclose(alone, values[2:3], atol=1e-6), name


@pytest.mark.parametrize("both_ways", [False, True])
def test_views_noted_during_a_pass_are_those_of_the_examples_themselves(both_ways):
    net = ConvNet(parse("conv 4 3, relu, pool 2, fc"), (1, 8, 8), 2).eval()
    x = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    asked = BothWays(net) if both_ways else net
    with seeing.Noted(net, 7, both_ways) as noted, torch.no_grad():
        asked(x[:4])
        asked(x[4:])
    with seeing.voting(net) as voted, torch.no_grad():
        net(x)
    for name, values in views_of(x, voted[0]).items():
        assert torch.allclose(noted.views[name], values, atol=1e-6), name
    asked(x)
    assert len(noted.views["votes"]) == 7, "nothing is noted any more"


def test_of_very_many_examples_those_that_are_noted_lie_evenly_over_all(monkeypatch):
    monkeypatch.setattr(seeing, "MOST", 4)
    net = ConvNet(parse("conv 4 3, relu, pool 2, fc"), (1, 8, 8), 2).eval()
    x = torch.randn(11, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with seeing.Noted(net, 11) as noted, torch.no_grad():
        for some in (x[:4], x[4:5], x[5:6], x[6:]):
            net(some)
    with seeing.voting(net) as voted, torch.no_grad():
        net(x[::3])  # 11 in steps of 3 are four
    for name, values in views_of(x[::3], voted[0]).items():
        assert torch.allclose(noted.views[name], values, atol=1e-6), name


def test_a_sound_in_several_windows_is_as_strange_as_its_most_familiar_one(digits):
    from glassnet.doors.inputs import Input

    shape = digits.card.preparation.shape
    noise = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    real = gn.read("digits").samples.x[0]
    mixed, alone = digits.answer_inputs([Input("both", real, windows=np.stack([noise, real])), Input("one", real)])
    assert mixed.strangeness == pytest.approx(alone.strangeness, rel=1e-3) and alone.strangeness <= 1


def test_too_few_examples_to_tell_say_nothing():
    dataset = gn.xo(12, seed=1)
    model = gn.train(dataset, epochs=1)
    assert model.familiar is None and "none_of_these" not in model.metrics
    assert model.predict(np.zeros((1, 1, 9, 9), np.uint8))[0].strangeness is None
