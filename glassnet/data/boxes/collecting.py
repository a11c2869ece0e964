"""What every reader of boxes does with what a file says: sizes from the pictures, boxes inside them, faults named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from glassnet.data import pictures
from glassnet.data.boxes.annotated import Annotated, BoxData, Finding
from glassnet.data.boxes.geometry import area, clipped
from glassnet.data.dataset import Skipped
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Unreadable
from glassnet.data.walking import natural
from glassnet.errors import GlassnetError

MOST = 10_000  # boxes on one picture


@dataclass
class Raw:
    """A picture as an annotation tells of it. size: as told, if it is. rows: label, corners, is_hard, line, words."""

    picture: str
    source: str
    split: int
    size: tuple[int, int] | None
    rows: list[tuple[str, Sequence[float], bool, int, str]] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    def add(self, label: str, corners: Sequence[float], is_hard: bool, line: int, words: str = "") -> None:
        """One box. words: what it is called where it has no line."""
        if not all(map(math.isfinite, corners)):
            self.doubt("no number", line, f"{label} has a corner that is no number: it is left out")
        elif len(self.rows) < MOST:
            self.rows.append((label, corners, is_hard, line, words))

    def doubt(self, what: str, line: int, words: str) -> None:
        """Something is wrong with it."""
        self.found.append(Finding(what, self.source, line, words))


class Collected:
    """What was read so far. root: the folder that all names are relative to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raws: list[tuple[Raw, tuple[int, int]]] = []
        self.skipped: list[Skipped] = []
        self.found: list[Finding] = []

    def add(self, raw: Raw) -> None:
        """Takes a picture in, if it can be opened."""
        try:
            look = pictures.look(read_bytes(self.root / raw.picture))
        except Unreadable as error:
            self.skip(raw.picture, str(error))
            return
        height, width = look.size
        if raw.size and raw.size != (width, height) and raw.size != (0, 0):
            raw.doubt(
                "another size", 0,
                f"says {raw.size[0]} x {raw.size[1]}, {raw.picture} has {width} x {height}: its boxes may be off",
            )  # fmt: skip
        self.raws.append((raw, (width, height)))

    def skip(self, name: str, reason: str) -> None:
        """A file that can't be read."""
        self.skipped.append(Skipped(name, reason))

    def pictures_without(self, folder: str, known: set[str]) -> None:
        """Names the pictures that no annotation belongs to; they are left out, for nobody said that they are empty."""
        for path in sorted((self.root / folder).iterdir(), key=lambda path: natural(path.name)):
            if path.suffix.lower() in pictures.SUFFIXES and path.stem not in known:
                words = "has no annotation: it is left out (one without objects says that it is empty)"
                self.found.append(Finding("not annotated", f"{folder}/{path.name}", 0, words))


def collect(collected: Collected, name: str, layout: str) -> BoxData:
    """Everything as one value. Raises GlassnetError where there is no box at all."""
    labels = Counter(row[0] for raw, _ in collected.raws for row in raw.rows)
    classes = tuple(sorted(labels, key=natural))
    if not classes:
        why = f" ({collected.skipped[0].name} {collected.skipped[0].reason})" if collected.skipped else ""
        raise GlassnetError(str(collected.root), expected="boxes on pictures", found=f"none{why}", fix="Draw some")
    place = {label: k for k, label in enumerate(classes)}
    found = list(collected.found)
    annotated = [_inside(raw, size, place, found) for raw, size in collected.raws]
    found += [one for raw, _ in collected.raws for one in raw.found]
    return BoxData(name, collected.root, layout, classes, tuple(annotated), tuple(found), tuple(collected.skipped))


def _inside(raw: Raw, size: tuple[int, int], place: dict[str, int], found: list[Finding]) -> Annotated:
    """A picture with its boxes, of which nothing is outside and none without area; both are said."""
    told = np.array([corners for _, corners, *_ in raw.rows], float).reshape(-1, 4)
    boxes = clipped(told, size)
    keep = area(boxes) > 0
    for (label, corners, _, line, words), box, is_kept in zip(raw.rows, boxes, keep, strict=True):
        text = ", ".join(f"{value:g}" for value in corners)
        who = f"{words} ({label})" if words else label
        if not is_kept and (corners[2] <= corners[0] or corners[3] <= corners[1]):
            found.append(Finding("no area", raw.source, line, f"{who} at {text} has no area: it is left out"))
        elif not is_kept:
            found.append(
                Finding("outside", raw.source, line, f"{who} at {text} lies outside the picture: it is left out")
            )
        elif not np.array_equal(box, corners):
            found.append(
                Finding("beyond the edge", raw.source, line, f"{who} at {text} reaches beyond the picture: cut")
            )
    labels = np.array([place[label] for label, *_ in raw.rows], np.int64)
    hard = np.array([is_hard for _, _, is_hard, *_ in raw.rows], bool)
    lines = np.array([line for *_, line, _ in raw.rows], np.int64)
    return Annotated(raw.picture, size, boxes[keep], labels[keep], hard[keep], raw.source, lines[keep], raw.split)
