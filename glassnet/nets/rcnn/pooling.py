"""RoIAlign: what of a feature map lies in each region, as a grid of one size. He et al. 2017, "Mask R-CNN", section 3.

A region's grid is bilinear in both axes, so it is two products of matrices, one an axis: fast in any precision, on any
device, forwards and backwards.
"""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLES = 2  # points along each axis of a cell, as in the paper
TOGETHER = 256  # regions at a time: the product between the axes is large


def roi_align(maps: Tensor, regions: Tensor, picture: Tensor, cells: int, stride: float) -> Tensor:
    """Features of regions. maps: (B, C, H, W). regions: (R, 4) in pixels of the picture. picture: (R,) which of B.

    cells: of the grid, along each axis. stride: pixels of the picture to a cell of the map. Returns (R, C, cells,
    cells). What lies over a cell beyond the map's edge is 0.
    """
    assert len(maps), "regions lie on pictures"
    height, width = maps.shape[2:]
    across = _shares(regions[:, 0], regions[:, 2], width, cells, stride).to(maps.dtype)  # (R, cells, W)
    down = _shares(regions[:, 1], regions[:, 3], height, cells, stride).to(maps.dtype)  # (R, cells, H)
    rows = maps.permute(0, 2, 3, 1)  # (B, H, W, C)
    parts: list[Tensor] = []
    places: list[Tensor] = []
    for b in range(len(maps)):
        for mine in torch.split(torch.nonzero(picture == b)[:, 0], TOGETHER):
            folded = down[mine].flatten(0, 1) @ rows[b].flatten(1)  # (r cells, W C)
            folded = folded.reshape(len(mine), cells, width, maps.shape[1])
            parts.append(across[mine, None] @ folded)  # (r, cells, cells, C)
            places.append(mine)
    order = torch.cat(places)
    grid = torch.cat(parts).permute(0, 3, 1, 2)  # (R, C, cells, cells)
    return grid if torch.equal(order, torch.arange(len(order), device=order.device)) else grid[order.argsort()]


def _shares(low: Tensor, high: Tensor, size: int, cells: int, stride: float) -> Tensor:
    """(R, cells, size) how much each place of an axis counts in each cell: the mean over its points."""
    step = (high - low) / stride / cells
    at = (torch.arange(cells * SAMPLES, device=low.device) + 0.5) / SAMPLES
    points = low[:, None] / stride - 0.5 + step[:, None] * at  # (R, cells x SAMPLES)
    is_there = (points >= -1) & (points <= size)
    near = points.clamp(0, size - 1)[..., None] - torch.arange(size, device=low.device)
    weight = (1 - near.abs()).clamp(min=0) * is_there[..., None]
    return weight.reshape(len(low), cells, SAMPLES, size).mean(2)
