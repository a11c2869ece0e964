"""An `.npz` as an archive, opened with care: declared sizes are checked before anything of that size is made."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.words import by, bytes_read, clipped

DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError, SyntaxError, TokenError)
LARGE_BYTES, MOST_PACKED = 256_000_000, 900  # a larger member packed tighter holds nothing but one value


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive to read from; whatever turns out to be wrong with it is a GlassnetError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise GlassnetError(str(path), found=f"can't be read: {error.strerror or error}", fix="Check it") from error
    except DAMAGE as error:
        found = clipped(str(error), 100) or "a damaged one"
        raise GlassnetError(str(path), expected="a whole .npz file", found=found, fix="Save it again") from error


def header(path: Path, archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and dtype of a member, checked against its length before anything of that size is made."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(f"{name}.npy") as member:
        shape, fortran, dtype = read_header(member)
        start = member.tell()
    if fortran and len(shape) > 1:
        fix = f"Save np.ascontiguousarray({name})"
        raise GlassnetError(f"{path}, {name}", found="it is stored column by column", fix=fix)
    whole = math.prod(shape) * dtype.itemsize
    if dtype.kind != "O" and (whole != info.file_size - start or any(side < 0 for side in shape)):
        raise GlassnetError(
            f"{path}, {name}",
            expected=f"{by(shape)} values in {whole:,} bytes",
            found=f"{info.file_size - start:,} bytes",
            fix="It is cut short or damaged: save it again",
        )
    if info.file_size > max(LARGE_BYTES, MOST_PACKED * info.compress_size):
        raise GlassnetError(
            f"{path}, {name}",
            found=f"{bytes_read(info.compress_size)} would unpack to {bytes_read(info.file_size)} of one value",
            fix="Check where the file is from",
        )
    return shape, dtype


def read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, order and dtype, leaving the member at its first value."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    return tuple(shape), fortran, dtype
