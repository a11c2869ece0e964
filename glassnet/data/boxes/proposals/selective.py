"""Selective search with R-CNN's own settings, through OpenCV, in an order that a seed fixes.

Uijlings et al. 2013, "Selective search for object recognition"; the settings are those of Girshick et al.'s code.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes
from glassnet.errors import GlassnetError

WIDTH = 500  # pixels that a picture is brought to first
SMALLEST = 20  # pixels of that width, along a side
SIGMA = 0.8
GRAINS = (50, 100)  # k of the graph segmentation, and the least size of a segment
THREADS = 2


def search(picture: NDArray[np.uint8], size: tuple[int, int], seed: int) -> Boxes:
    """(n, 4) regions in the pixels of a file of this size (width, height), no two the same.

    picture: (H, W, 3) it in RGB, brought to any width. Two colour spaces, two grains, two ways to merge: eight
    hierarchies. OpenCV's order begins with small regions and changes from run to run; here a draw by the seed orders
    them, so that the first n are a fair sample. Raises GlassnetError without OpenCV.
    """
    cv2 = _opencv()
    height, width = picture.shape[:2]
    scale = np.array([size[0] / width, size[1] / height] * 2)
    spaces = [cv2.cvtColor(picture, code) for code in (cv2.COLOR_RGB2HSV, cv2.COLOR_RGB2LAB)]
    jobs = [(space, grain) for space in spaces for grain in GRAINS]

    def hierarchies(job: tuple[NDArray[np.uint8], int]) -> NDArray[np.int64]:
        return _hierarchies(cv2, picture, *job)

    with ThreadPoolExecutor(THREADS) as pool:
        found = np.concatenate(list(pool.map(hierarchies, jobs)))  # (n, 4) x, y, width, height
    least = SMALLEST * width / WIDTH
    found = np.unique(found[(found[:, 2:] >= least).all(1)], axis=0)
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], 1) * scale
    return np.asarray(boxes[np.random.default_rng([seed, 10]).permutation(len(boxes))])


def _hierarchies(cv2: Any, picture: NDArray[np.uint8], space: NDArray[np.uint8], grain: int) -> NDArray[np.int64]:  # noqa: ANN401  # an untyped library
    """Regions of two hierarchies over one segmentation. Too small a picture has none."""
    if min(picture.shape[:2]) < 3:
        return np.zeros((0, 4), np.int64)
    parts = cv2.ximgproc.segmentation
    name = "createSelectiveSearchSegmentationStrategy"
    make: Callable[[str], Any] = lambda which: getattr(parts, name + which)()  # noqa: E731  # four of a kind
    search = parts.createSelectiveSearchSegmentation()
    search.setBaseImage(picture)
    search.clearImages()
    search.addImage(space)
    search.addGraphSegmentation(parts.createGraphSegmentation(SIGMA, float(grain), grain))
    for extra in (("Color",), ()):
        merged = [make(which) for which in (*extra, "Texture", "Size", "Fill")]
        search.addStrategy(getattr(parts, name + "Multiple")(*merged))
    return np.asarray(search.process(), np.int64).reshape(-1, 4)


def _opencv() -> Any:  # noqa: ANN401  # an untyped library
    try:
        import cv2

        if not hasattr(cv2, "ximgproc"):
            raise ImportError("without its extra modules")
    except ImportError as error:
        raise GlassnetError(
            "--proposals selective",
            expected="OpenCV with its extra modules",
            found="it isn't installed",
            fix='pip install "glassnet[detect]", or --proposals grid',
        ) from error
    return cv2
