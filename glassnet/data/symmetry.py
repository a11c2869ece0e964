"""Whether mirrored examples still mean the same: measured with a linear model, so that letters aren't mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.columns import Rows
from glassnet.data.dataset import Dataset

SAMPLE = 3000
COARSE = 12  # pixels a side that the linear model looks at
RIDGE = 30.0


@dataclass(frozen=True)
class Mirror:
    """One axis of a picture: whether mirrored copies are natural, and how that was found.

    plain, mirrored: the linear model's accuracy on pictures that it was not fitted to; -1 where it could not tell.
    """

    natural: bool
    plain: float = -1.0
    mirrored: float = -1.0


@dataclass(frozen=True)
class Symmetry:
    """left_right, up_down: whether mirroring along the width or the height keeps the classes."""

    left_right: Mirror
    up_down: Mirror


def symmetry(dataset: Dataset, rows: Rows, seed: int) -> Symmetry:
    """Fits a ridge classifier to half a sample of small copies and asks it about the other half, as it is and mirrored.

    Mirroring is natural when that costs no accuracy; for up-down, and for classes named like characters, that must be
    certain. Where the model learns nothing, left-right is taken for natural unless the classes are named like
    characters, up-down not. rows: the training examples.
    """
    random = np.random.default_rng([seed, 3])
    rows = np.sort(random.permutation(rows)[:SAMPLE])
    raw = np.asarray(dataset.samples.x[rows], np.float32)
    x = _coarse(raw.reshape(len(raw), -1, *raw.shape[-2:]))  # (n, C, h, w); the slices of a volume as channels
    y = dataset.samples.y[rows]
    half = random.permutation(len(rows)) < len(rows) // 2
    weights = _ridge(x[half], np.eye(len(dataset.classes), dtype=np.float32)[y[half]])
    held, right = x[~half], y[~half]
    plain = _says(weights, held) == right
    chance = np.bincount(right).max() / len(right) if len(right) else 1.0
    knows = len(right) >= 100 and plain.mean() > chance + 3 * np.sqrt(chance * (1 - chance) / len(right))
    letters = all(len(name) == 1 or name.lower().split("_")[-1] in _NUMBERS for name in dataset.classes)
    if not knows:
        return Symmetry(Mirror(not letters), Mirror(False))
    beyond = float(plain.mean() - chance)
    return Symmetry(
        _compare(plain, _says(weights, held[..., ::-1]) == right, beyond, strict=letters),
        _compare(plain, _says(weights, held[..., ::-1, :]) == right, beyond, strict=True),
    )


def _compare(plain: NDArray[np.bool_], mirrored: NDArray[np.bool_], beyond: float, strict: bool) -> Mirror:
    """Natural when mirroring loses little, or nothing that is clear at two standard errors.

    beyond: what the model knows beyond chance. strict: a loss of over a tenth of that must also be ruled out.
    """
    difference = plain.astype(np.float64) - mirrored
    loss, error = float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
    natural = loss < 0.1 * beyond or loss < 2 * error
    if strict:
        natural = natural and loss + 2 * error < 0.2 * beyond
    return Mirror(natural, float(plain.mean()), float(mirrored.mean()))


def _coarse(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Averaged down to about COARSE pixels a side, each example brought to mean 0 and spread 1."""
    height, width = x.shape[2:]
    rows, columns = (np.linspace(0, s, min(s, COARSE) + 1).astype(int)[:-1] for s in (height, width))
    x = np.add.reduceat(np.add.reduceat(x, rows, axis=2), columns, axis=3)
    areas = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    x = x / areas
    flat = x.reshape(len(x), -1)
    flat = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-3)
    return np.asarray(flat.reshape(x.shape), np.float32)


def _ridge(x: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F + 1, K) weights of least squares with a penalty. x: (n, C, h, w). targets: (n, K)."""
    features = _with_one(x)
    gram = features.T @ features + RIDGE * np.eye(features.shape[1], dtype=np.float32)
    return np.asarray(np.linalg.solve(gram, features.T @ targets), np.float32)


def _says(weights: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray((_with_one(x) @ weights).argmax(1))


def _with_one(x: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = x.reshape(len(x), -1)
    return np.concatenate([flat, np.ones((len(flat), 1), np.float32)], 1)


_NUMBERS = frozenset(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]) | {
    str(i) for i in range(10)
}
