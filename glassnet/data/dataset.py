"""Sample, Dataset: what every net learns from. Knows shapes and classes, not how a file is decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    int64, equal for examples that belong together (of one speaker, one patient), where the data names them. weight:
    (N,) float32 over 0, how many equal examples each stands for, where that isn't one.
    """

    x: Array
    y: NDArray[np.int64]
    names: Sequence[str]
    split: NDArray[np.int8]
    digest: NDArray[np.uint64]
    sizes: NDArray[np.int32]
    group: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        assert self.group is None or len(self.group) == len(self.y), "a group for each example, or for none"
        assert self.weight is None or len(self.weight) == len(self.y), "a weight for each example, or for none"
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

    classes: none where nothing names them; every y is 0 then.
    normalisation: given only where the values themselves mean something (the X's and O's of the slides are -1 and 1);
    otherwise None, and learnt from the training split. augment: whether varied copies make sense.
    ignored: files that are of no kind, by suffix. root: the folder that the names are relative to, if they are files.
    one: the noun for a single example. detail: size and sort in words, where the shape doesn't say them. drawn: how a
    notebook shows it, given by what read it for a person.
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
    drawn: Callable[[Dataset], str] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {self.describe()}>"

    def _repr_html_(self) -> str | None:
        """As a notebook shows it; None where it is shown as its repr."""
        return self.drawn(self) if self.drawn else None

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, *S) of one example."""
        return self.preparation.shape

    @property
    def full_scale(self) -> float:
        """What the value 1.0 is in the stored arrays: 255 for uint8, 1 for float32."""
        return 255.0 if self.samples.x.dtype == np.uint8 else 1.0

    @property
    def has_labels(self) -> bool:
        """Whether examples come with a class each."""
        return bool(self.classes)

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
        classes = f"in {counted(len(self.classes), 'class', 'classes')}" if self.has_labels else "without labels"
        detail = self.detail or f"{by(self.shape[1:], times)}, {channels}"
        return f"{self.counted()} {classes}, {detail}"

    def counted(self, number: int | None = None) -> str:
        """So many examples in words, all unless a number is given: "60,000 pictures", "178 rows"."""
        many = self.kind if self.kind.startswith(self.one) else f"{self.one}s"
        return counted(len(self) if number is None else number, self.one, many)


def digests(x: Array) -> NDArray[np.uint64]:
    """(N,) a 64-bit BLAKE2 hash of each example's bytes. x: (N, ...)."""
    from hashlib import blake2b

    rows = (blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in x)
    return np.fromiter((int.from_bytes(row, "little") for row in rows), np.uint64, len(x))
