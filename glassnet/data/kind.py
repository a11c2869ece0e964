"""Kind: all that is particular to one kind of data, as one value; KINDS has a line for each. Opens no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glassnet.data.columns import Rows
from glassnet.data.dataset import Array, Dataset, Preparation
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.data.tables import Table


@dataclass(frozen=True)
class Look:
    """What was seen of one raw example. size: along its axes. channels: 1 grey, 3 colour.

    highest: what the preparation of all depends on: the highest value of wide greys, the rate of a sound in Hz, 1 for
    values that are no bytes.
    """

    size: tuple[int, ...]
    channels: int
    highest: int = 0


@dataclass(frozen=True)
class Looks:
    """Looks in columns. size: (N, axes) int32. channels: (N,) int32. highest: (N,) int64."""

    size: NDArray[np.int32]
    channels: NDArray[np.int32]
    highest: NDArray[np.int64]

    @classmethod
    def of(cls, looks: Sequence[Look]) -> Looks:
        return cls(
            np.array([one.size for one in looks], np.int32),
            np.array([one.channels for one in looks], np.int32),
            np.array([one.highest for one in looks], np.int64),
        )


class Unreadable(Exception):
    """A file that is no whole example of its kind; the text says why, so that it reads after the file's name."""


@dataclass(frozen=True)
class Augmentation:
    """How far copies may vary; all at rest changes nothing.

    mirror_x, mirror_y: whether half of them are mirrored along the last axis, the one before. shift_x, shift_y: places
    either way, whole ones unless copies are turned or scaled too. turn: degrees either way. scale: share of the size
    either way. blank_x, blank_y: columns and rows that may be blanked, at most. drop: share of the places that are
    blanked, each for itself. edge: what comes in from beyond it, "reflection" (the edge mirrored) or "border" (its last
    values).
    """

    mirror_x: bool = False
    mirror_y: bool = False
    shift_x: float = 0.0
    shift_y: float = 0.0
    turn: float = 0.0
    scale: float = 0.0
    blank_x: int = 0
    blank_y: int = 0
    drop: float = 0.0
    edge: str = "reflection"

    @property
    def is_still(self) -> bool:
        """Whether copies are just copies."""
        return replace(self, edge="reflection") == Augmentation()

    def describe(self, axes: Sequence[Axis]) -> str:
        """In words: "mirrored left-right, shifted up to 4 px". axes: of the examples, the last two of which vary."""
        x, y = axes[-1].name, axes[-2].name if len(axes) > 1 else ""
        flat = y == "row"
        unit = " px" if flat else f" {counted(2, x).split()[1]}"
        shift = max(self.shift_x, self.shift_y)
        parts = [
            ("mirrored left-right" if flat else f"mirrored along the {x}s") if self.mirror_x else "",
            ("mirrored up-down" if flat else f"mirrored along the {y}s") if self.mirror_y else "",
            f"shifted up to {shift:g}{unit}" if shift else "",
            f"turned up to {self.turn:g} degrees" if self.turn else "",
            f"scaled up to {self.scale * 100:g} %" if self.scale else "",
            f"{self.drop * 100:g} % of the {x}s left out" if self.drop else "",
            f"up to {counted(self.blank_x, x)} and {counted(self.blank_y, y)} blanked" if self.blank_x else "",
        ]
        return ", ".join(part for part in parts if part) or "as they are"


@dataclass(frozen=True)
class Axis:
    """One axis of an example: what a place on it is called. at: of each place its words; empty: counted from 1.

    falling: whether the words stand for values that fall along the axis, as pitch does from top to bottom. read:
    whether the words are read one after the other, as a sentence's are.
    """

    name: str
    at: tuple[str, ...] = ()
    falling: bool = False
    read: bool = False

    def words(self, places: range) -> str:
        """A stretch of it: "column 3", "columns 3 to 5", "0.12 s to 0.18 s"."""
        first, last = places[0], places[-1]
        if self.read and self.at:
            return f"\u201c{' '.join(word for word in self.at[first : last + 1] if word)}\u201d"
        if self.at:
            low, high = (last, first) if self.falling else (first, last)
            return self.at[first] if first == last else f"{self.at[low]} to {self.at[high]}"
        return f"{self.name} {first + 1}" if first == last else f"{self.name}s {first + 1} to {last + 1}"


@dataclass(frozen=True)
class Limits:
    """What of a kind `check` looks at. train, test: examples. splits: for the orders, and more until `asked` examples
    were held out. sides, fair: values along each axis, in the test of order and beside the competitors. steps: of a
    training. rivals: competitors of its own.
    """

    train: int = 2000
    test: int = 1000
    splits: int = 2
    asked: int = 0
    sides: tuple[int, ...] = ()
    fair: tuple[int, ...] = ()
    steps: int = 250
    rivals: tuple[str, ...] = ()


def _nothing(_sizes: NDArray[np.int32], _preparation: Preparation) -> tuple[str, ...]:
    return ()


def _by_shape(_sizes: NDArray[np.int32], _preparation: Preparation) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """A kind of data. One line of KINDS; `one` is the noun for a single example, `task` the Hugging Face hub's word.

    look: from a file's bytes, cheaply. prepare: from all looks and a wished longest side. decode: bytes to (C, *S).
    raw: what the file holds before that, as long and as large as it is: what a net that left glassnet takes.
    windows: of a file that is longer than an example, all of it as (n, C, *S), else None. These raise Unreadable.
    rows: of a table, examples with their names, or why one can't be had, of kinds whose examples are no files.
    fit: the data set as it is once the rows that train are known, of kinds that learn from these how to read all.

    vary: natural copies of examples of a shape; mirrored: whether mirroring may be one of them, to be measured. axes:
    what places are called, of all examples or of one. picture: an example (C, *S) as a person sees it, (1 or 3, H, W)
    bytes. small: the same where there is little room. describe, notes: in words, from the sizes (N, axes) before
    preparation. playable: a file as a WAV, of kinds that sound. typed: what a person types, words or numbers, as the
    bytes of a file, of kinds that can be typed.

    array_axes: of an array that is an example of this kind. ordered: whether its places have an order at all.
    isotropic: whether its axes are lengths of one space. looked_up: whether its values are numbers of words, which a
    net's first layer looks up. net, rate, epochs: a net that suits it where the size alone doesn't tell, times the
    usual learning rate and epochs. piece: places that an explanation covers at a time, where not a share of all.
    """

    name: str
    one: str
    task: str
    suffixes: frozenset[str]
    look: Callable[[bytes], Look]
    prepare: Callable[[Looks, int | None], Preparation]
    decode: Callable[[bytes, Preparation], tuple[Array, Look]]
    vary: Callable[[tuple[int, ...]], Augmentation]
    axes: Callable[[Preparation, Array | None], tuple[Axis, ...]]
    picture: Callable[[Array, Preparation], NDArray[np.uint8]]
    raw: Callable[[bytes, Preparation], NDArray[np.generic]]
    check: Limits
    windows: Callable[[bytes, Preparation], Array | None] | None = None
    rows: Callable[[Table, Preparation], Iterator[tuple[str, Array | Unreadable]]] | None = None
    fit: Callable[[Dataset, Rows], Dataset] | None = None
    mirrored: bool = False
    describe: Callable[[NDArray[np.int32], Preparation], str] = _by_shape
    notes: Callable[[NDArray[np.int32], Preparation], tuple[str, ...]] = _nothing
    playable: Callable[[bytes], bytes] | None = None
    typed: Callable[[str, Preparation], bytes] | None = None
    small: Callable[[Array, Preparation], NDArray[np.uint8]] | None = None
    array_axes: int | None = None
    ordered: bool = True
    isotropic: bool = True
    looked_up: bool = False
    net: str = ""
    rate: float = 1.0
    epochs: float = 1.0
    piece: int | None = None

    def thumbnail(self, x: Array, preparation: Preparation) -> NDArray[np.uint8]:
        """An example (C, *S) where there is little room, (1 or 3, H, W) bytes."""
        return (self.small or self.picture)(x, preparation)

    def fitted(self, dataset: Dataset, rows: Rows) -> Dataset:
        """The data set as it is once the rows that train are known."""
        return self.fit(dataset, rows) if self.fit else dataset
