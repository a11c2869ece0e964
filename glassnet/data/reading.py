"""From a listing of files to a data set: decoded once into a cache, and reused while no file changes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache, decoding
from glassnet.data.columns import taken
from glassnet.data.dataset import Array, Dataset, Preparation, Samples, Skipped
from glassnet.data.kind import Kind, Look, Looks
from glassnet.data.listing import Listing
from glassnet.data.stored import Chosen
from glassnet.errors import GlassnetError
from glassnet.words import clipped, counted

SAMPLED = 500  # files looked at to guess the shape; every file is seen before it is settled
TIMED = 7  # files decoded to know how long all will take


@dataclass(frozen=True)
class Progress:
    """How far the reading of a data set is, in files."""

    done: int
    total: int


@dataclass(frozen=True)
class Wish:
    """How the examples are to be prepared: given in full by a model, or chosen from the data with a longest side."""

    given: Preparation | None = None
    longest: int | None = None


@dataclass(frozen=True)
class _Decoded:
    """What the cache holds. rows: (n,) places in the listing of what could be read, None for all. sizes: (n, axes)."""

    x: Array
    rows: NDArray[np.int64] | None
    digest: NDArray[np.uint64]
    sizes: NDArray[np.int32]
    preparation: Preparation
    skipped: list[tuple[int, str]]


def guess(kind: Kind, listing: Listing, wish: Wish) -> Preparation:
    """The preparation of these files: as the cache knows it, else as a sample of them suggests it."""
    if wish.given:
        return wish.given
    folder = cache.remembered(_cache_name(kind, listing), lambda facts: _fits(facts, listing, wish))
    if folder is not None:
        return _preparation(folder)
    looks, skipped = decoding.look_at(kind, listing.stored, SAMPLED)
    if not looks:
        raise nothing_readable(kind, listing, skipped)
    return kind.prepare(Looks.of(looks), wish.longest)


def read_files(kind: Kind, name: str, listing: Listing, wish: Wish) -> Generator[Progress, None, Dataset]:
    """Decodes the files of a listing, or finds them decoded. Yields progress, returns the data set."""
    decoded = yield from _decoded(kind, listing, wish)
    rows = decoded.rows
    skipped = tuple(Skipped(listing.names[row], reason) for row, reason in decoded.skipped)
    if not len(decoded.digest):
        raise nothing_readable(kind, listing, list(skipped))
    samples = Samples(
        decoded.x,
        _some(listing.labels, rows),
        listing.names if rows is None else Chosen(listing.names, rows),
        _some(listing.split, rows),
        decoded.digest,
        decoded.sizes,
        None if listing.group is None else _some(listing.group, rows),
    )
    return Dataset(
        kind.name,
        name,
        listing.classes,
        samples,
        decoded.preparation,
        skipped=(*listing.skipped, *skipped),
        ignored=listing.ignored,
        root=None if listing.shards else listing.root,
        notes=(*listing.notes, *kind.notes(decoded.sizes, decoded.preparation)),
        one=kind.one,
        detail=kind.describe(decoded.sizes, decoded.preparation),
    )


def _some(column: NDArray[Any], rows: NDArray[np.int64] | None) -> NDArray[Any]:
    """A column of a listing, of these rows, or of all."""
    return column if rows is None else cache.aside(taken(column, rows))


def nothing_readable(kind: Kind, listing: Listing, skipped: list[Skipped]) -> GlassnetError:
    """The line for files of which none is whole."""
    why = f" ({clipped(skipped[0].name)} {skipped[0].reason})" if skipped else ""
    return GlassnetError(
        str(listing.place),
        expected=f"readable {kind.name}",
        found=f"none among {counted(len(listing.names), 'file')}{why}",
        fix="Check the files",
    )


def _decoded(kind: Kind, listing: Listing, wish: Wish) -> Generator[Progress, None, _Decoded]:
    name = _cache_name(kind, listing)
    folder = cache.remembered(name, lambda facts: _fits(facts, listing, wish))
    if folder is None:
        preparation = guess(kind, listing, wish)
        facts: dict[str, object] = {"stamp": listing.stamp, "longest": wish.longest}
        with cache.remember(name, facts) as new:
            looks = yield from _fill(kind, listing, preparation, new, facts)
            if not wish.given and len(looks.size):
                wanted = kind.prepare(looks, wish.longest)
                if wanted != preparation:  # the sample misled: once more, now that every file has been seen
                    yield from _fill(kind, listing, wanted, new, facts)
        folder = cache.remembered(name, lambda facts: _fits(facts, listing, wish))
    assert folder is not None, "the cache was just filled"
    return _load(folder)


def _cache_name(kind: Kind, listing: Listing) -> str:
    root = listing.root.resolve()
    tar = [str(listing.place)] if listing.shards and listing.table else []  # several may lie in one folder
    return cache.name_for(root.name, str(root), kind.name, *tar)


def _fits(facts: dict[str, object], listing: Listing, wish: Wish) -> bool:
    """Whether a cache holds these files, prepared as wished."""
    if facts["stamp"] != listing.stamp:
        return False
    if wish.given:
        return bool(facts["preparation"] == json.loads(json.dumps(dataclasses.asdict(wish.given))))
    return bool(facts["longest"] == wish.longest)


def _fill(
    kind: Kind, listing: Listing, preparation: Preparation, folder: Path, facts: dict[str, object]
) -> Generator[Progress, None, Looks]:
    """Decodes into `folder`: x.npy and its columns; adds what was skipped to the facts."""
    total = len(listing.names)
    seconds = total * decoding.seconds_each(kind, listing.stored, preparation, TIMED)
    columns = _Columns(total)
    skipped: list[tuple[int, str]] = []
    done = 0
    yield Progress(0, total)
    for outcomes in decoding.decode_all(kind, listing.stored, preparation, folder / "all.npy", seconds):
        for outcome in outcomes:
            if outcome.look is None:
                skipped.append((outcome.row, outcome.reason))
            else:
                columns.note(outcome.row, outcome.digest, outcome.look)
        done += len(outcomes)
        yield Progress(done, total)
    rows = np.setdiff1d(np.arange(total), [row for row, _ in skipped]) if skipped else None
    _keep_rows(folder / "all.npy", folder / "x.npy", rows)
    seen = columns.keep(folder, rows)
    facts |= {"preparation": dataclasses.asdict(preparation), "skipped": sorted(skipped)}
    return seen


class _Columns:
    """What is known of each file, as it is decoded. total: files."""

    def __init__(self, total: int) -> None:
        self.digest = np.zeros(total, np.uint64)
        self.channels, self.highest = np.zeros(total, np.int32), np.zeros(total, np.int64)
        self.size = np.zeros((total, 0), np.int32)

    def note(self, row: int, digest: int, look: Look) -> None:
        """Takes one down."""
        if self.size.shape[1] != len(look.size):
            self.size = np.zeros((len(self.digest), len(look.size)), np.int32)
        self.digest[row], self.size[row], self.channels[row], self.highest[row] = (
            digest, look.size, look.channels, look.highest,
        )  # fmt: skip

    def keep(self, folder: Path, rows: NDArray[np.int64] | None) -> Looks:
        """Writes the columns of these rows, or of all; those that need not be known again are returned alone."""
        some = slice(None) if rows is None else rows
        np.save(folder / "digest.npy", self.digest[some])
        size = self.size[some]
        is_even = bool(len(size) and (size == size[0]).all())
        np.save(folder / "size.npy", size[:1] if is_even else size)
        (folder / "rows.npy").unlink(missing_ok=True)
        if rows is not None:
            np.save(folder / "rows.npy", rows)
        return Looks(size, self.channels[some], self.highest[some])


def _keep_rows(source: Path, target: Path, rows: NDArray[np.int64] | None) -> None:
    """Moves an array, without the rows of files that could not be read."""
    if rows is None:
        source.rename(target)
        return
    whole = np.load(source, mmap_mode="r")
    kept = decoding.new_array(target, (len(rows), *whole.shape[1:]), whole.dtype.type)
    for start in range(0, len(rows), 1024):
        kept[start : start + 1024] = whole[rows[start : start + 1024]]
    kept.flush()
    source.unlink()


def _load(folder: Path) -> _Decoded:
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    rows = cache.column(folder, "rows") if (folder / "rows.npy").exists() else None
    digest, size = cache.column(folder, "digest"), cache.column(folder, "size")
    x = np.load(folder / "x.npy", mmap_mode="c")
    skipped = [(row, why) for row, why in facts["skipped"]]
    sizes = np.broadcast_to(size, (len(digest), size.shape[1]))
    return _Decoded(x, rows, digest, sizes, _preparation(folder), skipped)


def _preparation(folder: Path) -> Preparation:
    stored = json.loads((folder / "facts.json").read_text("utf-8"))["preparation"]
    return Preparation(tuple(stored["shape"]), stored["settings"])
