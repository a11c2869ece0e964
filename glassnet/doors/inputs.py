"""What a person names: data to learn from, and what to ask a model about, one named input at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.config import Reading
from glassnet.data import arrays, decoding, kinds, shards, tables
from glassnet.data.dataset import Array, Preparation
from glassnet.data.headers import members
from glassnet.data.kind import Unreadable
from glassnet.data.kinds import KINDS, Source
from glassnet.data.listing import files_below
from glassnet.data.places import in_tar, is_text
from glassnet.doors.folder import WEIGHTS, is_model
from glassnet.errors import GlassnetError
from glassnet.words import by, listed

MAX_STDIN = 256_000_000


@dataclass(frozen=True)
class Input:
    """One example that was asked about. x: (C, *S), raw; None where it can't be read, and error says why.

    windows: (n, C, *S) all of it, where it is longer than one example; x is then its strongest part. data: the file's
    bytes, of kinds that are looked at in windows: what left glassnet takes these as they are.
    """

    name: str
    x: Array | None
    error: str = ""
    windows: Array | None = None
    data: bytes = b""


def find_data(
    data: str | Path, reading: Reading | None = None, given: Preparation | None = None, unlabelled: bool = False
) -> Source:
    """The data that a person names. A model folder is none; built-in data may have the same name. See kinds.find."""
    if not (is_model(Path(data)) and (Path(data) / WEIGHTS).is_file()):
        return kinds.find(data, reading, given, unlabelled)
    if str(data) in kinds.BUILT_IN:
        return kinds.BUILT_IN[str(data)]
    fix = f"Name the data, or ask this model: glassnet predict {data} FILE"
    raise GlassnetError(str(data), expected="data", found="a model", fix=fix)


def read_inputs(asked: Sequence[str], kind: str, preparation: Preparation, full_scale: float) -> Iterator[Input]:
    """Every example that was asked about, in order; files that can't be read come with an error instead.

    asked: paths of files, folders, tables, tars, .npz; "-" for standard input (one file, or a path a line); of
    sentences the words themselves, a line each. Raises GlassnetError for a table or an .npz that can't be read.
    """
    for name in asked:
        if name == "-":
            yield from _standard_input(kind, preparation, full_scale)
        elif KINDS[kind].looked_up and is_text(name):
            yield _sentence(name, kind, preparation, full_scale)
        else:
            yield from _path(Path(name), kind, preparation, full_scale)


def read_one(asked: str, kind: str, preparation: Preparation, full_scale: float) -> Input:
    """The one example that a path, or "-", stands for. Raises GlassnetError when it can't be read."""
    one = next(read_inputs([asked], kind, preparation, full_scale))
    if one.x is None:
        raise GlassnetError(one.name, found=one.error, fix="Ask about another")
    return one


def right_class(classes: Sequence[str], asked: str, given: str | None) -> str | None:
    """Which class would be right for what was asked about: as given, or the name of its folder where that is one.

    Raises GlassnetError for a class that the model doesn't know.
    """
    if given is None:
        folder = Path(asked).absolute().parent.name if Path(asked).is_file() or in_tar(asked) else ""
        return folder if folder in classes else None
    if given not in classes:
        raise GlassnetError("--right", expected=f"one of {listed(classes)}", found=given, fix="Name one of them")
    return given


def read_file(path: Path, kind: str, preparation: Preparation, full_scale: float) -> Input:
    """One file as a model of this kind sees it."""
    try:
        data = decoding.read_bytes(path)
    except Unreadable as error:
        return Input(str(path), None, str(error))
    return read_data(str(path), data, kind, preparation, full_scale)


def read_data(name: str, data: bytes, kind: str, preparation: Preparation, full_scale: float) -> Input:
    """The same, of a file's bytes that came without a path; name: what to call it."""
    try:
        return _decoded(name, data, kind, preparation, full_scale)
    except Unreadable as error:
        return Input(name, None, str(error))


def from_array(x: NDArray[np.generic], preparation: Preparation, full_scale: float) -> Array:
    """A batch of raw examples (N, C, *S) from arrays as people have them.

    x: (N, C, *S), (N, *S, C), (N, *S), or one example of these shapes without N. For a model of bytes, floats from 0 to
    1 count as shares of 255, and floats from -1 to 1 as the slides' paper (-1) and ink (1). Raises GlassnetError.
    """
    channels, *sizes = preparation.shape
    shape = np.shape(x)
    for leading in (1, 0):
        rest = shape[leading:]
        batch = np.asarray(x).reshape(-1 if leading else 1, *rest)
        if rest == preparation.shape:
            return _bytes(batch, full_scale)
        if rest == (*sizes, channels):
            return _bytes(np.moveaxis(batch, -1, 1), full_scale)
        if rest == tuple(sizes) and channels == 1:
            return _bytes(batch[:, None], full_scale)
    raise GlassnetError(
        "the input",
        expected=f"an array of {by(preparation.shape)}, or of several such",
        found=by(shape),
        fix="Resize it, or give the file's path",
    )


def _bytes(x: NDArray[np.generic], full_scale: float) -> Array:
    if full_scale != 255:
        return np.asarray(x, np.float32)
    if x.dtype == np.uint8:
        return np.asarray(x, np.uint8)
    values = np.asarray(x, np.float64)
    if x.dtype.kind in "bf" and values.size and np.abs(values).max() <= 1:
        values = values * 255 if values.min() >= 0 else (values + 1) * 127.5
    return np.asarray(values.round().clip(0, 255), np.uint8)


def _decoded(name: str, data: bytes, kind: str, preparation: Preparation, full_scale: float) -> Input:
    """One file's bytes as a model of this kind sees them. Raises Unreadable."""
    reader = KINDS[kind]
    x, _ = reader.decode(data, preparation)
    if (x.dtype == np.uint8) != (full_scale == 255):
        raise Unreadable(f"is a {reader.one}, but this model learnt from arrays of numbers: ask with an .npz")
    if reader.windows is None:
        return Input(name, x)
    return Input(name, x, windows=reader.windows(data, preparation), data=data)


def _path(path: Path, kind: str, preparation: Preparation, full_scale: float) -> Iterator[Input]:
    reader, suffix = KINDS[kind], path.suffix.lower()
    packed = (str(path), "") if suffix == shards.SUFFIX and path.is_file() else in_tar(str(path))
    if packed:
        yield from _tar(*packed, kind, preparation, full_scale)
    elif not path.exists():
        yield Input(str(path), None, "is not there")
    elif path.is_dir():
        names = files_below(path, reader.suffixes)
        if not names:
            yield Input(str(path), None, f"is a folder without {kind}")
        for name in names:
            yield read_file(path / name, kind, preparation, full_scale)
    elif suffix == ".npz":
        yield from _rows(path, kind, preparation, full_scale)
    elif suffix in tables.SUFFIXES and (suffix not in reader.suffixes or tables.names_files(path)):
        table = tables.read_table(path)
        if reader.rows and not tables.has_column(table, None, tables.PATH_NAMES):
            for name, row in reader.rows(table, preparation):
                yield Input(name, None, str(row)) if isinstance(row, Unreadable) else Input(name, row)
            return
        for name in table.columns[tables.find_column(table, None, tables.PATH_NAMES, "path")]:
            yield read_file(path.parent / name, kind, preparation, full_scale)
    else:
        yield read_file(path, kind, preparation, full_scale)


def _rows(path: Path, kind: str, preparation: Preparation, full_scale: float) -> Iterator[Input]:
    contents = arrays.look_into(path, KINDS[kind].array_axes, need_labels=False)
    if contents.shape != preparation.shape:
        raise GlassnetError(
            str(path), expected=f"examples of {by(preparation.shape)}", found=by(contents.shape), fix="Resize them"
        )
    at = 0
    for part in contents.parts:
        for chunk in arrays.rows(contents, part):
            for row in _bytes(chunk, full_scale):
                yield Input(f"{path}[{at}]", row)
                at += 1


def _tar(tar: str, only: str, kind: str, preparation: Preparation, full_scale: float) -> Iterator[Input]:
    """Every example in a tar, or the one of a name."""
    found = False
    try:
        for name, data in members(Path(tar), KINDS[kind].suffixes, only):
            found = True
            if isinstance(data, Unreadable):
                yield Input(name, None, str(data))
            else:
                yield read_data(name, data, kind, preparation, full_scale)
    except OSError as error:
        yield Input(tar, None, f"can't be read: {error.strerror or error}")
    if not found:
        yield Input(f"{tar}/{only}" if only else tar, None, "is not there" if only else f"is a tar without {kind}")


def _sentence(typed: str, kind: str, preparation: Preparation, full_scale: float) -> Input:
    return read_data(typed, typed.encode("utf-8", "replace"), kind, preparation, full_scale)


def _standard_input(kind: str, preparation: Preparation, full_scale: float) -> Iterator[Input]:
    data = sys.stdin.buffer.read(MAX_STDIN + 1)
    if not data:
        expected = f"{kind}, a line each" if KINDS[kind].looked_up else f"one of the {kind}, or paths, a line each"
        raise GlassnetError("-", expected=expected, found="nothing", fix="Pipe some in")
    if len(data) > MAX_STDIN:
        raise GlassnetError(
            "-", expected=f"at most {MAX_STDIN / 1e6:.0f} MB", found="more", fix="Give the path instead"
        )
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        try:
            yield _decoded("-", data, kind, preparation, full_scale)
        except Unreadable as error:
            yield Input("-", None, str(error))
        return
    for line in lines:
        typed = line.strip()
        if typed and KINDS[kind].looked_up:  # words: the line itself is what is asked about
            yield _sentence(typed, kind, preparation, full_scale)
        elif typed:
            yield read_file(Path(typed), kind, preparation, full_scale)
