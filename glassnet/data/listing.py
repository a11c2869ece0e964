"""Which files a data set holds, and their classes and splits. Knows names, not what is inside the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache
from glassnet.data.columns import Rows, equal, places, taken
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL, Skipped
from glassnet.data.stored import Chosen, Stored
from glassnet.data.walking import InFolders, Texts, mark_of, natural, walk
from glassnet.errors import GlassnetError
from glassnet.words import counted, listed

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
    shards, spans: where they lie, if they are no files of their own: see Stored. skipped: what could not be listed.
    kind: what they are, where that is known already.
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
    shards: Sequence[str] = ()
    spans: NDArray[np.int64] | None = None
    skipped: tuple[Skipped, ...] = ()
    kind: str = ""

    @property
    def stored(self) -> Stored:
        """Where their bytes lie."""
        return Stored(self.root, self.names, self.shards, self.spans)

    @property
    def place(self) -> Path:
        """What a person named: a table, a tar, a folder."""
        return self.table or self.root


def list_folder(root: Path, suffixes: frozenset[str], unlabelled: bool = False) -> Listing:
    """Class folders: DATA/cat/1.png, or DATA/train/cat/1.png with val and test beside train.

    suffixes: of the files that count, in lower case. unlabelled: whether folders that name no classes will do
    (DATA/1.png, or DATA/train/1.png with test beside train). Raises GlassnetError when they won't.
    """
    found = walk(root, suffixes)
    if unlabelled and _names_no_classes(found.files):
        listing, rows = _without_classes(root, found.files, found.ignored), None
    else:
        listing, rows = arranged(root, found.files, found.empty, suffixes, found.ignored)
    files = listing.names
    assert isinstance(files, InFolders), "as they were found"
    marks = found.marks if rows is None else Chosen(found.marks, rows)
    names = files if rows is None else Chosen(files, rows)
    stamp = stamp_of(zip(names, marks, strict=True))
    texts = Texts(cache.aside(files.names.text), cache.aside(files.names.ends))
    files = InFolders(files.folders, cache.aside(files.folder), texts)
    return replace(
        listing,
        names=files if rows is None else Chosen(files, rows),
        labels=cache.aside(listing.labels),
        split=cache.aside(listing.split),
        stamp=stamp,
    )


def arranged(
    root: Path,
    files: InFolders,
    empty: list[str],
    suffixes: frozenset[str],
    ignored: Mapping[str, int],
) -> tuple[Listing, Rows | None]:
    """The classes and splits that the folders of some files name, and which of the files, None for all.

    files: in natural order; the listing, which has no stamp, names all of them. empty: folders that hold nothing.
    Raises GlassnetError when the folders name no classes.
    """
    wrapping = _wrapping(files.folders)
    notes = tuple(f"read from the folder {only} inside it" for only in wrapping)
    for only in wrapping:
        root = root / only
        files = replace(files, folders=_inside(files.folders))
        empty = [name.split("/", 1)[1] for name in empty if name.startswith(f"{only}/")]
    tops, loose = _tops(files.folders), _loose(files)
    if not tops:
        raise _no_classes(root, loose, suffixes)
    has_splits, left_out = _split_folders(root, files.folders, tops)
    if left_out:
        notes += (f"left out {listed(left_out)}: beside the folders of the splits",)
    if loose:
        notes += (f"left out {counted(len(loose), 'file')} outside the class folders: {listed(loose, 3)}",)
    depth = 1 if has_splits else 0
    parts = [folder.split("/") if folder and _top(folder) not in left_out else [] for folder in files.folders]
    hollow = [name.split("/")[depth] for name in empty if name.count("/") == depth]
    classes = sorted_classes({part[depth] for part in parts if len(part) > depth} | set(hollow))
    place = {label: i for i, label in enumerate(classes)}
    label = np.array([place[part[depth]] if len(part) > depth else -1 for part in parts], np.int64)
    side = [SPLIT_WORDS[part[0].lower()] if has_splits and part else NOT_GIVEN for part in parts]
    rows = None if (label >= 0).all() else places(len(files), lambda some: label[files.folder[some]] >= 0)
    folder = files.folder if rows is None else files.folder[rows]
    listing = Listing(
        root,
        files,
        taken(label, folder),
        taken(np.array(side, np.int8), folder),
        classes,
        "",
        ignored,
        notes + _alike(classes),
    )
    return listing, rows


def _wrapping(folders: Sequence[str]) -> list[str]:
    """Folders with nothing beside them, one in the other, before those of classes or splits begin."""
    found: list[str] = []
    while True:
        tops, inside = _tops(folders), _inside(folders)
        if len(tops) != 1 or "" in folders or not _nested(inside) or tops[0].lower() in SPLIT_WORDS:
            return found
        found.append(tops[0])
        folders = inside


def _tops(folders: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_top(folder) for folder in folders if folder))


def _top(folder: str) -> str:
    return folder.split("/", 1)[0]


def _inside(folders: Sequence[str]) -> tuple[str, ...]:
    """Folders without their first one; "" where that is all."""
    return tuple(folder.partition("/")[2] for folder in folders if folder)


def _loose(files: InFolders) -> list[str]:
    """Files that lie in no folder."""
    if "" not in files.folders:
        return []
    none = files.folders.index("")
    return [files[int(row)] for row in places(len(files), equal(files.folder, none))]


def _names_no_classes(files: InFolders) -> bool:
    """Whether all files lie in one folder, or each in the folder of its split."""
    folders = set(files.folders)
    return bool(folders) and (folders == {""} or {folder.lower() for folder in folders} <= SPLIT_WORDS.keys())


def _without_classes(root: Path, files: InFolders, ignored: Mapping[str, int]) -> Listing:
    side = np.array([SPLIT_WORDS.get(folder.lower(), NOT_GIVEN) for folder in files.folders], np.int8)
    return Listing(root, files, np.zeros(len(files), np.int64), taken(side, files.folder), (), "", ignored)


def list_named(
    root: Path, names: Sequence[str], labels: Sequence[str], splits: Sequence[int], groups: Sequence[str] = ()
) -> Listing:
    """The files that a table names, in its order. A missing file is listed too: reading it will say so."""
    classes = sorted_classes(set(labels))
    place = {label: i for i, label in enumerate(classes)}
    marks = ((name, mark_of(root / name)) for name in names)
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
    return list(walk(root, suffixes).files)


def sorted_classes(names: set[str]) -> tuple[str, ...]:
    """One class list for every split: in natural order, so that 2 comes before 10."""
    return tuple(sorted(names, key=natural))


def _alike(classes: Sequence[str]) -> tuple[str, ...]:
    """Classes that a person may have meant to be one."""
    same = [[one for one in classes if one.casefold() == key] for key in {name.casefold(): 0 for name in classes}]
    return tuple(f"the classes {listed(names)} differ only in capitals" for names in same if len(names) > 1)


def stamp_of(files: Iterable[tuple[str, str]]) -> str:
    """A fingerprint of names, sizes and times, that changes when any file does."""
    hasher = blake2b(digest_size=16)
    for name, mark in files:
        hasher.update(f"{name}\0{mark}\0".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def _nested(folders: Sequence[str]) -> bool:
    """Whether a lone folder holds class folders: at least two beside each other, or splits, at any depth."""
    tops = {_top(folder) for folder in folders if folder}
    if len(tops) != 1:
        return len(tops) > 1
    return {top.lower() for top in tops} <= SPLIT_WORDS.keys() or _nested(_inside(folders))


def _split_folders(root: Path, folders: Sequence[str], tops: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether the first level names splits, and which folders beside them are left out."""
    words = [top for top in tops if top.lower() in SPLIT_WORDS]
    others = [top for top in tops if top.lower() not in SPLIT_WORDS]
    flat = {folder for folder in folders if "/" not in folder}
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
