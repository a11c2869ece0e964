"""The pictures that a detector is asked about, as bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from glassnet.data import pictures
from glassnet.data.boxes.store import whole
from glassnet.data.decoding import MAX_BYTES, read_bytes
from glassnet.data.kind import Unreadable
from glassnet.data.listing import files_below
from glassnet.errors import GlassnetError


def read_pictures(asked: Sequence[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
    """Every file that was asked about, in order, with its bytes or why they can't be read.

    asked: paths of files and folders; "-" for one picture on standard input. Raises GlassnetError for a folder without
    pictures.
    """
    for name in asked:
        if name == "-":
            yield "-", sys.stdin.buffer.read(MAX_BYTES)
            continue
        path = Path(name)
        if not path.is_dir():
            yield name, _bytes(path)
            continue
        below = files_below(path, pictures.SUFFIXES)
        if not below:
            raise GlassnetError(name, expected="pictures", found="none in this folder", fix="Name another")
        for one in below:
            yield str(path / one), _bytes(path / one)


def read_picture(asked: str) -> bytes:
    """The one picture that a path, or "-", stands for, once it is sure that it can be read. Raises GlassnetError."""
    name, data = next(read_pictures([asked]))
    try:
        if isinstance(data, Unreadable):
            raise data
        whole(data)
    except Unreadable as error:
        raise GlassnetError(name, found=str(error), fix="Ask about another") from error
    return data


def no_right_class() -> GlassnetError:
    """The line for a class that a detector was told to be right."""
    found = "a detector, which finds many on one"
    return GlassnetError(
        "--right", expected="a model that says one class of a picture", found=found, fix="Leave it out"
    )


def _bytes(path: Path) -> bytes | Unreadable:
    try:
        return read_bytes(path)
    except Unreadable as error:
        return error
