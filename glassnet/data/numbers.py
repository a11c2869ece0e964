"""Files of numbers: header and values of a .npy, checked against its length; columns of a CSV. Nothing is unpickled."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
from numpy.typing import NDArray

from glassnet.data.kind import Unreadable
from glassnet.words import by, clipped

TIME_NAMES = frozenset({"time", "t", "timestamp", "seconds", "index", "step"})
MAX_VALUES = 64_000_000


def npy_header(data: bytes) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and dtype. Raises Unreadable."""
    shape, _, dtype, _ = _header(data)
    return shape, dtype


def npy_values(data: bytes) -> NDArray[np.generic]:
    """The array of a .npy. Raises Unreadable for Python objects, a file cut short, values that are not finite."""
    shape, fortran, dtype, start = _header(data)
    values = np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise Unreadable("holds values that are not numbers or infinite")
    return values


def csv_columns(data: bytes) -> NDArray[np.float32]:
    """(C, T) of a CSV with a row a moment; a header and a column of times are left out. Raises Unreadable."""
    text = data.decode("utf-8-sig", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise Unreadable("is empty")
    separator = max(",;\t ", key=lines[0].count) if len(lines[0].split()) > 1 or set(",;\t") & set(lines[0]) else ","
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, skipinitialspace=True))
    header = [] if all(map(_is_number, rows[0])) else [name.strip().lower() for name in rows.pop(0)]
    if not rows:
        raise Unreadable("holds no rows of numbers")
    kept = [i for i in range(len(rows[0])) if not (header and i < len(header) and header[i] in TIME_NAMES)]
    values = np.empty((len(kept), len(rows)), np.float32)
    for t, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise Unreadable(f"has {len(row)} columns in row {t + 1}, {len(rows[0])} in the first")
        for c, i in enumerate(kept):
            try:
                values[c, t] = float(row[i])
            except ValueError:
                raise Unreadable(f"has {clipped(row[i], 20)!r} in row {t + 1}, which is no number") from None
    if not kept or not np.isfinite(values).all():
        raise Unreadable("holds values that are not numbers or infinite" if kept else "holds a column of times only")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    if not data:
        raise Unreadable("is empty")
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # numpy's reader of headers fails in many ways on damaged ones
        raise Unreadable(f"is no .npy file, or damaged ({clipped(str(error), 60)})") from error
    start = file.tell()
    if dtype.kind not in "buif":
        raise Unreadable("holds Python objects, not numbers" if dtype.kind == "O" else f"holds {dtype}, not numbers")
    if not 0 < math.prod(shape) <= MAX_VALUES or any(side < 0 for side in shape):
        raise Unreadable(f"holds {by(shape) or 'one'} values, not 1 to {MAX_VALUES:,}")
    if len(data) - start < math.prod(shape) * dtype.itemsize:
        raise Unreadable(f"is cut short: {by(shape)} values are declared, {len(data) - start:,} bytes are there")
    return tuple(shape), fortran, dtype, start
