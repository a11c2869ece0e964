"""Convolutional restricted Boltzmann machines with probabilistic max-pooling: chances, draws, energies, and what their
training descends. Lee, Grosse, Ranganath, Ng 2009, "Convolutional deep belief networks", sections 3.2 and 3.3.

A machine has visible maps v, and for each of K features a hidden map whose units h are joined in blocks: at most one
unit of a block is on, and the block's pooling unit is on if one is. Knows tensors, not what they show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.data.loader import Batch
from glassnet.nets.layers import FILTERS, LEAST_INPUT, ProbPool, Rbm, Whiten
from glassnet.nets.network import Criterion, Phase
from glassnet.nets.whitened import principal, whitening

SPARSE = (0.01, 0.005)  # mean chance of a hidden unit to be on: of the first machine, of those above
PULL = 5.0  # of the biases towards it, as a multiple of what the data want
STEPS, BATCH, RATES = (2000, 400), 4, (0.1, 0.3)  # of the first machine's training, of the others'
MOMENTUM = 0.9
FAINT = 0.05  # spread of the lowest machine's first weights
PIECES, STRONG = 8, 0.7  # drawn for each feature that begins; share of them, the strongest, that may be one
SOME, SETTLING = 64, 30  # examples and rounds that the first biases are found with
DOWN = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def blocks(x: Tensor, side: int, beyond: float = -math.inf) -> Tensor:
    """(B, K, *S) in blocks: (B, K, *ceil(S / side), side ** axes). Places beyond the edge hold `beyond`.

    So a block at the edge may have fewer units; none of those that are missing is ever on.
    """
    axes = x.dim() - 2
    short = [(-size) % side for size in x.shape[2:]]
    if any(short):
        x = functional.pad(x, [pad for size in reversed(short) for pad in (0, size)], value=beyond)
    split = [part for size in x.shape[2:] for part in (size // side, side)]
    order = [0, 1, *range(2, 2 + 2 * axes, 2), *range(3, 3 + 2 * axes, 2)]
    return x.reshape(*x.shape[:2], *split).permute(order).flatten(2 + axes)


def unblocked(x: Tensor, side: int, size: tuple[int, ...]) -> Tensor:
    """The other way: (B, K, *ceil(S / side), side ** axes) to (B, K, *S). size: S."""
    axes = len(size)
    apart = x.reshape(*x.shape[:-1], *[side] * axes)
    order = [0, 1, *[at for axis in range(axes) for at in (2 + axis, 2 + axes + axis)]]
    whole = apart.permute(order).reshape(*x.shape[:2], *(count * side for count in x.shape[2:-1]))
    return whole[(slice(None), slice(None), *(slice(0, one) for one in size))]


def hidden_chances(inputs: Tensor, side: int) -> Tensor:
    """(B, K, *S) the chance of each unit to be the one of its block that is on. inputs: (B, K, *S) what it gets.

    P(h = 1) = exp(I) / (1 + sum of exp(I) over the block), worked out so that nothing overflows: section 3.3.
    """
    parts = blocks(inputs.clamp(min=LEAST_INPUT), side)
    none = parts.new_zeros(()).expand(*parts.shape[:-1], 1)
    return unblocked(torch.cat([none, parts], -1).softmax(-1)[..., 1:], side, tuple(inputs.shape[2:]))


def pooled_chances(inputs: Tensor, side: int) -> Tensor:
    """(B, K, *ceil(S / side)) the chance of each block that one of its units is on: 1 - 1 / (1 + sum of exp(I))."""
    return blocks(inputs.clamp(min=LEAST_INPUT), side).logsumexp(-1).sigmoid()


def draw(chances: Tensor, side: int) -> Tensor:
    """(B, K, *S) of each block at most one unit that is on, drawn by these chances. From torch's own random numbers."""
    ends = blocks(chances, side, 0.0).cumsum(-1)
    at = torch.rand(ends.shape[:-1], device=ends.device, dtype=ends.dtype)[..., None]
    on = (at < ends) & (at >= functional.pad(ends, (1, 0))[..., :-1])
    return unblocked(on.to(chances.dtype), side, tuple(chances.shape[2:]))


def inner_of(rbm: Rbm, size: tuple[int, ...]) -> tuple[slice, ...]:
    """The visible units that as many hidden ones see as any. size: of a visible map."""
    spans = (slice(ring, length - ring) for (_, ring), length in zip(edges_of(rbm), size, strict=True))
    return (slice(None), slice(None), *spans)


def edges_of(rbm: Rbm) -> list[tuple[int, int]]:
    """For each axis the blank cells at either end, and the visible units there that fewer hidden ones see."""
    padding = [one for one in rbm.padding if isinstance(one, int)]
    return [(edge, kernel - 1 - edge) for edge, kernel in zip(padding, rbm.kernel_size, strict=True)]


def upward(rbm: Rbm, v: Tensor) -> Tensor:
    """(B, K, *S) what the hidden units get from the visible ones: a convolution and a bias a feature.

    Channels are laid out plane by plane: with kernels larger than their maps the slopes of the other layout took twenty
    times as long.
    """
    inputs: Tensor = FILTERS[v.dim() - 2](v.contiguous(), rbm.weight.contiguous(), rbm.bias, padding=rbm.padding)
    return inputs


def downward(rbm: Rbm, h: Tensor, biased: bool = True) -> Tensor:
    """(B, C, *S) what the visible units get from the hidden ones: the same convolution turned round, and their bias.

    Where the machine below has units that are biased already, theirs is left out: section 3.6.
    """
    given: Tensor = DOWN[h.dim() - 2](h, rbm.weight.contiguous(), None, padding=[edge for edge, _ in edges_of(rbm)])
    return given + rbm.visible.reshape(1, -1, *[1] * (h.dim() - 2)) if biased else given


def visible_mean(rbm: Rbm, h: Tensor) -> Tensor:
    """(B, C, *S) what is expected of the visible units: of real ones the input itself, around which they have a spread
    of 1; of those that are on or off its sigmoid.
    """
    given = downward(rbm, h)
    return given if rbm.real else given.sigmoid()


def free_energy(rbm: Rbm, v: Tensor, side: int) -> Tensor:
    """(B,) -log of the sum of exp(-E(v, h)) over all h that may be: what a visible state costs.

    E(v, h) = -sum of h I(v) - sum of c v, and half the squared v for real ones. side: of the blocks.
    """
    inputs = blocks(upward(rbm, v).clamp(min=LEAST_INPUT), side)
    gained = functional.softplus(inputs.logsumexp(-1)).flatten(1).sum(1)  # log(1 + sum of exp(I)) a block
    bias = rbm.visible.reshape(1, -1, *[1] * (v.dim() - 2))
    own = (v * v / 2 - bias * v) if rbm.real else -bias * v
    return own.flatten(1).sum(1) - gained


@dataclass(frozen=True)
class Chain:
    """A draw from the data on and back. end: (B, C, *S). chances: (B, K, *S) of the data's own hidden units."""

    end: Tensor
    chances: Tensor


@torch.no_grad()
def gibbs(rbm: Rbm, v: Tensor, side: int, steps: int = 1) -> Chain:
    """Hidden units drawn from the visible ones, and what is expected of the visible ones from those, `steps` times.

    Visible units that fewer hidden ones see than others do, as those at the edge of a `valid` convolution, stay as they
    are: learning would else fill the features' corners with them.
    """
    first = chances = hidden_chances(upward(rbm, v), side)
    inner = inner_of(rbm, tuple(v.shape[2:]))
    data = v
    for step in range(steps):
        found = visible_mean(rbm, draw(chances, side))
        v = data.clone()
        v[inner] = found[inner]
        if step + 1 < steps:
            chances = hidden_chances(upward(rbm, v), side)
    return Chain(v, first)


def contrastive(rbm: Rbm, v: Tensor, side: int, sparse: float, pull: float, steps: int = 1) -> tuple[Tensor, Tensor]:
    """What training descends, of one place of the hidden maps in the mean: its gradient is contrastive divergence's.

    That is the free energy of the data less that of the chain's end, which stands still (Hinton 2002). Beside it the
    biases of the features are pulled towards a mean chance of `sparse` of their units to be on: section 3.2. Returns
    the loss and the mean squared difference between the data and the chain's end.
    """
    chain = gibbs(rbm, v, side, steps)
    places = math.prod(chain.chances.shape[2:])
    difference = (free_energy(rbm, v, side) - free_energy(rbm, chain.end, side)).mean() / places
    assert rbm.bias is not None, "features have a bias"
    over = chain.chances.transpose(0, 1).flatten(1).mean(1) - sparse  # (K,)
    return difference + pull * (over * rbm.bias).sum(), ((v - chain.end) ** 2).mean()


@dataclass(frozen=True)
class Machine:
    """One layer of a deep belief network: what lies below it, itself, and its blocks."""

    name: str
    below: tuple[nn.Module, ...]
    rbm: Rbm
    side: int

    def visible(self, x: Tensor) -> Tensor:
        """(B, C, *S) its visible units for examples: the chances of the pooling units below."""
        with torch.no_grad():
            for layer in self.below:
                x = layer(x)
        return x


def machines(children: Sequence[tuple[str, nn.Module]]) -> tuple[Machine, ...]:
    """The machines of a net, from the lowest up. children: its layers by name, in order."""
    found = []
    for i, (name, module) in enumerate(children):
        if isinstance(module, Rbm):
            above = children[i + 1][1] if i + 1 < len(children) else None
            side = above.side if isinstance(above, ProbPool) else 1
            found.append(Machine(name, tuple(below for _, below in children[:i]), module, side))
    return tuple(found)


def phases(children: Sequence[tuple[str, nn.Module]]) -> tuple[Phase, ...]:
    """A phase a machine, each learning from what those below it make of the examples: greedy, as in section 3.4."""
    return tuple(_phase(one, i) for i, one in enumerate(machines(children)))


def _phase(one: Machine, number: int) -> Phase:
    first = number == 0
    sparse = SPARSE[0] if first else SPARSE[1]

    def loss(batch: Batch, _: Criterion) -> tuple[Tensor, Tensor]:
        return contrastive(one.rbm, one.visible(batch.x), one.side, sparse, PULL)

    def begin(x: Tensor) -> None:
        if first and one.below and isinstance(one.below[0], Whiten):
            _look_over(one.below[0], x)
        visible = one.visible(x)
        if first:
            faint(one.rbm, number)
        else:
            take_pieces(one.rbm, visible, number)
        settle(one.rbm, visible, one.side, sparse)

    moved = tuple(one.rbm.parameters())
    return Phase(one.name, loss, moved, begin, STEPS[0 if first else 1], BATCH, RATES[0 if first else 1])


def _look_over(layer: Whiten, x: Tensor) -> None:
    """Gives the lowest layer what it takes from examples (N, C, *S)."""
    kernel, directions = layer.get_buffer("weight"), layer.get_buffer("directions")
    found = principal(x, len(directions))
    parts = (whitening(x, kernel.shape[2:]), x.mean(0), *found)
    for name, part in zip(("weight", "mean", "directions", "variance", "alone"), parts, strict=True):
        layer.get_buffer(name).copy_(part)


@torch.no_grad()
def faint(rbm: Rbm, seed: int) -> None:
    """Features that are faint noise, as the lowest machine starts: its features are small, and learnt in many steps."""
    made = torch.Generator().manual_seed(seed)
    rbm.weight.copy_(torch.randn(rbm.weight.shape, generator=made) * FAINT)


@torch.no_grad()
def take_pieces(rbm: Rbm, v: Tensor, seed: int) -> None:
    """Pieces of the visible maps (N, C, *S) as features, as the machines above start.

    A feature that is like something that occurs is drawn to what is common in such things within some hundred steps;
    from noise it takes thousands.
    """
    made = torch.Generator().manual_seed(seed)
    axes = (1, -1, *[1] * (v.dim() - 2))
    mean = v.transpose(0, 1).flatten(1).mean(1)  # (C,)
    size = [min(kernel, length) for kernel, length in zip(rbm.kernel_size, v.shape[2:], strict=True)]
    pieces = []
    for i in torch.randint(len(v), (PIECES * rbm.out_channels,), generator=made).tolist():
        corner = [int(torch.randint(n - k + 1, (1,), generator=made)) for n, k in zip(v.shape[2:], size, strict=True)]
        pieces.append(v[(i, slice(None), *(slice(at, at + k) for at, k in zip(corner, size, strict=True)))])
    every = torch.stack(pieces) - mean.reshape(axes)
    strength = every.flatten(1).norm(dim=1)
    strong = strength.argsort(descending=True)[: round(len(every) * STRONG)]
    chosen = every[strong[torch.randperm(len(strong), generator=made)[: rbm.out_channels]]]
    chosen = chosen / chosen.flatten(1).norm(dim=1).clamp(min=1e-6).reshape(-1, *[1] * (v.dim() - 1))
    rbm.weight.zero_()
    rbm.weight[(slice(None), slice(None), *(slice(0, k) for k in size))] = chosen.to(rbm.weight)


@torch.no_grad()
def settle(rbm: Rbm, v: Tensor, side: int, sparse: float) -> None:
    """Biases with which visible units (N, C, *S) are as often on as they are, and hidden ones as they should."""
    axes = (1, -1, *[1] * (v.dim() - 2))
    mean = v.transpose(0, 1).flatten(1).mean(1)  # (C,)
    rbm.visible.copy_(mean if rbm.real else mean.clamp(1e-4, 1 - 1e-4).logit())
    assert rbm.bias is not None, "features have a bias"
    rbm.bias.zero_()
    inputs = rbm(v[:SOME])
    for _ in range(SETTLING):
        on = hidden_chances(inputs + rbm.bias.reshape(axes), side).transpose(0, 1).flatten(1).mean(1)
        rbm.bias += (math.log(sparse) - on.clamp(min=1e-6).log()) / 2
