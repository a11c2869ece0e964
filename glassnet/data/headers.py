"""What the headers of some tars say, in columns: which examples are where, with which labels. Knows no classes."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import Skipped
from glassnet.data.decoding import Reader
from glassnet.data.kind import Unreadable
from glassnet.data.stored import PackedNames
from glassnet.data.tar import Member, walk
from glassnet.data.walking import suffix_of

LABELS = frozenset({".cls", ".json"})
KEYS = ("label", "class", "cls")  # of a JSON beside an example, the first that is there
MOST_LABEL = 1_000_000  # bytes of a file that holds a label
NO_LABEL = -1
PASSED_OVER = ("Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Headers:
    """Members that may be examples. spans: (N, 3) int64 which tar, the first byte, bytes. suffix: (N,) its number.

    label: (N,) the number of its label, -1 for none. key: (N,) equal for members with one name but for the suffix.
    text, ends: their names, one behind the other. suffixes, labels: numbers by text. ignored: other members, by suffix.
    """

    spans: NDArray[np.int64]
    suffix: NDArray[np.int16]
    label: NDArray[np.int32]
    key: NDArray[np.int64]
    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    suffixes: dict[str, int]
    labels: dict[str, int]
    ignored: dict[str, int]
    skipped: list[Skipped]

    def __len__(self) -> int:
        return len(self.ends)

    def names(self, tars: Sequence[str]) -> PackedNames:
        """The names of all."""
        return PackedNames(self.text, self.ends, self.spans, tars)


def read_headers(root: Path, tars: Sequence[str], suffixes: frozenset[str]) -> Headers:
    """Reads the headers of some tars, and the labels in them. suffixes: of members that may be examples."""
    noted = _Noted(suffixes)
    for number, tar in enumerate(tars):
        noted.begin(number, tar)
        try:
            with open(root / tar, "rb") as file:
                for member in walk(root / tar):
                    noted.take(member, file)
        except OSError as error:
            noted.skipped.append(Skipped(tar, f"can't be read: {error.strerror or error}"))
    return Headers(
        np.frombuffer(noted.spans, np.int64).reshape(-1, 3),
        np.frombuffer(noted.suffix, np.int16),
        np.frombuffer(noted.label, np.int32),
        np.frombuffer(noted.key, np.int64),
        np.frombuffer(noted.text, np.uint8),
        np.frombuffer(noted.ends, np.int64),
        noted.known_suffixes,
        noted.labels,
        noted.ignored,
        noted.skipped,
    )


def members(tar: Path, suffixes: frozenset[str], only: str = "") -> Iterator[tuple[str, bytes | Unreadable]]:
    """The bytes of the members with these suffixes, or of the one that is named, or why they can't be had; in order.

    Raises OSError.
    """
    with Reader(tar.parent) as reader:
        for member in walk(tar):
            name = f"{tar}/{member.name}" if member.name else str(tar)
            if only and member.name != only:
                continue
            if member.reason:
                yield name, Unreadable(member.reason)
            elif only or (is_visible(member.name) and suffix_of(member.name) in suffixes):
                try:
                    yield name, reader.read((tar.name, member.start, member.size))
                except Unreadable as error:
                    yield name, error


def is_visible(name: str) -> bool:
    """Whether a member counts: not what systems leave beside files."""
    parts = name.split("/")
    return not any(part.startswith((".", "__")) for part in parts) and parts[-1] not in PASSED_OVER


@dataclass
class _Sample:
    """Members with one name but for the suffix."""

    key: int
    rows: list[int] = field(default_factory=list)
    label: int = NO_LABEL


class _Noted:
    """Takes down members as they come. Those of a sample usually stand together; the others are waited for to the end
    of their tar.
    """

    def __init__(self, suffixes: frozenset[str]) -> None:
        self.suffixes = suffixes
        self.spans, self.suffix, self.label = array("q"), array("h"), array("i")
        self.key, self.text, self.ends = array("q"), bytearray(), array("q")
        self.known_suffixes: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.ignored: dict[str, int] = {}
        self.skipped: list[Skipped] = []
        self._number, self._tar, self._keys = 0, "", 0
        self._open: dict[str, _Sample] = {}
        self._newest = ""

    def begin(self, number: int, tar: str) -> None:
        """What comes now is of this tar."""
        self._number, self._tar, self._open, self._newest = number, tar, {}, ""

    def take(self, member: Member, file: BinaryIO) -> None:
        """Takes one down. file: its tar."""
        name = member.name
        if member.reason:
            self.skipped.append(Skipped(f"{self._tar}/{name}" if name else self._tar, member.reason))
            return
        folder, _, base = name.rpartition("/")
        if not is_visible(name):
            return
        stem, dot, _ = base.partition(".")  # as WebDataset has it: what follows the first dot is no part of the key
        suffix = suffix_of(base) if dot else ""
        if suffix in LABELS:
            self._label(self._sample(f"{folder}/{stem}"), member, suffix, file)
        elif suffix in self.suffixes:
            self._example(self._sample(f"{folder}/{stem}"), member, suffix)
        else:
            self.ignored[suffix or "no suffix"] = self.ignored.get(suffix or "no suffix", 0) + 1

    def _sample(self, key: str) -> _Sample:
        before = self._open.get(self._newest)
        if key != self._newest and before is not None and before.rows and before.label != NO_LABEL:
            del self._open[self._newest]
        self._newest = key
        if key not in self._open:
            self._keys += 1
            self._open[key] = _Sample(self._keys)
        return self._open[key]

    def _example(self, sample: _Sample, member: Member, suffix: str) -> None:
        sample.rows.append(len(self.ends))
        self.spans.extend((self._number, member.start, member.size))
        self.suffix.append(self.known_suffixes.setdefault(suffix, len(self.known_suffixes)))
        self.label.append(sample.label)
        self.key.append(sample.key)
        self.text += member.name.encode("utf-8", "surrogateescape")
        self.ends.append(len(self.text))

    def _label(self, sample: _Sample, member: Member, suffix: str, file: BinaryIO) -> None:
        if suffix == ".json" and sample.label != NO_LABEL:
            return
        file.seek(member.start)
        text = label_in(file.read(min(member.size, MOST_LABEL)), suffix) if member.size <= MOST_LABEL else ""
        if text:
            sample.label = self.labels.setdefault(text, len(self.labels))
            for row in sample.rows:
                self.label[row] = sample.label


def label_in(data: bytes, suffix: str) -> str:
    """The label that a file holds, "" for none. suffix: ".cls" for the label itself, ".json" for an object with one."""
    try:
        text = data.decode("utf-8-sig")
        if suffix == ".cls":
            return " ".join(text.split())
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = next((facts[key] for key in KEYS if key in facts), "") if isinstance(facts, dict) else ""
    is_one = isinstance(found, (str, int)) and not isinstance(found, bool)
    return " ".join(str(found).split()) if is_one else ""
