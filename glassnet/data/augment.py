"""Varied copies of whole batches: mirrored, shifted, turned, scaled in one resampling. Knows tensors, not data sets."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from glassnet.data.kind import Augmentation


def augment(x: Tensor, how: Augmentation, random: torch.Generator, mirrored: Tensor | None = None) -> Tensor:
    """Varies each example of a batch in its own way. x: (B, C, *S), any range. Returns the same shape.

    Series vary along their only axis; volumes slice by slice, all alike, as if turned about the upright axis. random: a
    generator on the CPU. mirrored: (B,) bool, which are mirrored along the last axis where that is wanted; a coin
    decides otherwise.
    """
    if how.is_still:
        return x
    if how.drop:
        left_out = torch.rand(len(x), *x.shape[2:], generator=random) < how.drop
        x = x.masked_fill(left_out[:, None].to(x.device), 0.0)
        if replace(how, drop=0.0).is_still:
            return x
    flat = x.flatten(1, 2) if x.dim() == 5 else x.unsqueeze(2) if x.dim() == 3 else x  # (B, C', H, W)
    return _blanked(_moved(flat, how, random, mirrored), how, random).reshape(x.shape)


def _moved(x: Tensor, how: Augmentation, random: torch.Generator, mirrored: Tensor | None) -> Tensor:
    """Mirrored, shifted, turned and scaled copies of pictures: in one resampling, or by whole places without any."""
    count, _, height, width = x.shape
    angle = _between(count, math.radians(how.turn), random)
    size = 1 + _between(count, how.scale, random)
    sine, cosine = torch.sin(angle) * size, torch.cos(angle) * size
    flip_x = _signs(count, how.mirror_x, random)
    if how.mirror_x and mirrored is not None:
        flip_x = 1.0 - 2.0 * mirrored
    flip_y = _signs(count, how.mirror_y, random)
    shift = torch.rand(count, 2, generator=random) * 2 - 1
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


def _blanked(x: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    """Copies with a stretch of rows and of columns at 0, which is the mean: Park et al. 2019, "SpecAugment"."""
    for axis, most in ((3, how.blank_x), (2, how.blank_y)):
        if not most:
            continue
        count, size = len(x), x.shape[axis]
        length = (torch.rand(count, 1, generator=random) * (most + 1)).floor()
        start = (torch.rand(count, 1, generator=random) * (size - length + 1)).floor()
        at = torch.arange(size)[None]
        hidden = ((at >= start) & (at < start + length)).to(x.device)  # (B, size)
        x = x.masked_fill(hidden[:, None, None, :] if axis == 3 else hidden[:, None, :, None], 0.0)
    return x


def _between(count: int, most: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) * 2 - 1) * most


def _signs(count: int, wanted: bool, random: torch.Generator) -> Tensor:
    """(count,) of 1 and, if wanted, -1, each half of the time."""
    signs = torch.randint(0, 2, (count,), generator=random) * 2.0 - 1
    return signs if wanted else torch.ones(count)
