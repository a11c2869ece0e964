"""Arrays that a program holds: which axis is what, and the same as a data set. Opens no files, trains nothing.

Axes are letters: N examples, C channels, T moments, D slices, H rows, W columns, F columns of a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import arrays
from glassnet.data.columns import alike
from glassnet.data.dataset import TRAIN, VAL, Array, Dataset, Names, Preparation, Samples, digests
from glassnet.data.kind import Kind
from glassnet.data.split import Split, count_classes, draw
from glassnet.errors import GlassnetError
from glassnet.words import by, counted, listed

SHARE = 0.1  # of the examples, held out
FEWEST_HELD = 50  # of so few held-out examples a share tells little: then all are learnt from


@dataclass(frozen=True)
class Layout:
    """How arrays of one sort become examples. kind: of them. axes: letters of what comes, as "NHWC". shape: (C, *S)."""

    kind: str
    axes: str
    shape: tuple[int, ...]

    def examples(self, x: NDArray[np.generic]) -> Array:
        """(N, C, *S) uint8 or float32 of arrays with these axes. Bytes stay bytes, but for those of tables."""
        wanted = ("N", "C", *ORDER[self.kind])
        there = [letter for letter in wanted if letter in self.axes]
        turned = x.transpose([self.axes.index(letter) for letter in there]).reshape(len(x), *self.shape)
        if turned.dtype == np.uint8 and self.kind != "tables":
            return np.ascontiguousarray(turned, np.uint8)
        return np.ascontiguousarray(turned, np.float32)


def layout(shape: Sequence[int], axes: str | None) -> Layout:
    """How arrays of a shape (N, ...) are read. axes: their letters, where they are told. Raises GlassnetError.

    Not told, they are what an .npz of that shape is (see arrays), but two axes are rows of a table.
    """
    axes = axes.upper() if axes is not None else _guessed(tuple(shape[1:]))
    kind = kind_of(axes)
    if len(axes) != len(shape):
        expected, fix = f"an array of the axes {axes}", "Reshape it, or name its axes, as axes='NCHW'"
        raise GlassnetError("X", expected=expected, found=f"one of {by(shape)}", fix=fix)
    sizes = dict(zip(axes, shape, strict=True))
    one = (sizes.get("C", 1), *(sizes[letter] for letter in ORDER[kind]))
    if math.prod(one) > arrays.MAX_VALUES:
        expected = f"examples of up to {arrays.MAX_VALUES:,} values"
        raise GlassnetError("X", expected=expected, found=by(one), fix="Make them smaller")
    return Layout(kind, axes, one)


def kind_of(axes: str) -> str:
    """The kind that arrays with these axes are of. Raises GlassnetError."""
    rest = axes[1:].replace("C", "", 1)
    kind = next((name for name, order in ORDER.items() if sorted(order) == sorted(rest)), "")
    if not axes.startswith("N") or not kind:
        expected = f"N and then the letters of {listed(list(ORDER.values()))}, with or without a C"
        raise GlassnetError("axes", expected=expected, found=repr(axes), fix="Write axes='NCHW', or leave it out")
    return kind


def _guessed(shape: tuple[int, ...]) -> str:
    """The letters for an example of a shape."""
    if len(shape) == 1:
        return "NF"
    try:
        axes, _, last = arrays.layout(Path("X"), shape, None)
    except GlassnetError:
        expected = "(N, columns), (N, H, W[, C]), (N, C, H, W), (N, C, T), (N, D, H, W[, C]) or (N, C, D, H, W)"
        fix = "Reshape it, or name its axes, as axes='NCHW'"
        raise GlassnetError("X", expected=expected, found=f"N x {by(shape)}", fix=fix) from None
    order = {1: "T", 2: "HW", 3: "DHW"}[axes]
    if len(shape) == axes:
        return f"N{order}"
    return f"N{order}C" if last else f"NC{order}"


def dataset(
    kind: Kind,
    x: Array,
    y: NDArray[np.int64],
    classes: tuple[str, ...],
    weight: NDArray[np.float64] | None = None,
    columns: Sequence[str] = (),
) -> Dataset:
    """Examples (N, C, *S) with their classes (N,) as a data set, whose order doesn't depend on theirs.

    Identical examples of one class become one that weighs as much as all of them. weight: (N,) over 0. columns: of a
    table, what they are called.
    """
    digest = digests(x)
    order = np.lexsort((y, digest))
    same = np.concatenate([[False], (np.diff(digest[order]) == 0) & (np.diff(y[order]) == 0)])
    first = np.flatnonzero(~same)
    each = np.ones(len(y)) if weight is None else weight[order]
    total = np.add.reduceat(each, first)
    rows = order[first]
    samples = Samples(
        x[rows],
        y[rows],
        Names(len(rows), lambda i: f"X[{rows[i]}]"),
        np.full(len(rows), TRAIN, np.int8),
        digest[rows],
        np.tile(np.array(x.shape[2:], np.int32), (len(rows), 1)),
        weight=None if (total == total[0]).all() else (total / total.mean()).astype(np.float32),
    )
    preparation = _preparation(kind, x, columns)
    detail = kind.describe(samples.sizes, preparation) if kind.ordered else counted(x.shape[2], "column")
    return Dataset(kind.name, "arrays", classes, samples, preparation, one=kind.one, detail=detail)


def sides(data: Dataset, share: float, seed: int) -> Split:
    """Who trains, and who chooses the best epoch: a share of each class, none where they would be too few to tell.

    Nothing is kept for a test: whoever has the arrays has those for that too.
    """
    samples, side = data.samples, data.samples.split.copy()
    if len(data) * share >= FEWEST_HELD:
        side[draw(samples.y, alike(samples.digest), side, share, np.random.default_rng([seed, 1]))] = VAL
    return Split(side, count_classes(samples.y, side, len(data.classes)), (), ())


def _preparation(kind: Kind, x: Array, columns: Sequence[str]) -> Preparation:
    if not kind.ordered:
        named = [name.replace("\n", " ") for name in columns] or [f"column {i + 1}" for i in range(x.shape[2])]
        return Preparation(x.shape[1:], {"columns": "\n".join(named), "floats": 1})
    return Preparation(x.shape[1:], {"full_scale": 65535, "floats": int(x.dtype != np.uint8)})


ORDER = {
    "tables": "F",
    "series": "T",
    "pictures": "HW",
    "volumes": "DHW",
}  # of the axes of each kind that are no channels
