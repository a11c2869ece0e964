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

    Neighbours of one shape are the same share of its width, and of its height, apart. size: (width, height).
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
    return int(
        sum(np.prod([_number(side, whole, step) for side, whole in zip(one, size, strict=True)]) for one in sides)
    )


def _number(side: float, whole: int, step: float) -> int:
    return max(1, int(np.ceil((whole - side * (1 - 2 * OUT)) / (side * step))))


def _laid(one: NDArray[np.float64], size: tuple[int, int], step: float) -> Boxes:
    """One shape at all its places, from a little beyond one edge to a little beyond the other."""
    centres = [
        np.linspace(side * (0.5 - OUT), whole - side * (0.5 - OUT), number) if number > 1 else np.array([whole / 2])
        for side, whole, number in ((s, w, _number(s, w, step)) for s, w in zip(one.tolist(), size, strict=True))
    ]
    x, y = (values.ravel() for values in np.meshgrid(*centres))
    return np.stack([x - one[0] / 2, y - one[1] / 2, x + one[0] / 2, y + one[1] / 2], 1)
