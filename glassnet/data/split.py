"""Which example trains, which chooses, which tests: stratified, seeded, and never the same picture on two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import NOT_GIVEN, SPLITS, TEST, TRAIN, VAL, Dataset
from glassnet.errors import GlassnetError
from glassnet.words import counted, listed

SHARE = 0.1  # of the examples for val, and for test, where they are not given
MOST_DRAWN = 2500  # examples drawn for one of them beside the other that was given: enough to tell 90 % from 92 %
MOST_SKIPPED = 0.05
LEFT_OUT = -1


@dataclass(frozen=True)
class Split:
    """Sides of a data set. side: (N,) int8, 0 train, 1 val, 2 test, -1 left out. counts: (3, K) examples a class,
    (3, 1) where there are no classes.

    given: which of the three were given with the data. notes: what a person should know of it.
    """

    side: NDArray[np.int8]
    counts: NDArray[np.int64]
    given: tuple[str, ...]
    notes: tuple[str, ...]

    def rows(self, side: int) -> NDArray[np.int64]:
        """Places of the examples of one side, in order."""
        return np.flatnonzero(self.side == side)


def split(dataset: Dataset, seed: int) -> Split:
    """The given split where there is one, 80/10/10 otherwise. Identical examples stay on one side.

    Raises GlassnetError when a class is left without examples to train on, or when too much could not be read.
    """
    refuse_damaged(dataset)
    samples = dataset.samples
    side = samples.split.copy()
    given = tuple(name for i, name in enumerate(SPLITS) if (side == i).any())
    _, same = np.unique(samples.digest, return_inverse=True)  # (N,) equal for identical examples
    notes = _conflicts(dataset, same)
    group = together(same, samples.group)
    random = np.random.default_rng([seed, 1])
    if not given:
        side[:] = TRAIN
        side[draw(samples.y, group, side, SHARE, random)] = TEST
        side[draw(samples.y, group, side, SHARE / (1 - SHARE), random)] = VAL  # of what is left
        notes += _copies(len(samples) - int(same.max(initial=-1)) - 1)
    else:
        side[side == NOT_GIVEN] = TRAIN
        notes += _leave_out_copies(side, same)
        for name, place in (("test", TEST), ("val", VAL)):
            if name not in given:
                share = min(SHARE, MOST_DRAWN / max(1, int((side == TRAIN).sum())))
                side[draw(samples.y, group, side, share, random)] = place
                notes += (f"{name} drawn from train: none was given",)
    if samples.group is not None:
        notes += (f"groups stay together: {counted(len(np.unique(samples.group)), 'group')} named in the table",)
    counts = np.stack([np.bincount(samples.y[side == i], minlength=max(1, len(dataset.classes))) for i in range(3)])
    result = Split(side, counts, given, notes + _thin(dataset, counts))
    _refuse_untrainable(dataset, result)
    return result


def together(same: NDArray[np.int64], named: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(N,) equal for examples that must lie on one side: identical ones and those of one named group, also by steps."""
    if named is None:
        return same
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offset = int(same.max(initial=-1)) + 1
    size = offset + int(named.max(initial=-1)) + 1
    links = coo_array((np.ones(len(same)), (same, offset + named)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return np.asarray(np.unique(component[same], return_inverse=True)[1], np.int64)


def draw(
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    side: NDArray[np.int8],
    share: float,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """A share of each class of the training side, drawn by groups of identical examples. Returns their places."""
    rows = np.flatnonzero(side == TRAIN)
    groups, first, sizes = np.unique(group[rows], return_index=True, return_counts=True)
    label = y[rows[first]]  # a group counts for the class of its first example
    chosen: list[NDArray[np.int64]] = []
    for k in np.unique(label):
        mine = random.permutation(np.flatnonzero(label == k))
        quota = max(round(sizes[mine].sum() * share), sizes[mine].min()) if len(mine) > 2 else 0
        fits = np.cumsum(np.where(sizes[mine] <= quota, sizes[mine], 0)) <= quota
        chosen.append(groups[mine[fits & (sizes[mine] <= quota)]])
    wanted = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    return rows[np.isin(group[rows], wanted)]


def _leave_out_copies(side: NDArray[np.int8], group: NDArray[np.int64]) -> tuple[str, ...]:
    """Takes out of train what also stands in val or test, and out of val what also stands in test."""
    in_test, in_val = np.isin(group, group[side == TEST]), np.isin(group, group[side == VAL])
    in_both = (side == VAL) & in_test
    in_train = (side == TRAIN) & (in_test | in_val)
    side[in_both | in_train] = LEFT_OUT
    notes: tuple[str, ...] = ()
    if in_train.any():
        notes += (f"left out {counted(int(in_train.sum()), 'example')} of train: the same stands in val or test",)
    if in_both.any():
        notes += (f"left out {counted(int(in_both.sum()), 'example')} of val: the same stands in test",)
    return notes


def _copies(count: int) -> tuple[str, ...]:
    return (
        (f"{counted(count, 'example is', 'examples are')} a copy of another; copies stay on one side",) if count else ()
    )


def _conflicts(dataset: Dataset, group: NDArray[np.int64]) -> tuple[str, ...]:
    """Identical examples that stand in two classes: said, with the first of them."""
    y = dataset.samples.y
    pairs = np.unique(np.stack([group, y], 1), axis=0)
    groups, times = np.unique(pairs[:, 0], return_counts=True)
    twice = groups[times > 1]
    if not len(twice):
        return ()
    rows = np.flatnonzero(group == twice[0])
    names = [f"{dataset.samples.names[int(i)]} ({dataset.classes[y[i]]})" for i in rows[[0, -1]]]
    return (f"{counted(len(twice), 'example stands', 'examples stand')} in two classes, such as {' and '.join(names)}",)


def _thin(dataset: Dataset, counts: NDArray[np.int64]) -> tuple[str, ...]:
    """Classes that val or test says nothing about."""
    notes: tuple[str, ...] = ()
    if not dataset.has_labels:
        return notes
    for side in (VAL, TEST):
        missing = [name for name, n in zip(dataset.classes, counts[side], strict=True) if not n]
        if missing:
            notes += (f"{SPLITS[side]} has no example of {listed(missing)}",)
    return notes


def refuse_damaged(dataset: Dataset) -> None:
    """Raises GlassnetError where over 5 in 100 files could not be read."""
    total = len(dataset) + len(dataset.skipped)
    if len(dataset.skipped) > MOST_SKIPPED * total:
        first = dataset.skipped[0]
        share = f"{len(dataset.skipped):,} of {total:,}"
        raise GlassnetError(
            dataset.name,
            found=f"{share} files can't be read, over 5 in 100 ({first.name} {first.reason})",
            fix="Repair or remove them; glassnet show lists all",
        )


def refuse_one_class(name: str, classes: Sequence[str]) -> None:
    """Raises GlassnetError where there is nothing to tell apart."""
    if len(classes) < 2:
        found = f"one, {classes[0]}" if classes else "none"
        fix = "Add a folder with examples of another"
        raise GlassnetError(name, expected="at least two classes", found=found, fix=fix)


def _refuse_untrainable(dataset: Dataset, split: Split) -> None:
    if not dataset.has_labels:
        if not split.counts.all():
            found = dataset.counted()
            raise GlassnetError(dataset.name, expected="ten examples to learn from", found=found, fix="Add some")
        return
    refuse_one_class(dataset.name, dataset.classes)
    empty = [name for name, n in zip(dataset.classes, split.counts[TRAIN], strict=True) if not n]
    if empty:
        raise GlassnetError(
            dataset.name,
            expected="examples of every class to train on",
            found=f"none of {listed(empty)}",
            fix="Add some, or remove that class",
        )
    if not split.counts[VAL].sum() or not split.counts[TEST].sum():
        raise GlassnetError(
            dataset.name,
            expected="at least four different examples in a class, to train, choose and test",
            found=f"{counted(len(dataset), 'example')} in {counted(len(dataset.classes), 'class', 'classes')}",
            fix="Add some",
        )
