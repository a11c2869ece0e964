"""Columns as long as a data set, gone through a stretch at a time, so that little is held beside them.

NumPy turns a whole column of indices, comparisons or sums into arrays of eight bytes an example; a stretch of them is
small, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32] | NDArray[np.int64]  # places in a column, or numbers of as many things
WIDEST = np.iinfo(np.int32).max  # that half as wide a number holds
TOGETHER = 65_536
MOST_BITS = 6  # by which parts of a range are told apart: so often all is gone through


def stretches(count: int, wide: int = 1) -> Iterator[slice]:
    """Slices that make up a column, in order. wide: values of each row."""
    together = max(1, TOGETHER // wide)
    for start in range(0, count, together):
        yield slice(start, min(start + together, count))


def empty_rows(count: int, below: int) -> Rows:
    """Room for some numbers that are all below one, in four bytes each if they fit."""
    return np.empty(count, np.int32) if below <= WIDEST else np.empty(count, np.int64)


def equal(column: NDArray[Any], number: int) -> Callable[[slice], NDArray[np.bool_]]:
    """What tells of a stretch which values of a column are a number."""
    return lambda some: column[some] == number


def places(count: int, wanted: Callable[[slice], NDArray[np.bool_]]) -> Rows:
    """Which places of a column are wanted, in order. wanted: of a stretch."""
    found = empty_rows(sum(int(np.count_nonzero(wanted(some))) for some in stretches(count)), count)
    at = 0
    for some in stretches(count):
        mine = np.flatnonzero(wanted(some))
        found[at : at + len(mine)] = mine + some.start
        at += len(mine)
    return found


def taken(column: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Values of a column at some places: column[rows], whose places would all be made eight bytes wide."""
    found = np.empty((len(rows), *column.shape[1:]), column.dtype)
    for some in stretches(len(rows)):
        found[some] = column[rows[some]]
    return found


def alike(values: NDArray[np.uint64]) -> Rows:
    """(N,) whole numbers from 0 on, equal for equal values, in the order of the values. values: (N,) spread evenly.

    A part of their range is sorted at a time, as many values as a few stretches hold.
    """
    rank = empty_rows(len(values), len(values))
    bits = min(MOST_BITS, max(1, (len(values) // TOGETHER).bit_length()))

    def within(part: int) -> Callable[[slice], NDArray[np.bool_]]:
        return lambda some: values[some] >> np.uint64(64 - bits) == part

    first = 0
    for part in range(1 << bits):
        mine = places(len(values), within(part))
        different, number = np.unique(taken(values, mine), return_inverse=True)
        rank[mine] = number + first
        first += len(different)
    return rank


def different(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The different ones of some values, in order. These are sorted where they lie."""
    values.sort()
    is_new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values if is_new.all() else values[is_new]


def tally(values: NDArray[Any], wanted: Callable[[slice], NDArray[np.bool_]], count: int) -> NDArray[np.int64]:
    """(count,) how often each number from 0 on stands at the places of a column that are wanted."""
    found = np.zeros(count, np.int64)
    for some in stretches(len(values)):
        found += np.bincount(values[some][wanted(some)], minlength=count)
    return found
