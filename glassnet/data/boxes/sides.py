"""Which pictures train a detector, which choose, which test: as given, else drawn by the seed, each with its share of
every class; copies on one side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.dataset import NOT_GIVEN, SPLITS, TEST, TRAIN, VAL
from glassnet.errors import GlassnetError
from glassnet.words import counted, listed

SHARE = 0.15  # of the pictures for val, and for test, where they are not given: pictures are few, boxes many
LEFT_OUT = -1


@dataclass(frozen=True)
class Sides:
    """side: (pictures,) int8, 0 train, 1 val, 2 test, -1 left out. notes: what a person should know of it."""

    side: NDArray[np.int8]
    notes: tuple[str, ...]

    def rows(self, side: int) -> NDArray[np.int64]:
        """Places of the pictures of one side, in order."""
        return np.flatnonzero(self.side == side)

    def counts(self) -> tuple[int, int, int]:
        """Pictures to train on, to choose by, to test on."""
        train, val, test = (int((self.side == i).sum()) for i in range(3))
        return train, val, test


def sides_of(data: BoxData, digest: NDArray[np.uint64], seed: int) -> Sides:
    """The given sides where there are any. digest: (pictures,), equal for copies. Raises GlassnetError."""
    side = np.array([one.split for one in data.pictures], np.int8)
    given = [name for i, name in enumerate(SPLITS) if (side == i).any()]
    notes: tuple[str, ...] = ()
    random = np.random.default_rng([seed, 1])
    if given:
        unnamed = int((side == NOT_GIVEN).sum())
        if "train" not in given:
            side[side == NOT_GIVEN] = TRAIN
        elif unnamed:
            notes += (f"{counted(unnamed, 'picture')} that no list names are left out",)
        side[side == NOT_GIVEN] = LEFT_OUT
        notes += _leave_out_copies(side, digest)
    else:
        side[:] = TRAIN
    drawn = [place for name, place in (("test", TEST), ("val", VAL)) if name not in given]
    notes += tuple(f"{SPLITS[place]} drawn from train: none was given" for place in drawn if given)
    if drawn:
        _draw(data, side, digest, drawn, random)
    _refuse_untrainable(data, side)
    return Sides(side, notes)


def _draw(
    data: BoxData, side: NDArray[np.int8], digest: NDArray[np.uint64], drawn: list[int], random: np.random.Generator
) -> None:
    """Moves a share of the different training pictures to each of these other sides, copies together."""
    rows = np.flatnonzero(side == TRAIN)
    different, first = np.unique(digest[rows], return_index=True)
    count = max(1, round(SHARE * len(different)))
    sizes = np.array([len(different) - count * len(drawn), *[count] * len(drawn)])
    place = stratified(data.counts[rows[first]] > 0, sizes, random)
    side[rows] = np.array([TRAIN, *drawn], np.int8)[place[np.searchsorted(different, digest[rows])]]


def stratified(there: NDArray[np.bool_], sizes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """(n,) which part each of n pictures goes to, so that each part gets its share of the pictures with each class.

    there: (n, K) whether a class is on a picture. sizes: of the parts, the training part first. The rarest class first:
    its pictures go where most of it is still wanted. Sechidis, Tsoumakas, Vlahavas 2011, "On the stratification of
    multi-label data", algorithm 1; but every class trains, and of three pictures with it each part wants one.
    """
    part = np.full(len(there), -1)
    room, number = sizes.astype(float), there.sum(0)
    left, trains = number.copy(), np.zeros(number.shape, bool)  # undealt pictures of each class; does it train?
    aside = np.minimum(1, np.maximum(number - 1, 0) / (len(sizes) - 1))
    wanted = np.maximum(number * sizes[1:, None] / max(len(there), 1), aside)  # (parts - 1, K)
    wanted = np.concatenate([(number - wanted.sum(0))[None], wanted])
    order = random.permutation(len(there))
    while len(order):
        k = int(np.where(left, left, len(there) + 1).argmin()) if left.any() else -1
        for i in order[there[order, k]] if k >= 0 else order:
            best = max(range(len(sizes)), key=lambda j: (wanted[j, k] if k >= 0 else 0, room[j]))
            if best == 0 or (there[i] & (left == 1) & ~trains).any():
                best, trains = 0, trains | there[i]
            part[i] = best
            room[best] -= 1
            wanted[best] -= there[i]
            left -= there[i]
        order = order[part[order] < 0]
    return part


def _leave_out_copies(side: NDArray[np.int8], digest: NDArray[np.uint64]) -> tuple[str, ...]:
    """Takes out of train what also stands in val or test, and out of val what also stands in test."""
    in_test, in_val = np.isin(digest, digest[side == TEST]), np.isin(digest, digest[side == VAL])
    copies = ((side == TRAIN) & (in_test | in_val)) | ((side == VAL) & in_test)
    side[copies] = LEFT_OUT
    words = f"left out {counted(int(copies.sum()), 'picture')} of train and val: the same stands in val or test"
    return (words,) if copies.any() else ()


def _refuse_untrainable(data: BoxData, side: NDArray[np.int8]) -> None:
    if any(not (side == i).any() for i in range(3)):
        fix = "Add some pictures"
        expected = "pictures to train on, to choose by and to test on"
        raise GlassnetError(data.name, expected=expected, found=counted(len(data), "picture"), fix=fix)
    empty = [name for k, name in enumerate(data.classes) if not data.counts[side == TRAIN, k].any()]
    if empty:
        raise GlassnetError(
            data.name,
            expected="boxes of every class to train on",
            found=f"none of {listed(empty)}",
            fix="Mark some on the training pictures, or remove that class",
        )
