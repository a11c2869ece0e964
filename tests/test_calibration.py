"""Calibration: the temperature with the least held-out loss, found a second way; answers stay what they were."""

import copy

import numpy as np
import pytest
import torch

from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse
from glassnet.training.calibration import LIMITS, MOST, calibrated_loss, scale_votes, temperature


def held_out(heat, count=400, classes=5, seed=0):
    """Logits whose classes are drawn from softmax(logits / heat), so that `heat` is what they lack."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2 * heat, (count, classes))
    shares = np.exp(logits / heat)
    shares /= shares.sum(1, keepdims=True)
    y = np.array([random.choice(classes, p=row) for row in shares])
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(y)


def losses(logits, y, heats, room):
    """Cross-entropy at each temperature in plain numpy. room: share of each target spread over all classes."""
    z, rows = logits.double().numpy(), np.arange(len(y))
    found = []
    for heat in heats:
        scaled = z / heat
        logs = scaled - scaled.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        found.append(-((1 - room) * logs[rows, y.numpy()] + room * logs.mean(1)).mean())
    return np.array(found)


@pytest.mark.parametrize("heat", [0.3, 0.8, 1.0, 1.7, 4.0])
def test_the_temperature_is_where_a_grid_search_finds_the_least_loss(heat):
    logits, y = held_out(heat)
    heats = np.geomspace(*LIMITS, 3001)
    by_grid = heats[losses(logits, y, heats, room=1 / (len(y) + 2)).argmin()]
    assert temperature(logits, y) == pytest.approx(by_grid, rel=0.002)


def test_a_known_temperature_is_found_again():
    assert temperature(*held_out(2.5, count=4000)) == pytest.approx(2.5, rel=0.08)


def test_a_net_without_mistakes_does_not_become_certain():
    logits, y = torch.eye(3)[[0, 1, 2, 0]] * 4, torch.tensor([0, 1, 2, 0])
    heat = temperature(logits, y)
    share = float((logits / heat).softmax(1).max(1).values.mean())
    # the targets leave 1 / (N + 2) over all classes, so the right one is sought at 5/6 + 1/6/3
    assert share == pytest.approx(5 / 6 + 1 / 18, abs=1e-4)


def test_the_temperature_stays_within_its_limits():
    logits, y = torch.tensor([[9.0, 0.0]] * 20), torch.tensor([0, 1] * 10)
    assert temperature(logits, y) == pytest.approx(LIMITS[1], rel=1e-3)
    assert temperature(logits * 1e-4, torch.zeros(20, dtype=torch.int64)) == pytest.approx(LIMITS[0], rel=1e-3)


def test_a_temperature_of_many_examples_is_found_on_all_classes_though_they_lie_one_after_the_other():
    sharp, flat = held_out(0.5, MOST, seed=1), held_out(3.0, MOST, seed=2)
    logits, y = (torch.cat(pair) for pair in zip(sharp, flat, strict=True))
    heats = np.geomspace(*LIMITS, 301)
    by_grid = heats[losses(logits, y, heats, room=0).argmin()]
    assert temperature(logits, y) == pytest.approx(by_grid, rel=0.1)
    assert temperature(*sharp) < 0.6 < by_grid


def test_the_compared_loss_is_the_one_at_that_temperature():
    logits, y = held_out(2.0)
    assert calibrated_loss(logits, y) == pytest.approx(losses(logits, y, [temperature(logits, y)], 0)[0], rel=1e-5)
    assert calibrated_loss(logits, y) < losses(logits, y, [1.0], 0)[0]


def test_cooler_votes_say_the_same_class_with_other_scores():
    net = ConvNet(parse("conv 4 3, relu, fc"), (1, 6, 6), 5).eval()
    with torch.no_grad():
        net.votes.bias.normal_()
    x, before = torch.randn(200, 1, 6, 6), copy.deepcopy(net)
    scale_votes(net.votes, 2.5)
    with torch.no_grad():
        assert torch.allclose(net(x), before(x) / 2.5, atol=1e-6)
        assert torch.equal(net(x).argmax(1), before(x).argmax(1))


def test_votes_without_a_bias_are_scaled_too():
    votes = torch.nn.Linear(3, 2, bias=False)
    before = votes.weight.detach().clone()
    scale_votes(votes, 4.0)
    assert torch.allclose(votes.weight * 4, before)
