"""Which files a data set holds, and their classes and splits. Knows names, not what is inside the files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL
from glassnet.errors import GlassnetError
from glassnet.words import counted, listed

DIGITS = re.compile(r"(\d+)")
COMMON = (".csv", ".jpg", ".mp3", ".npy", ".png", ".wav")
SPLIT_WORDS = {
    "train": TRAIN, "training": TRAIN,
    "val": VAL, "valid": VAL, "validation": VAL, "dev": VAL,
    "test": TEST, "testing": TEST,
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """Files with their classes, before any is opened. classes: none where nothing names them.

    names: N paths relative to root. labels: (N,) places in classes. split: (N,) int8, -1 where not given.
    stamp: changes when a file does. ignored: how many other files there are, by suffix. group: (N,) equal for files
    that belong together, if a table says which do. table: the one that names the files, if one does.
    """

    root: Path
    names: Sequence[str]
    labels: NDArray[np.int64]
    split: NDArray[np.int8]
    classes: tuple[str, ...]
    stamp: str
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    group: NDArray[np.int64] | None = None
    table: Path | None = None


def list_folder(root: Path, suffixes: frozenset[str], unlabelled: bool = False) -> Listing:
    """Class folders: DATA/cat/1.png, or DATA/train/cat/1.png with val and test beside train.

    suffixes: of the files that count, in lower case. unlabelled: whether folders that name no classes will do
    (DATA/1.png, or DATA/train/1.png with test beside train). Raises GlassnetError when they won't.
    """
    notes: tuple[str, ...] = ()
    files, ignored, empty = _walk(root, suffixes)
    if unlabelled and _names_no_classes(files):
        return _without_classes(root, files, ignored)
    while True:
        tops = Counter(name.split("/", 1)[0] for name, _ in files if "/" in name)
        loose = [name for name, _ in files if "/" not in name]
        only = next(iter(tops), "")
        if (
            len(tops) != 1
            or loose
            or not _nested([name.split("/", 1)[1] for name, _ in files])
            or only.lower() in SPLIT_WORDS
        ):
            break
        root = root / only
        notes += (f"read from the folder {only} inside it",)
        files = [(name.split("/", 1)[1], mark) for name, mark in files]
        empty = [name.split("/", 1)[1] for name in empty if name.startswith(f"{only}/")]
    if not tops:
        raise _no_classes(root, loose, suffixes)
    has_splits, left_out = _split_folders(root, files, tops)
    if left_out:
        notes += (f"left out {listed(left_out)}: beside the folders of the splits",)
        files = [(name, mark) for name, mark in files if name.split("/", 1)[0] not in left_out]
    if loose:
        notes += (f"left out {counted(len(loose), 'file')} outside the class folders: {listed(loose, 3)}",)
    depth = 1 if has_splits else 0
    chosen = sorted((f for f in files if f[0].count("/") > depth), key=lambda f: natural(f[0]))
    parts = [name.split("/", depth + 1) for name, _ in chosen]
    hollow = [name.split("/")[depth] for name in empty if name.count("/") == depth]
    classes = sorted_classes({part[depth] for part in parts} | set(hollow))
    place = {label: i for i, label in enumerate(classes)}
    splits = [SPLIT_WORDS[part[0].lower()] if has_splits else NOT_GIVEN for part in parts]
    return Listing(
        root,
        [name for name, _ in chosen],
        np.array([place[part[depth]] for part in parts], np.int64),
        np.array(splits, np.int8),
        classes,
        stamp_of(chosen),
        ignored,
        notes + _alike(classes),
    )


def _names_no_classes(files: Sequence[tuple[str, str]]) -> bool:
    """Whether all files lie in one folder, or each in the folder of its split."""
    folders = {name.rpartition("/")[0] for name, _ in files}
    return bool(files) and (folders == {""} or {folder.lower() for folder in folders} <= SPLIT_WORDS.keys())


def _without_classes(root: Path, files: Sequence[tuple[str, str]], ignored: Mapping[str, int]) -> Listing:
    chosen = sorted(files, key=lambda f: natural(f[0]))
    splits = [SPLIT_WORDS.get(name.rpartition("/")[0].lower(), NOT_GIVEN) for name, _ in chosen]
    names, labels = [name for name, _ in chosen], np.zeros(len(chosen), np.int64)
    return Listing(root, names, labels, np.array(splits, np.int8), (), stamp_of(chosen), ignored)


def list_named(
    root: Path, names: Sequence[str], labels: Sequence[str], splits: Sequence[int], groups: Sequence[str] = ()
) -> Listing:
    """The files that a table names, in its order. A missing file is listed too: reading it will say so."""
    classes = sorted_classes(set(labels))
    place = {label: i for i, label in enumerate(classes)}
    marks = [(name, _mark(root / name)) for name in names]
    return Listing(
        root,
        list(names),
        np.array([place[label] for label in labels], np.int64),
        np.array(splits, np.int8),
        classes,
        stamp_of(marks),
        notes=_alike(classes),
        group=np.unique(list(groups), return_inverse=True)[1].astype(np.int64) if groups else None,
    )


def usual(suffixes: frozenset[str]) -> str:
    """Some suffixes, those that most people have first."""
    return listed(sorted(suffixes, key=lambda suffix: (suffix not in COMMON, suffix)), len(COMMON))


def files_below(root: Path, suffixes: frozenset[str]) -> list[str]:
    """Every file below a folder that has one of these suffixes, in natural order, relative to it."""
    return sorted((name for name, _ in _walk(root, suffixes)[0]), key=natural)


def sorted_classes(names: set[str]) -> tuple[str, ...]:
    """One class list for every split: in natural order, so that 2 comes before 10."""
    return tuple(sorted(names, key=natural))


def _alike(classes: Sequence[str]) -> tuple[str, ...]:
    """Classes that a person may have meant to be one."""
    same = [[one for one in classes if one.casefold() == key] for key in {name.casefold(): 0 for name in classes}]
    return tuple(f"the classes {listed(names)} differ only in capitals" for names in same if len(names) > 1)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorting key that counts: "a2" before "a10"."""
    pieces = DIGITS.split(name)
    return (*((int(p), p) if p.isdecimal() else (-1, p) for p in pieces), (-1, name))


def stamp_of(files: Sequence[tuple[str, str]]) -> str:
    """A fingerprint of names, sizes and times, that changes when any file does."""
    hasher = blake2b(digest_size=16)
    for name, mark in files:
        hasher.update(f"{name}\0{mark}\0".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def suffix_of(name: str) -> str:
    """A file's suffix in lower case."""
    return os.path.splitext(name)[1].lower()


def _walk(root: Path, suffixes: frozenset[str]) -> tuple[list[tuple[str, str]], dict[str, int], list[str]]:
    """(name, mark) of the files that count; how many others, by suffix; the folders that hold nothing at all."""
    files: list[tuple[str, str]] = []
    others: Counter[str] = Counter()
    empty: list[str] = []
    for name, mark in _entries(root, "", frozenset()):
        if not mark:
            empty.append(name)
        elif suffix_of(name) in suffixes:
            files.append((name, mark))
        else:
            others[suffix_of(name) or "no suffix"] += 1
    return files, dict(others), empty


def _entries(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Visible files below a folder as (name, mark), and empty folders as (name, "")."""
    above |= {os.path.realpath(folder)}
    found = False
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise GlassnetError(str(folder), found=f"can't be read: {error.strerror}", fix="Check its rights") from error
    for entry in entries:
        if entry.name.startswith((".", "__")) or entry.name in ("Thumbs.db", "desktop.ini"):
            continue
        found = True
        if _is_folder(entry):
            if os.path.realpath(entry.path) not in above:  # a link to a folder above would never end
                yield from _entries(Path(entry.path), f"{prefix}{entry.name}/", above)
        else:
            yield prefix + entry.name, _mark(entry.path)
    if not found and prefix:
        yield prefix.removesuffix("/"), ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _mark(path: str | Path) -> str:
    try:
        stat = os.stat(path)
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _nested(names: list[str]) -> bool:
    """Whether a lone folder holds class folders: at least two beside each other, or splits, at any depth."""
    tops = {name.split("/", 1)[0] for name in names if "/" in name}
    if len(tops) != 1:
        return len(tops) > 1
    return {top.lower() for top in tops} <= SPLIT_WORDS.keys() or _nested(
        [name.split("/", 1)[1] for name in names if "/" in name]
    )


def _split_folders(root: Path, files: list[tuple[str, str]], tops: Counter[str]) -> tuple[bool, list[str]]:
    """Whether the first level names splits, and which folders beside them are left out."""
    words = [top for top in tops if top.lower() in SPLIT_WORDS]
    others = [top for top in tops if top.lower() not in SPLIT_WORDS]
    flat = {name.split("/", 1)[0] for name, _ in files if name.count("/") == 1}
    deep = [top for top in words if top not in flat]
    if not words or (others and not deep):
        return False, []
    if others and len({SPLIT_WORDS[top.lower()] for top in deep}) < 2:
        raise GlassnetError(
            str(root),
            found=f"{deep[0]}/ reads like a split, {others[0]}/ beside it like a class",
            fix="Put the classes inside train/ and test/, or rename that folder",
        )
    if not deep:
        raise GlassnetError(
            f"{root}/{words[0]}",
            expected="a folder a class (train/cat/1.png)",
            found="files without one",
            fix="Sort them into class folders, or write a labels.csv with path,label,split; "
            "without labels only --net cdbn learns",
        )
    return True, others


def _no_classes(root: Path, loose: list[str], suffixes: frozenset[str]) -> GlassnetError:
    if loose:
        return GlassnetError(
            str(root),
            expected="a folder a class, or a table with path,label",
            found=f"{counted(len(loose), 'file')} in one folder",
            fix="Sort them into class folders (cat/1.png, dog/1.png), or write a labels.csv; "
            "without labels only --net cdbn learns",
        )
    return GlassnetError(
        str(root),
        expected=f"folders with files like {usual(suffixes)}",
        found="none",
        fix="Check the path",
    )
