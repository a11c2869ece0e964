"""Votes: weight times value, a line a value; they add up to the logit exactly, also by place."""

import numpy as np
import pytest
import torch

from glassnet.explaining.explanation import explain
from glassnet.explaining.trace import trace
from glassnet.explaining.votes import Votes, hidden_votes, vote_map, votes
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

GRIDS = [((2, 21), "conv 4 3, relu, pool 2, fc"), ((1, 9, 9), "conv 8 3 valid, relu, pool 2, fc"),
         ((1, 7, 8, 6), "conv 3 3, relu, fc"), ((3, 8, 8), "fc")]  # fmt: skip
MEANS = [((2, 21), "conv 4 3, relu, mean, fc"), ((3, 12, 10), "conv 4 3, relu, pool 2, mean, dropout 0.5, fc"),
         ((1, 7, 8, 6), "conv 3 3, relu, mean, fc"), ((3, 8, 8), "mean, fc")]  # fmt: skip
LARGEST = [((2, 21), "conv 4 3, relu, max, fc"), ((3, 12, 10), "conv 4 3, max, dropout 0.5, fc"),
           ((1, 7, 8, 6), "conv 3 3, relu, max, fc")]  # fmt: skip
HIDDEN = [((1, 9, 9), "conv 4 3, relu, fc 5, relu, dropout 0.3, fc"), ((1, 9, 9), "conv 4 3, mean, relu, fc 5, fc")]


def traced(shape, text, classes=4):
    net = ConvNet(parse(text), shape, classes, seed=1).double().eval()
    with torch.no_grad():
        net.votes.bias.copy_(torch.linspace(-1, 1, classes))
    return net, trace(net, torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(("shape", "text"), [*GRIDS, *MEANS, *LARGEST, *HIDDEN])
def test_votes_and_bias_add_up_to_the_logit_value_by_value(shape, text):
    net, steps = traced(shape, text)
    cast = votes(steps)
    weight, bias = net.votes.weight.tolist(), net.votes.bias.tolist()
    values, logit = steps[-1].inputs[0][0].tolist(), steps[-1].output[0].tolist()
    for k in range(4):
        by_hand = [w * v for w, v in zip(weight[k], values, strict=True)]
        assert cast.contribution[k].tolist() == by_hand
        assert sum(by_hand) + bias[k] == pytest.approx(logit[k], rel=1e-12)
        assert cast.logit[k] == pytest.approx(logit[k], rel=1e-12)
        assert cast.logit[k] == cast.contribution[k].sum() + cast.bias[k]


def test_what_casts_no_vote_is_told_with_the_rest():
    weights = np.array([[2.0, 0.0, -1.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    cast = Votes(np.array([1.0, 3.0, 2.0, 0.0]), weights, np.array([0.25, 0.5]), 0, (4,))
    told = cast.told(0, 3)
    assert (told.shown.tolist(), told.words, told.rest) == ([0, 2], "2 weaker votes and the bias", 0.25)
    one = cast.told(0, 1)
    assert (one.shown.tolist(), one.words, one.rest) == ([0], "3 weaker votes and the bias", -1.75)
    none = cast.told(1, 3)
    assert (none.shown.tolist(), none.rest) == ([0], 0.5), "a line at least"
    assert Votes(np.ones(1), np.ones((1, 1)), np.zeros(1), 0, (1,)).told(0, 5).words == "the bias"


@pytest.mark.parametrize(("shape", "text"), [*GRIDS, *MEANS, *LARGEST, *HIDDEN])
def test_each_value_knows_its_place_in_the_step_that_made_it(shape, text):
    _, steps = traced(shape, text)
    cast = votes(steps)
    maker = steps[cast.made_by].output[0] if cast.made_by >= 0 else steps[0].inputs[0][0]
    assert tuple(maker.shape) == cast.shape
    for f in range(0, len(cast.values), 7):
        assert maker[cast.place(f)].item() == cast.values[f]


@pytest.mark.parametrize(
    ("text", "maker"),
    [
        ("conv 4 3, relu, pool 2, fc", "pool1"),
        ("conv 4 3, relu, dropout 0.5, fc", "relu1"),
        ("conv 4 3, relu, mean, dropout 0.5, fc", "mean1"),
        ("conv 4 3, fc 5, relu, dropout 0.5, fc", "relu1"),
        ("dropout 0.5, fc", None),
    ],
)
def test_the_maker_of_the_voting_values_is_no_layer_that_only_hands_them_on(text, maker):
    _, steps = traced((1, 8, 8), text)
    made_by = votes(steps).made_by
    assert (steps[made_by].name if made_by >= 0 else None) == maker


def test_the_strongest_votes_come_first_whatever_their_sign():
    _, steps = traced(*GRIDS[1])
    cast = votes(steps)
    for k in range(4):
        sizes = [abs(cast.contribution[k][f]) for f in cast.strongest(k)]
        assert sizes == sorted(sizes, reverse=True)
        assert sorted(cast.strongest(k)) == list(range(len(cast.values)))


@pytest.mark.parametrize(("shape", "text"), GRIDS)
def test_votes_by_place_add_up_to_the_logit_without_its_bias(shape, text):
    _, steps = traced(shape, text)
    cast = votes(steps)
    for k in range(4):
        by_place = vote_map(steps, cast, k)
        assert by_place.shape == cast.shape[1:]
        assert by_place.sum() == pytest.approx(cast.logit[k] - cast.bias[k], rel=1e-12)
        first = (0,) * by_place.ndim
        column = [w for f, w in enumerate(cast.contribution[k]) if cast.place(f)[1:] == first]
        assert by_place[first] == pytest.approx(sum(column), rel=1e-12)


@pytest.mark.parametrize(("shape", "text"), MEANS)
def test_the_vote_of_a_mean_falls_on_the_places_it_was_taken_over(shape, text):
    """Class activation maps, Zhou et al. 2016, equations 1 and 2, in plain loops."""
    _, steps = traced(shape, text)
    cast = votes(steps)
    maps = steps[cast.made_by].inputs[0][0].numpy()
    for k in range(4):
        by_place = vote_map(steps, cast, k)
        assert by_place.shape == maps.shape[1:]
        assert by_place.sum() == pytest.approx(cast.logit[k] - cast.bias[k], rel=1e-12)
        expected = sum(cast.weights[k, c] * maps[c] for c in range(len(maps))) / maps[0].size
        assert np.allclose(by_place, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("shape", "text"), HIDDEN)
def test_votes_of_hidden_neurons_have_no_place(shape, text):
    _, steps = traced(shape, text)
    assert vote_map(steps, votes(steps), 0) is None


@pytest.mark.parametrize(("shape", "text"), LARGEST)
def test_the_vote_of_a_largest_value_stands_where_the_value_does(shape, text):
    _, steps = traced(shape, text)
    cast = votes(steps)
    made = next(step for step in steps if step.name == "max1")
    maps = made.inputs[0][0]  # (C, *S)
    for k in range(4):
        by_place = vote_map(steps, cast, k)
        assert by_place.shape == tuple(maps.shape[1:])
        assert by_place.sum() == pytest.approx(cast.logit[k] - cast.bias[k], rel=1e-9)
        expected = np.zeros(by_place.shape)
        for c, one in enumerate(maps):
            for place in np.argwhere(one.numpy() == float(one.max()))[:1]:
                expected[tuple(place)] += cast.contribution[k][c]
        assert np.allclose(by_place, expected, atol=1e-12)


STACKED = [
    ((1, 9, 9), "conv 4 3, relu, fc 6, relu, dropout 0.3, fc 5, relu, fc"),
    ((2, 21), "conv 4 3, relu, mean, fc 6, batchnorm, relu, fc"),
    ((1, 5, 6, 4), "fc 7, gelu, fc 6, relu, fc"),
]


@pytest.mark.parametrize(("shape", "text"), STACKED)
def test_hidden_categories_have_votes_that_add_up_and_theirs_in_turn(shape, text):
    _, steps = traced(shape, text)
    names = [step.name for step in steps]
    layers = [name for name in names if name.startswith("fc")]
    found = hidden_votes(steps)
    assert [names[i] for i, _ in found] == layers[-2::-1], "from the classes down"
    for i, cast in found:
        weight, bias = steps[i].layer.weight.tolist(), steps[i].layer.bias
        values = steps[i].inputs[0][0].tolist()
        for k, row in enumerate(weight):
            by_hand = [w * v for w, v in zip(row, values, strict=True)]
            assert cast.contribution[k].tolist() == by_hand
            total = sum(by_hand) + (bias[k].item() if bias is not None else 0)
            assert cast.logit[k] == pytest.approx(total, rel=1e-12, abs=1e-12)
            assert cast.logit[k] == pytest.approx(steps[i].output[0, k].item(), rel=1e-12, abs=1e-12)
        maker = steps[cast.made_by].output[0] if cast.made_by >= 0 else steps[0].inputs[0][0]
        assert maker[cast.place(len(values) - 1)].item() == values[-1]


def test_the_page_and_the_json_show_the_hidden_categories_that_vote_most():
    net, steps = traced((1, 9, 9), STACKED[0][1])
    x = steps[0].inputs[0]
    why = explain(net, ("a", "b", "c", "d"), x[0].numpy(), x, "it")
    strongest = int(why.votes.strongest(why.answer)[0])
    assert why.where(strongest) == f"hidden category {strongest + 1}"
    page = why.html()
    assert f"Hidden category {strongest + 1} of fc2" in page
    below = int(np.argmax(np.abs(why.hidden[0][1].contribution[strongest])))
    assert f"Hidden category {below + 1} of fc1" in page, "and theirs in turn"
    told = why.as_json()["hidden"]
    assert [one["layer"] for one in told] == ["fc2", "fc1"]
    for layer in told:
        for one in layer["categories"]:
            total = sum(vote["vote"] for vote in one["values"]) + one["weaker"]["vote"] + one["bias"]
            assert total == pytest.approx(one["logit"], rel=1e-9, abs=1e-12)
