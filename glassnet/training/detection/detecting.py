"""What a detector says of one picture: every region judged, boxes corrected, one left for each object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes
from glassnet.data.dataset import Array, Normalisation
from glassnet.nets.rcnn.geometry import area, corrected, inside, kept, suppress
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.answers import autocast
from glassnet.training.detection.feeding import look
from glassnet.training.detection.matching import Found

LEAST = 0.01  # score below which a box isn't looked at
MOST = 100  # boxes of a class on a picture: Girshick et al. 2014
AGAIN = 300  # boxes of a class that are looked at a second time


@dataclass(frozen=True)
class Limits:
    """most: overlap over which two boxes of a class are one object. least: the score from which a box counts at all.

    twice: whether the best boxes are judged again where they came to lie.
    """

    most: float
    twice: bool = False
    least: float = LEAST


@dataclass(frozen=True)
class Seen:
    """One picture judged, in the file's pixels.

    proposals: (p, 4). region: (m,) of each box, which proposal it came from. before: (m, 4) where it was judged; boxes:
    (m, 4) corrected. labels, scores: (m,). stands: (m,) the box that stands for each; its own where it stays. kept:
    places of those that stay, the surest first.
    """

    proposals: Boxes
    region: NDArray[np.int64]
    before: Boxes
    boxes: Boxes
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    stands: NDArray[np.int64]
    kept: NDArray[np.int64]

    @property
    def scored(self) -> Found:
        """Every box over the least score, before any is taken away for another."""
        return Found(self.boxes, self.labels, self.scores)

    @property
    def found(self) -> Found:
        """What stays, the surest first."""
        return Found(self.boxes[self.kept], self.labels[self.kept], self.scores[self.kept])


def see(
    net: RegionNet,
    x: Array,
    scale: NDArray[np.float64],
    size: tuple[int, int],
    proposals: Boxes,
    normalisation: Normalisation,
    limits: Limits,
    precision: str = "float32",
) -> Seen:
    """Judges a picture. x: (3, H, W) uint8 as the net looks at it. scale: (2,) its pixels to one of the file's.

    size: (width, height) of the file. proposals: (p, 4) in the file's pixels.
    """
    device = next(net.parameters()).device
    picture = look(x, normalisation).to(device)
    factor = torch.from_numpy(np.tile(scale, 2)).float().to(device)
    regions = torch.from_numpy(proposals).float().to(device) * factor
    bounds = (x.shape[2], x.shape[1])
    with autocast(device, precision):
        judged = net.regions(picture, regions)
    parts = []
    for k in range(net.classes):
        places = torch.nonzero(judged.scores[:, k] > limits.least)[:, 0]
        before, scores = regions[places], judged.scores[places, k]
        boxes = inside(corrected(before, judged.changes[places, k]), bounds)
        if limits.twice and len(places):
            best = scores.argsort(descending=True, stable=True)[:AGAIN]
            places, before = places[best], boxes[best]
            with autocast(device, precision):
                again = net.regions(picture, before)
            scores = (scores[best] + again.scores[:, k]) / 2
            boxes = inside(corrected(before, again.changes[:, k]), bounds)
        is_there = area(boxes) > 0  # what was moved off the picture is gone
        parts.append((places[is_there], before[is_there], boxes[is_there], scores[is_there]))
    return _seen(parts, proposals, factor, size, limits)


def again(seen: Seen, most: float, classes: int) -> Seen:
    """The same with another overlap over which two boxes are one object."""
    stands, stay = _suppressed(torch.from_numpy(seen.boxes), torch.from_numpy(seen.labels), seen.scores, most, classes)
    return Seen(
        seen.proposals, seen.region, seen.before, seen.boxes, seen.labels, seen.scores, stands, stay
    )  # fmt: skip


def _seen(
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]],
    proposals: Boxes,
    factor: torch.Tensor,
    size: tuple[int, int],
    limits: Limits,
) -> Seen:
    region, before, boxes, scores = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    labels = torch.repeat_interleave(torch.tensor([len(part[0]) for part in parts]))
    back = factor.cpu().double()
    edge = np.array([*size, *size], float)
    inner = np.clip((boxes.double() / back).numpy(), 0, edge)
    stands, stay = _suppressed(torch.from_numpy(inner), labels, scores.double().numpy(), limits.most, len(parts))
    return Seen(
        proposals, region.numpy(), (before.double() / back).numpy(), inner, labels.numpy(),
        scores.double().numpy(), stands, stay,
    )  # fmt: skip


def _suppressed(
    boxes: torch.Tensor, labels: torch.Tensor, scores: NDArray[np.float64], most: float, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each box the one that stands for it, class by class, and which stay, the surest first."""
    stands = torch.empty(len(boxes), dtype=torch.int64)
    stay, values = [], torch.from_numpy(scores)
    for k in range(classes):
        mine = torch.nonzero(labels == k)[:, 0]
        one = suppress(boxes[mine], values[mine], most)
        stands[mine] = mine[one]
        stay.append(mine[kept(one, values[mine])[:MOST]])
    whole = torch.cat(stay)
    return stands.numpy(), whole[values[whole].argsort(descending=True, stable=True)].numpy()
