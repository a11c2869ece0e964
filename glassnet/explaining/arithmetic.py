"""ARITHMETIC: one output value of any layer written out as values times weights. A rule a layer; knows no pictures.

Every layer is read as a sum: a convolution multiplies a patch by a feature, a pool gives the winner weight 1 and the
others 0, a ReLU gives its input weight 1 or 0, a GELU one between, a block of chances each its share. So one total, one
check, one picture serve them all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet import shapes
from glassnet.explaining.trace import Step, sources
from glassnet.nets.layers import RBMS, Add, Embed, Max, Mean, Phrases, ProbPool, Whiten

Place = tuple[int, ...]
SMALL = 1e-6


@dataclass(frozen=True)
class Arithmetic:
    """One output value: the sum of value times weight over its terms, and a bias.

    values, weights: (n,) float64. places: (n, axes) where each value stands in the layer's input, channel first.
    inputs: (n,) which of the layer's inputs. patch: (C, *k), the window's own shape, for a convolution or a pool; terms
    beyond the edge of the input count as 0 and are left out.
    """

    operation: str
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    places: NDArray[np.int64]
    inputs: NDArray[np.int64]
    bias: float
    patch: tuple[int, ...] = ()

    @property
    def products(self) -> NDArray[np.float64]:
        """(n,) value times weight."""
        return self.values * self.weights

    @property
    def total(self) -> float:
        """What the layer computes here."""
        return math.fsum(self.products) + self.bias

    @property
    def divided(self) -> float:
        """The sum divided by the number of pixels in the feature, as the slides do it: 1 is a perfect match."""
        return math.fsum(self.products) / max(math.prod(self.patch), 1)


def arithmetic(step: Step, at: Place) -> Arithmetic:
    """One output value of a step written out. at: its place in the output, without the batch: (k, *place) or (k,).

    The total equals what the net computed, to the rounding of float32.
    """
    rule = ARITHMETIC.get(type(step.layer))
    assert rule is not None, f"no rule for {type(step.layer).__name__}: add one to ARITHMETIC"
    return rule(step, at)


def thread(steps: Sequence[Step], last: int, at: Place) -> list[tuple[int, Place]]:
    """The way of one value back through the net, along its strongest term, to the first convolution.

    last: the step it stands in. at: its place there. Returns (step, place) pairs, the given one first.
    """
    came_from = sources(steps)
    way = [(last, at)]
    while True:
        i, place = way[-1]
        parts = arithmetic(steps[i], place)
        strongest = int(np.abs(parts.products).argmax())
        before = came_from[i][int(parts.inputs[strongest])]
        if before < 0:
            return way
        way.append((before, tuple(parts.places[strongest].tolist())))


def seen(steps: Sequence[Step], last: int, at: Place) -> list[range] | None:
    """The stretch of the input, an axis at a time, that a value was made of; of one for a whole map, its largest's.

    last: the step it stands in. at: its place there. None for values that have lost their place.
    """
    came_from = sources(steps)
    i, ends = last, (at, at)
    while i >= 0:
        if isinstance(steps[i].layer, (nn.Linear, nn.Flatten)):
            return None
        found = [arithmetic(steps[i], end) for end in ends]
        places = np.concatenate([parts.places[_counts(steps[i].layer, parts)] for parts in found])
        ends = tuple(places.min(0).tolist()), tuple(places.max(0).tolist())
        i = came_from[i][0]
    return [range(low, high + 1) for low, high in list(zip(*ends, strict=True))[1:]]


def _counts(layer: nn.Module, parts: Arithmetic) -> NDArray[np.bool_]:
    """The terms that a value is made of: in a convolution those of its own length, of a whole map its largest."""
    if isinstance(layer, Phrases):
        return np.asarray(parts.weights != 0)
    if isinstance(layer, (Max, Mean)):
        return np.asarray(np.arange(len(parts.places)) == np.abs(parts.products).argmax())
    return np.ones(len(parts.places), np.bool_)


def _one(operation: str, step: Step, at: Place, weight: float, bias: float = 0.0) -> Arithmetic:
    """A layer that makes each value of one value at the same place."""
    value = np.array([step.inputs[0][0][at].item()])
    return Arithmetic(operation, value, np.array([weight]), np.array([at]), np.zeros(1, np.int64), bias)


def _conv(step: Step, at: Place) -> Arithmetic:
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    padding = [p if isinstance(p, int) else 0 for p in layer.padding]
    spans = [
        shapes.window_of(i, size, k, s, p)
        for i, size, k, s, p in zip(at[1:], x.shape[1:], layer.kernel_size, layer.stride, padding, strict=True)
    ]
    starts = [i * s - p for i, s, p in zip(at[1:], layer.stride, padding, strict=True)]
    inside = (slice(None), *[slice(span.start, span.stop) for span in spans])
    kernel = (slice(None), *[slice(i.start - start, i.stop - start) for i, start in zip(spans, starts, strict=True)])
    bias = layer.bias[at[0]].item() if layer.bias is not None else 0.0
    places = _grid([range(x.shape[0]), *spans])
    patch = (x.shape[0], *layer.kernel_size)
    weights = _flat(layer.weight[at[0]][kernel])
    return Arithmetic("sum", _flat(x[inside]), weights, places, np.zeros(len(places), np.int64), bias, patch)


def _embed(step: Step, at: Place) -> Arithmetic:
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, Embed)
    word = int(x[0, at[1]])
    weight = layer.weight[word, at[0]].item() * layer.ratio[word].item() if word else 0.0
    return Arithmetic("lookup", np.ones(1), np.array([weight]), np.array([[0, at[1]]]), np.zeros(1, np.int64), 0.0)


def _pool(step: Step, at: Place) -> Arithmetic:
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d))
    spans = [
        shapes.window_of(i, size, _size(layer.kernel_size), _size(layer.stride), _size(layer.padding))
        for i, size in zip(at[1:], x.shape[1:], strict=True)
    ]
    values = _flat(x[at[0]][tuple(slice(span.start, span.stop) for span in spans)])
    weights = np.zeros(len(values))
    weights[values.argmax()] = 1.0
    places = _grid([range(at[0], at[0] + 1), *spans])
    patch = (1, *[_size(layer.kernel_size)] * len(spans))
    return Arithmetic("maximum", values, weights, places, np.zeros(len(places), np.int64), 0.0, patch)


def _whiten(step: Step, at: Place) -> Arithmetic:
    """The patch times the kernel, times what brings this example to its contrast."""
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, Whiten)
    kernel = layer.get_buffer("weight")[at[0]]
    spans = [range(i, i + size) for i, size in zip(at[1:], kernel.shape[1:], strict=True)]
    inside = (slice(None), *[slice(span.start, span.stop) for span in spans])
    gain = layer.gain(layer.filtered(step.inputs[0])).item()
    places = _grid([range(x.shape[0]), *spans])
    return Arithmetic(
        "sum", _flat(x[inside]), _flat(kernel) * gain, places, np.zeros(len(places), np.int64), 0.0, tuple(kernel.shape)
    )  # fmt: skip


def _prob_pool(step: Step, at: Place) -> Arithmetic:
    """The chances of a block's units, added up: at most one of them is on. A weight is a unit's chance by its value."""
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, ProbPool)
    spans = [shapes.window_of(i, size, layer.side, layer.side) for i, size in zip(at[1:], x.shape[1:], strict=True)]
    values = _flat(x[at[0]][tuple(slice(span.start, span.stop) for span in spans)])
    highest = max(values.max(), 0.0)
    powers = np.exp(values - highest)
    chances = powers / (powers.sum() + math.exp(-highest))
    is_small = np.abs(values) < SMALL  # of a value near 0 no weight makes a chance
    weights = np.where(is_small, 0.0, chances / np.where(is_small, 1.0, values))
    places = _grid([range(at[0], at[0] + 1), *spans])
    patch = (1, *[layer.side] * len(spans))
    rest = float(chances[is_small].sum())
    return Arithmetic("chance", values, weights, places, np.zeros(len(places), np.int64), rest, patch)


def _relu(step: Step, at: Place) -> Arithmetic:
    return _one("relu", step, at, 1.0 if step.inputs[0][0][at].item() > 0 else 0.0)


def _gelu(step: Step, at: Place) -> Arithmetic:
    return _one("gelu", step, at, (1 + math.erf(step.inputs[0][0][at].item() / math.sqrt(2))) / 2)


def _batchnorm(step: Step, at: Place) -> Arithmetic:
    layer, k = step.layer, at[0]
    assert isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
    assert layer.running_mean is not None and layer.running_var is not None
    weight = layer.weight[k].item() / math.sqrt(layer.running_var[k].item() + layer.eps)
    return _one("batchnorm", step, at, weight, layer.bias[k].item() - layer.running_mean[k].item() * weight)


def _same(step: Step, at: Place) -> Arithmetic:
    return _one("same", step, at, 1.0)


def _flatten(step: Step, at: Place) -> Arithmetic:
    x = step.inputs[0][0]
    place = tuple(int(i) for i in np.unravel_index(at[0], x.shape))
    value = np.array([x[place].item()])
    return Arithmetic("same", value, np.ones(1), np.array([place]), np.zeros(1, np.int64), 0.0)


def _mean(step: Step, at: Place) -> Arithmetic:
    x = step.inputs[0][0]
    values = _flat(x[at[0]])
    places = _grid([range(at[0], at[0] + 1), *(range(size) for size in x.shape[1:])])
    weights = np.full(len(values), 1 / len(values))
    return Arithmetic("mean", values, weights, places, np.zeros(len(values), np.int64), 0.0)


def _max(step: Step, at: Place) -> Arithmetic:
    x = step.inputs[0][0]
    values = _flat(x[at[0]])
    weights = np.zeros(len(values))
    weights[values.argmax()] = 1.0
    places = _grid([range(at[0], at[0] + 1), *(range(size) for size in x.shape[1:])])
    return Arithmetic("maximum", values, weights, places, np.zeros(len(values), np.int64), 0.0)


def _add(step: Step, at: Place) -> Arithmetic:
    values = np.array([one[0][at].item() for one in step.inputs])
    return Arithmetic("sum", values, np.ones(2), np.array([at, at]), np.arange(2), 0.0)


def _linear(step: Step, at: Place) -> Arithmetic:
    layer, x = step.layer, step.inputs[0][0]
    assert isinstance(layer, nn.Linear)
    bias = layer.bias[at[0]].item() if layer.bias is not None else 0.0
    places = np.arange(len(x))[:, None]
    return Arithmetic("sum", _flat(x), _flat(layer.weight[at[0]]), places, np.zeros(len(x), np.int64), bias)


def _flat(x: Tensor) -> NDArray[np.float64]:
    return x.detach().to("cpu", torch.float64).reshape(-1).numpy()


def _grid(spans: Sequence[range]) -> NDArray[np.int64]:
    """(n, axes) every place in the spans, the last axis running fastest."""
    return np.array(list(itertools.product(*spans)), np.int64).reshape(-1, len(spans))


def _size(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]


ARITHMETIC: dict[type[nn.Module], Callable[[Step, Place], Arithmetic]] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Conv3d: _conv,
    Phrases: _conv,
    **dict.fromkeys(RBMS.values(), _conv),
    Whiten: _whiten,
    ProbPool: _prob_pool,
    Embed: _embed,
    nn.MaxPool1d: _pool,
    nn.MaxPool2d: _pool,
    nn.MaxPool3d: _pool,
    nn.ReLU: _relu,
    nn.GELU: _gelu,
    nn.BatchNorm1d: _batchnorm,
    nn.BatchNorm2d: _batchnorm,
    nn.BatchNorm3d: _batchnorm,
    nn.Dropout: _same,
    nn.Flatten: _flatten,
    nn.Linear: _linear,
    Mean: _mean,
    Max: _max,
    Add: _add,
}
