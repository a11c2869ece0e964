"""Varied copies of whole batches: mirrored, shifted, turned, scaled in one resampling. Knows tensors, not data sets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far copies may vary; all at rest changes nothing.

    mirror_x, mirror_y: whether half of them are mirrored left-right, up-down. shift: pixels either way, whole ones
    unless copies are turned or scaled too. turn: degrees either way. scale: share of the size either way.
    """

    mirror_x: bool = False
    mirror_y: bool = False
    shift: float = 0.0
    turn: float = 0.0
    scale: float = 0.0

    @property
    def is_still(self) -> bool:
        """Whether copies are just copies."""
        return self == Augmentation()

    def describe(self) -> str:
        """In words: "mirrored left-right, shifted up to 4 px"."""
        parts = [
            "mirrored left-right" if self.mirror_x else "",
            "mirrored up-down" if self.mirror_y else "",
            f"shifted up to {self.shift:g} px" if self.shift else "",
            f"turned up to {self.turn:g} degrees" if self.turn else "",
            f"scaled up to {self.scale * 100:g} %" if self.scale else "",
        ]
        return ", ".join(part for part in parts if part) or "as they are"


def augment(x: Tensor, how: Augmentation, random: torch.Generator, mirrored: Tensor | None = None) -> Tensor:
    """Varies each picture of a batch in its own way. x: (B, C, H, W), any range. Returns the same shape.

    What comes in from beyond the edge is the edge mirrored. random: a generator on the CPU. mirrored: (B,) bool, which
    are mirrored left-right where that is wanted; a coin decides otherwise.
    """
    if how.is_still:
        return x
    count, _, height, width = x.shape
    angle = _between(count, math.radians(how.turn), random)
    size = 1 + _between(count, how.scale, random)
    sine, cosine = torch.sin(angle) * size, torch.cos(angle) * size
    flip_x = _signs(count, how.mirror_x, random)
    if how.mirror_x and mirrored is not None:
        flip_x = 1.0 - 2.0 * mirrored
    flip_y = _signs(count, how.mirror_y, random)
    shift = torch.rand(count, 2, generator=random) * 2 - 1
    if how.turn or how.scale:
        shift = shift * how.shift
    else:
        most = math.floor(how.shift)
        shift = (shift * (most + 0.5)).round().clamp(-most, most)  # each whole number equally often
    rows = [  # from places in the copy to places in the picture, both from -1 to 1 along each axis
        torch.stack([cosine * flip_x, -sine * flip_x * (height / width), shift[:, 0] * (2 / width)], 1),
        torch.stack([sine * flip_y * (width / height), cosine * flip_y, shift[:, 1] * (2 / height)], 1),
    ]
    matrix = torch.stack(rows, 1).to(x.device)  # (B, 2, 3)
    places = functional.affine_grid(matrix, list(x.shape), align_corners=False)  # (B, H, W, 2)
    return functional.grid_sample(x, places, padding_mode="reflection", align_corners=False)


def _between(count: int, most: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) * 2 - 1) * most


def _signs(count: int, wanted: bool, random: torch.Generator) -> Tensor:
    """(count,) of 1 and, if wanted, -1, each half of the time."""
    signs = torch.randint(0, 2, (count,), generator=random) * 2.0 - 1
    return signs if wanted else torch.ones(count)
