"""The operations of "How it Works: Convolutional Neural Networks" on plain arrays. Knows nothing of nets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glassnet import shapes
from glassnet.errors import GlassnetError
from glassnet.words import by

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorTable:
    """How far an answer is from the right one, class by class. right, actual: (K,), of 1. Slides "Error"."""

    right: Grid
    actual: Grid

    @property
    def error(self) -> Grid:
        """(K,) the distance between the two, whichever way."""
        return np.abs(self.right - self.actual)

    @property
    def total(self) -> float:
        """All errors added up."""
        return float(self.error.sum())


def filter_patch(patch: ArrayLike, feature: ArrayLike) -> float:
    """Line up, multiply, add up, divide by the number of pixels: 1.0 is a perfect match, -1.0 its opposite.

    patch, feature: arrays of one shape. Slides "Filtering: the math behind the match".
    """
    patch, feature = np.asarray(patch, float), np.asarray(feature, float)
    if patch.shape != feature.shape:
        raise GlassnetError(
            "filter_patch",
            expected=f"a patch of the feature's shape {by(feature.shape)}",
            found=by(patch.shape),
            fix="Cut the patch to the feature's size",
        )
    return float((patch * feature).sum() / feature.size)


def filter_image(image: ArrayLike, feature: ArrayLike) -> Grid:
    """Try every possible match of a feature in an image: convolution, as the slides count it.

    image: (*S), feature: (*k) with as many axes. Returns (*(S - k + 1)): 9x9 filtered by 3x3 gives 7x7.
    """
    image, feature = np.asarray(image, float), np.asarray(feature, float)
    if image.ndim != feature.ndim or any(k > s for k, s in zip(feature.shape, image.shape, strict=True)):
        raise GlassnetError(
            "filter_image",
            expected=f"a feature that fits an image of {by(image.shape)}",
            found=by(feature.shape),
            fix="Use a feature with as many axes, none longer than the image's",
        )
    patches = np.lib.stride_tricks.sliding_window_view(image, feature.shape)  # (*(S - k + 1), *k)
    axes = tuple(range(image.ndim, 2 * image.ndim))
    return np.asarray((patches * feature).sum(axes) / feature.size, float)


def max_pool(image: ArrayLike, window: int = 2, stride: int = 2) -> Grid:
    """Walk a window across an image and keep the maximum; at the edge, of the values it still covers: 7x7 gives 4x4.

    image: (*S). Returns (*pooled).
    """
    image = np.asarray(image, float)
    if window < 1 or stride < 1 or any(shapes.pool_size(s, window, stride) < 1 for s in image.shape):
        raise GlassnetError(
            "max_pool",
            expected=f"a window and a stride of 1 or more that fit {by(image.shape)}",
            found=f"window {window}, stride {stride}",
            fix="The slides use window 2, stride 2",
        )
    for axis, size in enumerate(image.shape):
        spans = [shapes.window_of(i, size, window, stride) for i in range(shapes.pool_size(size, window, stride))]
        image = np.stack([image.take(span, axis).max(axis) for span in spans], axis)
    return np.asarray(image, float)


def relu(image: ArrayLike) -> Grid:
    """Change everything negative to zero. image: (*S). Returns (*S)."""
    return np.asarray(np.maximum(np.asarray(image, float), 0.0), float)


def error_table(right: int, actual: ArrayLike) -> ErrorTable:
    """The error of one answer. right: the place of the right class. actual: (K,) what was said of each class, of 1."""
    said = np.asarray(actual, float)
    if said.ndim != 1 or not 0 <= right < len(said):
        raise GlassnetError(
            "error_table",
            expected="a row of answers, and the place of the right class in it, from 0",
            found=f"answers of {by(said.shape) or 'no axes'}, place {right}",
            fix="Give one answer a class",
        )
    return ErrorTable(np.eye(len(said))[right], said)


def cut(values: ArrayLike, decimals: int = 2) -> Grid:
    """Figures as the slides print them: cut toward zero, so that 7/9 is 0.77 and -5/9 is -0.55."""
    scale = 10.0**decimals
    values = np.asarray(values, float)
    return np.asarray(np.trunc(values * scale + np.sign(values) * 1e-6) / scale + 0.0, float)
