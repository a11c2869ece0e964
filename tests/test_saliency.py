"""Occlusion: what the answer loses when a piece is covered, held against loops over every piece and every place."""

import itertools

import numpy as np
import pytest
import torch

from glassnet.explaining.saliency import occlusion, pieces_of, stride_of
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

CASES = [
    ((2, 11), "conv 3 3, relu, fc", 3, 2),
    ((1, 9, 9), "conv 4 3 valid, relu, pool 2, fc", 2, 1),
    ((3, 7, 12), "conv 4 3, relu, mean, fc", 5, 3),
    ((1, 4, 15), "conv 4 3, relu, fc", 6, 6),
    ((1, 5, 4, 6), "conv 2 3, relu, fc", 3, 2),
]


@pytest.mark.parametrize(("shape", "text", "window", "stride"), CASES)
def test_each_place_shows_the_mean_loss_over_all_pieces_that_cover_it(shape, text, window, stride):
    net = ConvNet(parse(text), shape, 3, seed=4).double().eval()
    x = torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    kept, found = x.clone(), occlusion(net, x, 1, window, stride)
    losses = {place: [] for place in itertools.product(*map(range, shape[1:]))}
    starts = [range(1 - window, n, stride) if window < n else [0] for n in shape[1:]]
    for corner in itertools.product(*starts):
        covered = x.clone()
        inside = [p for p in losses if all(c <= i < c + window for i, c in zip(p, corner, strict=True))]
        for place in inside:
            covered[(0, slice(None), *place)] = 0
        with torch.no_grad():
            loss = float(net(x)[0, 1] - net(covered)[0, 1])
        for place in inside:
            losses[place].append(loss)
    assert all(losses.values()), "no place is left out"
    assert found.shape == shape[1:]
    for place, each in losses.items():
        assert found[place] == pytest.approx(sum(each) / len(each), rel=1e-9, abs=1e-12)
    assert torch.equal(x, kept)


def test_a_net_that_only_adds_up_loses_exactly_the_covered_products():
    net = ConvNet(parse("fc"), (1, 6, 6), 2).double().eval()
    x = torch.arange(36.0, dtype=torch.float64).reshape(1, 1, 6, 6)
    products = (net.votes.weight[0] * x.flatten()).detach().reshape(6, 6).numpy()
    assert np.allclose(occlusion(net, x, 0, 1, 1), products)


def test_what_the_net_does_not_look_at_does_not_matter_and_what_speaks_against_is_negative():
    net = ConvNet(parse("fc"), (1, 8, 8), 2).eval()
    with torch.no_grad():
        net.votes.weight.zero_()
        net.votes.weight[0, 9], net.votes.weight[0, 54] = 2.0, -2.0  # row 1, column 1 and row 6, column 6
    seen = occlusion(net, torch.ones(1, 1, 8, 8), 0)
    assert np.unravel_index(seen.argmax(), seen.shape) == (1, 1)
    assert np.unravel_index(seen.argmin(), seen.shape) == (6, 6)
    assert seen[1, 6] == seen[6, 1] == 0


def test_pieces_of_a_volume_lie_half_apart_and_leave_no_place_out():
    pieces = pieces_of((12, 12, 12), 3, stride_of(3, 3))
    assert len(pieces) == 7**3, "along an axis they begin at -2, 0, 2, 4, 6, 8 and 10"
    times = np.zeros((12, 12, 12), int)
    for piece in pieces:
        times[piece] += 1
    assert (times.min(), times.max()) == (1, 2**3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (1, 40, 2), (1, 5)])
def test_it_works_for_the_smallest_and_the_oddest_inputs(shape):
    found = occlusion(ConvNet(parse("fc"), shape, 2).eval(), torch.ones(1, *shape), 0)
    assert found.shape == shape[1:]
    assert np.isfinite(found).all()
