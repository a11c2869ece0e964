"""The slides' printed figures come out exactly, by plain arrays and by built nets."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.data import xo
from glassnet.explaining.arithmetic import arithmetic
from glassnet.explaining.trace import trace
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
IMAGE = np.array(GOLDEN["image_x"], float)
FEATURES = {name: np.array(grid, float) for name, grid in GOLDEN["features"].items()}
NAMES = sorted(FEATURES)


@pytest.mark.parametrize("name", NAMES)
def test_filtered_images_are_those_on_the_slides(name):
    assert gn.cut(gn.filter_image(IMAGE, FEATURES[name])).tolist() == GOLDEN["filtered"][name]


@pytest.mark.parametrize("name", NAMES)
def test_pooled_images_are_those_on_the_slides_with_their_partial_windows(name):
    window, stride = GOLDEN["pooled"]["window"], GOLDEN["pooled"]["stride"]
    pooled = gn.max_pool(gn.filter_image(IMAGE, FEATURES[name]), window, stride)
    assert gn.cut(pooled).tolist() == GOLDEN["pooled"][name]


@pytest.mark.parametrize("name", NAMES)
def test_negatives_become_zero_as_on_the_slides(name):
    assert gn.cut(gn.relu(gn.filter_image(IMAGE, FEATURES[name]))).tolist() == GOLDEN["relu"][name]


@pytest.mark.parametrize("name", NAMES)
def test_pooling_twice_gives_the_two_by_two_of_the_slides(name):
    twice = gn.max_pool(gn.max_pool(gn.filter_image(IMAGE, FEATURES[name])))
    assert gn.cut(twice).tolist() == GOLDEN["pooled_twice"][name]


def test_a_perfect_match_is_one_and_seven_of_nine_is_cut_to_077():
    assert gn.filter_patch(IMAGE[1:4, 1:4], FEATURES["backslash"]) == 1.0
    assert gn.cut(7 / 9) == 0.77
    assert gn.cut(-5 / 9) == -0.55


def deck_net(text):
    """A net of the slides' three features, each divided by its nine pixels."""
    net = ConvNet(parse(text), (1, 9, 9), 2)
    conv = net.get_submodule("conv1")
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(np.stack([FEATURES[name] for name in NAMES]))[:, None] / 9)
        conv.bias.zero_()
    return net, torch.tensor(IMAGE, dtype=torch.float32)[None, None]


def maps(steps, name):
    step = next(step for step in steps if step.name == name)
    return {feature: gn.cut(step.output[0, i].numpy()).tolist() for i, feature in enumerate(NAMES)}


def test_a_built_net_shows_every_grid_of_the_slides():
    net, x = deck_net("conv 3 3 valid, pool 2, pool 2, fc")
    steps = trace(net, x)
    assert maps(steps, "conv1") == GOLDEN["filtered"]
    assert maps(steps, "pool1") == {name: GOLDEN["pooled"][name] for name in NAMES}
    assert maps(steps, "pool2") == GOLDEN["pooled_twice"]
    net, x = deck_net("conv 3 3 valid, relu, fc")
    assert maps(trace(net, x), "relu1") == GOLDEN["relu"]


def test_the_arithmetic_of_a_cell_is_the_slides_four_steps():
    net, x = deck_net("conv 3 3 valid, pool 2, fc")
    with torch.no_grad():
        net.get_submodule("conv1").weight.mul_(9)
    parts = arithmetic(trace(net, x)[0], (NAMES.index("backslash"), 0, 0))
    assert sorted(parts.products.tolist()) == [-1.0, *[1.0] * 8]
    assert parts.total == 7.0
    assert parts.divided == pytest.approx(7 / 9)


def test_the_x_at_rest_is_the_slides_x_pixel_for_pixel():
    assert xo.draw("X").tolist() == GOLDEN["image_x"]


def test_the_printed_error_table_adds_up_as_quoted():
    table = GOLDEN["error_table"]
    assert float(gn.cut(sum(row["error"] for row in table["rows"]))) == table["total"]


def test_the_error_table_gives_the_printed_rows_but_for_the_slides_own_slip():
    """The slide prints 0.49 for the O, whose right answer is 0 and whose actual one is 0.51: that is 0.51."""
    x, o = GOLDEN["error_table"]["rows"]
    table = gn.error_table(0, [x["actual"], o["actual"]])
    assert table.right.tolist() == [x["right"], o["right"]]
    assert gn.cut(table.actual).tolist() == [x["actual"], o["actual"]]
    assert gn.cut(table.error).tolist() == [x["error"], 0.51]
    assert float(gn.cut(table.total)) == 0.59
    assert gn.cut(gn.error_table(1, [x["actual"], o["actual"]]).error).tolist() == [x["actual"], o["error"]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gn.filter_patch([[1]], [[1, 2]]), "expected a patch of the feature's shape 1x2, found 1x1"),
        (lambda: gn.filter_image([[1]], [[1, 2]]), "expected a feature that fits an image of 1x1, found 1x2"),
        (lambda: gn.error_table(2, [0.92, 0.51]), "expected a row of answers, and .*, found answers of 2, place 2"),
        (lambda: gn.max_pool([[1]], 0), "expected a window and a stride of 1 or more"),
    ],
)
def test_the_slides_operations_refuse_what_does_not_fit(call, words):
    with pytest.raises(gn.GlassnetError, match=words):
        call()
