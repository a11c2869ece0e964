"""What a net that learnt without labels is worth: how well its machines say again what they see, and fill in hidden
halves. Lee et al. 2009, section 4.5. Knows nets and batches, not what they show.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.loader import Loader
from glassnet.nets.belief import machines
from glassnet.nets.convnet import ConvNet
from glassnet.nets.generating import complete, expect, known_halves, whitener

AT_ONCE = 64
DRAWS = 1000
MOST = 500  # examples that are asked about

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A figure over examples with its 95 % interval, bootstrapped."""

    value: float
    low: float
    high: float

    def as_json(self, name: str) -> dict[str, float]:
        """Under a name of its own: {"rmse", "rmse_low", "rmse_high"}."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class HiddenHalf:
    """A half hidden in every example. error: root mean squared, of what is filled in. of_mean: of the mean example."""

    name: str
    error: Measured
    of_mean: Measured


@dataclass(frozen=True)
class Rebuilt:
    """What was measured on examples that a net did not learn from.

    share: of the variation that the lowest machine sees, how much all machines together say again. halves: none where
    examples are no grids of rows and columns, or nothing whitens them.
    """

    examples: int
    share: Measured
    halves: tuple[HiddenHalf, ...]

    def as_json(self) -> dict[str, object]:
        """For metrics.json, `train --json` and `evaluate --json`."""
        return {
            "examples": self.examples,
            **self.share.as_json("explained"),
            "halves": [
                {"hidden": one.name, **one.error.as_json("rmse"), **one.of_mean.as_json("mean_rmse")}
                for one in self.halves
            ],
        }


def rebuilding(net: ConvNet, loader: Loader) -> Generator[int, None, Rebuilt]:
    """Measures it on a loader's examples, up to MOST of them, in the units of their values; tells how many are done."""
    x = loader.some(MOST)
    unit = float(np.mean(loader.normalisation.std)) * loader.dataset.full_scale
    shares: list[Floats] = []
    halves: dict[str, list[tuple[Floats, Floats]]] = {}
    for part in torch.split(x, AT_ONCE):
        shares.append(_said_again(net, part))
        for name, errors in hidden_errors(net, part).items():
            halves.setdefault(name, []).append((errors[0] * unit**2, errors[1] * unit**2))
        yield sum(map(len, shares))
    found = tuple(
        HiddenHalf(name, *(root_mean(np.concatenate(one)) for one in zip(*parts, strict=True)))
        for name, parts in halves.items()
    )
    return Rebuilt(len(x), mean(np.concatenate(shares)), found)


@torch.no_grad()
def hidden_errors(net: ConvNet, x: Tensor) -> dict[str, tuple[Floats, Floats]]:
    """By the half that is hidden, each (B,): mean squared error of what is filled in there, and of the mean example.

    x: (B, C, H, W), normalised. Empty for other shapes, and for nets that can't fill in.
    """
    first = whitener(net)
    if first is None or x.dim() != 4:
        return {}
    usual = first.get_buffer("mean").to(x)
    return {
        name: (_squares(complete(net, x, known) - x, ~known), _squares(usual - x, ~known))
        for name, known in known_halves(tuple(x.shape[2:])).items()
    }


@torch.no_grad()
def _said_again(net: ConvNet, x: Tensor) -> Floats:
    """(B,) the share of each example's variation, as the lowest machine sees it, that the machines say again."""
    stack = machines(list(net.named_children()))
    v = stack[0].visible(x)
    left = ((expect(stack, v) - v) ** 2).flatten(1).sum(1)
    whole = ((v - v.mean((0, *range(2, v.dim())), keepdim=True)) ** 2).flatten(1).sum(1)
    return np.asarray((1 - left / whole.clamp(min=1e-12)).double().cpu().numpy())


def mean(values: Floats) -> Measured:
    """The mean of (N,) values."""
    drawn = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(values[drawn].mean(1), (0.025, 0.975))
    return Measured(float(values.mean()), float(low), float(high))


def root_mean(squares: Floats) -> Measured:
    """The root of the mean of squared errors (N,)."""
    found = mean(squares)
    return Measured(found.value**0.5, found.low**0.5, found.high**0.5)


def _squares(difference: Tensor, where: Tensor) -> Floats:
    return np.asarray((difference[..., where] ** 2).flatten(1).mean(1).double().cpu().numpy())
