"""Which example trains, which chooses, which tests: stratified, seeded, and never the same picture on two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glassnet.data.columns import WIDEST, Rows, alike, empty_rows, equal, places, stretches, taken, tally
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

    def rows(self, side: int) -> Rows:
        """Places of the examples of one side, in order."""
        return places(len(self.side), equal(self.side, side))


def split(dataset: Dataset, seed: int) -> Split:
    """The given split where there is one, 80/10/10 otherwise. Identical examples stay on one side.

    Raises GlassnetError when a class is left without examples to train on, or when too much could not be read.
    """
    refuse_damaged(dataset)
    samples = dataset.samples
    side = samples.split.copy()
    given = tuple(name for i, name in enumerate(SPLITS) if (side == i).any())
    same = alike(samples.digest)
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
    result = Split(side, count_classes(samples.y, side, max(1, len(dataset.classes))), given, notes)
    result = replace(result, notes=notes + _thin(dataset, result.counts))
    _refuse_untrainable(dataset, result)
    return result


def count_classes(y: NDArray[np.int64], side: NDArray[np.int8], classes: int) -> NDArray[np.int64]:
    """(3, K) examples a class, of each side."""
    return np.stack([tally(y, equal(side, i), classes) for i in range(3)])


def together(same: Rows, named: NDArray[np.int64] | None) -> Rows:
    """(N,) equal for examples that must lie on one side: identical ones and those of one named group, also by steps."""
    if named is None:
        return same
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offset = int(same.max(initial=-1)) + 1
    size = offset + int(named.max(initial=-1)) + 1
    links = coo_array((np.ones(len(same), np.int8), (same, offset + named)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return taken(component, same)


def draw(
    y: NDArray[np.int64],
    group: Rows,
    side: NDArray[np.int8],
    share: float,
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """A share of each class of the training side, drawn by groups of identical examples. (N,) whether it was drawn.

    group: (N,) numbers from 0 on.
    """
    label, sizes = _groups(y, group, side)
    drawn = np.zeros(len(sizes), np.bool_)
    for k in range(int(label.max(initial=-1)) + 1):
        mine = random.permutation(places(len(label), equal(label, k)))
        if len(mine) > 2:
            each = taken(sizes, mine)
            quota = max(round(int(each.sum()) * share), int(each.min()))
            each[each > quota] = 0
            drawn[mine[(each > 0) & (np.cumsum(each, dtype=each.dtype) <= quota)]] = True
    found = taken(drawn, group)
    found &= side == TRAIN
    return found


def _groups(y: NDArray[np.int64], group: Rows, side: NDArray[np.int8]) -> tuple[NDArray[np.int32], Rows]:
    """Of each group the class of its first example on the training side, -1 without any, and how many it has there."""
    count = int(group.max(initial=-1)) + 1
    label, sizes = np.full(count, -1, np.int32), empty_rows(count, len(group))
    sizes[:] = 0
    for some in reversed([*stretches(len(group))]):
        trains = np.flatnonzero(side[some] == TRAIN)[::-1]
        mine = group[some][trains]
        label[mine] = y[some][trains]  # of several the last counts, which is the first of all
        np.add.at(sizes, mine, sizes.dtype.type(1))
    return label, sizes


def _leave_out_copies(side: NDArray[np.int8], group: Rows) -> tuple[str, ...]:
    """Takes out of train what also stands in val or test, and out of val what also stands in test."""
    in_test, in_val = (_also_in(side, group, one) for one in (TEST, VAL))
    in_both = (side == VAL) & in_test
    in_train = (side == TRAIN) & (in_test | in_val)
    side[in_both | in_train] = LEFT_OUT
    notes: tuple[str, ...] = ()
    if in_train.any():
        notes += (f"left out {counted(int(in_train.sum()), 'example')} of train: the same stands in val or test",)
    if in_both.any():
        notes += (f"left out {counted(int(in_both.sum()), 'example')} of val: the same stands in test",)
    return notes


def _also_in(side: NDArray[np.int8], group: Rows, one: int) -> NDArray[np.bool_]:
    """(N,) whether an example of the same group is on one side."""
    stands = np.zeros(len(group), np.bool_)
    for some in stretches(len(group)):
        stands[group[some][side[some] == one]] = True
    return taken(stands, group)


def _copies(count: int) -> tuple[str, ...]:
    return (
        (f"{counted(count, 'example is', 'examples are')} a copy of another; copies stay on one side",) if count else ()
    )


def _conflicts(dataset: Dataset, group: Rows) -> tuple[str, ...]:
    """Identical examples that stand in two classes: said, with the first of them."""
    y = dataset.samples.y
    count = int(group.max(initial=-1)) + 1
    if count == len(group):
        return ()  # no two are identical
    low, high = np.full(count, WIDEST, np.int32), np.zeros(count, np.int32)
    for some in stretches(len(group)):
        np.minimum.at(low, group[some], y[some].astype(np.int32))
        np.maximum.at(high, group[some], y[some].astype(np.int32))
    twice = places(count, lambda some: low[some] < high[some])
    if not len(twice):
        return ()
    rows = places(len(group), equal(group, int(twice[0])))
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
