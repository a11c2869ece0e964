"""ARITHMETIC: a checklist over every rule; each sum is held against the traced value and against autograd."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from glassnet.explaining.arithmetic import ARITHMETIC, arithmetic, thread
from glassnet.explaining.numbers import TYPES
from glassnet.explaining.trace import Step, sources, trace
from glassnet.nets.blocks import LAYERS
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import NORMS, Embed, ProbPool, Whiten
from glassnet.nets.text import parse

TEXTS = [
    "conv 4 3, batchnorm, relu, pool 2, conv 5 4/3 valid, pool 3/2, dropout 0.4, fc 6, batchnorm, relu, fc",
    "conv 3 5/2, pool 2/3, residual 3, residual 4/2, mean, relu, fc",
    "conv 3 3, gelu, pool 3/2 same, bottleneck 4, bottleneck 8/2, fc",
    "pool 3/1, conv 2 3/2, max, relu, fc",
]
BELIEF = "whiten 3, rbm 3 4 valid, probpool 2, rbm 4 3, probpool 3, batchnorm, fc"
SHAPES = [(2, 26), (2, 23, 18), (1, 14, 16, 17)]
WORDS = "embed 5, phrases 3 2-4, max, relu, dropout 0.5, fc"
CASES = [*itertools.product([*TEXTS, BELIEF], SHAPES), (WORDS, (9, 14))]


def traced(text, shape):
    """The steps of a pass in float64 through a net with lively norms and biases."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = ConvNet(parse(text), shape, 4).double()
        for module in net.modules():
            if isinstance(module, tuple(NORMS.values())):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.normal_(module.running_mean)
            if getattr(module, "bias", None) is not None:
                nn.init.normal_(module.bias)
        x = torch.randint(9, (1, 1, 14)).double() if text == WORDS else torch.randn(1, *shape, dtype=torch.float64)
        return trace(net, x), net.eval()


def places(step):
    """The corners, where windows reach past the edge, and some between."""
    shape = step.output.shape[1:]
    random = np.random.default_rng(0)
    corners = list(itertools.product(*[sorted({0, n - 1}) for n in shape]))[:16]
    return corners + [tuple(int(random.integers(n)) for n in shape) for _ in range(6)]


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_terms_and_bias_add_up_to_what_the_net_computed_at_every_layer(text, shape):
    steps, _ = traced(text, shape)
    for step in steps:
        for at in places(step):
            parts = arithmetic(step, at)
            value = step.output[0][at].item()
            assert parts.total == pytest.approx(value, rel=1e-12, abs=1e-12), f"{step.name} at {at}"
            assert float((parts.values * parts.weights).sum()) + parts.bias == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_the_weight_of_a_term_is_how_much_its_input_moves_the_output(text, shape):
    """Autograd as the second computation: a weight is a derivative, and what has none is no term."""
    steps, _ = traced(text, shape)
    for step in steps:
        if isinstance(step.layer, (nn.GELU, Embed, ProbPool, Whiten)):  # bent everywhere, or looked up: no slope
            continue
        inputs = [one.clone().requires_grad_() for one in step.inputs]
        output = step.layer(*inputs)
        for at in places(step):
            parts = arithmetic(step, at)
            slopes = torch.autograd.grad(output[(0, *at)], inputs, retain_graph=True)
            found = [torch.zeros_like(one[0]) for one in inputs]
            for i, place, weight, value in zip(parts.inputs, parts.places, parts.weights, parts.values, strict=True):
                found[i][tuple(place)] += weight
                assert value == step.inputs[i][0][tuple(place)].item()
            for one, slope in zip(found, slopes, strict=True):
                assert torch.allclose(one, slope[0], rtol=1e-12, atol=1e-12), f"{step.name} at {at}"


def test_every_rule_is_examined_above_and_every_layer_of_a_text_has_one():
    seen, words = set(), set()
    for text, shape in CASES:
        words |= {layer.form.split()[0] for layer in parse(text).layers}
        seen |= {type(step.layer) for step in traced(text, shape)[0]}
    assert seen == set(ARITHMETIC) == set(TYPES)
    assert words == set(LAYERS)


def step_of(layer, x):
    return Step("one", layer, (x,), layer(x).detach())


def test_a_filter_at_the_border_adds_up_only_what_it_covers():
    layer = nn.Conv1d(1, 1, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[2.0, 3.0, 4.0]]]))
        layer.bias.fill_(0.5)
    x = torch.tensor([[[5.0, 7.0, 1.0]]])
    left = arithmetic(step_of(layer, x), (0, 0))
    assert (left.values.tolist(), left.weights.tolist()) == ([5, 7], [3, 4])
    assert left.places.tolist() == [[0, 0], [0, 1]]
    assert (left.bias, left.total) == (0.5, 43.5)
    assert left.patch == (1, 3)
    assert left.divided == pytest.approx(43 / 3), "as the slides: by the pixels of the feature"
    right = arithmetic(step_of(layer, x), (0, 2))
    assert (right.values.tolist(), right.weights.tolist(), right.total) == ([7, 1], [2, 3], 17.5)


def test_the_last_window_of_a_pool_keeps_what_it_still_covers():
    x = torch.tensor([[[[1.0, 9, 2], [3, 4, 5], [6, 8, -7]]]])
    step = step_of(nn.MaxPool2d(2, 2, ceil_mode=True), x)
    corner = arithmetic(step, (0, 1, 1))
    assert (corner.values.tolist(), corner.weights.tolist(), corner.total) == ([-7], [1], -7)
    side = arithmetic(step, (0, 1, 0))
    assert (side.values.tolist(), side.weights.tolist()) == ([6, 8], [0, 1])
    whole = arithmetic(step, (0, 0, 0))
    assert (whole.values.tolist(), whole.weights.tolist(), whole.total) == ([1, 9, 3, 4], [0, 1, 0, 0], 9)
    assert whole.places.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]


def test_a_batchnorm_is_its_factor_and_shift():
    layer = nn.BatchNorm1d(1, eps=0.0).eval()
    with torch.no_grad():
        layer.weight.fill_(3)
        layer.bias.fill_(1)
        layer.running_mean.fill_(5)
        layer.running_var.fill_(4)
    parts = arithmetic(step_of(layer, torch.tensor([[9.0]])), (0,))
    assert (parts.weights.tolist(), parts.bias, parts.total) == ([1.5], 1 - 7.5, 7.0)


@pytest.mark.parametrize(("value", "weight", "total"), [(2.5, 1, 2.5), (-2.5, 0, 0), (0.0, 0, 0)])
def test_a_relu_keeps_or_drops_its_value(value, weight, total):
    parts = arithmetic(step_of(nn.ReLU(), torch.tensor([[value]])), (0,))
    assert (parts.weights.tolist(), parts.total) == ([weight], total)


@pytest.mark.parametrize(("value", "weight"), [(1.0, 0.8413447), (-1.0, 0.1586553), (0.0, 0.5), (3.0, 0.9986501)])
def test_a_gelu_lets_a_share_of_its_value_through(value, weight):
    """The shares are those of a table of the normal distribution."""
    parts = arithmetic(step_of(nn.GELU(), torch.tensor([[value]])), (0,))
    assert parts.weights.tolist() == [pytest.approx(weight, abs=1e-7)]
    assert parts.total == pytest.approx(value * weight, abs=1e-6)


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_float32_sums_agree_to_a_hundred_thousandth_with_the_net_in_float64(text, shape):
    """Each layer by itself in float64 is the reference, on the very values that the float32 layer was given."""
    exact, net = traced(text, shape)
    for step in trace(net.float(), exact[0].inputs[0].float()):
        layer = copy.deepcopy(step.layer).double()
        with torch.no_grad():
            output = layer(*[one.double() for one in step.inputs])
        most = float(output.abs().max())
        for at in places(step):
            value = output[0][at].item()
            assert arithmetic(step, at).total == pytest.approx(value, rel=1e-5, abs=1e-9), f"{step.name} at {at}"
            assert step.output[0][at].item() == pytest.approx(value, rel=1e-5, abs=1e-5 * most)


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_a_thread_follows_the_strongest_term_back_to_the_input(text, shape):
    steps, _ = traced(text, shape)
    last = len(steps) - 2
    way = thread(steps, last, places(steps[last])[3 % len(places(steps[last]))])
    made = sources(steps)
    for (i, at), (before, place) in itertools.pairwise(way):
        if isinstance(steps[i].layer, (ProbPool, Whiten)):  # what a value is made of isn't how it would move
            continue
        inputs = [one.clone().requires_grad_() for one in steps[i].inputs]
        slopes = torch.autograd.grad(steps[i].layer(*inputs)[(0, *at)], inputs)
        products = [(slope * one).detach()[0].abs() for slope, one in zip(slopes, inputs, strict=True)]
        strongest = max(range(len(products)), key=lambda k: float(products[k].max()))
        assert before == made[i][strongest]
        assert float(products[strongest][place]) == pytest.approx(float(products[strongest].max()), abs=1e-12)
    assert -1 in made[way[-1][0]], "it ends at a layer that reads the input"
