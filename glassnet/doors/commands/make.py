"""glassnet make: the slides' X's and O's as a folder of PNGs; files with classes as shards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from glassnet.config import Reading
from glassnet.data import xo
from glassnet.data.kinds import list_files
from glassnet.data.packing import UNSPLIT, pack
from glassnet.doors.commands import print_json, say, typed
from glassnet.errors import GlassnetError
from glassnet.steps import finish
from glassnet.words import counted

NAMES = ("translate", "scale", "rotate", "weight")
MOST_NAMED = 5  # files that could not be read
SYMMETRIC = ("translate", "rotate")  # one number means as far either way


def make_xo(out: Path, count: int, size: int, wishes: tuple[str | None, ...], seed: int, json: bool) -> None:
    """Writes the folder; the counts are the JSON."""
    if not 2 <= count <= 1_000_000:
        raise GlassnetError("--count", expected="2 to 1,000,000 pictures", found=str(count), fix="Choose another")
    usual = xo.trickier(xo.Knobs(size).size)
    translate, scale, rotate, weight = (
        getattr(usual, name) if wish is None else read_range(name, wish)
        for name, wish in zip(NAMES, wishes, strict=True)
    )
    knobs = xo.Knobs(size, translate, scale, rotate, weight)
    counts = finish(xo.make_folder(out, knobs, count, seed))
    if json:
        print_json({"path": str(out), "counts": counts, "knobs": dataclasses.asdict(knobs), "seed": seed})
        return
    print(
        f"{counted(count, 'picture')} of {size}x{size} in {out}: " + ", ".join(f"{n:,} {k}" for k, n in counts.items())
    )
    say("next", typed("glassnet", "train", out))


def make_shards(data: str, out: Path, size_mb: int, reading: Reading, json: bool) -> None:
    """Writes the shards; what is in them is the JSON."""
    listing = list_files(data, reading)
    say("packing", f"{counted(len(listing.names), 'file')} of {data}")
    packed = finish(pack(listing, out, size_mb * 1_000_000))
    if json:
        skipped = [{"file": name, "reason": reason} for name, reason in packed.skipped]
        print_json({"path": str(out), "shards": list(packed.shards), "examples": packed.examples, "skipped": skipped})
        return
    named = {UNSPLIT: "examples"}  # where nothing says who trains
    parts = ", ".join(f"{number:,} {named.get(name, name)}" for name, number in packed.examples.items())
    print(f"{counted(len(packed.shards), 'shard')} in {out}: {parts}")
    for name, reason in packed.skipped[:MOST_NAMED]:
        say("skipped", f"{name} {reason}")
    if len(packed.skipped) > MOST_NAMED:
        say("skipped", f"{counted(len(packed.skipped) - MOST_NAMED, 'more file')}; --json names all")
    say("next", typed("glassnet", "train", out))


def read_range(name: str, text: str) -> tuple[float, float]:
    """LOW:HIGH, or one number: as far either way for a shift or a turn, just that for a size or a weight."""
    low, colon, high = text.partition(":")
    try:
        first = float(low)
        if colon:
            return first, float(high)
    except ValueError as error:
        raise GlassnetError(
            f"--{name}", expected="a number, or LOW:HIGH", found=text, fix="Write like 0.8:1.2"
        ) from error
    return (-first, first) if name in SYMMETRIC else (first, first)
