"""Things made once and kept: one folder for each, found by name, made anew when its fingerprint changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from glassnet import files

VERSION = 1  # a step up makes everything anew


def remembered(name: str, fits: Callable[[dict[str, object]], bool]) -> Path | None:
    """The whole folder kept under `name`, if there is one and its facts fit."""
    folder = files.workspace() / "cache" / name
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return folder if facts.get("version") == VERSION and fits(facts) else None


@contextmanager
def remember(name: str, facts: dict[str, object]) -> Iterator[Path]:
    """A folder to fill, kept under `name` once it is whole. facts: what it is of; more may be added while filling."""
    parent = files.workspace() / "cache"
    files.sweep(parent)
    with files.new_folder(parent / name) as new:
        yield new
        files.write_json(new / "facts.json", {"version": VERSION, **facts})


def name_for(title: str, *identity: str) -> str:
    """A folder name that a person recognises and nothing else shares: "cifar10-3fa9c1d2"."""
    mark = blake2b("\0".join(identity).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in title)[:60]
    return f"{plain}-{mark}"
