"""Series, volumes, sentences and rows as they come, to what the net sees, as modules: what data/ does, in steps that a
graph can hold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glassnet.data.dataset import Preparation
from glassnet.doors.exporting.sizes import length_of

SMOOTHED = 0.7  # a volume that is brought to less than this is smoothed first; data/volumes.py has the same


class AsItIs(nn.Module):
    """(B, C, *S) examples that are ready: rows of tables, and arrays whose files were .npz."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class FitSeries(nn.Module):
    """(B, C, t) float32 series of any length to (B, C, T): neighbours averaged, cut, or the last value repeated."""

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.moments = preparation.shape[1]
        self.every = int(preparation.settings.get("every", 1))

    def forward(self, x: Tensor) -> Tensor:
        length = length_of(x, 2)
        last = (length / self.every).ceil() - 1
        place = torch.minimum(torch.arange(self.moments, dtype=torch.float64), last)  # which mean stands there
        first = place * self.every
        end = torch.minimum(first + self.every, length)
        at = torch.arange(x.shape[2], dtype=torch.float64)[:, None]
        share = ((at >= first) & (at < end)) / (end - first)  # (t, T)
        return x @ share.float()


class FitVolumes(nn.Module):
    """(B, C, d, h, w) float32 volumes of any size to (B, C, D, H, W), scaled to fit with their aspect kept.

    What is over is the volume's lowest value.
    """

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.size = preparation.shape[1:]
        self.rounded = not preparation.settings.get("floats")

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        lengths = [length_of(x, axis) for axis in (2, 3, 4)]
        scale = torch.stack([new / old for new, old in zip(self.size, lengths, strict=True)]).min()
        count = torch.where(scale < SMOOTHED, (1 / scale).round(), torch.ones_like(scale))
        for axis, length in enumerate(lengths, 2):
            x = (x.transpose(axis, 4) @ _smoothed(x.shape[axis], length, count).T).transpose(axis, 4)
        lowest = x.amin((1, 2, 3, 4), keepdim=True)
        there = torch.ones(1)
        for axis, (wanted, length) in enumerate(zip(self.size, lengths, strict=True), 2):
            share, is_there = _scaled(x.shape[axis], length, scale, wanted)
            x = (x.transpose(axis, 4) @ share.T).transpose(axis, 4)
            there = there[..., None] * is_there
        x = torch.where(there[0] > 0, x, lowest)
        return x.round() if self.rounded else x


class FitWords(nn.Module):
    """(B, t) int64 numbers of words to (B, 1, T): cut, or filled with nothing."""

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.places = preparation.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        share = torch.arange(x.shape[1])[:, None] == torch.arange(self.places)
        return (x.float() @ share.float())[:, None]


def _smoothed(size: int, length: Tensor, count: Tensor) -> Tensor:
    """(size, size) how much each place of an axis counts in the mean of `count` neighbours, mirrored at the edges."""
    at = torch.arange(size, dtype=torch.float64)
    first = at[:, None] - (count / 2).floor()
    shares = torch.zeros(1, dtype=torch.float64)
    for mirrored in (at, -1 - at, 2 * length - 1 - at):
        shares = shares + ((mirrored >= first) & (mirrored < first + count)).double()
    return (shares / count).float()


def _scaled(size: int, length: Tensor, scale: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """(wanted, size) how much each place of an axis counts in each one of the result, linear between two places.

    And (wanted,) 1 where the result has something of it.
    """
    inner = (length * scale).round().clamp(min=1, max=wanted)
    place = torch.arange(wanted, dtype=torch.float64) - ((wanted - inner) / 2).floor()
    is_there = (place >= 0) & (place < inner)
    middle = torch.minimum(((place + 0.5) * (length / inner) - 0.5).clamp(min=0), length - 1)
    linear = (1 - (middle[:, None] - torch.arange(size, dtype=torch.float64)).abs()).clamp(min=0)
    return torch.where(is_there[:, None], linear, 0.0).float(), is_there.float()
