"""Sizes, windows and receptive fields: integers, held against counting by hand and against gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from glassnet import shapes
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import measure, parse
from glassnet.shapes import Field

CONVS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "padding", "places"),
    [
        (9, 3, 1, 0, 7),  # the slides' 9x9 image and 3x3 feature
        (9, 3, 1, 1, 9),
        (9, 3, 2, 1, 5),
        (224, 7, 2, 3, 112),  # He et al. 2015, table 1: conv1
        (28, 5, 1, 0, 24),  # LeCun et al. 1998: C1 of LeNet with 28 x 28 inputs
        (5, 2, 1, 0, 4),
        (2, 3, 1, 0, 0),
        (1, 4, 1, 0, -2),
    ],
)
def test_a_feature_fits_as_often_as_worked_out_by_hand(size, kernel_size, stride, padding, places):
    assert shapes.conv_size(size, kernel_size, stride, padding) == places


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, 9, 31])
def test_odd_features_keep_the_size(kernel_size):
    for size in (1, 2, 9, 10):
        assert shapes.conv_size(size, kernel_size, 1, shapes.same_padding(kernel_size)) == size


@pytest.mark.parametrize("kernel_size", [2, 4, 6])
def test_even_features_lose_one_place(kernel_size):
    assert shapes.conv_size(10, kernel_size, 1, shapes.same_padding(kernel_size)) == 9


@pytest.mark.parametrize(
    ("size", "window", "stride", "windows"),
    [
        (7, 2, 2, 4),  # the slides: 7 becomes 4, the last window keeps what it still covers
        (4, 2, 2, 2),
        (7, 3, 2, 3),
        (8, 3, 2, 4),
        (9, 2, 3, 3),  # a window at 0, 3, 6
        (8, 2, 3, 3),  # the third covers 6 and 7
        (4, 1, 2, 2),
        (5, 2, 4, 2),  # the second covers 4 alone
        (6, 3, 5, 2),
        (3, 2, 3, 1),  # a second would lie wholly outside
        (3, 5, 5, 1),  # one window covers all
        (1, 2, 2, 1),
        (1, 3, 1, -1),
    ],
)
def test_windows_count_if_they_still_cover_a_value(size, window, stride, windows):
    assert shapes.pool_size(size, window, stride) == windows


sizes = st.integers(1, 24)


@settings(max_examples=200, deadline=None)
@given(sizes, st.integers(1, 6), st.integers(1, 6), st.integers(0, 3))
def test_sizes_are_those_of_torch(size, kernel_size, stride, padding):
    x = torch.zeros(1, 1, size)
    places = shapes.conv_size(size, kernel_size, stride, padding)
    if places >= 1:
        assert functional.conv1d(x, torch.zeros(1, 1, kernel_size), None, stride, padding).shape[2] == places
    windows = shapes.pool_size(size, kernel_size, stride)
    if windows >= 1:
        assert functional.max_pool1d(x, kernel_size, stride, ceil_mode=True).shape[2] == windows


@settings(max_examples=100, deadline=None)
@given(sizes, st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.data())
def test_the_window_of_an_output_holds_the_inputs_that_move_it(size, kernel_size, stride, padding, data):
    places = shapes.conv_size(size, kernel_size, stride, padding)
    if places < 1:
        return
    at = data.draw(st.integers(0, places - 1))
    x = torch.zeros(1, 1, size, requires_grad=True)
    functional.conv1d(x, torch.ones(1, 1, kernel_size), None, stride, padding)[0, 0, at].backward()
    moved = torch.nonzero(x.grad[0, 0])[:, 0].tolist()
    assert list(shapes.window_of(at, size, kernel_size, stride, padding)) == moved


def test_the_receptive_field_of_two_three_by_three_layers_is_five():
    once = Field().through(3, 1, 1)
    assert (once.size, once.stride, once.start) == (3, 1, -1)
    twice = once.through(3, 1, 1)  # Simonyan and Zisserman 2014, section 2.3: two of them see 5 x 5
    assert (twice.size, twice.stride, twice.start) == (5, 1, -2)
    pooled = once.through(2, 2)
    assert (pooled.size, pooled.stride, pooled.start) == (4, 2, -1)
    assert list(pooled.seen_by(0, 9)) == [0, 1, 2]
    assert list(pooled.seen_by(4, 9)) == [7, 8]


NETS = [
    ("conv 2 3, pool 2, conv 2 3/2 valid, fc", 13),
    ("conv 2 5/2, pool 3/2, fc", 14),
    ("conv 2 4, relu, pool 2, conv 2 2 valid, fc", 11),
    ("residual 2/2, residual 2, fc", 9),
    ("bottleneck 4/2, bottleneck 2, fc", 9),
    ("conv 2 3, pool 3/2 same, conv 2 3, fc", 11),
    ("conv 2 3, pool 3/2 same, fc", 12),
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("text", "size"), NETS)
def test_receptive_fields_are_the_inputs_with_a_gradient(text, size, axes):
    """Brute force: all weights positive and pools taken as sums, so that whatever can matter has a gradient."""
    spec = parse(text)
    row = measure(spec, (1, *[size] * axes), 2)[-2]
    net = ConvNet(spec, (1, *[size] * axes), 2).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.5)
    x = torch.ones(1, 1, *[size] * axes, dtype=torch.float64, requires_grad=True)
    y = x
    for name, layer in net.named_children():
        if name in ("flatten", "fc1"):
            break
        if name.startswith("pool"):
            kernel, before = torch.ones(2, 1, *[layer.kernel_size] * axes, dtype=torch.float64), layer.padding
            reach = [(n - 1) * layer.stride + layer.kernel_size - before for n in layer(y).shape[2:]]
            behind = [max(0, n - size_) for n, size_ in zip(reach, y.shape[2:], strict=True)]
            pads = [amount for after in behind for amount in (after, before)]
            y = CONVS[axes](functional.pad(y, pads[::-1]), kernel, None, layer.stride, groups=2)
        else:
            y = layer(y)
    assert tuple(y.shape[1:]) == row.flow.shape
    random = np.random.default_rng(0)
    places = [tuple(int(random.integers(n)) for n in y.shape[2:]) for _ in range(4)]
    for place in [(0,) * axes, tuple(n - 1 for n in y.shape[2:]), *places]:
        (gradient,) = torch.autograd.grad(y[(0, 0, *place)], x, retain_graph=True)
        expected = torch.zeros_like(gradient, dtype=torch.bool)
        spans = [field.seen_by(at, size) for field, at in zip(row.flow.field, place, strict=True)]
        expected[(0, 0, *[slice(span.start, span.stop) for span in spans])] = True
        assert torch.equal(gradient != 0, expected), f"{place} sees {spans}"
