"""Pictures with boxes, as they were read, and what is doubtful about them. Opens no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes
from glassnet.data.dataset import SPLITS, Skipped
from glassnet.words import counted


@dataclass(frozen=True)
class Annotated:
    """One picture. name: of its file, relative to the data's root. size: (width, height) in pixels.

    boxes: (n, 4), all of them with an area and inside the picture. labels: (n,) places in the classes. is_hard: (n,)
    whether the annotator called it difficult, so that finding it or not counts neither way. source: the file that the
    boxes come from; lines: (n,) theirs in it, 0 where it has none. split: as in Samples, -1 where not given.
    """

    name: str
    size: tuple[int, int]
    boxes: Boxes
    labels: NDArray[np.int64]
    is_hard: NDArray[np.bool_]
    source: str
    lines: NDArray[np.int64]
    split: int = -1

    def __len__(self) -> int:
        return len(self.boxes)

    def only(self, keep: NDArray[np.bool_]) -> Annotated:
        """With some of its boxes. keep: (n,)."""
        return Annotated(
            self.name, self.size, self.boxes[keep], self.labels[keep], self.is_hard[keep], self.source,
            self.lines[keep], self.split,
        )  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something doubtful. what: its sort, as "no area". file, line: where, line 0 if that says nothing. words: why."""

    what: str
    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''} {self.words}"


@dataclass(frozen=True)
class BoxData:
    """Pictures with boxes and their classes. found: what was doubtful as they were read. skipped: unreadable files.

    ignored: files of no use here, by suffix. layout: "PASCAL VOC" or "COCO".
    """

    name: str
    root: Path
    layout: str
    classes: tuple[str, ...]
    pictures: tuple[Annotated, ...]
    found: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(pictures, K) boxes of each class on each picture."""
        rows = [np.bincount(one.labels, minlength=len(self.classes)) for one in self.pictures]
        return np.array(rows, np.int64).reshape(len(self.pictures), len(self.classes))

    @property
    def total(self) -> int:
        """Boxes in all."""
        return int(self.counts.sum())

    def file(self, i: int) -> Path:
        """Where picture i lies."""
        return self.root / self.pictures[i].name

    def sides(self) -> dict[str, int]:
        """How many pictures each side of a given split has, and how many have none."""
        found = Counter(one.split for one in self.pictures)
        named = {name: found[i] for i, name in enumerate(SPLITS) if found[i]}
        return named | ({"not split": found[-1]} if found[-1] else {})

    def describe(self) -> str:
        """One line: "364 pictures, 4,886 boxes in 3 classes"."""
        classes = counted(len(self.classes), "class", "classes")
        return f"{counted(len(self), 'picture')}, {counted(self.total, 'box', 'boxes')} in {classes}"
