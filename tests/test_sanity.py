"""The sanity check of saliency maps: random weights give another picture, the same weights the same one."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import glassnet as gn
from glassnet.data import xo
from glassnet.explaining.explanation import explain
from glassnet.explaining.saliency_maps import ALIKE, SALIENCY, SaliencyMap, saliency_maps
from glassnet.explaining.sanity import randomised, rank_correlation
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays
from glassnet.nets.text import parse

NETS = [
    ("conv 4 3, relu, pool 2, fc", (2, 26)),
    ("conv 8 3 valid, relu, pool 2, fc", (1, 9, 9)),
    ("conv 4 3, batchnorm, relu, residual 4/2, mean, fc", (3, 12, 10)),
    ("conv 3 3, relu, mean, fc", (1, 8, 9, 7)),
    ("embed 5, phrases 3 2-4, relu, max, fc", (30, 14)),
]


def test_the_rank_correlation_is_spearmans_also_with_ties():
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = random.integers(0, 6, (2, 5, 7)).astype(float)
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-12)
    line = np.arange(9.0)
    assert rank_correlation(line, line**3) == pytest.approx(1)
    assert rank_correlation(line, -line) == pytest.approx(-1)
    assert rank_correlation(line, np.ones(9)) == 0
    assert rank_correlation(np.ones(9), np.ones(9)) == 1


@pytest.mark.parametrize(("text", "shape"), NETS)
def test_every_weight_is_drawn_anew_and_what_is_zero_by_nature_stays_so(text, shape):
    net = ConvNet(parse(text), shape, 3, seed=1).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other, again = randomised(net, 5), randomised(net, 5)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(other.state_dict()[name], again.state_dict()[name])
    for (name, old), new in zip(net.named_parameters(), other.parameters(), strict=True):
        if float(old.detach().std(correction=0)):
            changed = (old != new) | ((old == 0) & (new == 0))
            assert bool(changed.all()), name
    if "embed" in text:
        assert not other.get_submodule("embed1").weight[0].any()
        layer = other.get_submodule("phrases1")
        assert torch.equal(layer.weight != 0, layer.get_buffer("mask").expand_as(layer.weight) != 0)


@pytest.mark.parametrize(("text", "shape"), NETS)
def test_every_method_gives_an_unchanged_net_the_same_map(text, shape):
    net = ConvNet(parse(text), shape, 3, seed=1).eval()
    x = torch.randint(30, (1, 1, 14)).float() if "embed" in text else torch.randn(1, *shape)
    for method in SALIENCY.values():
        first, second = (method(one, x, 1, None, False) for one in (net, copy.deepcopy(net)))
        assert rank_correlation(first, second) == 1.0


@pytest.fixture(scope="module")
def digits():
    return gn.train("digits", epochs=8)


def maps_of(model, x):
    why = gn.explain(model, x)
    return saliency_maps(why.net, why.x, why.answer, why.scene.piece)


def test_of_trained_nets_little_of_the_picture_is_left_without_learning(xo_model, digits):
    letters = [xo.draw("X"), xo.draw("O")]
    figures = gn.read("digits").samples.x[:10]
    for model, examples in ((gn.load(xo_model), letters), (digits, figures)):
        each = [maps_of(model, x) for x in examples]
        for i, name in enumerate(SALIENCY):
            drawn = [one[i] for one in each if not one[i].is_blank]
            assert len(drawn) > 1 and np.mean([one.correlation for one in drawn]) < 0.35, name
            assert np.mean([one.sanity.startswith("another") for one in drawn]) >= 0.5, name


def one_word(found):
    return found.sanity.split()[0]


def test_what_a_map_is_worth_is_told_in_words():
    told = [one_word(SaliencyMap("a", np.arange(3.0), random)) for random in ((0.1, -0.2), (0.5, -0.5), (ALIKE, 0.9))]
    assert told == ["another", "partly", "nearly"]
    assert SaliencyMap("a", np.zeros(3), (1.0, 0.0)).sanity == "the same everywhere: it says nothing here"
    assert SaliencyMap("a", np.zeros(3), (0.5, -0.3)).correlation == pytest.approx(0.4)


def test_a_map_that_only_shows_the_input_is_found_out():
    """A net of one weight a place that is the same everywhere: learnt or not, the picture is the input."""
    net = ConvNet(parse("mean, fc"), (1, 5, 5), 2, seed=3).eval()
    x = torch.randn(1, 1, 5, 5)
    found = saliency_maps(net, x, 0)
    assert [one.name for one in found] == ["occlusion", "integrated gradients"], "it makes no maps"
    assert all(one.correlation > ALIKE for one in found)
    assert one_word(found[1]) == "nearly"


def test_both_ways_the_map_is_that_of_the_mean_of_both():
    net = ConvNet(parse("conv 4 3, relu, conv 4 3, relu, mean, fc"), (1, 7, 8), 2, seed=3).double().eval()
    x = torch.randn(1, 1, 7, 8, dtype=torch.float64)
    for method in SALIENCY.values():
        found, mirrored = method(net, x, 1, None, True), method(net, x.flip(-1), 1, None, True)
        assert np.allclose(found, mirrored[..., ::-1])
    why = explain(net, ("a", "b"), x[0].numpy(), x, "it", both_ways=True)
    gradients = why.saliency[1].values
    with torch.no_grad():
        whole, nothing = (BothWays(net)(one)[0, why.answer] for one in (x, x * 0))
    assert gradients.sum() == pytest.approx(float(whole - nothing), rel=0.02)
    assert why.saliency[0].values is why.occluded, "what is known is not made again"


def test_a_large_input_is_compared_with_one_net_roughly_and_its_own_map_stays_fine():
    net = ConvNet(parse("conv 3 5/4, relu, mean, fc"), (1, 96, 96), 2, seed=3).eval()
    x = torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    other = randomised(net, 0)
    found = saliency_maps(net, x, 1, 40)
    for one, method in zip(found, SALIENCY.values(), strict=True):
        assert np.array_equal(one.values, method(net, x, 1, 40, False))
        rough = [method(each, x, 1, 40, False, True) for each in (net, other)]
        assert one.random == (rank_correlation(*rough),)
