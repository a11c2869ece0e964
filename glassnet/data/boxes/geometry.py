"""Boxes as numbers: (n, 4) x1, y1, x2, y2 in pixels from the top left corner, edges, so that x2 - x1 is the width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def area(boxes: Boxes) -> NDArray[np.float64]:
    """(n,) in square pixels; 0 for a box without width or height."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return np.asarray(sides.prod(1))


def overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """(n, m) intersection over union of each of n boxes with each of m. Two boxes without area overlap by 0."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)  # (n, m)
    union = area(one)[:, None] + area(other)[None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def brought(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of a picture of this size with its longer side brought to `side` pixels.

    Of a long narrow one it may be less, so that the picture keeps its aspect and boxes stay where they are on it.
    """
    longer, shorter = max(size), min(size)
    low = max(1, (2 * shorter * side + longer) // (2 * longer))  # rounded, half up
    high = min(side, max(1, (2 * longer * low + shorter) // (2 * shorter)))
    return (high, low) if size[0] >= size[1] else (low, high)


def clipped(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """What of each box lies inside a picture. size: (width, height)."""
    width, height = size
    return np.asarray(np.clip(boxes, 0, [width, height, width, height]))
