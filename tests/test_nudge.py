"""Nudges: the measured curve of one weight, its tangent held against central differences, and learning so."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import glassnet as gn
from glassnet.explaining.nudge import learn_by_backpropagation, learn_by_nudging, measured_slopes, nudge
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import NORMS
from glassnet.nets.network import Criterion
from glassnet.nets.text import parse

NETS = [
    ("conv 3 3, gelu, pool 2, fc", (2, 12)),
    ("conv 4 3/2, batchnorm, gelu, residual 4, dropout 0.5, mean, fc", (2, 9, 8)),
    ("conv 2 3, gelu, fc 4, gelu, fc", (1, 5, 4, 6)),
    ("embed 4, phrases 3 2-3, gelu, mean, fc", (20, 9)),
]


def batch_of(text, shape, count=6):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        net = ConvNet(parse(text), shape, 3, seed=2).double()
        for module in net.modules():
            if isinstance(module, tuple(NORMS.values())):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        x = torch.randint(1, 20, (count, 1, 9)) if "embed" in text else torch.randn(count, *shape)
        return net.train(), x.double(), torch.randint(3, (count,))


def free(weight):
    """A place of a weight that is not 0 by nature."""
    places = torch.nonzero(weight.detach()).tolist() or torch.nonzero(weight.detach() == 0).tolist()
    return tuple(places[len(places) // 2])


@pytest.mark.parametrize(("text", "shape"), NETS)
def test_the_tangent_is_that_of_central_differences_for_a_weight_of_every_layer(text, shape):
    net, x, y = batch_of(text, shape)
    criterion, h = Criterion(0.1, torch.tensor([1.0, 2, 0.5], dtype=torch.float64)), 1e-5
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for key, weight in net.named_parameters():
        at = free(weight)
        value = weight[at].item()
        found = nudge(net, x, y, key, at, [value - h, value, value + h], criterion)
        assert found.slope == pytest.approx((found.errors[2] - found.errors[0]) / (2 * h), rel=1e-5, abs=1e-9), key
        assert found.errors[1] == pytest.approx(found.error, rel=1e-12)
        assert np.allclose(found.tangent, found.errors, atol=1e-8)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(module.training for module in net.modules())


def test_the_curve_is_what_the_net_says_with_that_weight():
    net, x, y = batch_of(*NETS[0])
    found = nudge(net, x, y, "fc1.weight", (1, 3))
    assert (len(found.values), found.values[10]) == (21, found.value) == (21, net.votes.weight[1, 3].item())
    assert found.values[0] < found.value < found.values[-1]
    assert found.probability.shape == (21, 6, 3)
    net.eval()
    for value, error, probability, answers in zip(
        found.values, found.errors, found.probability, found.answers, strict=True
    ):
        with torch.no_grad():
            net.votes.weight[1, 3] = value
            logits = net(x)
        assert error == pytest.approx(functional.cross_entropy(logits, y).item(), rel=1e-12)
        assert np.allclose(probability, logits.softmax(1).numpy(), rtol=1e-12)
        assert answers.tolist() == logits.argmax(1).tolist()


def test_a_net_of_one_weight_has_the_curve_that_is_worked_out_by_hand():
    """Logits w and 0 for one example of the first class: error ln(1 + exp(-w)), slope -1 / (1 + exp(w))."""
    net = ConvNet(parse("fc"), (1, 1), 2).double()
    with torch.no_grad():
        net.votes.weight.copy_(torch.tensor([[0.5], [0.0]]))
        net.votes.bias.zero_()
    found = nudge(net, torch.ones(1, 1, 1, dtype=torch.float64), torch.tensor([0]), "fc1.weight", (0, 0), [-1, 0, 2])
    assert found.errors.tolist() == pytest.approx(np.log1p(np.exp([1.0, 0.0, -2.0])).tolist())
    assert found.slope == pytest.approx(-1 / (1 + np.exp(0.5)))
    assert found.tangent.tolist() == pytest.approx([found.error + found.slope * step for step in (-1.5, -0.5, 1.5)])
    assert found.answers[:, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("net", "key", "index", "words"),
    [
        (0, "conv9.weight", (0, 0, 0), "nudge: expected one of conv1.weight, .*, found conv9.weight"),
        (0, "conv1.weight", (0, 9, 0), "conv1.weight: expected a place in 3x2x3 weights, from 0, found 0, 9, 0"),
        (0, "conv1.weight", (0,), "conv1.weight: expected a place in 3x2x3 weights"),
        (3, "embed1.weight", (0, 1), "embed1.weight: expected a weight that learns, found one that is always 0"),
        (3, "phrases1.weight", (0, 0, 2), "found one that is always 0"),
    ],
)
def test_a_weight_that_is_not_there_is_refused(net, key, index, words):
    net, x, y = batch_of(*NETS[net])
    with pytest.raises(gn.GlassnetError, match=words):
        gn.nudge(net, x, y, key, index)


def test_still_words_are_refused():
    net, x, y = batch_of("embed 4 still, phrases 3 2-3, gelu, mean, fc", (20, 9))
    with pytest.raises(gn.GlassnetError, match="expected weights that learn, found still ones"):
        nudge(net, x, y, "embed1.weight", (3, 1))


def test_every_nudge_together_is_what_backpropagation_computes():
    net, x, y = batch_of(*NETS[1])
    found = measured_slopes(net, x, y, 1e-5)
    net.eval()
    slopes = torch.autograd.grad(functional.cross_entropy(net(x), y), list(net.parameters()))
    assert np.allclose(found, torch.cat([slope.flatten() for slope in slopes]).numpy(), rtol=1e-4, atol=1e-8)


def test_nudging_makes_the_error_less_sweep_by_sweep_as_backpropagation_does():
    both = []
    for learn in (learn_by_nudging, learn_by_backpropagation):
        net, x, y = batch_of("conv 2 3, relu, pool 2, fc", (1, 6, 6), 12)
        before = functional.cross_entropy(net.eval()(x), y).item()
        errors = list(learn(net, x, y, 0.05, 8))
        assert len(errors) == 8
        assert all(later <= earlier for earlier, later in zip([before, *errors], errors, strict=False))
        assert errors[-1] < 0.9 * before
        assert errors[-1] == pytest.approx(functional.cross_entropy(net(x), y).item(), rel=1e-9)
        both.append(errors)
    assert both[0] != both[1]


def test_where_no_nudge_is_worth_it_the_next_are_half_as_far():
    """One weight w, and error ln(1 + exp(-w)) + ln(1 + exp(w)) over two examples: least at 0."""
    net = ConvNet(parse("fc"), (1, 1), 2).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.votes.weight[0, 0] = 0.3
    x, y = torch.ones(2, 1, 1, dtype=torch.float64), torch.tensor([0, 1])
    errors = list(learn_by_nudging(net, x, y, 0.8, 12))
    assert errors[0] == pytest.approx(np.log1p([np.exp(-0.3), np.exp(0.3)]).mean()), "0.8 is too far either way"
    assert errors[-1] == pytest.approx(np.log(2), abs=1e-3)
