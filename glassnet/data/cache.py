"""Things made once and kept: one folder for each, found by name, made anew when its fingerprint changes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet import files

VERSION = 5  # a step up makes everything anew
ASIDE_BYTES = 1_000_000  # shorter columns stay in memory
HASHED_BYTES = 4_000_000  # files up to this are known by their contents, larger ones by their length


def remembered(name: str, fits: Callable[[dict[str, object]], bool]) -> Path | None:
    """The whole folder kept under `name`, if there is one, its facts fit and no file of it was damaged."""
    folder = files.workspace() / "cache" / name
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        if not isinstance(facts, dict) or facts.get("version") != VERSION or not fits(facts):
            return None
        return folder if facts["files"] == _marks(folder) else None
    except (OSError, ValueError):
        return None


@contextmanager
def remember(name: str, facts: dict[str, object]) -> Iterator[Path]:
    """A folder to fill, kept under `name` once it is whole. facts: what it is of; more may be added while filling."""
    parent = files.workspace() / "cache"
    files.sweep(parent)
    with files.new_folder(parent / name) as new:
        yield new
        files.write_json(new / "facts.json", {"version": VERSION, "files": _marks(new), **facts})


def _marks(folder: Path) -> dict[str, str]:
    """What tells whole files from damaged ones, by name; facts.json, which holds this, is left out."""
    marks = {}
    for path in folder.iterdir():
        if path.name != "facts.json":
            size = path.stat().st_size
            marks[path.name] = f"{size} bytes" if size > HASHED_BYTES else files.sha256(path)
    return marks


def column(folder: Path, name: str) -> NDArray[Any]:
    """An array that was kept under this name. It stays on the disk: what isn't looked at takes no memory."""
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c"))


def aside(column: NDArray[Any]) -> NDArray[Any]:
    """The same values, long ones in a nameless file, as in `column`."""
    if column.nbytes < ASIDE_BYTES:
        return column
    try:
        with tempfile.TemporaryFile(dir=files.workspace()) as file:
            column.tofile(file)
            file.flush()
            return np.asarray(np.memmap(file, column.dtype, "c", shape=column.shape))
    except OSError:
        return column  # where there is no room for it, memory has to do


def name_for(title: str, *identity: str) -> str:
    """A folder name that a person recognises and nothing else shares: "cifar10-3fa9c1d2"."""
    mark = blake2b("\0".join(identity).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in title)[:60]
    return f"{plain}-{mark}"
