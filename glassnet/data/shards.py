"""Shards: examples in .tar files, as WebDataset has them, to a listing. Knows names and labels, not what examples hold.

`1.png` with its class in `1.cls` or `1.json` beside it, or class folders inside the tar. Nothing is unpacked: headers
are read once and noted in the cache, and from then on an example is a stretch of its tar.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache
from glassnet.data.class_names import CLASS_FILES, class_names, named_by
from glassnet.data.columns import stretches, taken
from glassnet.data.dataset import NOT_GIVEN, Skipped
from glassnet.data.headers import NO_LABEL, Headers, read_headers
from glassnet.data.kind import Kind
from glassnet.data.listing import SPLIT_WORDS, Listing, arranged, sorted_classes, stamp_of
from glassnet.data.stored import PackedNames
from glassnet.data.walking import Packing, natural, suffix_of
from glassnet.errors import GlassnetError
from glassnet.words import clipped, counted, listed

SUFFIX = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class Tars:
    """The tars of a data set. root: what their paths are relative to. named: the one that a person named, if one."""

    root: Path
    paths: tuple[str, ...]
    named: Path | None = None

    @property
    def place(self) -> Path:
        """What a person named."""
        return self.named or self.root


def find_tars(path: Path) -> Tars | None:
    """The tars that a path names: itself, or those of a folder and of folders named after splits inside it.

    Raises GlassnetError for packed ones, which can't be read from the middle.
    """
    if path.is_file():
        _refuse_packed(path, [path.name])
        return Tars(path.parent, (path.name,), path) if path.suffix.lower() == SUFFIX else None
    names = [entry.name for entry in os.scandir(path) if entry.name[0] != "."]
    folders = [name for name in names if name.lower() in SPLIT_WORDS and (path / name).is_dir()]
    names += [f"{folder}/{name}" for folder in folders for name in os.listdir(path / folder) if name[0] != "."]
    tars = sorted((name for name in names if suffix_of(name) == SUFFIX and (path / name).is_file()), key=natural)
    if not tars:
        _refuse_packed(path, sorted(names))
    return Tars(path, tuple(tars)) if tars else None


def list_tars(tars: Tars, suffixes: frozenset[str], asked: str | None, choose: Callable[[Listing], Kind]) -> Listing:
    """The examples of some tars with their classes, in the order that a folder of them would have.

    suffixes: of examples of any kind. asked: the kind, if a person says it. choose: tells the kind of a listing. Raises
    GlassnetError when nothing in them can be learnt from.
    """
    place = tars.place.resolve()
    name, stamp = cache.name_for(place.name, str(place), "shards", asked or ""), _stamp(tars)
    folder = cache.remembered(name, lambda facts: facts["stamp"] == stamp)
    if folder is None:
        headers = read_headers(tars.root, tars.paths, suffixes)
        if not len(headers):
            raise _no_examples(tars, headers)
        kind = choose(_everything(tars, headers))
        listing, rows = _with_classes(tars, headers, kind)
        facts: dict[str, object] = {
            "stamp": stamp, "kind": kind.name, "classes": listing.classes, "notes": listing.notes,
            "ignored": listing.ignored, "skipped": [(one.name, one.reason) for one in listing.skipped],
        }  # fmt: skip
        with cache.remember(name, facts) as new:
            _save(new, listing, headers.names(tars.paths), rows)
        folder = cache.remembered(name, lambda facts: facts["stamp"] == stamp)
    assert folder is not None, "the cache was just filled"
    return _load(folder, tars)


def _everything(tars: Tars, headers: Headers) -> Listing:
    """All that could be an example of some kind, without classes, to see which kind it is."""
    count = len(headers)
    nothing, unsplit = np.zeros(count, np.int64), np.full(count, NOT_GIVEN, np.int8)
    names = headers.names(tars.paths)
    return Listing(tars.root, names, nothing, unsplit, (), "", shards=tars.paths, spans=headers.spans, table=tars.named)


def _with_classes(tars: Tars, headers: Headers, kind: Kind) -> tuple[Listing, NDArray[np.int64]]:
    """The examples of one kind with their classes, and which of all they are, in order."""
    mine = np.isin(headers.suffix, [i for suffix, i in headers.suffixes.items() if suffix in kind.suffixes])
    ignored = dict(headers.ignored)
    for suffix, i in headers.suffixes.items():
        if suffix not in kind.suffixes:
            ignored[suffix] = int((headers.suffix == i).sum())
    if headers.labels:
        return _labelled(tars, headers, np.flatnonzero(mine), ignored)
    names, words = headers.names(tars.paths), _split_words(tars)
    rows = _in_order(names, words, np.flatnonzero(mine))
    if all("/" not in names.inside(row) for row in rows.tolist()):
        raise GlassnetError(
            str(tars.place),
            expected="a class for each example: cat/1.png, or 1.cls beside 1.png",
            found=f"{counted(len(rows), 'example')} without one",
            fix="glassnet make shards writes them from class folders",
        )
    packing = Packing()
    for row in rows.tolist():
        folder, _, name = _as_in_a_folder(names, words, row).rpartition("/")
        packing.add(folder, name)
    listing, some = arranged(tars.place, packing.packed()[0], [], kind.suffixes, ignored)
    return replace(listing, names=(), skipped=tuple(headers.skipped)), rows if some is None else rows[some]


def _labelled(
    tars: Tars, headers: Headers, rows: NDArray[np.int64], ignored: dict[str, int]
) -> tuple[Listing, NDArray[np.int64]]:
    """The same, where labels lie beside the examples."""
    names, words = headers.names(tars.paths), _split_words(tars)
    known = class_names(tars.root)
    named, wrong = named_by(headers.labels, known)
    classes = sorted_classes({*known, *(name for name in named if name)})
    place = {name: k for k, name in enumerate(classes)}
    of_label = np.array([place[name] if name else NO_LABEL for name in named] + [NO_LABEL], np.int64)
    times = np.zeros(int(headers.key.max(initial=0)) + 1, np.int32)
    for some in stretches(len(rows)):
        np.add.at(times, headers.key[rows[some]], np.int32(1))
    twice, y = taken(times, taken(headers.key, rows)) > 1, taken(of_label, taken(headers.label, rows))
    skipped = list(headers.skipped)
    for row in rows[twice | (y == NO_LABEL)].tolist():
        reason = "has no label beside it: a .cls, or a .json with label"
        if headers.label[row] != NO_LABEL:
            reason = wrong.get(int(headers.label[row]), "is one of several with the same name beside one label")
        skipped.append(Skipped(names[row], reason))
    kept = rows[~twice & (y != NO_LABEL)]
    if not len(kept):
        raise _no_examples(tars, headers, skipped)
    kept = _in_order(names, words, kept)
    side = np.array([SPLIT_WORDS.get(word.lower(), NOT_GIVEN) for word in words], np.int8)
    listing = Listing(
        tars.root, (), of_label[headers.label[kept]], side[headers.spans[kept, 0]], classes, "", ignored,
        skipped=tuple(skipped),
    )  # fmt: skip
    return listing, kept


def _in_order(names: PackedNames, words: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some examples in the natural order of their paths, in which they often lie already."""

    def key(row: int) -> bytes:
        return natural(_as_in_a_folder(names, words, row))

    if all(a <= b for a, b in pairwise(key(int(row)) for row in rows)):
        return rows
    return np.array(sorted(rows.tolist(), key=key), np.int64)


def _as_in_a_folder(names: PackedNames, words: Sequence[str], row: int) -> str:
    """The path that an example would have in a folder: its split's folder, then its name in the tar."""
    word = words[int(names.spans[row, 0])]
    return f"{word}/{names.inside(row)}" if word else names.inside(row)


def _split_words(tars: Tars) -> list[str]:
    """The split of each tar as its folder's or its own name says it: "train", "val"; "" where none of them does."""
    found = []
    for path in tars.paths:
        words = [word for word in re.split(r"[^A-Za-z]+", path) if word.lower() in SPLIT_WORDS]
        found.append(words[0] if len({SPLIT_WORDS[word.lower()] for word in words}) == 1 else "")
    return [word or "train" for word in found] if any(found) else found


def _save(folder: Path, listing: Listing, names: PackedNames, rows: NDArray[np.int64]) -> None:
    """Writes what a listing is made of into the cache. rows: which of all names it has."""
    np.save(folder / "labels.npy", listing.labels)
    np.save(folder / "split.npy", listing.split)
    lengths = np.diff(names.ends, prepend=0)
    spans, ends, text = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
        for name, dtype, shape in (
            ("spans", np.int64, (len(rows), 3)),
            ("ends", np.int64, (len(rows),)),
            ("text", np.uint8, (int(taken(lengths, rows).sum()),)),
        )
    )
    at = 0
    for some in stretches(len(rows)):
        mine = rows[some]
        spans[some], ends[some] = names.spans[mine], at + np.cumsum(lengths[mine])
        part = b"".join(names.bytes_of(row) for row in mine.tolist())
        text[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)


def _load(folder: Path, tars: Tars) -> Listing:
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    labels, split, spans, text, ends = (
        cache.column(folder, name) for name in ("labels", "split", "spans", "text", "ends")
    )
    return Listing(
        tars.root,
        PackedNames(text, ends, spans, tars.paths),
        labels,
        split,
        tuple(facts["classes"]),
        facts["stamp"],
        facts["ignored"],
        tuple(facts["notes"]),
        table=tars.named,
        shards=tars.paths,
        spans=spans,
        skipped=tuple(Skipped(name, reason) for name, reason in facts["skipped"]),
        kind=facts["kind"],
    )


def _stamp(tars: Tars) -> str:
    marks = []
    for name in (*tars.paths, *CLASS_FILES):
        try:
            stat = os.stat(tars.root / name)
        except OSError:
            continue
        marks.append((name, f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"))
    return stamp_of(marks)


def _refuse_packed(path: Path, names: Sequence[str]) -> None:
    packed = [name for name in names if name.lower().endswith(PACKED)]
    if packed:
        raise GlassnetError(
            str(path),
            expected="plain .tar files",
            found=f"{listed(packed, 2)}, packed: it can't be read from the middle",
            fix="Unpack it to a .tar first (gunzip)",
        )


def _no_examples(tars: Tars, headers: Headers, skipped: Sequence[Skipped] = ()) -> GlassnetError:
    there = listed(sorted(headers.ignored), 3)
    first = next(iter(skipped or headers.skipped), None)
    found = "none"
    if first is not None:
        found += f" ({clipped(first.name)} {first.reason})"
    elif there:
        found += f", but members with the suffix {there}"
    return GlassnetError(
        str(tars.place), expected="examples such as 1.png with 1.cls, or cat/1.png", found=found, fix="Check the tar"
    )
