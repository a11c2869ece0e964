"""First kernels that see every direction of a small patch equally: found in the training examples, not learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from glassnet.nets.convnet import ConvNet
from glassnet.nets.whitened import patches

EXAMPLES = 2000  # that patches are taken of
LEAST = 5e-4  # added to each direction's variance, so that those without any are not blown up


def can_be_whitened(net: ConvNet) -> bool:
    """Whether the first layer is a convolution with just room for every direction of its patch and the opposite one."""
    kernels = _kernels(net)
    return kernels is not None and len(kernels) == 2 * kernels[0].numel()


def whiten(net: ConvNet, x: Tensor) -> None:
    """Begins the first layer with the whitening of patches: filtered values of variance 1 that don't depend on each
    other, each kernel beside its opposite, so that what a relu takes from one the other keeps.

    x: (N, C, *S), normalised. The principal directions of the patches, each over the root of its variance. Coates, Ng
    2012, "Learning feature representations with k-means", section 3; Jordan 2024, section 3.2.
    """
    kernels = _kernels(net)
    assert kernels is not None and can_be_whitened(net), "only such a layer"
    shape = kernels.shape[1:]  # (C, *k)
    rows = patches(x, shape[1:]).reshape(-1, math.prod(shape)).double()  # (n, C * k)
    variance, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
    found = (directions / (variance + LEAST).sqrt()).T.flip(0).reshape(-1, *shape)  # the widest direction first
    kernels.copy_(torch.cat([found, -found]).to(kernels.dtype))


def _kernels(net: ConvNet) -> Tensor | None:
    """(F, C, *k) weights of the first layer, if it is a convolution."""
    first = next(net.children())
    return first.weight.detach() if isinstance(first, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) else None
