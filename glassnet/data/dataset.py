"""Kind, Sample, Dataset: what every net learns from. Knows shapes and classes, not how a file is decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.words import by, counted

SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
NOT_GIVEN = -1

Array = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Preparation:
    """How one raw example becomes an array of one shape. Saved in the model, so that new files are treated alike.

    shape: (C, *S). settings: what else a kind has to know, by name (for pictures: full_scale of wide greys).
    """

    shape: tuple[int, ...]
    settings: Mapping[str, int | float | str] = field(default_factory=dict)


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
    either way. blank_x, blank_y: columns and rows that may be blanked, at most. edge: what comes in from beyond it,
    "reflection" (the edge mirrored) or "border" (its last values).
    """

    mirror_x: bool = False
    mirror_y: bool = False
    shift_x: float = 0.0
    shift_y: float = 0.0
    turn: float = 0.0
    scale: float = 0.0
    blank_x: int = 0
    blank_y: int = 0
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
            f"up to {counted(self.blank_x, x)} and {counted(self.blank_y, y)} blanked" if self.blank_x else "",
        ]
        return ", ".join(part for part in parts if part) or "as they are"


@dataclass(frozen=True)
class Axis:
    """One axis of an example: what a place on it is called. at: of each place its words; empty: counted from 1.

    falling: whether the words stand for values that fall along the axis, as pitch does from top to bottom.
    """

    name: str
    at: tuple[str, ...] = ()
    falling: bool = False

    def words(self, places: range) -> str:
        """A stretch of it: "column 3", "columns 3 to 5", "0.12 s to 0.18 s"."""
        first, last = places[0], places[-1]
        if self.at:
            low, high = (last, first) if self.falling else (first, last)
            return self.at[first] if first == last else f"{self.at[low]} to {self.at[high]}"
        return f"{self.name} {first + 1}" if first == last else f"{self.name}s {first + 1} to {last + 1}"


def _nothing(_sizes: NDArray[np.int32], _preparation: Preparation) -> tuple[str, ...]:
    return ()


def _by_shape(_sizes: NDArray[np.int32], _preparation: Preparation) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """A kind of data that lies in files. One line of KINDS; `one` is the noun for a single example.

    look: from a file's bytes, cheaply. prepare: from all looks and a wished longest side. decode: bytes to (C, *S).
    windows: of a file that is longer than an example, all of it as (n, C, *S), else None. These raise Unreadable.
    vary: natural copies of examples of a shape; mirrored: whether mirroring may be one of them, to be measured.
    axes: what places are called. picture: an example (C, *S) as a person sees it, (1 or 3, H, W) bytes. describe,
    notes: in words, from the sizes (N, axes) before preparation. playable: a file as a WAV, of kinds that sound.
    """

    name: str
    one: str
    suffixes: frozenset[str]
    look: Callable[[bytes], Look]
    prepare: Callable[[Looks, int | None], Preparation]
    decode: Callable[[bytes, Preparation], tuple[Array, Look]]
    vary: Callable[[tuple[int, ...]], Augmentation]
    axes: Callable[[Preparation], tuple[Axis, ...]]
    picture: Callable[[Array, Preparation], NDArray[np.uint8]]
    mirrored: bool = False
    describe: Callable[[NDArray[np.int32], Preparation], str] = _by_shape
    notes: Callable[[NDArray[np.int32], Preparation], tuple[str, ...]] = _nothing
    windows: Callable[[bytes, Preparation], Array | None] | None = None
    playable: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True)
class Sample:
    """One example. x: (C, *S) uint8 in 0..255 or float32. y: its class's place in the class list. name: where from."""

    x: Array
    y: int
    name: str


@dataclass(frozen=True)
class Skipped:
    """A file that could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Names(Sequence[str]):
    """Names of examples that are no files, made when asked for. name: that of the i-th."""

    total: int
    name: Callable[[int], str]

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # names are asked for one by one
        if not -self.total <= i < self.total:
            raise IndexError(i)
        return self.name(i % self.total)


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Examples in columns; the pixels may lie in a memory-mapped file.

    x: (N, C, *S) uint8 or float32. y: (N,) int64. names: N. split: (N,) int8, 0 train, 1 val, 2 test, -1 not given.
    digest: (N,) uint64, equal for identical examples. sizes: (N, axes) their size before preparation. group: (N,)
    int64, equal for examples that belong together (of one speaker, one patient), where the data names them.
    """

    x: Array
    y: NDArray[np.int64]
    names: Sequence[str]
    split: NDArray[np.int8]
    digest: NDArray[np.uint64]
    sizes: NDArray[np.int32]
    group: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        assert self.group is None or len(self.group) == len(self.y), "a group for each example, or for none"
        lengths = {len(self.x), len(self.y), len(self.names), len(self.split), len(self.digest), len(self.sizes)}
        assert len(lengths) == 1, f"columns of different lengths: {lengths}"

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> Sample:  # type: ignore[override]  # one example at a time; slices are columns
        return Sample(np.asarray(self.x[i]), int(self.y[i]), self.names[i])


@dataclass(frozen=True)
class Normalisation:
    """What is taken off and divided by, a channel, in shares of full scale: the net sees (x / full - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Dataset:
    """Examples of one kind with their classes. Immutable; what could not be read or was passed over is kept count of.

    normalisation: given only where the values themselves mean something (the X's and O's of the slides are -1 and 1);
    otherwise None, and learnt from the training split. augment: whether varied copies make sense.
    ignored: files that are of no kind, by suffix. root: the folder that the names are relative to, if they are files.
    one: the noun for a single example. detail: size and sort in words, where the shape doesn't say them.
    """

    kind: str
    name: str
    classes: tuple[str, ...]
    samples: Samples
    preparation: Preparation
    skipped: tuple[Skipped, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    normalisation: Normalisation | None = None
    augment: bool = True
    root: Path | None = None
    notes: tuple[str, ...] = ()
    one: str = "picture"
    detail: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, *S) of one example."""
        return self.preparation.shape

    @property
    def full_scale(self) -> float:
        """What the value 1.0 is in the stored arrays: 255 for uint8, 1 for float32."""
        return 255.0 if self.samples.x.dtype == np.uint8 else 1.0

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(K,) examples a class."""
        return np.bincount(self.samples.y, minlength=len(self.classes))

    def file(self, i: int) -> Path | None:
        """Where example i lies on disk, if it is a file."""
        return self.root / self.samples.names[i] if self.root is not None else None

    def describe(self, times: str = "x") -> str:
        """One line: "60,000 pictures in 10 classes, 32x32, colour"."""
        channels = {1: "grey", 3: "colour"}.get(self.shape[0], f"{self.shape[0]} channels")
        classes = counted(len(self.classes), "class", "classes")
        detail = self.detail or f"{by(self.shape[1:], times)}, {channels}"
        return f"{self.counted()} in {classes}, {detail}"

    def counted(self, number: int | None = None) -> str:
        """So many examples in words, all unless a number is given: "60,000 pictures", "178 rows"."""
        many = self.kind if self.kind.startswith(self.one) else f"{self.one}s"
        return counted(len(self) if number is None else number, self.one, many)


def digests(x: Array) -> NDArray[np.uint64]:
    """(N,) a 64-bit BLAKE2 hash of each example's bytes. x: (N, ...)."""
    from hashlib import blake2b

    rows = (blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in x)
    return np.fromiter((int.from_bytes(row, "little") for row in rows), np.uint64, len(x))
