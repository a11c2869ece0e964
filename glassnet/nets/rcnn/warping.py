"""Warping: regions cut out of pictures and brought to one size, with some context. Girshick et al. 2014, appendix A."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

CONTEXT = 16 / 227  # of a crop's side that lies around the region on each side, as R-CNN's own code has it


@dataclass(frozen=True)
class Crops:
    """How regions are cut out. side: pixels of a crop. context: share of its side on each side of the region.

    square: whether the tightest square around a region is cut out, instead of the region stretched to one.
    """

    side: int
    context: float = CONTEXT
    square: bool = False


def around(regions: Tensor, context: float = CONTEXT, square: bool = False) -> Tensor:
    """(R, 4) what is cut out: each region and its context, or the tightest square around it and its context.

    context: the share of the crop's side that lies on each side of the region.
    """
    size = regions[:, 2:] - regions[:, :2]
    half = (size.max(1, keepdim=True).values.expand_as(size) if square else size) / 2 / (1 - 2 * context)
    centre = regions[:, :2] + size / 2
    return torch.cat([centre - half, centre + half], 1)


def warp(
    pictures: Tensor, regions: Tensor, picture: Tensor, side: int, context: float = CONTEXT, square: bool = False
) -> Tensor:
    """(R, C, side, side) crops: bilinear, without a filter against aliasing; what lies off the picture is 0.

    pictures: (B, C, H, W), their mean taken away. regions: (R, 4) pixels. picture: (R,) which of B.
    """
    grid = places_of(regions.to(pictures.dtype), (pictures.shape[2], pictures.shape[3]), side, context, square)
    crops = pictures.new_zeros((len(regions), pictures.shape[1], side, side))
    for b in range(len(pictures)):
        mine = torch.nonzero(picture == b)[:, 0]
        if len(mine):
            crops[mine] = cut(pictures[b : b + 1], grid[mine])
    return crops.contiguous(memory_format=torch.channels_last)


def places_of(regions: Tensor, size: tuple[int, int], side: int, context: float, square: bool) -> Tensor:
    """(R, side, side, 2) where the pixels of each crop lie on a picture of size (H, W), as grid_sample has it."""
    whole = around(regions, context, square)
    step = (whole[:, 2:] - whole[:, :2]) / side  # (R, 2)
    at = torch.arange(side, device=regions.device) + 0.5
    places = whole[:, None, :2] + step[:, None] * at[:, None]  # (R, side, 2): x and y of each column and row
    where = torch.stack([places[..., 0] / size[1], places[..., 1] / size[0]], 2) * 2 - 1  # -1 and 1: the outer edges
    across, down = where[..., 0], where[..., 1]
    return torch.stack([across[:, None].expand(-1, side, -1), down[..., None].expand(-1, -1, side)], 3)


def cut(picture: Tensor, grid: Tensor) -> Tensor:
    """(R, C, side, side) crops of one picture (1, C, H, W). grid: (R, side, side, 2) of places_of."""
    count, side = grid.shape[:2]
    long = grid.reshape(1, count * side, side, 2)  # one long picture of all crops, so that it is not copied for each
    crops = functional.grid_sample(picture, long, "bilinear", "zeros", align_corners=False)
    return crops[0].reshape(-1, count, side, side).transpose(0, 1)
