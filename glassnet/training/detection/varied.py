"""A varied copy of a picture and of the boxes on it: mirrored, zoomed, shifted, in another light."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from glassnet.data.kind import Augmentation
from glassnet.nets.rcnn.geometry import area, inside
from glassnet.training.detection.ground import Scene

SHIFT = 0.1  # of the picture's side, either way
STRETCH = 0.08  # of the width against the height, in logarithms
LIGHT, TINT = 0.15, 3.0  # of the contrast, in logarithms; of each colour, in 255ths: standard deviations
SEEN = 0.3  # of an object must be inside for it to stay marked
LEAST = 4.0  # pixels along a side, for a region to stay


@dataclass(frozen=True)
class Move:
    """How places go: x' = x * by + to, along each axis, in pixels. by: (2,). to: (2,)."""

    by: tuple[float, float]
    to: tuple[float, float]

    def of(self, boxes: Tensor) -> Tensor:
        """(n, 4) boxes after it."""
        ends = boxes.reshape(-1, 2, 2) * boxes.new_tensor(self.by) + boxes.new_tensor(self.to)
        return torch.cat([ends.amin(1), ends.amax(1)], 1)


def any_move(size: tuple[int, int], how: Augmentation, random: np.random.Generator) -> Move:
    """One at random. size: (width, height)."""
    zoom, stretch = random.uniform(-how.scale, how.scale), random.uniform(-STRETCH, STRETCH)
    shift = random.uniform(-SHIFT, SHIFT, 2)
    turned = random.random(2) < 0.5
    by, to = [], []
    for axis, (side, mirrored) in enumerate(zip(size, (how.mirror_x, how.mirror_y), strict=True)):
        factor = math.exp(zoom + (stretch if axis == 0 else -stretch) / 2)
        factor = -factor if mirrored and turned[axis] else factor
        by.append(factor)
        to.append(side / 2 * (1 - factor) + float(shift[axis]) * side)
    return Move((by[0], by[1]), (to[0], to[1]))


@dataclass(frozen=True)
class Copy:
    """How a copy of a picture varies. tint: (3, 1, 1)."""

    move: Move
    light: float
    tint: Tensor

    def of(self, x: Tensor) -> Tensor:
        """(3, H, W) the copy of a picture, in shares of its spread about its mean."""
        return moved(x, self.move) * self.light + self.tint


def any_copy(size: tuple[int, int], how: Augmentation, random: np.random.Generator) -> Copy:
    """One at random. size: (width, height)."""
    move = any_move(size, how, random)
    light = math.exp(random.normal(0, LIGHT))
    return Copy(move, light, torch.from_numpy(random.normal(0, TINT / 255 * 4, (3, 1, 1))).float())


def moved(x: Tensor, move: Move) -> Tensor:
    """(3, H, W) the picture after a move, bilinear; what comes in from beyond its edge is 0."""
    _, height, width = x.shape
    rows = []
    for axis, side in enumerate((width, height)):  # from places of the copy, -1 to 1, to those of the picture
        by, to = move.by[axis], move.to[axis]
        rows.append([0.0, 0.0, ((side / 2 - to) / by) * 2 / side - 1])
        rows[axis][axis] = 1 / by
    grid = functional.affine_grid(torch.tensor([rows]), [1, 3, height, width], align_corners=False)
    return functional.grid_sample(x[None], grid, "bilinear", "zeros", align_corners=False)[0]


def moved_scene(scene: Scene, move: Move, size: tuple[int, int], moves_proposals: bool) -> Scene:
    """What is on it after a move: objects of which enough is left, cut at the edge, and the regions that follow."""
    whole = move.of(scene.boxes)
    boxes = inside(whole, size)
    keep = area(boxes) > SEEN * area(whole)
    proposals = scene.proposals
    if moves_proposals:
        proposals = inside(move.of(proposals), size)
        proposals = proposals[((proposals[:, 2:] - proposals[:, :2]) >= LEAST).all(1)]
    return replace(
        scene, boxes=boxes[keep], labels=scene.labels[keep], is_hard=scene.is_hard[keep], proposals=proposals
    )
