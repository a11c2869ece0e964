"""Varied copies of whole batches: mirrored, shifted, turned, scaled in one resampling. Knows tensors, not data sets.

How copies vary is drawn apart from the varying, so that several processes can each vary a part of what all drew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from glassnet.data.kind import Augmentation


@dataclass(frozen=True)
class Draws:
    """How each of N copies differs from its example. left_out: (N, *S) bool, places that are blanked each for itself.

    angle: (N,) radians. size: (N,), 1 as it is. flip_x, flip_y: (N,) of 1 and -1. shift: (N, 2) from -1 to 1 of the
    most, along the last axis and the one before. blanks: by axis of (B, C, H, W), starts and lengths of stretches,
    (N, 1).
    """

    left_out: Tensor | None = None
    angle: Tensor | None = None
    size: Tensor | None = None
    flip_x: Tensor | None = None
    flip_y: Tensor | None = None
    shift: Tensor | None = None
    blanks: tuple[tuple[int, Tensor, Tensor], ...] = ()

    def of(self, places: Tensor) -> Draws:
        """Those of some of the copies. places: (n,) int64."""

        def some(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[places]

        blanks = tuple((axis, start[places], length[places]) for axis, start, length in self.blanks)
        turned = some(self.angle), some(self.size), some(self.flip_x), some(self.flip_y), some(self.shift)
        return Draws(some(self.left_out), *turned, blanks)


def draw(
    count: int,
    shape: tuple[int, ...],
    how: Augmentation,
    random: torch.Generator,
    mirrored: Tensor | None = None,
) -> Draws:
    """How `count` copies of examples (C, *S) vary. shape: S. random: a generator on the CPU.

    mirrored: (count,) bool, which are mirrored along the last axis where that is wanted; a coin decides otherwise.
    """
    if how.is_still:
        return Draws()
    left_out = torch.rand(count, *shape, generator=random) < how.drop if how.drop else None
    if replace(how, drop=0.0).is_still:
        return Draws(left_out)
    angle = _between(count, math.radians(how.turn), random)
    size = 1 + _between(count, how.scale, random)
    flip_x = _signs(count, how.mirror_x, random)
    if how.mirror_x and mirrored is not None:
        flip_x = 1.0 - 2.0 * mirrored
    flip_y = _signs(count, how.mirror_y, random)
    shift = torch.rand(count, 2, generator=random) * 2 - 1
    blanks = []
    for axis, most in ((3, how.blank_x), (2, how.blank_y)):
        if most:
            along = (1, *shape)[axis - 4]
            length = (torch.rand(count, 1, generator=random) * (most + 1)).floor()
            start = (torch.rand(count, 1, generator=random) * (along - length + 1)).floor()
            blanks.append((axis, start, length))
    return Draws(left_out, angle, size, flip_x, flip_y, shift, tuple(blanks))


def vary(x: Tensor, how: Augmentation, draws: Draws) -> Tensor:
    """Varies each example of a batch in its own way. x: (B, C, *S), any range. Returns the same shape.

    Series vary along their only axis; volumes slice by slice, all alike, as if turned about the upright axis.
    """
    if draws.left_out is not None:
        x = x.masked_fill(draws.left_out[:, None].to(x.device), 0.0)
    if draws.angle is None:
        return x
    flat = x.flatten(1, 2) if x.dim() == 5 else x.unsqueeze(2) if x.dim() == 3 else x  # (B, C', H, W)
    return _blanked(_moved(flat, how, draws), draws).reshape(x.shape)


def augment(x: Tensor, how: Augmentation, random: torch.Generator, mirrored: Tensor | None = None) -> Tensor:
    """Draws and varies at once: see both."""
    return vary(x, how, draw(len(x), tuple(x.shape[2:]), how, random, mirrored))


def _moved(x: Tensor, how: Augmentation, draws: Draws) -> Tensor:
    """Mirrored, shifted, turned and scaled copies of pictures: in one resampling, or by whole places without any."""
    angle, size, flip_x, flip_y, shift = draws.angle, draws.size, draws.flip_x, draws.flip_y, draws.shift
    assert angle is not None and size is not None and shift is not None, "drawn together"
    assert flip_x is not None and flip_y is not None, "drawn together"
    _, _, height, width = x.shape
    sine, cosine = torch.sin(angle) * size, torch.cos(angle) * size
    most = torch.tensor([how.shift_x, how.shift_y])
    if not how.turn and not how.scale:
        whole = most.floor()
        shift = torch.minimum((shift * (whole + 0.5)).round().abs(), whole) * shift.sign()  # each equally often
        rows = _sources(height, shift[:, 1], flip_y, how.edge)
        columns = _sources(width, shift[:, 0], flip_x, how.edge)
        return _picked(x, rows, columns)
    shift = shift * most
    rows_of_matrix = [  # from places in the copy to places in the picture, both from -1 to 1 along each axis
        torch.stack([cosine * flip_x, -sine * flip_x * (height / width), shift[:, 0] * (2 / width)], 1),
        torch.stack([sine * flip_y * (width / height), cosine * flip_y, shift[:, 1] * (2 / height)], 1),
    ]
    matrix = torch.stack(rows_of_matrix, 1).to(x.device)  # (B, 2, 3)
    places = functional.affine_grid(matrix, list(x.shape), align_corners=False)  # (B, H, W, 2)
    return functional.grid_sample(x, places, padding_mode=how.edge, align_corners=False)


def _sources(size: int, shift: Tensor, flip: Tensor, edge: str) -> Tensor:
    """(B, size) which place of a picture each place of its copy shows, along one axis. shift, flip: (B,)."""
    places = torch.arange(size)
    places = torch.where(flip[:, None] < 0, size - 1 - places, places) + shift[:, None].long()
    if edge == "reflection":
        places = torch.where(places < 0, -1 - places, places)
        places = torch.where(places >= size, 2 * size - 1 - places, places)
    return places.clamp(0, size - 1)


def _picked(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Copies made of a picture's own values: six times as fast as resampling. rows: (B, H). columns: (B, W)."""
    count, channels, height, width = x.shape
    first = torch.arange(count)[:, None, None] * height
    places = (first + rows[:, :, None]) * width + columns[:, None, :]  # (B, H, W)
    values = x.permute(0, 2, 3, 1).reshape(-1, channels)
    moved = values.index_select(0, places.flatten().to(x.device))
    return moved.reshape(count, height, width, channels).permute(0, 3, 1, 2)  # (B, C, H, W)


def _blanked(x: Tensor, draws: Draws) -> Tensor:
    """Copies with a stretch of rows and of columns at 0, which is the mean: Park et al. 2019, "SpecAugment"."""
    for axis, start, length in draws.blanks:
        at = torch.arange(x.shape[axis])[None]
        hidden = ((at >= start) & (at < start + length)).to(x.device)  # (B, size)
        x = x.masked_fill(hidden[:, None, None, :] if axis == 3 else hidden[:, None, :, None], 0.0)
    return x


def _between(count: int, most: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) * 2 - 1) * most


def _signs(count: int, wanted: bool, random: torch.Generator) -> Tensor:
    """(count,) of 1 and, if wanted, -1, each half of the time."""
    signs = torch.randint(0, 2, (count,), generator=random) * 2.0 - 1
    return signs if wanted else torch.ones(count)
