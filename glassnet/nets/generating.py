"""What a deep belief network says downwards: its features as pictures, and what it expects where nothing is known.

Lee, Grosse, Ranganath, Ng 2009, "Convolutional deep belief networks", sections 3.6, 4.2 and 4.5. Knows no classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.nets.belief import (
    DOWN,
    Machine,
    blocks,
    downward,
    hidden_chances,
    machines,
    unblocked,
    upward,
    visible_mean,
)
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Whiten

ROUNDS = 12  # of looking up, looking down and filling in
SWEEPS = 3  # through the machines in each
SETTLED = 10  # rounds of the highest machine
STEPS = 12  # of the conjugate gradients that find the pixels behind whitened values
TRUST = 0.1  # of the mean example, beside whitened values


@dataclass(frozen=True)
class Bases:
    """The features of one machine as it would draw them. pictures: (K, C, *S) in whitened values, of one size."""

    name: str
    pictures: Tensor


def has_machines(net: nn.Module) -> bool:
    """Whether a net learnt features without labels, and so can draw and fill in."""
    return bool(machines(list(net.named_children())))


@torch.no_grad()
def bases(net: ConvNet) -> tuple[Bases, ...]:
    """Each machine's features, from the lowest up: sums of the features below by their weights, as in figure 3.

    A pooling unit stands for every place of its block alike.
    """
    stack = machines(list(net.named_children()))
    found = []
    for i, one in enumerate(stack):
        value = one.rbm.weight.detach()
        for below in reversed(stack[:i]):
            value = DOWN[value.dim() - 2](_spread(value, below.side), below.rbm.weight, None)
        found.append(Bases(one.name, value))
    return tuple(found)


@torch.no_grad()
def complete(net: ConvNet, x: Tensor, known: Tensor, rounds: int = ROUNDS) -> Tensor:
    """(B, C, *S) examples with what is hidden filled in. x: (B, C, *S), normalised. known: (*S) bool, what is given.

    Round by round: what is there goes up; each block of hidden units expects what it gets from below and what the
    machine above expects of it, by mean field (section 3.6); what the lowest machine then expects is turned into values
    that agree with what is given. Hidden values begin as those of the mean training example.
    """
    stack = machines(list(net.named_children()))
    first = next(iter(net.children()))
    assert stack and isinstance(first, Whiten), "a net that can fill in"
    mean = first.get_buffer("mean").expand_as(x)
    filled = torch.where(known, x, mean)
    for _ in range(rounds):
        whitened = first.filtered(filled)
        gain = first.gain(whitened)
        expected = imagined(stack, whitened * gain, known)
        filled = _behind(first, expected / gain, torch.where(known, x, mean), mean, known)
    return filled


def imagined(stack: Sequence[Machine], v: Tensor, known: Tensor) -> Tensor:
    """(B, C, *S) visible units of the lowest machine: where known as they are, elsewhere as the machines above expect.

    The highest machine settles between what is known of its visible units and what it expects of the others, as an
    associative memory does; then each below it is asked what its units look like: Hinton, Osindero, Teh 2006, "A fast
    learning algorithm for deep belief nets", section 3.
    """
    seen, chances = [v], []
    for one in stack:
        chances.append(hidden_chances(upward(one.rbm, seen[-1]), one.side))
        seen.append(_pooled(chances[-1], one.side))
    top = stack[-1]
    is_known = _centres(known, tuple(seen[-2].shape[2:]))
    visible = seen[-2]
    for _ in range(SETTLED):
        on = hidden_chances(upward(top.rbm, visible), top.side)
        visible = torch.where(is_known, seen[-2], visible_mean(top.rbm, on))
    for i in reversed(range(len(stack) - 1)):
        one, size = stack[i], tuple(chances[i].shape[2:])
        even = _each(visible, one.side, size) / one.side ** len(size)
        on = torch.where(_centres(known, size), chances[i], even)
        visible = torch.where(_centres(known, tuple(seen[i].shape[2:])), seen[i], visible_mean(one.rbm, on))
    return visible


def _centres(known: Tensor, size: tuple[int, ...]) -> Tensor:
    """(*size) bool, whether the middle of what each unit sees is known."""
    found: Tensor = functional.interpolate(known[None, None].double(), size, mode="nearest-exact")[0, 0] > 0.5
    return found


def expect(stack: Sequence[Machine], v: Tensor) -> Tensor:
    """(B, C, *S) what the lowest machine expects of its visible units, all machines together. v: what they are."""
    chances = []
    visible = v
    for one in stack:
        chances.append(hidden_chances(upward(one.rbm, visible), one.side))
        visible = _pooled(chances[-1], one.side)
    for _ in range(SWEEPS):
        for i in reversed(range(len(stack))):
            below = v if i == 0 else _pooled(chances[i - 1], stack[i - 1].side)
            inputs = upward(stack[i].rbm, below)
            if i + 1 < len(stack):
                above = downward(stack[i + 1].rbm, chances[i + 1], biased=False)
                inputs = inputs + _each(above, stack[i].side, tuple(inputs.shape[2:]))
            chances[i] = hidden_chances(inputs, stack[i].side)
    return visible_mean(stack[0].rbm, chances[0])


def _pooled(chances: Tensor, side: int) -> Tensor:
    """(B, K, *ceil(S / side)) the chance that a block has a unit that is on: at most one is, so their sum."""
    return blocks(chances, side, 0.0).sum(-1)


def _each(pooled: Tensor, side: int, size: tuple[int, ...]) -> Tensor:
    """(B, K, *size) what a pooling unit gets from above, for every unit of its block."""
    axes = pooled.dim() - 2
    return unblocked(pooled[..., None].expand(*pooled.shape, side**axes), side, size)


def _spread(weight: Tensor, side: int) -> Tensor:
    """Weights on pooling units as weights on the hidden units of their blocks, an equal share each."""
    axes = weight.dim() - 2
    for axis in range(2, 2 + axes):
        weight = weight.repeat_interleave(side, axis)
    spread: Tensor = weight / side**axes
    return spread


def _behind(layer: Whiten, wanted: Tensor, x: Tensor, mean: Tensor, known: Tensor) -> Tensor:
    """(B, C, *S) the examples whose filtered values come nearest to `wanted`, given what is known and near the mean.

    Least squares by conjugate gradients over what is not known. x: where to begin.
    """
    kernel, axes, hidden = layer.get_buffer("weight"), x.dim() - 2, ~known
    trust = TRUST * float((kernel**2).sum() / kernel.shape[0])

    def normal(step: Tensor) -> Tensor:
        back: Tensor = DOWN[axes](layer.filtered(step), kernel, None)
        return (back + trust * step) * hidden

    start = DOWN[axes](wanted - layer.filtered(x), kernel, None) + trust * (mean - x)
    residual = start * hidden
    step, direction = torch.zeros_like(x), residual.clone()
    before = _dot(residual, residual)
    for _ in range(STEPS):
        turned = normal(direction)
        share = before / _dot(direction, turned).clamp(min=1e-12)
        step = step + share * direction
        residual = residual - share * turned
        now = _dot(residual, residual)
        direction = residual + now / before.clamp(min=1e-12) * direction
        before = now
    return x + step


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """(B, 1, ...) the sum of products of each example."""
    total: Tensor = (one * other).sum(tuple(range(1, one.dim())), keepdim=True)
    return total
