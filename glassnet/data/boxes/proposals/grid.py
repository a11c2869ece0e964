"""A grid of regions: the shapes that training objects have, laid over the whole picture, whatever is on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes

Shapes = NDArray[np.float64]

ROUNDS = 100  # of the clustering, at most
SQUARE = (0.1, 0.3, 0.9)  # sides of the shapes where there is no object to learn from
OUT = 0.25  # share of a shape that may lie beyond the edge at the outermost places
HALVINGS = 40  # of the interval of the steps
STEPS = (0.02, 4.0)  # between neighbours, in sides of the shape


def learn_shapes(boxes: Sequence[Boxes], sizes: Sequence[tuple[int, int]], count: int, seed: int) -> Shapes:
    """(k, 2) usual widths and heights, in longer sides of the picture: k-means with 1 - overlap as the distance.

    boxes: of each picture, (n, 4). sizes: (width, height) of each. k is `count`, or as many as there are different
    ones. Redmon and Farhadi 2017, "YOLO9000", section 2; medians instead of means, which stray boxes don't move.
    """
    sides = [(b[:, 2:] - b[:, :2]) / max(size) for b, size in zip(boxes, sizes, strict=True)]
    every = np.concatenate([np.zeros((0, 2)), *sides])
    if not len(every):
        return np.array([(side, side) for side in SQUARE])
    random = np.random.default_rng([seed, 9])
    different = np.unique(every, axis=0)
    shapes = different[random.permutation(len(different))[:count]]
    nearest = np.full(len(every), -1)
    for _ in range(ROUNDS):
        now = likeness(every, shapes).argmax(1)
        if (now == nearest).all():
            break
        nearest = now
        shapes = np.array([np.median(every[nearest == j], 0) for j in range(len(shapes)) if (nearest == j).any()])
    return np.asarray(shapes[np.lexsort(shapes.T)])


def likeness(one: Shapes, other: Shapes) -> Shapes:
    """(n, m) overlap of boxes of these sizes on one centre."""
    shared = np.minimum(one[:, None], other[None]).prod(2)
    return np.asarray(shared / (one.prod(1)[:, None] + other.prod(1)[None] - shared))


def grid(shapes: Shapes, size: tuple[int, int], count: int) -> Boxes:
    """(n, 4) regions of these shapes all over a picture, n at most `count` and near to it where that is possible.

    Rows of one shape and the places in them are the same shares of its sides apart. size: (width, height).
    """
    sides = shapes * max(size)
    low, high = STEPS
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _many(sides, size, middle) > count else (low, middle)
    boxes = np.concatenate([_laid(one, size, high) for one in sides])
    return np.unique(np.clip(boxes, 0, [*size, *size]), axis=0)[:count]


def _many(sides: Shapes, size: tuple[int, int], step: float) -> int:
    """How many regions there are with this step."""
    return int(sum(np.prod(_numbers(one, size, step)) for one in sides))


def _numbers(one: NDArray[np.float64], size: tuple[int, int], step: float) -> tuple[int, int]:
    """How many places a row has, and how many rows there are. Rows lie half as far apart as the places in them."""
    steps = one * step * (2**0.5, 0.5**0.5)
    across, down = np.maximum(np.ceil(_room(one, size) / steps), 1).astype(int).tolist()
    return across, down


def _room(one: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """(2,) how far apart the outermost centres may be: a little of a shape may lie beyond the edges."""
    return np.maximum(np.array(size) - one * (1 - 2 * OUT), 0)


def _laid(one: NDArray[np.float64], size: tuple[int, int], step: float) -> Boxes:
    """One shape at all its places, every other row half a step aside: what lies between places is nearer to one so.

    Sides that are off by shares dx and dy of a shape leave (1 - dx) (1 - dy) of it shared, nearly 1 - dx - dy, and
    diamonds, not squares, are what such distances fill the plane with.
    """
    across, down = _numbers(one, size, step)
    room, middle = _room(one, size), np.array(size) / 2
    rows = (np.arange(down) - (down - 1) / 2) / max(down - 1, 1)  # from -0.5 to 0.5
    aside = np.where(np.arange(down) % 2, 0.25, -0.25)
    columns = (np.arange(across)[None] - (across - 1) / 2 + aside[:, None]) / across  # (down, across)
    x = middle[0] + (columns * room[0]).ravel()
    y = middle[1] + np.repeat(rows * room[1], across)
    return np.stack([x - one[0] / 2, y - one[1] / 2, x + one[0] / 2, y + one[1] / 2], 1)
