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
from glassnet.doors.answers import Box, Detections
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


class Finds:
    """What says which objects are on pictures: a net, or a file of it."""

    def answer(self, asked: Sequence[str]) -> Iterator[Detections]:
        """What it finds on each input: files, folders; "-" for one on standard input."""
        for name, data in read_pictures(asked):
            yield self.answer_bytes(name, data)

    def answer_bytes(self, name: str, data: bytes | Unreadable) -> Detections:
        """What it finds on a file's picture, of its bytes, or of why there are none."""
        try:
            if isinstance(data, Unreadable):
                raise data
            return Detections(name, *self.find(data))
        except Unreadable as error:
            return Detections(name, error=str(error))

    def find(self, data: bytes) -> tuple[tuple[Box, ...], tuple[int, int]]:
        """The boxes on a picture of a file's bytes, and its width and height. Raises Unreadable."""
        raise NotImplementedError


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
