"""A picture with a half hidden, filled in by what a net learnt without labels. Lee et al. 2009, section 4.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.dataset import Array
from glassnet.nets.convnet import ConvNet
from glassnet.nets.generating import complete, has_machines, known_halves, whitener

HIDDEN = 128  # the grey of what is hidden


@dataclass(frozen=True)
class Half:
    """One half of a picture hidden. name: which. known: (H, W). hidden, filled: (C, H, W) bytes, without it and with
    what the net put there. error, of_mean: root mean squared error of that and of the mean training picture there.
    """

    name: str
    known: NDArray[np.bool_]
    hidden: NDArray[np.uint8]
    filled: NDArray[np.uint8]
    error: float
    of_mean: float


def fills_in(net: ConvNet, raw: Array) -> bool:
    """Whether a net can fill in an example (C, *S): a picture in bytes, and a net that learnt without labels."""
    return whitener(net) is not None and has_machines(net) and raw.ndim == 3 and raw.dtype == np.uint8


@torch.no_grad()
def halves(net: ConvNet, x: Tensor, raw: Array) -> tuple[Half, ...]:
    """Each half hidden in turn. x: (1, C, H, W) as the net sees it. raw: (C, H, W) bytes, of which x are multiples."""
    first = whitener(net)
    assert first is not None, "a net that can fill in"
    pixels = np.asarray(raw, np.float64)
    x = x.to(first.get_buffer("mean"))
    seen = x[0].double().numpy()
    slope, shift = zip(*(_line(one, other) for one, other in zip(seen, pixels, strict=True)), strict=True)

    def as_pixels(y: Tensor) -> NDArray[np.float64]:
        values = y.double().numpy() * np.reshape(slope, (-1, 1, 1)) + np.reshape(shift, (-1, 1, 1))
        return np.asarray(values.clip(0, 255))

    found = []
    mean = as_pixels(first.get_buffer("mean"))
    for name, known in known_halves(tuple(x.shape[2:])).items():
        there = known.numpy()
        filled = np.where(there, pixels, as_pixels(complete(net, x, known)[0]))
        hidden = np.where(there, pixels, HIDDEN).astype(np.uint8)
        errors = [float(np.sqrt(((one - pixels)[:, ~there] ** 2).mean())) for one in (filled, mean)]
        found.append(Half(name, there, hidden, filled.round().astype(np.uint8), *errors))
    return tuple(found)


def _line(x: NDArray[np.float64], raw: NDArray[np.float64]) -> tuple[float, float]:
    """What x is multiplied by, and what is added, to give raw."""
    spread = float(((x - x.mean()) ** 2).mean())
    slope = float(((x - x.mean()) * (raw - raw.mean())).mean()) / spread if spread > 1e-12 else 0.0
    return slope, float(raw.mean() - slope * x.mean())
