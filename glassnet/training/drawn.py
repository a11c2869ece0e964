"""What the check looks at: examples drawn from a data set, made small, split and standardised. Knows no nets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from glassnet.data.dataset import Dataset
from glassnet.errors import GlassnetError
from glassnet.words import by, counted

LEAST, PLACES = 10, 4  # examples of a class, places of an example


@dataclass(frozen=True)
class Limits:
    """What of a kind of data is looked at. train, test: examples. splits: for the orders. sides, fair: values a side,
    in the test of order and beside the competitors.
    """

    train: int
    test: int
    splits: int
    sides: tuple[int, ...]
    fair: tuple[int, ...]


LIMITS = {
    "pictures": Limits(2000, 1000, 2, (16, 16), (32, 32)),
    "sounds": Limits(2000, 1000, 2, (24, 32), (40, 64)),
    "series": Limits(2000, 1000, 2, (64,), (128,)),
    "volumes": Limits(1000, 500, 2, (8, 8, 8), (16, 16, 16)),
    "tables": Limits(1000, 500, 3, (10_000,), (10_000,)),
}


@dataclass(frozen=True)
class Part:
    """One split, standardised. x: (n, C, *S). y: (n,)."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor


def refuse_too_little(dataset: Dataset, rows: NDArray[np.int64]) -> None:
    """Raises GlassnetError where there are too few examples or places to tell anything."""
    counts = np.bincount(dataset.samples.y[rows], minlength=len(dataset.classes))
    if len(counts) < 2 or counts.min() < LEAST:
        raise GlassnetError(
            dataset.name,
            expected=f"at least two classes of {LEAST} different examples each",
            found=f"{counted(len(counts), 'class', 'classes')}, the smallest of {counts.min() if len(counts) else 0}",
            fix="Add some",
        )
    if int(np.prod(dataset.shape[1:])) < PLACES:
        raise GlassnetError(
            dataset.name, expected=f"at least {PLACES} places to swap", found=by(dataset.shape[1:]), fix="Add columns"
        )


def reduced(dataset: Dataset, rows: NDArray[np.int64], most: tuple[int, ...]) -> NDArray[np.float32]:
    """(n, C, *S) of these rows in shares of full scale, averaged down to at most so many values a side."""
    x = torch.from_numpy(np.asarray(dataset.samples.x[rows], np.float32) / dataset.full_scale)
    longest = max(size / side for size, side in zip(x.shape[2:], most, strict=True))
    if longest <= 1:
        return np.asarray(x.numpy())
    wanted = [max(4, min(size, round(size / longest))) for size in x.shape[2:]]
    if dataset.kind == "sounds":  # bands and moments are no lengths of one space: each to its own
        wanted = [min(size, side) for size, side in zip(x.shape[2:], most, strict=True)]
    pools: dict[int, Callable[..., Tensor]] = {
        1: functional.adaptive_avg_pool1d,
        2: functional.adaptive_avg_pool2d,
        3: functional.adaptive_avg_pool3d,
    }
    return np.asarray(torch.cat([pools[len(wanted)](part, wanted) for part in torch.split(x, 1000)]).numpy())


def distinct(dataset: Dataset, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows without copies of others, in random order, as many of each class as its share of what the limits allow."""
    _, first = np.unique(dataset.samples.digest, return_index=True)
    limits = LIMITS[dataset.kind]
    rows = random.permutation(np.sort(first))
    most = limits.train + limits.test
    if len(rows) <= most:
        return rows
    share = most / len(rows)
    y = dataset.samples.y[rows]
    chosen = [rows[y == k][: max(4, round(share * int((y == k).sum())))] for k in np.unique(y)]
    return random.permutation(np.concatenate(chosen))


def groups(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """(n,) the groups of these rows, if the data names any."""
    return None if dataset.samples.group is None else dataset.samples.group[rows]


def sizes(limits: Limits, examples: int) -> tuple[int, int]:
    """Examples to train on and to test with."""
    share = limits.train / (limits.train + limits.test)
    train = min(limits.train, round(examples * share))
    return train, min(limits.test, examples - train)


def sides(
    y: NDArray[np.int64], group: NDArray[np.int64] | None, limits: Limits, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places that train and places that test, each class in its share; or whole groups, where there are any."""
    train, test = sizes(limits, len(y))
    share = train / (train + test)
    if group is not None:
        names, size = np.unique(group, return_counts=True)
        order = random.permutation(len(names))
        before = np.cumsum(size[order]) - size[order]
        held_groups = names[order[before < round((1 - share) * len(y))]][: max(1, len(names) - 1)]
        held_rows = np.isin(group, held_groups)
        return np.flatnonzero(~held_rows), np.flatnonzero(held_rows)
    learnt, held = [], []
    for k in np.unique(y):
        mine = random.permutation(np.flatnonzero(y == k))
        cut = min(max(1, round(len(mine) * share)), len(mine) - 1) if len(mine) > 1 else 1
        learnt.append(mine[:cut])
        held.append(mine[cut:])
    return np.concatenate(learnt), np.concatenate(held)


def standardised(
    x: NDArray[np.float32], y: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64], kind: str
) -> Part:
    """A column (tables) or a channel brought to mean 0 and spread 1, by the training examples alone."""
    axes = (0,) if kind == "tables" else (0, *range(2, x.ndim))
    mean = x[train].mean(axes, keepdims=True, dtype=np.float64)
    std = x[train].std(axes, keepdims=True, dtype=np.float64)
    scaled = np.asarray((x - mean) / np.where(std > 1e-6, std, 1), np.float32)
    x_all, y_all = torch.from_numpy(scaled), torch.from_numpy(y)
    return Part(x_all[train], y_all[train], x_all[test], y_all[test])


def reordered(part: Part, order: NDArray[np.int64]) -> Part:
    """The same examples with their places in another order."""

    def moved(x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, torch.from_numpy(order)].reshape(x.shape).contiguous()

    return Part(moved(part.x), part.y, moved(part.held_x), part.held_y)
