"""Arrays: `.npz` files with x, y (or x_train, y_train, x_test, y_test), streamed into the cache without unpacking.

The number of dimensions says what they are; here those of pictures: (N, H, W), (N, H, W, C) and (N, C, H, W).
"""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL, Array, Dataset, Preparation, Samples, digests
from glassnet.data.listing import sorted_classes, stamp_of
from glassnet.data.reading import Progress
from glassnet.errors import GlassnetError
from glassnet.words import by, listed

PARTS = {"": NOT_GIVEN, "_train": TRAIN, "_val": VAL, "_valid": VAL, "_test": TEST}
CHUNK_VALUES = 4_000_000
MAX_CHANNELS = 4


@dataclass(frozen=True)
class Part:
    """One pair of members of an npz. shape, dtype: of x, as its header declares them."""

    suffix: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


@dataclass(frozen=True)
class Contents:
    """What an npz declares, before any values are read. shape: (C, H, W) of one example."""

    path: Path
    parts: tuple[Part, ...]
    shape: tuple[int, int, int]
    channels_last: bool


def look_into(path: Path, need_labels: bool = True) -> Contents:
    """Reads the headers of an npz. Raises GlassnetError when it holds no examples of a known layout.

    need_labels: whether an x without its y counts for nothing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            parts = tuple(
                Part(suffix, *_header(archive, f"x{suffix}"))
                for suffix in PARTS
                if f"x{suffix}" in names and (f"y{suffix}" in names or not need_labels)
            )
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        raise GlassnetError(str(path), expected="an .npz file", found=str(error), fix="Check the file") from error
    if not parts:
        expected = "arrays x and y, or x_train, y_train, x_test, y_test"
        raise GlassnetError(str(path), expected=expected, found=listed(sorted(names)), fix="Save it with these names")
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise GlassnetError(
            str(path), found=f"examples of different shapes: {listed([by(s) for s in shapes])}", fix="Make them alike"
        )
    shape, last = _layout(path, shapes.pop())
    for part in parts:
        if part.dtype.kind not in "buif":
            raise GlassnetError(
                f"{path}, x{part.suffix}", expected="numbers", found=f"dtype {part.dtype}", fix="Convert it"
            )
    return Contents(path, parts, shape, last)


def read_steps(contents: Contents) -> Generator[Progress, None, Dataset]:
    """The arrays as a data set. Yields progress while they are copied into the cache."""
    path = contents.path
    stat = path.stat()
    name = cache.name_for(path.stem, str(path.resolve()))
    stamp = stamp_of([(path.name, f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}")])
    folder = cache.remembered(name, lambda facts: facts.get("stamp") == stamp)
    if folder is None:
        facts: dict[str, object] = {"stamp": stamp}
        with cache.remember(name, facts) as new:
            yield from _copy(contents, new)
        folder = cache.remembered(name, lambda facts: facts.get("stamp") == stamp)
    assert folder is not None, "the cache was just filled"
    with np.load(folder / "columns.npz") as columns:
        split, digest, labels = columns["split"], columns["digest"], columns["labels"]
    classes, y = _classes(path, labels)
    x: Array = np.load(folder / "x.npy", mmap_mode="c")
    samples = Samples(
        x,
        y,
        Rows(path.name, len(y)),
        split,
        digest,
        np.tile(np.array(contents.shape[1:], np.int32), (len(y), 1)),
    )
    settings = {"full_scale": 65535, "floats": int(x.dtype != np.uint8)}
    return Dataset("pictures", path.stem, classes, samples, Preparation(contents.shape, settings))


@dataclass(frozen=True)
class Rows(Sequence[str]):
    """Names of the examples of an array, made when asked for: "pets.npz[3]"."""

    title: str
    total: int

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # names are asked for one by one
        if not -self.total <= i < self.total:
            raise IndexError(i)
        return f"{self.title}[{i % self.total}]"


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(f"{name}.npy") as member:
        shape, fortran, dtype = _read_header(member)
    if fortran and len(shape) > 1:
        raise ValueError(f"{name} is stored column by column; save np.ascontiguousarray({name})")
    return shape, dtype


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    return tuple(shape), fortran, dtype


def _layout(path: Path, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], bool]:
    """(C, H, W) and whether channels stand last."""
    if len(shape) == 2:
        return (1, shape[0], shape[1]), False
    if len(shape) == 3 and shape[2] <= MAX_CHANNELS:
        return (shape[2], shape[0], shape[1]), True
    if len(shape) == 3 and shape[0] <= MAX_CHANNELS:
        return (shape[0], shape[1], shape[2]), False
    raise GlassnetError(
        str(path),
        expected="pictures: x of (N, H, W), (N, H, W, C) or (N, C, H, W)",
        found=f"x of N x {by(shape)}" if shape else "x without axes",
        fix="Reshape x",
    )


def _copy(contents: Contents, folder: Path) -> Generator[Progress, None, None]:
    """Streams x into folder/x.npy, (N, C, H, W); splits, labels and digests into folder/columns.npz."""
    total = sum(part.shape[0] for part in contents.parts)
    factor = _factor(contents)
    target: Array = np.lib.format.open_memmap(
        folder / "x.npy", "w+", np.float32 if factor is None else np.uint8, (total, *contents.shape)
    )
    done = 0
    labels, splits = [], []
    for part in contents.parts:
        y = _labels(contents.path, part)
        labels.append(y)
        splits.append(np.full(len(y), PARTS[part.suffix], np.int8))
        for chunk in rows(contents, part):
            if not np.isfinite(chunk).all():
                at = done + int(np.flatnonzero(~np.isfinite(chunk.reshape(len(chunk), -1)).all(1))[0])
                raise GlassnetError(f"{contents.path}, example {at}", found="a value is not a number", fix="Mend it")
            target[done : done + len(chunk)] = np.round(np.asarray(chunk, np.float64) * factor) if factor else chunk
            done += len(chunk)
            yield Progress(done, total)
    np.savez(
        folder / "columns.npz", labels=np.concatenate(labels), split=np.concatenate(splits), digest=digests(target)
    )


def rows(contents: Contents, part: Part) -> Iterator[NDArray[np.generic]]:
    """X in chunks of (n, C, H, W), read from the archive as a stream."""
    each = int(np.prod(part.shape[1:]))
    chunk = max(1, CHUNK_VALUES // each)
    with zipfile.ZipFile(contents.path) as archive, archive.open(f"x{part.suffix}.npy") as member:
        _read_header(member)
        for start in range(0, part.shape[0], chunk):
            count = min(chunk, part.shape[0] - start)
            raw = member.read(count * each * part.dtype.itemsize)
            if len(raw) < count * each * part.dtype.itemsize:
                raise GlassnetError(str(contents.path), found=f"x{part.suffix} is cut short", fix="Save it again")
            rows = np.frombuffer(raw, part.dtype).reshape(count, *part.shape[1:])
            if contents.channels_last:
                rows = rows.transpose(0, 3, 1, 2)  # (n, C, H, W)
            yield rows.reshape(count, *contents.shape)


def _factor(contents: Contents) -> int | None:
    """What makes the values bytes: 1 for whole numbers from 0 to 255, 255 for shares of that, None for others."""
    if all(part.dtype == np.uint8 for part in contents.parts):
        return 1
    lowest, highest, whole, shares = 0.0, 0.0, True, True
    for part in contents.parts:
        for chunk in rows(contents, part):
            values = np.asarray(chunk, np.float64)
            lowest, highest = min(lowest, values.min(initial=0)), max(highest, values.max(initial=0))
            whole = whole and bool((values == np.round(values)).all())
            shares = shares and bool((np.abs(values * 255 - np.round(values * 255)) < 1e-3).all())
    if lowest < 0 or not np.isfinite(highest):
        return None
    return 255 if highest <= 1 and shares else 1 if highest <= 255 and whole else None


def _labels(path: Path, part: Part) -> NDArray[np.str_]:
    with np.load(path, allow_pickle=False) as archive:
        try:
            y = archive[f"y{part.suffix}"]
        except ValueError as error:
            raise GlassnetError(
                f"{path}, y{part.suffix}", expected="numbers or text", found="Python objects", fix="Save y as text"
            ) from error
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) != part.shape[0] or y.dtype.kind not in "biuUSf":
        raise GlassnetError(
            f"{path}, y{part.suffix}",
            expected=f"{part.shape[0]:,} classes, one an example",
            found=f"{by(y.shape)} of dtype {y.dtype}",
            fix="Give y one number or word an example",
        )
    if y.dtype.kind == "f" and (y == np.round(y)).all():
        y = y.astype(np.int64)
    return np.asarray(y.astype(np.str_))


def _classes(path: Path, labels: NDArray[np.str_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names, places = np.unique(labels, return_inverse=True)
    classes = sorted_classes({str(name) for name in names})
    if len(classes) > max(1000, len(labels) // 2):
        raise GlassnetError(
            f"{path}, y", expected="classes", found=f"{len(classes):,} different values", fix="Give y the classes"
        )
    rank = {name: i for i, name in enumerate(classes)}
    order = np.array([rank[str(name)] for name in names], np.int64)
    return classes, order[places]
