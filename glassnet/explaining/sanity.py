"""Whether a saliency map tells of the net: a net with random weights must give another. Adebayo et al. 2018."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glassnet.nets.layers import Embed, Phrases

Floats = NDArray[np.float64]


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose every weight is drawn anew, as much as the learnt ones of its layer vary. Adebayo et al., section 3.

    Drawn from a normal distribution of each tensor's own deviation, so that values stay of the size that the net is
    used to; weights about 0, biases and factors about their own mean. What is 0 by its layer's nature stays 0.
    """
    other, random = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in other.parameters():
            drawn = torch.randn(weight.shape, generator=random, dtype=torch.float64).to(weight)
            middle = weight.mean() if weight.dim() == 1 else 0
            weight.copy_(middle + weight.std(correction=0) * drawn)
        for layer in other.modules():
            if isinstance(layer, Embed):
                layer.weight[0] = 0
            elif isinstance(layer, Phrases):
                layer.weight.mul_(layer.get_buffer("mask"))
    return other


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's: 1 where two maps rank their places alike, 0 where one says nothing of the other. a, b: (*S).

    Places of one value share their mean rank. A map that is the same everywhere ranks nothing: 0, unless both are one.
    """
    if np.array_equal(a, b):
        return 1.0
    first, second = _ranks(a), _ranks(b)
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean()) / spread if spread else 0.0


def _ranks(values: Floats) -> Floats:
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[which.ravel()])
