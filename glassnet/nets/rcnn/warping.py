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
    size = pictures.new_tensor([pictures.shape[3], pictures.shape[2]])
    whole = around(regions.to(pictures.dtype), context, square)
    step = (whole[:, 2:] - whole[:, :2]) / side  # (R, 2)
    at = torch.arange(side, device=pictures.device) + 0.5
    places = whole[:, None, :2] + step[:, None] * at[:, None]  # (R, side, 2): x and y of each column and row
    where = places / size * 2 - 1  # as grid_sample has it: -1 and 1 are the outer edges
    across, down = where[..., 0], where[..., 1]
    grid = torch.stack([across[:, None].expand(-1, side, -1), down[..., None].expand(-1, -1, side)], 3)
    crops = pictures.new_zeros((len(regions), pictures.shape[1], side, side))
    for b in range(len(pictures)):
        mine = torch.nonzero(picture == b)[:, 0]
        if len(mine):  # one long picture of all crops, so that the picture is not copied for each
            long = grid[mine].reshape(1, len(mine) * side, side, 2)
            cut = functional.grid_sample(pictures[b : b + 1], long, "bilinear", "zeros", align_corners=False)
            crops[mine] = cut[0].reshape(-1, len(mine), side, side).transpose(0, 1)
    return crops.contiguous(memory_format=torch.channels_last)
