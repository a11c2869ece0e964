"""What the check looks at: examples drawn from a data set, made small, split and standardised. Knows no nets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from glassnet.data.dataset import Array, Dataset
from glassnet.data.kind import Kind, Limits
from glassnet.data.kinds import KINDS
from glassnet.errors import GlassnetError
from glassnet.words import by, counted

LEAST, PLACES = 10, 4  # examples of a class, places of an example
MOST_SPLITS = 20


@dataclass(frozen=True)
class Part:
    """One split, standardised. shape, classes: what a net is built for. x: (n, C, *S). y: (n,). held: places among the
    rows that are held out.
    """

    shape: tuple[int, ...]
    classes: int
    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    held: NDArray[np.int64]


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


@dataclass(frozen=True)
class Drawn:
    """The rows that are looked at. Gives them split by split, as small nets learn from them."""

    dataset: Dataset
    rows: NDArray[np.int64]
    kind: Kind

    @classmethod
    def of(cls, dataset: Dataset, random: np.random.Generator) -> Drawn:
        """Rows without copies. Raises GlassnetError where they are too few to tell anything."""
        kind = KINDS[dataset.kind]
        rows = distinct(dataset, kind.check, random)
        refuse_too_little(dataset, rows)
        return cls(dataset, rows, kind)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def y(self) -> NDArray[np.int64]:
        """(n,) their classes."""
        return np.asarray(self.dataset.samples.y[self.rows])

    @property
    def splits(self) -> int:
        """How many splits the orders are tried on: more where few examples are held out."""
        held = sizes(self.kind.check, len(self))[1]
        return max(self.kind.check.splits, min(MOST_SPLITS, math.ceil(self.kind.check.asked / held)))

    def sides(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places among the rows that train, and that test; groups stay together, where the data names any."""
        group = None if self.dataset.samples.group is None else self.dataset.samples.group[self.rows]
        return sides(self.y, group, self.kind.check, random)

    def part(self, train: NDArray[np.int64], test: NDArray[np.int64], most: tuple[int, ...]) -> Part:
        """One split of examples of at most so many values along each axis. All that is learnt of them is learnt from
        those that train.
        """
        fitted = self.kind.fitted(self.dataset, self.rows[train])
        x = self.reduced(most) if fitted is self.dataset else reduced(fitted, self.rows, most)
        y = torch.from_numpy(self.y)
        scaled = torch.from_numpy(x if self.kind.looked_up else standardised(x, train, not self.kind.ordered))
        shape = (fitted.shape[0] if self.kind.looked_up else x.shape[1], *x.shape[2:])
        return Part(shape, len(self.dataset.classes), scaled[train], y[train], scaled[test], y[test], test)

    def reduced(self, most: tuple[int, ...]) -> NDArray[np.float32]:
        """(n, C, *S) of the rows as they are, of at most so many values along each axis."""
        return reduced(self.dataset, self.rows, most)


def reduced(dataset: Dataset, rows: NDArray[np.int64], most: tuple[int, ...]) -> NDArray[np.float32]:
    """(n, C, *S) of these rows in shares of full scale, averaged down to at most so many values along each axis.

    Numbers of words can't be averaged: of a sentence so many words are kept.
    """
    kind = KINDS[dataset.kind]
    x = torch.from_numpy(np.asarray(dataset.samples.x[rows], np.float32) / dataset.full_scale)
    sizes = tuple(x.shape[2:])
    if kind.looked_up:
        return np.ascontiguousarray(x[..., : most[0]].numpy())
    if all(size <= side for size, side in zip(sizes, most, strict=True)):
        return np.asarray(x.numpy())
    if kind.isotropic:
        longest = max(size / side for size, side in zip(sizes, most, strict=True))
        wanted = [max(4, min(size, round(size / longest))) for size in sizes]
    else:  # each axis to its own
        wanted = [min(size, side) for size, side in zip(sizes, most, strict=True)]
    pools: dict[int, Callable[..., Tensor]] = {
        1: functional.adaptive_avg_pool1d,
        2: functional.adaptive_avg_pool2d,
        3: functional.adaptive_avg_pool3d,
    }
    return np.asarray(torch.cat([pools[len(wanted)](part, wanted) for part in torch.split(x, 1000)]).numpy())


def distinct(dataset: Dataset, limits: Limits, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows without copies of others, in random order, as many of each class as its share of what the limits allow."""
    _, first = np.unique(dataset.samples.digest, return_index=True)
    rows = random.permutation(np.sort(first))
    most = limits.train + limits.test
    if len(rows) <= most:
        return rows
    share = most / len(rows)
    y = dataset.samples.y[rows]
    chosen = [rows[y == k][: max(4, round(share * int((y == k).sum())))] for k in np.unique(y)]
    return random.permutation(np.concatenate(chosen))


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


def standardised(x: NDArray[np.float32], train: NDArray[np.int64], each: bool) -> NDArray[np.float32]:
    """Brought to mean 0 and spread 1 by the training examples alone: each place for itself, or a channel as a whole."""
    axes = (0,) if each else (0, *range(2, x.ndim))
    mean = x[train].mean(axes, keepdims=True, dtype=np.float64)
    std = x[train].std(axes, keepdims=True, dtype=np.float64)
    return np.asarray((x - mean) / np.where(std > 1e-6, std, 1), np.float32)


def reordered(part: Part, order: NDArray[np.int64], within: bool = False) -> Part:
    """The same examples with their places in another order. within: each within its own length, which values other than
    0 have; so what is behind a sentence stays behind it.
    """
    keys = torch.from_numpy(order)

    def moved(x: Tensor) -> Tensor:
        flat = x.flatten(2)
        if not within:
            return flat[:, :, keys].reshape(x.shape).contiguous()
        length = (flat != 0).sum(2, keepdim=True)  # (n, 1, 1)
        behind = keys.expand_as(flat) >= length
        return flat.gather(2, keys[behind.to(torch.uint8).argsort(dim=2, stable=True)])

    return replace(part, x=moved(part.x), held_x=moved(part.held_x))


def one_shuffled(dataset: Dataset, seed: int = 0) -> tuple[Dataset, Array, Array]:
    """An example as the check sees it, and in a random order of its places: two (C, *S) of raw values, and the data set
    whose values they are. Raises GlassnetError for too few examples.
    """
    random = np.random.default_rng(seed)
    drawn = Drawn.of(dataset, random)
    fitted = drawn.kind.fitted(dataset, drawn.rows)
    x = torch.from_numpy(reduced(fitted, drawn.rows[:1], drawn.kind.check.sides) * np.float32(fitted.full_scale))
    y = torch.from_numpy(drawn.y[:1])
    part = Part(tuple(x.shape[1:]), len(dataset.classes), x, y, x, y, drawn.rows[:1])
    moved = reordered(part, random.permutation(math.prod(x.shape[2:])), within=drawn.kind.looked_up)
    as_given, shuffled = (
        one[0].round().byte().numpy() if fitted.full_scale == 255 else one[0].numpy() for one in (x, moved.x)
    )
    return fitted, as_given, shuffled
