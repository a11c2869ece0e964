"""Boxes as tensors: (n, 4) x1, y1, x2, y2 in pixels, edges. How much they overlap, how one is told from another, which
of many on one object stays.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

MOST = math.log(1000 / 16)  # a box grows by no more than this in one correction; torchvision has the same


def area(boxes: Tensor) -> Tensor:
    """(n,) in square pixels; 0 for a box without width or height."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(1)
    return width * height


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """(n, m) intersection over union of each of n boxes with each of m. Two boxes without area overlap by 0."""
    left, top, right, bottom = one[:, :, None].unbind(1)  # (n, 1) each: an axis at a time is several times faster
    width = (torch.minimum(right, other[:, 2]) - torch.maximum(left, other[:, 0])).clamp_(min=0)
    height = (torch.minimum(bottom, other[:, 3]) - torch.maximum(top, other[:, 1])).clamp_(min=0)
    shared = width.mul_(height)
    union = area(one)[:, None] + area(other)[None] - shared
    return shared / union.clamp_(min=1e-12)  # without area nothing is shared


def correction(boxes: Tensor, truth: Tensor) -> Tensor:
    """What leads from each box to its truth: (n, 4) dx / w, dy / h, log of the widths' ratio, of the heights'.

    Both (n, 4), with areas. Girshick et al. 2014, appendix C.
    """
    size, wanted = boxes[:, 2:] - boxes[:, :2], truth[:, 2:] - truth[:, :2]
    moved = (truth[:, :2] + wanted / 2 - boxes[:, :2] - size / 2) / size
    return torch.cat([moved, (wanted / size).log()], 1)


def corrected(boxes: Tensor, change: Tensor) -> Tensor:
    """The other way: (n, 4) boxes after a correction (n, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size / 2 + change[:, :2] * size
    half = size * change[:, 2:].clamp(max=MOST).exp() / 2
    return torch.cat([centre - half, centre + half], 1)


def inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, 4) what of each box lies inside a picture. size: (width, height)."""
    most = boxes.new_tensor([*size, *size])
    return torch.minimum(boxes.clamp(min=0), most)


def suppress(boxes: Tensor, scores: Tensor, most: float) -> Tensor:
    """(n,) for each box the place of the one that stands for it: its own where it stays (non-maximum suppression).

    The best box stays, and every box that overlaps it by over `most` is one with it; then the best of those left. Of
    equal scores the first counts as the better one. Girshick et al. 2014, section 2.2.
    """
    order = scores.argsort(descending=True, stable=True)
    covered = (overlap(boxes[order], boxes[order]) > most).cpu().numpy()
    stands = np.full(len(boxes), -1, np.int64)  # by place in the order
    for place in range(len(boxes)):
        if stands[place] < 0:
            stands[(stands < 0) & covered[place]] = place
            stands[place] = place
    places = torch.from_numpy(stands)
    found = torch.empty_like(places)
    found[order.cpu()] = order.cpu()[places]
    return found


def kept(stands: Tensor, scores: Tensor) -> Tensor:
    """The places of the boxes that stay, the best first. stands: (n,) of suppress."""
    places = torch.nonzero(stands == torch.arange(len(stands)))[:, 0]
    best = scores.cpu()[places].argsort(descending=True, stable=True)
    return places[best]
