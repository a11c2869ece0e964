"""Convolutional restricted Boltzmann machines, against every state written out in float64, unit by unit."""

import itertools
import math

import pytest
import torch

from glassnet.nets import belief, generating, whitened
from glassnet.nets.belief import (
    blocks,
    contrastive,
    downward,
    draw,
    free_energy,
    gibbs,
    hidden_chances,
    inner_of,
    pooled_chances,
    unblocked,
    upward,
    visible_mean,
)
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import RBMS, ProbPool, Whiten
from glassnet.nets.text import parse

SIDE = 2


def machine(real=False, features=2, channels=1, size=2, axes=1, padding=0, seed=0):
    """A small machine with lively weights, in float64."""
    made = torch.Generator().manual_seed(seed)
    rbm = RBMS[axes](channels, features, size, padding=padding).double()
    rbm.see(channels)
    rbm.visible.data = torch.randn(channels, generator=made, dtype=torch.float64)
    rbm.real = real
    with torch.no_grad():
        rbm.weight.copy_(torch.randn(rbm.weight.shape, generator=made, dtype=torch.float64))
        rbm.bias.copy_(torch.randn(features, generator=made, dtype=torch.float64))
    return rbm


def groups(size, side=SIDE):
    """The places of each block of a line of units."""
    return [range(start, min(start + side, size)) for start in range(0, size, side)]


def states(features, size, side=SIDE):
    """Every state (features, size) of hidden units in which no block has two that are on."""
    ways = [[None, *group] for group in groups(size, side)]
    for each in itertools.product(*[itertools.product(*ways) for _ in range(features)]):
        h = torch.zeros(features, size, dtype=torch.float64)
        for k, chosen in enumerate(each):
            for place in chosen:
                if place is not None:
                    h[k, place] = 1
        yield h


def energy(rbm, v, h):
    """E(v, h) of a line, a product at a time: Lee et al. 2009, section 3.2. v: (C, n). h: (K, m)."""
    total = 0.0
    for k in range(h.shape[0]):
        for j in range(h.shape[1]):
            patch = sum(
                rbm.weight[k, c, r] * v[c, j + r] for c in range(v.shape[0]) for r in range(rbm.weight.shape[2])
            )
            total = total - h[k, j] * (patch + rbm.bias[k])
    for c in range(v.shape[0]):
        for i in range(v.shape[1]):
            total = total - rbm.visible[c] * v[c, i] + (v[c, i] ** 2 / 2 if rbm.real else 0)
    return total


def summed(rbm, v):
    """-log of the sum of exp(-E) over every hidden state."""
    count = v.shape[1] - rbm.weight.shape[2] + 1
    return -torch.logsumexp(torch.stack([-energy(rbm, v, h) for h in states(len(rbm.bias), count)]), 0)


def some(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [4, 5])
def test_chances_are_those_of_every_state_counted(size):
    inputs = some(1, 2, size) * 2
    weights, on, pooled = [], [], []
    for h in states(2, size):
        weights.append(float((inputs[0] * h).sum().exp()))
        on.append(h)
        pooled.append(torch.stack([h[:, list(group)].sum(1) for group in groups(size)], 1))
    share = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    wanted = (torch.stack(on) * share[:, None, None]).sum(0)
    assert torch.allclose(hidden_chances(inputs, SIDE)[0], wanted, atol=1e-12)
    blocked = (torch.stack(pooled) * share[:, None, None]).sum(0)
    assert torch.allclose(pooled_chances(inputs, SIDE)[0], blocked, atol=1e-12)
    assert torch.allclose(ProbPool(SIDE)(inputs)[0], blocked, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 5, 6), (1, 2, 3, 4, 5)])
def test_a_blocks_chances_and_that_of_none_add_up_to_one_on_any_number_of_axes(shape):
    inputs = some(*shape) * 3
    parts = blocks(hidden_chances(inputs, 2), 2, 0.0)
    none = 1 / (1 + blocks(inputs, 2).exp().sum(-1))
    assert torch.allclose(parts.sum(-1) + none, torch.ones_like(none), atol=1e-12)
    assert torch.allclose(parts.sum(-1), pooled_chances(inputs, 2), atol=1e-12)
    assert torch.equal(unblocked(blocks(inputs, 2), 2, shape[2:]), inputs)


def test_huge_inputs_neither_overflow_nor_vanish():
    inputs = torch.tensor([[[1e4, -1e4, 1e4, 1e4, -1e4, -1e4]]], dtype=torch.float64)
    assert hidden_chances(inputs, 2)[0, 0].tolist() == pytest.approx([1, 0, 0.5, 0.5, 0, 0], abs=1e-12)
    assert pooled_chances(inputs, 2)[0, 0].tolist() == pytest.approx([1, 1, 0], abs=1e-12)


def test_units_are_drawn_as_often_as_their_chances_and_never_two_of_a_block():
    torch.manual_seed(0)
    chances = hidden_chances(some(1, 2, 5, 5), 2)
    drawn = torch.cat([draw(chances, 2) for _ in range(4000)])
    assert blocks(drawn, 2, 0.0).sum(-1).max() == 1
    spread = (chances * (1 - chances) / 4000).sqrt()
    assert ((drawn.mean(0) - chances[0]).abs() < 4.5 * spread[0] + 1e-9).all()


@pytest.mark.parametrize("real", [False, True])
def test_free_energy_is_the_sum_over_every_hidden_state(real):
    rbm, v = machine(real, channels=2), some(1, 2, 5)
    assert free_energy(rbm, v, SIDE).item() == pytest.approx(summed(rbm, v[0]).item(), abs=1e-10)


@pytest.mark.parametrize("real", [False, True])
def test_the_gradient_is_contrastive_divergences(real, monkeypatch):
    """What every hidden state adds, on the data less on the chain's end, each by its chance given the visible units."""
    rbm, v = machine(real), (some(1, 1, 5) > 0).double()
    end = some(1, 1, 5, seed=4).sigmoid()
    chances = hidden_chances(upward(rbm, v), SIDE).detach()
    monkeypatch.setattr(belief, "gibbs", lambda *_: belief.Chain(end, chances))
    loss, error = contrastive(rbm, v, SIDE, sparse=0.1, pull=0.0)
    found = torch.autograd.grad(loss, [rbm.weight, rbm.bias, rbm.visible])
    wanted = [torch.zeros_like(one) for one in found]
    for sign, x in ((1, v[0]), (-1, end[0])):
        each = list(states(2, 4))
        chance = torch.softmax(torch.stack([-energy(rbm, x, h) for h in each]).detach(), 0)
        for p, h in zip(chance, each, strict=True):
            for k, j, r in itertools.product(range(2), range(4), range(2)):
                wanted[0][k, 0, r] -= sign * p * h[k, j] * x[0, j + r]
            wanted[1] -= sign * p * h.sum(1)
            wanted[2] -= sign * p * x.sum(1)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other / 4, atol=1e-10), "a place of the hidden maps, in the mean"
    assert float(error) == pytest.approx(float(((v - end) ** 2).mean()))


def test_a_chain_that_forgot_its_data_gives_the_gradient_of_the_likelihood():
    """Every visible and hidden state written out: the gradient of -log p(v) is that of F(v) less its mean over p."""
    rbm = machine()
    every = [torch.tensor(bits, dtype=torch.float64)[None] for bits in itertools.product((0, 1), repeat=4)]
    costs = torch.stack([summed(rbm, v) for v in every])
    data = every[5]
    exact = torch.autograd.grad(summed(rbm, data) + torch.logsumexp(-costs, 0), [rbm.weight, rbm.bias, rbm.visible])
    chance = torch.softmax(-costs, 0).detach()
    energies = torch.stack([free_energy(rbm, v[None], SIDE)[0] for v in every])
    loss = free_energy(rbm, data[None], SIDE)[0] - (chance * energies).sum()
    found = torch.autograd.grad(loss, [rbm.weight, rbm.bias, rbm.visible])
    assert all(torch.allclose(one, other, atol=1e-10) for one, other in zip(found, exact, strict=True))


def test_biases_are_pulled_towards_the_wanted_share_and_nothing_else_is():
    rbm, v = machine(real=True), some(3, 1, 9)
    torch.manual_seed(0)
    plain, _ = contrastive(rbm, v, SIDE, sparse=0.05, pull=0.0)
    torch.manual_seed(0)
    pulled, _ = contrastive(rbm, v, SIDE, sparse=0.05, pull=2.0)
    extra = torch.autograd.grad(pulled - plain, [rbm.weight, rbm.bias, rbm.visible], allow_unused=True)
    mean = hidden_chances(upward(rbm, v), SIDE).detach().transpose(0, 1).flatten(1).mean(1)
    assert torch.allclose(extra[1], 2 * (mean - 0.05), atol=1e-12)
    assert float(extra[0].abs().max()) < 1e-12 and float(extra[2].abs().max()) < 1e-12


@pytest.mark.parametrize(("axes", "padding"), [(1, 0), (2, 0), (2, 2), (3, 0), (3, 1)])
def test_looking_down_is_looking_up_turned_round(axes, padding):
    rbm = machine(channels=2, features=3, size=3, axes=axes, padding=padding)
    with torch.no_grad():
        rbm.bias.zero_()
    v = some(1, 2, *[6] * axes)
    up = upward(rbm, v)
    h = some(*up.shape, seed=3)
    down = downward(rbm, h, biased=False)
    assert down.shape == v.shape
    assert (up * h).sum().item() == pytest.approx((v * down).sum().item(), abs=1e-9)
    assert torch.allclose(downward(rbm, h) - down, rbm.visible.reshape(1, 2, *[1] * axes).expand_as(down))


def test_visible_units_are_expected_as_every_state_of_theirs_says():
    rbm = machine(channels=1)
    h = next(h for h in states(2, 4) if h.sum() == 3)
    every = [torch.tensor(bits, dtype=torch.float64)[None] for bits in itertools.product((0, 1), repeat=5)]
    chance = torch.softmax(torch.stack([-energy(rbm, v, h) for v in every]), 0)
    wanted = sum(p * v for p, v in zip(chance, every, strict=True))
    assert torch.allclose(visible_mean(rbm, h[None])[0], wanted, atol=1e-12)


def test_visible_units_at_the_edge_of_a_valid_convolution_stay_as_they_are():
    torch.manual_seed(0)
    rbm, v = machine(real=True, size=3, axes=2), some(2, 1, 8, 9)
    end = gibbs(rbm, v, SIDE, 3).end
    inner = inner_of(rbm, (8, 9))
    assert end[inner].shape == (2, 1, 4, 5) and not torch.allclose(end[inner], v[inner])
    end[inner] = v[inner]
    assert torch.equal(end, v)
    full = machine(real=True, size=3, axes=2, padding=2)
    assert v[inner_of(full, (8, 9))].shape == v.shape


def test_a_block_weighs_what_comes_from_below_and_what_is_expected_from_above():
    """Section 3.6, every state of one block written out, those of the machine above given."""
    low, high = machine(features=1), machine(features=1, channels=1, seed=7)
    v = some(1, 1, 3)
    above = some(1, 1, 1, seed=5).sigmoid()
    inputs = upward(low, v)  # one block of two units
    down = downward(high, above, biased=False)  # (1, 1, 2): what the pooling units get; the first is this block's
    weights = [1.0, *(math.exp((inputs[0, 0, j] + down[0, 0, 0]).item()) for j in range(2))]
    wanted = torch.tensor(weights[1:], dtype=torch.float64) / sum(weights)
    both = hidden_chances(inputs + down[:, :, :1], SIDE)
    assert torch.allclose(both[0, 0], wanted, atol=1e-12)


def test_all_machines_together_settle_where_each_agrees_with_its_neighbours(monkeypatch):
    """At the end of mean field every chance is what its neighbours' chances make it."""
    low = belief.Machine("rbm1", (), machine(real=True, features=2), 2)
    high = belief.Machine("rbm2", (), machine(features=2, channels=2, seed=3), 1)
    v = some(1, 1, 7)
    monkeypatch.setattr(generating, "SWEEPS", 200)
    found = generating.expect((low, high), v)
    first = hidden_chances(upward(low.rbm, v), 2)
    for _ in range(400):
        pooled = blocks(first, 2, 0.0).sum(-1)
        second = hidden_chances(upward(high.rbm, pooled), 1)
        given = downward(high.rbm, second, biased=False)
        first = hidden_chances(upward(low.rbm, v) + given.repeat_interleave(2, 2), 2)
    assert torch.allclose(found, visible_mean(low.rbm, first), atol=1e-8)


def test_whitening_makes_neighbours_independent(monkeypatch):
    monkeypatch.setattr(whitened, "NOISE", 1e-3)  # as good as none, so that all of it is whitened
    made = torch.Generator().manual_seed(0)
    noise = torch.randn(60, 1, 40, 40, generator=made, dtype=torch.float64)
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1)
    kernel = whitened.whitening(smooth, (9, 9))
    white = torch.nn.functional.conv2d(smooth, kernel)

    def likeness(x, step):
        return float((x[..., step:] * x[..., :-step]).mean() / (x * x).mean())

    assert abs(likeness(smooth, 1)) > 0.6
    assert abs(likeness(white, 1)) < 0.1 and abs(likeness(white, 2)) < 0.1
    assert torch.allclose(kernel[0, 0], kernel[0, 0].flip(0, 1), atol=0.05), "no phase: the same to all sides"


def test_principal_directions_are_those_of_the_covariance():
    x = some(30, 2, 3, 3)
    directions, variance, alone = whitened.principal(x, 5)
    rows = (x - x.mean(0)).flatten(1)
    values, vectors = torch.linalg.eigh(rows.T @ rows / 30)
    found = directions.flatten(1)
    assert torch.allclose(found @ found.T, torch.eye(5, dtype=x.dtype), atol=1e-9)
    assert torch.allclose((found @ vectors[:, -5:]).abs().sum(1), torch.ones(5, dtype=x.dtype), atol=1e-6)
    assert torch.allclose(alone, values[:-5].mean(), atol=1e-9)
    assert torch.allclose(variance, values.flip(0)[:5] - alone, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2])
def test_one_example_or_two_give_no_more_directions_than_there_are(count):
    directions, variance, alone = whitened.principal(some(count, 1, 4, 4), 3)
    assert torch.isfinite(directions).all() and (variance[count - 1 :] == 0).all() and alone > 0


def test_what_is_likely_is_the_mean_given_what_is_known(monkeypatch):
    """Of a normal distribution whose covariance is written out."""
    monkeypatch.setattr(generating, "SPREADS", 1)
    layer = Whiten((1, 4, 4), 3).double()
    examples = some(40, 1, 4, 4)
    directions, variance, alone = whitened.principal(examples, len(layer.directions))
    mean = examples.mean(0)
    layer.directions, layer.variance, layer.alone, layer.mean = directions, variance, alone, mean
    known = torch.arange(16).reshape(4, 4) % 3 > 0
    x = some(2, 1, 4, 4, seed=9)
    flat, at = directions.flatten(1), known.flatten()
    covariance = flat.T @ torch.diag(variance) @ flat + alone * torch.eye(16, dtype=x.dtype)
    given = (x - mean).flatten(1)[:, at]
    wanted = covariance[~at][:, at] @ torch.linalg.solve(covariance[at][:, at], given.T)
    found = generating.likely(layer, x, known)
    assert torch.allclose(found[:, :, ~known], wanted.T[:, None] + mean[:, ~known], atol=1e-9)


def test_what_is_filled_in_is_nearer_than_the_mean_where_halves_go_together():
    """Bars that go all the way across: the hidden half follows from the other one."""
    made = torch.Generator().manual_seed(0)
    rows = torch.randn(80, 1, 16, 1, generator=made).expand(80, 1, 16, 16).contiguous()
    net = ConvNet(parse("whiten 3, rbm 8 4 valid, probpool 2, batchnorm, fc"), (1, 16, 16), 2, 0)
    net.phases()[0].begin(rows[:60])
    known = (torch.arange(16) < 8).expand(16, 16)
    x = rows[60:]
    found = generating.complete(net, x, known)
    mean = next(iter(net.children())).mean

    def error(y):
        return float(((y - x)[..., ~known] ** 2).mean())

    assert error(found) < 0.5 * error(mean.expand_as(x))


def test_the_layout_of_the_weights_changes_nothing():
    rbm = machine(real=True, size=5, axes=2, padding=4, channels=2)
    v = some(2, 2, 4, 4)
    torch.manual_seed(0)
    plain, _ = contrastive(rbm, v, SIDE, 0.1, 5.0)
    (wanted,) = torch.autograd.grad(plain, rbm.weight)
    rbm.weight.data = rbm.weight.data.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    other, _ = contrastive(rbm, v.contiguous(memory_format=torch.channels_last), SIDE, 0.1, 5.0)
    (found,) = torch.autograd.grad(other, rbm.weight)
    assert torch.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("inputs", [-1e4, -100.0, 0.0])
def test_no_chance_is_so_small_that_a_processor_crawls(inputs):
    pool = ProbPool(SIDE)
    x = torch.full((1, 1, 4), inputs)
    for chances in (hidden_chances(x, SIDE), pooled_chances(x, SIDE), pool(x)):
        assert (chances > torch.finfo(torch.float32).tiny).all()
