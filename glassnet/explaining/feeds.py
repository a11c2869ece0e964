"""Which lower features feed a feature: its value at a place as a sum of what each of them puts in, and a bias.

The sum is exact: weight times value, over the window and by the channel that it reads, scaled as the batch norm behind
it scales. What lies between two levels (ReLU, pool, mean) keeps channels apart, so a channel stands for the feature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet import shapes
from glassnet.explaining.levels import CONVS, NORMS, Convolution, Feeder, Level, padding
from glassnet.nets.layers import Add

Seen = Mapping[nn.Module, tuple[tuple[Tensor, ...], Tensor]]


@dataclass(frozen=True)
class Feed:
    """What one feature below puts into a feature above, in the mean over its best patches. share: of all, by size.

    layer: the level below, or "input". feature: its place there, from 0; of words the word's number. skip: whether it
    comes by the way around of a residual unit.
    """

    layer: str
    feature: int
    contribution: float
    share: float
    skip: bool = False


@dataclass(frozen=True)
class Feeds:
    """All that feeds one feature, the strongest first. They and the bias add up to `value`, the mean of its patches."""

    feeds: tuple[Feed, ...]
    bias: float
    value: float


class Sums:
    """Adds up what feeds the features of one level, patch by patch. below: how many features a level has, by name."""

    def __init__(self, level: Level, below: Mapping[str, int]) -> None:
        self.level, self.below = level, below
        self.put: list[dict[tuple[int, int], float]] = [{} for _ in range(level.features)]
        self.bias = np.zeros(level.features)
        self.value = np.zeros(level.features)
        self.patches = np.zeros(level.features)

    def add(self, seen: Seen, row: int, feature: int, place: tuple[int, ...], words: NDArray[np.int64] | None) -> None:
        """One patch more. row: its example's place in the batch that was seen. words: (T,) its numbers, where spelt."""
        for way, feeder in enumerate(self.level.feeders):
            inputs = seen[feeder.layer][0]
            x = inputs[-1][row]  # (C, *S) or (F,); of an Add what comes around
            parts, bias = contributions(feeder, x, feature, place, self.below[feeder.lower], words)
            for one, value in parts.items():
                self.put[feature][way, one] = self.put[feature].get((way, one), 0.0) + value
            self.bias[feature] += bias
        self.value[feature] += float(seen[self.level.value][1][row][(feature, *place)])
        self.patches[feature] += 1

    def done(self, feature: int) -> Feeds:
        """The means over the patches of one feature."""
        count = max(self.patches[feature], 1)
        ways = self.level.feeders
        whole = math.fsum(abs(v) for v in self.put[feature].values()) or 1.0
        ordered = sorted(self.put[feature].items(), key=lambda one: (-abs(one[1]), one[0]))
        return Feeds(
            tuple(
                Feed(ways[way].lower, below, value / count, abs(value) / whole, ways[way].skip)
                for (way, below), value in ordered
            ),
            float(self.bias[feature] / count),
            float(self.value[feature] / count),
        )


def contributions(
    feeder: Feeder, x: Tensor, feature: int, place: tuple[int, ...], below: int, words: NDArray[np.int64] | None = None
) -> tuple[dict[int, float], float]:
    """What each feature below puts into one value, and the bias. x: (C, *S) or (F,), what the layer reads.

    below: how many features there are below. words: (T,) the numbers of the words that x was looked up for; then each
    word puts in its part.
    """
    layer = feeder.layer
    if isinstance(layer, Add):
        return {feature: float(x[(feature, *place)])}, 0.0
    values = _array(x)
    bias = 0.0
    if isinstance(layer, CONVS):
        products, spans = _conv(layer, values, feature, place)  # (C, *k)
        bias = layer.bias[feature].item() if layer.bias is not None else 0.0
    else:
        assert isinstance(layer, nn.Linear), "a feeder is a sum"
        products = values.reshape(-1) * _array(layer.weight[feature])
        bias = layer.bias[feature].item() if layer.bias is not None else 0.0
        products = products.reshape(below, -1)
        spans = [range(products.shape[1])]
    scale, shift = _norm(feeder.norm, feature)
    if feeder.spelt and words is not None:
        parts: dict[int, float] = {}
        for at, value in zip(spans[0], products.sum(0), strict=True):
            if words[at]:
                parts[int(words[at])] = parts.get(int(words[at]), 0.0) + float(value) * scale
        return parts, bias * scale + shift
    put = products.reshape(len(products), -1).sum(1) * scale
    return dict(enumerate(put.tolist())), bias * scale + shift


def _conv(
    layer: Convolution, x: NDArray[np.float64], feature: int, place: tuple[int, ...]
) -> tuple[NDArray[np.float64], list[range]]:
    """The products of one window, and which places it covers; those beyond the edge are left out."""
    geometry = list(zip(place, x.shape[1:], layer.kernel_size, layer.stride, padding(layer), strict=True))
    spans = [shapes.window_of(i, n, k, s, p) for i, n, k, s, p in geometry]
    starts = [i * s - p for i, _, _, s, p in geometry]
    inside = (slice(None), *(slice(span.start, span.stop) for span in spans))
    kernel = (slice(None), *(slice(i.start - at, i.stop - at) for i, at in zip(spans, starts, strict=True)))
    return x[inside] * _array(layer.weight[feature])[kernel], spans


def _norm(norm: nn.Module | None, feature: int) -> tuple[float, float]:
    """What a batch norm multiplies by and adds to one feature."""
    if norm is None:
        return 1.0, 0.0
    assert isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight[feature].item() / math.sqrt(norm.running_var[feature].item() + norm.eps)
    return scale, norm.bias[feature].item() - norm.running_mean[feature].item() * scale


def _array(x: Tensor) -> NDArray[np.float64]:
    return x.detach().double().cpu().numpy()
