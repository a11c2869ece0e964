"""One file a command: what it does once its words are understood, printed for a person or as JSON."""

from __future__ import annotations

import json as jsons
import shlex
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.doors.card import Card
from glassnet.errors import GlassnetError
from glassnet.words import listed


def print_json(value: object) -> None:
    """One JSON object on a line of standard output."""
    print(jsons.dumps(value, ensure_ascii=False), flush=True)


def output_file(out: Path | None, usual: str, *suffixes: str) -> Path:
    """Where a page or a picture goes; refused before the work is done. Raises GlassnetError."""
    path = out or Path(usual)
    if path.suffix.lower() not in suffixes:
        raise GlassnetError("--out", expected=f"a file that ends in {suffixes[0]}", found=str(path), fix="Name one")
    if path.is_dir():
        raise GlassnetError(str(path), expected="a file to write", found="a folder", fix="Choose another --out")
    if not path.parent.is_dir():
        raise GlassnetError(str(path), found=f"the folder {path.parent} is missing", fix="Make it, or choose another")
    return path


def title(data: str) -> str:
    """What data is called when something is named after it: a folder's name, a file's without its suffix."""
    path = Path(data).resolve()
    return path.name if path.is_dir() else path.stem


def say(label: str, words: str) -> None:
    """A line about the work, on standard error: what it is about, then the words."""
    print(f"{label:<8}{words}", file=sys.stderr)


def typed(*words: str | Path) -> str:
    """A command as a person can type it."""
    return shlex.join(str(word) for word in words)


def class_places(card: Card, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """For each class of the data, its place among the model's. Raises GlassnetError for one that it doesn't know."""
    unknown = [name for name in classes if name not in card.classes]
    if unknown:
        raise GlassnetError(
            "the classes",
            expected=f"some of the model's: {listed(list(card.classes), 10)}",
            found=listed(unknown),
            fix="Rename the classes of the data, or leave those out",
        )
    return np.array([card.classes.index(name) for name in classes], np.int64)
