"""Which files lie below a folder, in natural order, packed so that many take little memory. Knows no classes."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.errors import GlassnetError

DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Texts(Sequence[str]):
    """Texts one behind the other in one array, each made when asked for. text: bytes. ends: (N,) int64."""

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # texts are asked for one by one
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        start = int(self.ends[i - 1]) if i else 0
        return self.text[start : int(self.ends[i])].tobytes().decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        whole, start = self.text.data, 0
        for end in self.ends:
            yield bytes(whole[start:end]).decode("utf-8", "surrogateescape")
            start = end


@dataclass(frozen=True)
class InFolders(Sequence[str]):
    """Paths of files. folders: the different ones, "" for none. folder: (N,) which of them. names: (N,) in it."""

    folders: tuple[str, ...]
    folder: NDArray[np.int32]
    names: Texts

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # names are asked for one by one
        return _joined(self.folders[int(self.folder[i])], self.names[i])

    def __iter__(self) -> Iterator[str]:
        return (_joined(self.folders[k], name) for k, name in zip(self.folder, self.names, strict=True))


class Packing:
    """Takes down files as they come: folder, name and, if it has one, a mark."""

    def __init__(self) -> None:
        self._folders: dict[str, int] = {}
        self._folder = array("i")
        self._names, self._marks = (bytearray(), array("q")), (bytearray(), array("q"))

    def add(self, folder: str, name: str, mark: str = "") -> None:
        """One more. folder: "" for none."""
        self._folder.append(self._folders.setdefault(folder, len(self._folders)))
        for (text, ends), more in ((self._names, name), (self._marks, mark)):
            text += more.encode("utf-8", "surrogateescape")
            ends.append(len(text))

    def packed(self) -> tuple[InFolders, Texts]:
        """The files, and their marks."""
        names, marks = (
            Texts(np.frombuffer(text, np.uint8), np.frombuffer(ends, np.int64))
            for text, ends in (self._names, self._marks)
        )
        return InFolders(tuple(self._folders), np.frombuffer(self._folder, np.int32), names), marks


@dataclass(frozen=True)
class Walked:
    """What lies below a folder. files: those that count, in natural order. marks: theirs, that change when a file does.

    ignored: how many others, by suffix. empty: the folders that hold nothing at all.
    """

    files: InFolders
    marks: Texts
    ignored: dict[str, int]
    empty: list[str]


def walk(root: Path, suffixes: frozenset[str]) -> Walked:
    """Goes through a folder and those in it. suffixes: of the files that count. Raises GlassnetError."""
    packing, others, empty = Packing(), Counter[str](), []
    for folder, name, mark in _entries(root, "", frozenset()):
        if not mark:
            empty.append(folder)
        elif suffix_of(name) in suffixes:
            packing.add(folder, name, mark)
        else:
            others[suffix_of(name) or "no suffix"] += 1
    return Walked(*packing.packed(), dict(others), empty)


def _entries(root: Path, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Visible files below a folder as (folder, name, mark), and empty folders as (folder, "", ""); in natural order.

    A folder's name is sorted as the paths of its files are, with a slash.
    """
    here = root / prefix
    above |= {os.path.realpath(here)}
    try:
        with os.scandir(here) as found:
            names = [entry.name + "/" * _is_folder(entry) for entry in found if _is_visible(entry.name)]
    except OSError as error:
        raise GlassnetError(str(here), found=f"can't be read: {error.strerror}", fix="Check its rights") from error
    names.sort(key=natural)
    inside = prefix.removesuffix("/")
    for name in names:
        if not name.endswith("/"):
            yield inside, name, mark_of(here / name)
        elif os.path.realpath(here / name) not in above:  # a link to a folder above would never end
            yield from _entries(root, prefix + name, above)
    if not names and prefix:
        yield inside, "", ""


def natural(name: str) -> bytes:
    """Sorting key that counts: "a2" before "a10". Pieces end in zeros, and numbers begin with their length."""
    pieces = DIGITS.split(name)
    key = bytearray()
    for i, piece in enumerate(pieces):
        if i % 2:
            number = str(int(piece)).encode()
            key += len(number).to_bytes(2) + number
        key += piece.encode("utf-8", "surrogatepass") + b"\0"
    return bytes(key)


def suffix_of(name: str) -> str:
    """A file's suffix in lower case."""
    return os.path.splitext(name)[1].lower()


def mark_of(path: str | Path) -> str:
    """What changes when a file does: its size and times."""
    try:
        stat = os.stat(path)
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "__")) and name not in ("Thumbs.db", "desktop.ini")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself
