"""KINDS: which reader reads this data. The one way in from a path, or a built-in name, to a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from glassnet.config import Reading, wrong_value
from glassnet.data import (
    arrays,
    decoding,
    digits,
    pictures,
    records,
    sentences,
    series,
    shards,
    sounds,
    tables,
    texts,
    volumes,
    xo,
)
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import Dataset, Preparation
from glassnet.data.kind import Kind, Limits
from glassnet.data.listing import Listing, list_folder, list_named, usual
from glassnet.data.places import refuse_missing
from glassnet.data.reading import Progress, Wish, guess, read_files
from glassnet.data.walking import suffix_of
from glassnet.errors import GlassnetError
from glassnet.steps import finish
from glassnet.words import listed

TRIED = 5  # files opened to tell two kinds with one suffix apart
Steps = Generator[Progress, None, Dataset]


@dataclass(frozen=True)
class Source:
    """A data set that was found but not yet read. shape: (C, *S), as a sample of the files suggests it."""

    name: str
    kind: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    steps: Callable[[], Steps]
    has_labels: bool = True

    def read(self) -> Dataset:
        """Reads it to the end."""
        return finish(self.steps())


def find(
    data: str | Path, reading: Reading | None = None, given: Preparation | None = None, unlabelled: bool = False
) -> Source:
    """Finds a data set and what it is, quickly: nothing is decoded but a sample.

    data: a folder, a table, an .npz, a .tar, or built-in data ("xo", "digits"). given: a model's preparation, to be
    used as it is. unlabelled: whether a folder without classes will do. Raises GlassnetError when there is nothing to
    learn from.
    """
    reading = reading or Reading()
    if reading.kind is not None and reading.kind not in KINDS:
        raise wrong_value("kind", " or ".join(KINDS), reading.kind)
    path = Path(data)
    refuse_missing(data)
    if str(data) in BUILT_IN and not path.exists():
        return BUILT_IN[str(data)]
    boxes = find_boxes(path)
    if boxes and reading.kind is None:
        raise GlassnetError(
            str(path),
            expected="examples with a class each",
            found=f"boxes on pictures ({boxes.layout})",
            fix=f"To find such objects: glassnet train {path}",
        )
    if path.is_dir():
        found = _folder(path, reading, unlabelled)
        return _table(path, found, reading, given) if isinstance(found, Path) else _files(path, found, reading, given)
    tars = shards.find_tars(path)
    if tars:
        return _files(path, _in_tars(tars, reading), reading, given)
    if path.suffix.lower() == ".npz":
        contents = arrays.look_into(path, _array_axes(path, reading))
        kind = next(kind for kind in KINDS.values() if kind.array_axes == contents.axes)
        return Source(path.stem, kind.name, (), contents.shape, partial(arrays.read_steps, contents, kind))
    if path.suffix.lower() in tables.SUFFIXES:
        return _table(path, path, reading, given)
    raise GlassnetError(
        str(path),
        expected=f"a folder, a table ({', '.join(sorted(tables.SUFFIXES))}), an .npz or a .tar file",
        found=f"a {path.suffix or 'nameless'} file",
        fix="To ask a model about one file, use glassnet predict",
    )


def read(
    data: str | Path, reading: Reading | None = None, given: Preparation | None = None, unlabelled: bool = False
) -> Dataset:
    """Reads a data set: see `find`."""
    return find(data, reading, given, unlabelled).read()


def list_files(data: str | Path, reading: Reading) -> Listing:
    """The files that a folder or a table names, with their classes. Raises GlassnetError where there are none."""
    path = Path(data)
    refuse_missing(data)
    found = _folder(path, reading) if path.is_dir() else path
    if isinstance(found, Listing):
        return found
    fix = "Name a folder, or a table with a column path"
    is_table = found.suffix.lower() in tables.SUFFIXES
    if not is_table or not tables.has_column(tables.read_table(found), reading.path, tables.PATH_NAMES):
        raise GlassnetError(str(data), expected="examples in files of their own", found="none", fix=fix)
    named = tables.manifest(tables.read_table(found), reading)
    return replace(list_named(named.root, named.names, named.labels, named.splits, named.groups), table=found)


def folds(data: str | Path, reading: Reading) -> tuple[int, ...]:
    """The folds that a table names, in order. Raises GlassnetError where there are not two or more."""
    path = Path(data)
    refuse_missing(data)
    table = _folder(path, reading) if path.is_dir() else path
    if not isinstance(table, Path) or table.suffix.lower() not in tables.SUFFIXES:
        raise GlassnetError(str(path), expected=f"a table with a column {tables.FOLD}", found="none", fix="Write one")
    found = tuple(sorted(set(tables.folds_of(tables.read_table(table)))))
    if len(found) < 2:
        raise GlassnetError(str(table), expected="two folds or more", found=str(len(found)), fix="Number the rows")
    return found


def _folder(path: Path, reading: Reading, unlabelled: bool = False) -> Listing | Path:
    """A table with a usual name; else class folders; else shards; else the only table; else files without classes."""
    for name in ("labels", "metadata"):
        for suffix in sorted(tables.SUFFIXES):
            if (path / f"{name}{suffix}").is_file():
                return path / f"{name}{suffix}"
    try:
        return _class_folders(path, reading)
    except GlassnetError as error:
        tars = shards.find_tars(path)
        if tars:
            return _in_tars(tars, reading)
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in tables.SUFFIXES and p.name[0] not in "._")
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise GlassnetError(
                str(path), found=f"several tables: {listed([p.name for p in found])}", fix="Name the one to read"
            ) from error
        if unlabelled:
            return _class_folders(path, reading, unlabelled)
        raise


def _class_folders(path: Path, reading: Reading, unlabelled: bool = False) -> Listing:
    """Class folders with files of one kind; those of another count as others."""
    listing = list_folder(path, ALL_SUFFIXES, unlabelled)
    kind = KINDS[reading.kind] if reading.kind else _kind_of(path, listing)
    if all(suffix_of(name) in kind.suffixes for name in listing.names):
        return listing
    return list_folder(path, kind.suffixes, unlabelled)


def _in_tars(tars: shards.Tars, reading: Reading) -> Listing:
    """The examples in some tars."""

    def choose(listing: Listing) -> Kind:
        return KINDS[reading.kind] if reading.kind else _kind_of(tars.place, listing)

    return shards.list_tars(tars, ALL_SUFFIXES, reading.kind, choose)


def _array_axes(path: Path, reading: Reading) -> int | None:
    """Axes of an example in an .npz, as --kind tells it. Raises GlassnetError for a kind that lies in none."""
    axes = KINDS[reading.kind].array_axes if reading.kind else None
    if reading.kind and axes is None:
        fits = [name for name, kind in KINDS.items() if kind.array_axes]
        raise GlassnetError(
            str(path), expected=f"{' or '.join(fits)} in an .npz", found=reading.kind, fix="Leave --kind out"
        )
    return axes


def _table(path: Path, table: Path, reading: Reading, given: Preparation | None) -> Source:
    """What a table names: files, or what it holds: texts, or numbers in columns. path: as a person named it."""
    contents, kind = tables.read_table(table), reading.kind
    files = tables.has_column(contents, reading.path, tables.PATH_NAMES) and not reading.text
    if not files and (kind == "sentences" or (kind is None and texts.is_one(contents, reading))):
        shape = given.shape if given else sentences.SOME
        return Source(table.stem, "sentences", (), shape, partial(texts.read_steps, contents, reading, given))
    if not files and (kind == "tables" or (kind is None and records.is_one(contents, reading))):
        shape = (1, len(records.columns(contents, reading)))
        return Source(table.stem, "tables", (), shape, partial(records.read_steps, contents, reading, given))
    found = tables.manifest(contents, reading)
    listing = list_named(found.root, found.names, found.labels, found.splits, found.groups)
    return _files(path, replace(listing, table=table), reading, given)


def _files(path: Path, listing: Listing, reading: Reading, given: Preparation | None) -> Source:
    known = reading.kind or listing.kind
    kind = KINDS[known] if known else _kind_of(path, listing)
    wish = Wish(given, reading.size)
    shape = guess(kind, listing, wish).shape
    title = path.resolve().name if path.is_dir() else path.resolve().stem
    steps = texts.read_files if kind.fit else read_files  # what is learnt from all can't be decoded file by file
    read_steps = partial(steps, kind, title, listing, wish)
    return Source(title, kind.name, listing.classes, shape, read_steps, has_labels=bool(listing.classes))


def _kind_of(path: Path, listing: Listing) -> Kind:
    """The kind that most of the files have the suffix of."""
    suffixes = Counter(suffix_of(name) for name in listing.names)
    votes = {name: sum(suffixes[s] for s in kind.suffixes) for name, kind in KINDS.items()}
    most = max(votes.values())
    if not most:
        there = listed([s or "none" for s, _ in suffixes.most_common(3)])
        raise GlassnetError(
            str(path),
            expected=f"files like {usual(ALL_SUFFIXES)}",
            found=f"files with the suffix {there}",
            fix="Choose the column with --path, or convert the files",
        )
    best = [KINDS[name] for name in votes if votes[name] == most]
    return max(best, key=lambda kind: _understood(kind, listing)) if len(best) > 1 else best[0]


def _understood(kind: Kind, listing: Listing) -> int:
    """How many of a few files are of this kind by their contents; a .npy may be a series or a volume."""
    rows = [row for row, name in enumerate(listing.names) if suffix_of(name) in kind.suffixes]
    return len(decoding.look_at(kind, listing.stored.some(rows), TRIED)[0])


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "pictures", "picture", "image-classification", pictures.SUFFIXES,
            pictures.look, pictures.prepare, pictures.decode, pictures.vary, pictures.axes, pictures.picture,
            pictures.raw, Limits(sides=(16, 16), fair=(32, 32), rivals=("visual words",)), mirrored=True, array_axes=2,
        ),
        Kind(
            "sounds", "sound", "audio-classification", sounds.SUFFIXES,
            sounds.look, sounds.prepare, sounds.decode, sounds.vary, sounds.axes, sounds.picture, sounds.raw,
            Limits(sides=(24, 32), fair=(40, 64)), isotropic=False,
            windows=sounds.windows, describe=sounds.describe, notes=sounds.notes, playable=sounds.playable,
        ),
        Kind(
            "series", "series", "time-series-classification", series.SUFFIXES,
            series.look, series.prepare, series.decode, series.vary, series.axes, series.picture, series.raw,
            Limits(sides=(64,), fair=(128,)), describe=series.describe, typed=series.typed, array_axes=1,
        ),
        Kind(
            "volumes", "volume", "other", volumes.SUFFIXES,
            volumes.look, volumes.prepare, volumes.decode, volumes.vary, volumes.axes, volumes.picture, volumes.raw,
            Limits(1000, 500, sides=(8, 8, 8), fair=(16, 16, 16)),
            mirrored=True, describe=volumes.describe, array_axes=3, small=volumes.small,
        ),
        Kind(
            "sentences", "sentence", "text-classification", sentences.SUFFIXES,
            sentences.look, sentences.prepare, sentences.decode, sentences.vary, sentences.axes, sentences.picture,
            sentences.raw, Limits(3000, 1000, sides=(32,), fair=(64,), steps=720, rivals=("bag of words",)),
            rows=texts.rows, fit=sentences.fit, typed=sentences.typed, looked_up=True, net=sentences.NET, rate=0.2,
            epochs=0.5, piece=1,
        ),
        Kind(
            "tables", "row", "tabular-classification", frozenset(),
            records.look, records.prepare, records.decode, records.vary, records.axes, records.picture, records.raw,
            Limits(1000, 500, 3, asked=1000, sides=(10_000,), fair=(10_000,)), rows=records.rows, typed=records.typed,
            ordered=False,
        ),
    )
}  # fmt: skip
ALL_SUFFIXES = frozenset().union(*(kind.suffixes for kind in KINDS.values()))
BUILT_IN = {
    "xo": Source("xo", "pictures", xo.CLASSES, (1, 9, 9), xo.read_steps),
    "digits": Source("digits", "pictures", tuple("0123456789"), (1, 8, 8), digits.read_steps),
}
