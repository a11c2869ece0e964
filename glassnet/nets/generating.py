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

SWEEPS = 1  # through the machines: more let them forget what they looked at
STEPS = 12  # of the conjugate gradients that find the pixels behind whitened values
TRUST = 0.2  # of what is likely of single pixels, beside whitened values
SPREADS = 48  # pixels, about, that go along with one that the directions leave out: each tells that little less
HALVES = ("top", "bottom", "left", "right")
CLEAREST = 10.0  # times, at most, that contrast is lifted


@dataclass(frozen=True)
class Bases:
    """The features of one machine as it would draw them. pictures: (K, C, *S) in whitened values, of one size."""

    name: str
    pictures: Tensor


def has_machines(net: nn.Module) -> bool:
    """Whether a net learnt features without labels, and so can draw them."""
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


def known_halves(size: tuple[int, ...]) -> dict[str, Tensor]:
    """(H, W) bool by the name of the half that is hidden: what is known then."""
    down, across = (torch.arange(length) < length // 2 for length in size)
    low, left = down[:, None].expand(size), across[None].expand(size)
    return dict(zip(HALVES, (~low, low, ~left, left), strict=True))


@torch.no_grad()
def complete(net: ConvNet, x: Tensor, known: Tensor) -> Tensor:
    """(B, C, *S) examples with what is hidden filled in. x: (B, C, *S), normalised. known: (*S) bool, what is given.

    What is coarse, which whitening takes away, is what is likely beside what is given (`likely`). Its hidden part is
    brought to the contrast of the rest, for what is likely on the whole is fainter than any example; then all machines
    together say what they expect, each block from below and from above by mean field (section 3.6), and the values that
    agree best with both are taken.
    """
    stack = machines(list(net.named_children()))
    first = whitener(net)
    assert stack and first is not None, "a net that can fill in"
    coarse = torch.where(known, x, likely(first, x, known))
    whitened = first.filtered(coarse)
    even = whitened * _lift(whitened, _centres(known, tuple(whitened.shape[2:])))
    gain = first.gain(even)
    return _behind(first, expect(stack, even * gain) / gain, coarse, known)


def likely(first: Whiten, x: Tensor, known: Tensor) -> Tensor:
    """(B, C, *S) the examples that are likeliest given what is known of them, if examples are spread normally around
    their mean along the directions in which the training examples differ most: Tipping, Bishop 1999, "Probabilistic
    principal component analysis", section 3.
    """
    mean, every = first.get_buffer("mean"), first.get_buffer("directions").flatten(1)  # (R, C * S)
    given = known.expand(mean.shape).flatten()
    alone = first.get_buffer("alone") * SPREADS
    some = every[:, given]
    weighed = torch.diag(alone / first.get_buffer("variance").clamp(min=1e-9)) + some @ some.T
    along = torch.linalg.solve(weighed, some @ (x - mean).flatten(1)[:, given].T).T  # (B, R)
    found: Tensor = (along @ every).reshape(x.shape) + mean
    return found


def whitener(net: ConvNet) -> Whiten | None:
    """The first layer of a net, if it whitens: only then can hidden parts be filled in."""
    first = next(iter(net.children()), None)
    return first if isinstance(first, Whiten) else None


def _lift(whitened: Tensor, seen: Tensor) -> Tensor:
    """(B, 1, *S) what brings the unseen values of each example to the strength of the seen ones. seen: (*S) bool."""
    if bool(seen.all()) or not bool(seen.any()):
        return whitened.new_ones(())
    strong, faint = ((whitened[..., at] ** 2).mean((1, 2)).sqrt() for at in (seen, ~seen))  # (B,)
    ratio = (strong / faint.clamp(min=1e-6)).clamp(1, CLEAREST).reshape(-1, *[1] * (whitened.dim() - 1))
    return torch.where(seen, 1.0, ratio)


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


def _behind(layer: Whiten, wanted: Tensor, coarse: Tensor, known: Tensor) -> Tensor:
    """(B, C, *S) the examples whose filtered values come nearest to `wanted`, near `coarse`, as given where known.

    Least squares by conjugate gradients over what is not known.
    """
    kernel, axes, hidden = layer.get_buffer("weight"), coarse.dim() - 2, ~known
    trust = TRUST * float((kernel**2).sum() / kernel.shape[0])

    def normal(step: Tensor) -> Tensor:
        back: Tensor = DOWN[axes](layer.filtered(step), kernel, None)
        return (back + trust * step) * hidden

    residual = DOWN[axes](wanted - layer.filtered(coarse), kernel, None) * hidden
    step, direction = torch.zeros_like(coarse), residual.clone()
    before = _dot(residual, residual)
    for _ in range(STEPS):
        turned = normal(direction)
        share = before / _dot(direction, turned).clamp(min=1e-12)
        step = step + share * direction
        residual = residual - share * turned
        now = _dot(residual, residual)
        direction = residual + now / before.clamp(min=1e-12) * direction
        before = now
    return coarse + step


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """(B, 1, ...) the sum of products of each example."""
    total: Tensor = (one * other).sum(tuple(range(1, one.dim())), keepdim=True)
    return total
