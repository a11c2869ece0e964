"""Knobs: whatever values are chosen, the net they make can be and is small enough; the house's nets are among them."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassnet.nets import zoo
from glassnet.nets.text import measure, parse, total
from glassnet.training import knobs

SHAPES = [(1, 9, 9), (3, 32, 32), (1, 8, 8), (1, 40, 101), (3, 128, 96), (2, 64), (1, 5), (6, 1000), (1, 16, 16, 16)]
SHAPES += [(2, 5, 30, 31), (1, 1, 1), (1, 1), (1, 2, 2, 2)]


def chosen(draw, space):
    """A value of every knob, as a sampler might choose it."""
    return {
        knob.name: draw(st.sampled_from(knob.choices) if knob.choices else st.floats(knob.low, knob.high))
        for knob in space
    }


@settings(max_examples=90, deadline=None)
@given(st.data(), st.sampled_from(SHAPES), st.integers(2, 50), st.floats(3, 9))
def test_every_net_that_is_suggested_can_be_and_is_affordable_in_1d_2d_and_3d(data, shape, classes, power):
    values = {**knobs.usual(shape, False)[0], **chosen(data.draw, knobs.of_grids(shape))}
    smallest = total(measure(parse(f"conv 1 1, mean, fc {classes}, fc"), shape, classes)).multiply_adds
    most = max(10**power, 4 * smallest)
    spec, built = knobs.fitted(values, shape, classes, most)
    rows = measure(parse(str(spec)), shape, classes)  # raises where the text can't be
    assert total(rows).multiply_adds <= most
    assert str(knobs.fitted(built, shape, classes, most)[0]) == str(spec), "what is told of a net makes it again"
    assert rows[-1].flow.shape == (classes,)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 256), st.integers(2, 20))
def test_every_net_for_sentences_can_be(data, longest, classes):
    values = chosen(data.draw, knobs.of_words())
    spec, built = knobs.fitted(values, (5000, longest), classes, math.inf)
    assert measure(parse(str(spec)), (5000, longest), classes)[-1].flow.shape == (classes,)
    if longest >= 5:
        assert built == values, "the longest phrase has five words"


@pytest.mark.parametrize(
    ("shape", "many"), [((3, 32, 32), 100), ((1, 40, 101), 100), ((3, 200, 100), 100), ((1, 300), 100)]
)
def test_the_net_that_train_chooses_is_the_first_of_those_that_are_tried(shape, many):
    default = zoo.choose(shape, ("a", "b"), many)
    assert str(knobs.fitted(knobs.usual(shape, False)[0], shape, 2, math.inf)[0]) == str(default)


def test_the_net_of_sentences_that_train_chooses_is_the_first_of_those_that_are_tried():
    from glassnet.data.sentences import NET

    assert str(knobs.words_net(knobs.usual((5000, 40), True)[0])) == NET


def test_a_stage_pools_where_it_is_told_to():
    """Written out by hand from what the knobs are said to mean."""
    values = {**knobs.GRID_FIRST, "stages": 2, "depth": 2, "features": 8, "window": 3, "stride": 2, "neurons": 64}
    conv1, conv2 = "conv 8 3, {}batchnorm, relu, conv 8 3, batchnorm, relu", "conv 16 3, {}batchnorm, relu, conv 16 3"
    first = f"{conv1}, {conv2}, batchnorm, relu, mean, fc 64, relu, fc".format("pool 3/2, ", "pool 3/2, ")
    assert str(knobs.grid_net(values, (3, 32, 32))) == first
    plain = {**values, "depth": 1, "pooled": "last", "batchnorm": False, "neurons": 0, "end": "all", "dropout": 0.5}
    slides = "conv 8 3, relu, pool 3/2, conv 16 3, relu, pool 3/2, dropout 0.5, fc"
    assert str(knobs.grid_net(plain, (3, 32, 32))) == slides
    deep = {**values, "block": "residual", "size": 5, "neurons": 0, "activation": "gelu", "end": "max"}
    text = "conv 8 5, batchnorm, gelu, residual 8, residual 8, residual 16/2, residual 16, max, fc"
    assert str(knobs.grid_net(deep, (3, 32, 32))) == text
    whitened = {**plain, "start": "whitened", "stages": 1}
    assert str(knobs.grid_net(whitened, (3, 32, 32))).startswith("conv 24 2 valid, gelu, conv 8 3,")


def test_a_net_that_is_too_large_gives_way_to_the_nearest_smaller_one():
    values = {**knobs.GRID_FIRST, "stages": 1, "features": 64}
    cost = total(measure(knobs.grid_net({**values, "features": 16}, (3, 32, 32)), (3, 32, 32), 10)).multiply_adds
    spec, built = knobs.fitted(values, (3, 32, 32), 10, cost)
    assert built == {**values, "features": 16}
    assert str(spec).startswith("conv 16 3,")


@example(1, 1, 0.01)
@given(st.integers(1, 500), st.integers(1, 4096), st.floats(1e-5, 1))
def test_the_knobs_of_a_training_lie_around_what_is_usual(epochs, batch, rate):
    found = {knob.name: knob for knob in knobs.of_recipe(epochs, batch, rate, True)}
    assert epochs in found["epochs"].choices and min(found["epochs"].choices) >= 1
    assert batch in found["batch"].choices and min(found["batch"].choices) >= 1
    assert found["learning_rate"].low < rate < found["learning_rate"].high
    assert "augment" not in {knob.name for knob in knobs.of_recipe(epochs, batch, rate, False)}
