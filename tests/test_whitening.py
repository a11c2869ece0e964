"""First kernels from the training examples: filtered values of variance 1 that tell nothing of each other."""

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Reading, Training
from glassnet.doors import choosing, starting
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse
from glassnet.training.whitening import can_be_whitened, whiten

SHAPES = {1: ((2, 40), "conv 12 3 valid, gelu, fc"), 2: ((3, 12, 11), "conv 24 2 valid, gelu, fc"),
          3: ((1, 7, 8, 6), "conv 16 2 valid, gelu, fc")}  # fmt: skip


def smooth(shape, count=300):
    """Examples whose neighbouring values are alike, as in pictures."""
    x = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))
    for axis in range(2, x.dim()):
        x = x.cumsum(axis)
    return x


@pytest.mark.parametrize("axes", SHAPES)
def test_filtered_patches_have_variance_one_and_no_correlation(axes):
    shape, text = SHAPES[axes]
    net, x = ConvNet(parse(text), shape, 3), smooth(shape)
    assert can_be_whitened(net)
    whiten(net, x)
    filtered = net.get_submodule("conv1")(x).detach().double()
    values = filtered.movedim(1, -1).flatten(0, -2).numpy()
    half = values.shape[1] // 2
    second = values[:, :half].T @ values[:, :half] / len(values)  # about zero, as the kernels were found
    assert np.allclose(second, np.eye(half), atol=0.03)
    assert np.allclose(values[:, half:], -values[:, :half], atol=1e-5)


def test_a_layer_without_just_that_room_is_left_alone():
    for text in ("conv 23 2 valid, fc", "conv 24 3, fc", "batchnorm, conv 24 2 valid, fc", "residual 24, fc"):
        assert not can_be_whitened(ConvNet(parse(text), (3, 12, 12), 3)), text


def test_a_training_begins_with_it_the_same_each_time(pets):
    dataset = gn.read(pets)
    plan, sides, _ = choosing.make(dataset, "", Reading(), Training(net="conv 24 2 valid, gelu, mean, fc"))
    nets = []
    for _ in range(2):
        train, *_ = starting.loaders(plan, dataset, sides, torch.device("cpu"))
        net = starting.build(plan, dataset)
        before = net.get_submodule("conv1").weight.detach().clone()
        starting.begin(net, plan, train)
        nets.append(net.get_submodule("conv1").weight.detach().clone())
    assert not torch.equal(before, nets[0])
    assert torch.equal(*nets)
    kernels = nets[0].numpy().reshape(24, -1)
    assert np.array_equal(kernels[:12], -kernels[12:])
