"""Nudges: any one weight moved up and down, and what that does to the error; and learning so, as the slides tell it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.errors import GlassnetError
from glassnet.nets.layers import Embed, Phrases
from glassnet.nets.network import PLAIN, Criterion
from glassnet.words import by as written
from glassnet.words import listed

Floats = NDArray[np.float64]
POINTS = 21  # of a curve, unless told; the weight as it is stands in the middle
REACH = 2.0  # either way, in deviations of its layer's weights


@dataclass(frozen=True)
class Nudge:
    """What one weight does to the error of a batch. key, index: which. value: as it is. slope: of the error, there.

    values, errors: (n,) where it was moved to, and the mean cross-entropy there. probability: (n, B, K) the answers.
    """

    key: str
    index: tuple[int, ...]
    value: float
    slope: float
    error: float
    values: Floats
    errors: Floats
    probability: Floats

    @property
    def tangent(self) -> Floats:
        """(n,) where the error would be if its curve were as straight as it is at the weight's value."""
        return self.error + self.slope * (self.values - self.value)

    @property
    def answers(self) -> NDArray[np.int64]:
        """(n, B) the class that leads, of each example."""
        return np.asarray(self.probability.argmax(2))


def nudge(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    key: str,
    index: Sequence[int],
    values: Sequence[float] | Floats | None = None,
    criterion: Criterion = PLAIN,
) -> Nudge:
    """Moves one weight up and down. The net is left as it was, and looked at in evaluation mode.

    x: (B, C, *S), normalised. y: (B,). key: of the weights, as "conv1.weight". index: the weight's place in them, from
    0. values: where to move it; some 20 about it unless given. The slope is autograd's, the curve is measured. Raises
    GlassnetError for a weight that isn't there.
    """
    weight, at = _weight(net, key, index)
    with _evaluating(net):
        before = weight[at].item()
        loss = criterion.of(net(x), y)
        (slopes,) = torch.autograd.grad(loss, weight, allow_unused=True)
        if slopes is None:
            raise GlassnetError(key, expected="weights that learn", found="still ones", fix="Name others")
        reach = REACH * float(weight.detach().std(correction=0)) or abs(before) or 1.0
        to = np.linspace(-reach, reach, POINTS) + before if values is None else np.asarray(values, np.float64)
        errors, answers = [], []
        for value in to:
            with _moved(weight, at, float(value)):
                logits = net(x)
            errors.append(criterion.of(logits, y).item())
            answers.append(logits.detach().double().softmax(1).cpu().numpy())
    return Nudge(key, at, before, slopes[at].item(), loss.item(), to, np.array(errors), np.stack(answers))


def measured_slopes(net: nn.Module, x: Tensor, y: Tensor, by: float, criterion: Criterion = PLAIN) -> Floats:
    """(P,) the slope of the error along every weight, found by moving each up and down: what backpropagation computes.

    In the order of the net's parameters. by: how far each is moved.
    """
    slopes = []
    with torch.no_grad(), _evaluating(net):
        for weight, at in _every(net):
            value = weight[at].item()
            up, down = (_error_at(net, x, y, criterion, weight, at, value + step) for step in (by, -by))
            slopes.append((up - down) / (2 * by))
    return np.array(slopes)


def learn_by_nudging(
    net: nn.Module, x: Tensor, y: Tensor, by: float = 0.1, sweeps: int = 10, criterion: Criterion = PLAIN
) -> Iterator[float]:
    """Trains a net as the slides tell it: each value up and down a bit, keeping what makes the error less.

    x: (B, C, *S). y: (B,). by: how far a value is moved; half as far after a sweep in which none was worth it. Changes
    the net; yields the error after each sweep over all its weights. Slides "Backprop".
    """
    with torch.no_grad(), _evaluating(net):
        error = criterion.of(net(x), y).item()
        for _ in range(sweeps):
            before = error
            for weight, at in _every(net):
                value = weight[at].item()
                for step in (by, -by):
                    moved = _error_at(net, x, y, criterion, weight, at, value + step)
                    if moved < error:
                        error = moved
                        weight[at] = value + step
                        break
            by = by if error < before else by / 2
            yield error


def learn_by_backpropagation(
    net: nn.Module, x: Tensor, y: Tensor, rate: float = 0.1, steps: int = 10, criterion: Criterion = PLAIN
) -> Iterator[float]:
    """The same aim by slopes: every weight at once against its own, `rate` times as far. Yields each step's error."""
    with _evaluating(net):
        for _ in range(steps):
            slopes = torch.autograd.grad(criterion.of(net(x), y), list(net.parameters()))
            with torch.no_grad():
                for weight, slope in zip(net.parameters(), slopes, strict=True):
                    weight.sub_(rate * slope)
                error = criterion.of(net(x), y).item()
            yield error


def _weight(net: nn.Module, key: str, index: Sequence[int]) -> tuple[nn.Parameter, tuple[int, ...]]:
    """The weights of a key, and one's place in them. Raises GlassnetError."""
    found, at = dict(net.named_parameters()), tuple(int(i) for i in index)
    if key not in found:
        raise GlassnetError("nudge", expected=f"one of {listed(list(found))}", found=key, fix="Name one of them")
    weight = found[key]
    if len(at) != weight.dim() or not all(0 <= i < size for i, size in zip(at, weight.shape, strict=True)):
        expected = f"a place in {written(weight.shape)} weights, from 0"
        raise GlassnetError(key, expected=expected, found=", ".join(map(str, at)) or "none", fix="Name one")
    if not _is_free(net.get_submodule(key.rpartition(".")[0]), weight, at):
        raise GlassnetError(key, expected="a weight that learns", found="one that is always 0", fix="Name another")
    return weight, at


def _is_free(layer: nn.Module, weight: nn.Parameter, at: tuple[int, ...]) -> bool:
    """Whether a weight is one at all: those of no word, and beyond a phrase's length, are 0 by nature."""
    if isinstance(layer, Embed):
        return at[0] > 0
    return not (isinstance(layer, Phrases) and weight is layer.weight and not layer.get_buffer("mask")[at[0], 0, at[2]])


def _every(net: nn.Module) -> Iterator[tuple[nn.Parameter, tuple[int, ...]]]:
    for weight in net.parameters():
        for i in range(math.prod(weight.shape)):
            yield weight, tuple(int(at) for at in np.unravel_index(i, weight.shape))


def _error_at(
    net: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, weight: Tensor, at: tuple[int, ...], value: float
) -> float:
    with _moved(weight, at, value):
        return criterion.of(net(x), y).item()


@contextmanager
def _moved(weight: Tensor, at: tuple[int, ...], value: float) -> Iterator[None]:
    """While it lasts, one weight is another. Without slopes."""
    with torch.no_grad():
        before = weight[at].clone()
        try:
            weight[at] = value
            yield
        finally:
            weight[at] = before


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    was_training = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        yield
    finally:
        for module, training in was_training:
            module.training = training
