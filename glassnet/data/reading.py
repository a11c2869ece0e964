"""From a listing of files to a data set: decoded once into a cache, and reused while no file changes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache, decoding
from glassnet.data.dataset import Array, Dataset, Preparation, Samples, Skipped
from glassnet.data.kind import Kind, Look, Looks
from glassnet.data.listing import Listing
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
    """What the cache holds. rows: (n,) places in the listing of what could be read."""

    x: Array
    rows: NDArray[np.int64]
    digest: NDArray[np.uint64]
    looks: Looks
    preparation: Preparation
    skipped: list[tuple[int, str]]


def guess(kind: Kind, listing: Listing, wish: Wish) -> Preparation:
    """The preparation of these files: as the cache knows it, else as a sample of them suggests it."""
    if wish.given:
        return wish.given
    folder = cache.remembered(_cache_name(kind, listing), lambda facts: _fits(facts, listing, wish))
    if folder is not None:
        return _preparation(folder)
    looks, skipped = decoding.look_at(kind, listing.root, listing.names, SAMPLED)
    if not looks:
        raise nothing_readable(kind, listing, skipped)
    return kind.prepare(Looks.of(looks), wish.longest)


def read_files(kind: Kind, name: str, listing: Listing, wish: Wish) -> Generator[Progress, None, Dataset]:
    """Decodes the files of a listing, or finds them decoded. Yields progress, returns the data set."""
    decoded = yield from _decoded(kind, listing, wish)
    rows = decoded.rows
    skipped = tuple(Skipped(listing.names[row], reason) for row, reason in decoded.skipped)
    if not len(rows):
        raise nothing_readable(kind, listing, list(skipped))
    samples = Samples(
        decoded.x,
        listing.labels[rows],
        listing.names if len(rows) == len(listing.names) else [listing.names[row] for row in rows],
        listing.split[rows],
        decoded.digest,
        decoded.looks.size,
        listing.group[rows] if listing.group is not None else None,
    )
    return Dataset(
        kind.name,
        name,
        listing.classes,
        samples,
        decoded.preparation,
        skipped=skipped,
        ignored=listing.ignored,
        root=listing.root,
        notes=(*listing.notes, *kind.notes(decoded.looks.size, decoded.preparation)),
        one=kind.one,
        detail=kind.describe(decoded.looks.size, decoded.preparation),
    )


def nothing_readable(kind: Kind, listing: Listing, skipped: list[Skipped]) -> GlassnetError:
    """The line for files of which none is whole."""
    why = f" ({clipped(skipped[0].name)} {skipped[0].reason})" if skipped else ""
    return GlassnetError(
        str(listing.table or listing.root),
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
    return cache.name_for(root.name, str(root), kind.name)


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
    """Decodes into `folder`: x.npy and columns.npz; adds what was skipped to the facts."""
    total = len(listing.names)
    seconds = total * decoding.seconds_each(kind, listing.root, listing.names, preparation, TIMED)
    looks: list[Look | None] = [None] * total
    digest = np.zeros(total, np.uint64)
    skipped: list[tuple[int, str]] = []
    done = 0
    yield Progress(0, total)
    for outcomes in decoding.decode_all(kind, listing.root, listing.names, preparation, folder / "all.npy", seconds):
        for outcome in outcomes:
            looks[outcome.row] = outcome.look
            digest[outcome.row] = outcome.digest
            if outcome.look is None:
                skipped.append((outcome.row, outcome.reason))
        done += len(outcomes)
        yield Progress(done, total)
    rows = np.array([row for row, look in enumerate(looks) if look], np.int64)
    seen = Looks.of([look for look in looks if look])
    _keep_rows(folder / "all.npy", folder / "x.npy", rows)
    np.savez(folder / "columns.npz", rows=rows, digest=digest[rows], **dataclasses.asdict(seen))
    facts |= {"preparation": dataclasses.asdict(preparation), "skipped": sorted(skipped)}
    return seen


def _keep_rows(source: Path, target: Path, rows: NDArray[np.int64]) -> None:
    """Moves an array, without the rows of files that could not be read."""
    whole = np.load(source, mmap_mode="r")
    if len(rows) < len(whole):
        kept = decoding.new_array(target, (len(rows), *whole.shape[1:]), whole.dtype.type)
        for start in range(0, len(rows), 1024):
            kept[start : start + 1024] = whole[rows[start : start + 1024]]
        kept.flush()
        source.unlink()
    else:
        source.rename(target)


def _load(folder: Path) -> _Decoded:
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    with np.load(folder / "columns.npz") as columns:
        looks = Looks(columns["size"], columns["channels"], columns["highest"])
        rows, digest = columns["rows"], columns["digest"]
    x = np.load(folder / "x.npy", mmap_mode="c")
    skipped = [(row, why) for row, why in facts["skipped"]]
    return _Decoded(x, rows, digest, looks, _preparation(folder), skipped)


def _preparation(folder: Path) -> Preparation:
    stored = json.loads((folder / "facts.json").read_text("utf-8"))["preparation"]
    return Preparation(tuple(stored["shape"]), stored["settings"])
