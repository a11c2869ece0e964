"""The pictures that a detector is asked about, as bytes. Decodes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from glassnet.data import pictures
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


def _bytes(path: Path) -> bytes | Unreadable:
    try:
        return read_bytes(path)
    except Unreadable as error:
        return error
