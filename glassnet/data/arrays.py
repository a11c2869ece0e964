"""Arrays: `.npz` files with x, y (or x_train, y_train, x_test, y_test), streamed into the cache without unpacking.

The number of dimensions says what they are: series (N, T) and (N, C, T), pictures (N, H, W), (N, H, W, C) and
(N, C, H, W), volumes (N, D, H, W), (N, D, H, W, C) and (N, C, D, H, W). Few rows of many values are channels of series.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache
from glassnet.data.columns import stretches
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL, Array, Dataset, Names, Preparation, Samples, digests
from glassnet.data.decoding import take_room
from glassnet.data.kind import Kind
from glassnet.data.listing import sorted_classes, stamp_of
from glassnet.data.npz import header, opened, read_header
from glassnet.data.reading import Progress
from glassnet.errors import GlassnetError
from glassnet.words import by, listed

PARTS = {"": NOT_GIVEN, "_train": TRAIN, "_val": VAL, "_valid": VAL, "_test": TEST}
CHUNK_VALUES = 2_000_000
MAX_VALUES = 8_000_000  # of one example: a colour picture of 1920x1080 has 6.2 million
MAX_CHANNELS = 4
MAX_ROWS, LONGER = 12, 4  # x of up to so many rows, this many times as long, holds the channels of series
SERIES, PICTURES, VOLUMES = 1, 2, 3  # axes of an example, beside its channels


@dataclass(frozen=True)
class Part:
    """One pair of members of an npz. shape, dtype: of x, as its header declares them."""

    suffix: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


@dataclass(frozen=True)
class Contents:
    """What an npz declares, before any values are read. axes: of one example, beside channels. shape: its (C, *S)."""

    path: Path
    parts: tuple[Part, ...]
    axes: int
    shape: tuple[int, ...]
    channels_last: bool


def look_into(path: Path, axes: int | None = None, need_labels: bool = True) -> Contents:
    """Reads the headers of an npz. Raises GlassnetError when it holds no examples of a known layout.

    axes: of an example beside its channels, if a person says what it is. need_labels: whether an x without its y counts
    for nothing.
    """
    with opened(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        parts = tuple(
            Part(suffix, *header(path, archive, f"x{suffix}"))
            for suffix in PARTS
            if f"x{suffix}" in names and (f"y{suffix}" in names or not need_labels)
        )
    if not parts:
        expected = "arrays x and y, or x_train, y_train, x_test, y_test"
        raise GlassnetError(str(path), expected=expected, found=listed(sorted(names)), fix="Save it with these names")
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        found = f"examples of different shapes: {listed(sorted(map(by, shapes)))}"
        raise GlassnetError(str(path), found=found, fix="Make them alike")
    for part in parts:
        if part.dtype.kind not in "buif":
            found = "Python objects" if part.dtype.kind == "O" else f"dtype {part.dtype}"
            raise GlassnetError(f"{path}, x{part.suffix}", expected="numbers", found=found, fix="Convert it")
    if all(part.shape[:1] == (0,) for part in parts):
        raise GlassnetError(str(path), expected="examples", found="none: x is empty", fix="Save it again")
    return Contents(path, parts, *layout(path, shapes.pop(), axes))


def read_steps(contents: Contents, kind: Kind) -> Generator[Progress, None, Dataset]:
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
    split, digest, y = (cache.column(folder, name) for name in ("split", "digest", "y"))
    classes = tuple(np.load(folder / "classes.npy").tolist())
    x: Array = np.load(folder / "x.npy", mmap_mode="c")
    samples = Samples(
        x,
        y,
        Names(len(y), lambda i: f"{path.name}[{i}]"),
        split,
        digest,
        np.broadcast_to(np.array(contents.shape[1:], np.int32), (len(y), len(contents.shape) - 1)),
    )
    preparation = Preparation(contents.shape, {"full_scale": 65535, "floats": int(x.dtype != np.uint8)})
    detail = kind.describe(samples.sizes, preparation)
    return Dataset(kind.name, path.stem, classes, samples, preparation, one=kind.one, detail=detail)


def layout(path: Path, shape: tuple[int, ...], axes: int | None) -> tuple[int, tuple[int, ...], bool]:
    """The axes of an example, (C, *S) and whether channels stand last."""
    if shape and not 0 < math.prod(shape) <= MAX_VALUES:
        expected = f"examples of 1 to {MAX_VALUES:,} values"
        raise GlassnetError(str(path), expected=expected, found=by(shape), fix="Resize them")
    axes = axes or _axes(shape)
    if len(shape) == axes:
        return axes, (1, *shape), False
    most = max(MAX_ROWS, *shape[:1]) if axes == 1 else MAX_CHANNELS
    if axes and len(shape) == axes + 1 and shape[-1] <= (MAX_ROWS if axes == 1 else most) and shape[0] > shape[-1]:
        return axes, (shape[-1], *shape[:-1]), True
    if axes and len(shape) == axes + 1 and shape[0] <= most:
        return axes, shape, False
    raise GlassnetError(
        str(path),
        expected="x of (N, T) or (N, C, T), (N, H, W[, C]) or (N, C, H, W), (N, D, H, W[, C]) or (N, C, D, H, W)",
        found=f"x of N x {by(shape)}" if shape else "x without axes",
        fix="Reshape x, or name its --kind",
    )


def _axes(shape: tuple[int, ...]) -> int | None:
    """What examples of a shape are, by their number of axes and of channels."""
    few = [side for side in (shape[0], shape[-1]) if side <= MAX_CHANNELS] if shape else []
    match len(shape):
        case 1:
            return SERIES
        case 2:
            return SERIES if min(shape) <= MAX_ROWS and max(shape) >= LONGER * min(shape) else PICTURES
        case 3:
            return PICTURES if few else VOLUMES
        case 4:
            return VOLUMES if few else None
    return None


def _copy(contents: Contents, folder: Path) -> Generator[Progress, None, None]:
    """Streams x into folder/x.npy, (N, C, *S), and labels, splits and digests into columns beside it."""
    total = sum(part.shape[0] for part in contents.parts)
    factor = _factor(contents)
    dtype = np.float32 if factor is None else np.uint8
    target: Array = np.lib.format.open_memmap(folder / "x.npy", "w+", dtype, (total, *contents.shape))
    take_room(folder / "x.npy")
    _copy_labels(contents, folder, total)
    split, digest = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (total,))
        for name, kind in (("split", np.int8), ("digest", np.uint64))
    )
    done = 0
    for part in contents.parts:
        split[done : done + part.shape[0]] = PARTS[part.suffix]
        for chunk in rows(contents, part):
            values: Array = np.asarray(chunk, np.uint8) if chunk.dtype == np.uint8 else _narrow(chunk)
            finite = np.isfinite(values).reshape(len(chunk), -1).all(1)
            if not finite.all():
                raise GlassnetError(
                    f"{contents.path}, example {done + int(finite.argmin())}",
                    expected="numbers that float32 holds",
                    found="a value that is not a number, infinite or too large",
                    fix="Mend it, or leave that example out",
                )
            some = slice(done, done + len(chunk))
            target[some] = np.round(values * factor) if factor == 255 else values
            digest[some] = digests(target[some])
            done = some.stop
            yield Progress(done, total)


def _copy_labels(contents: Contents, folder: Path, total: int) -> None:
    """Streams the labels into folder/y.npy as places in the list of classes, which goes into folder/classes.npy."""
    known = [_labels(contents.path, part) for part in contents.parts]
    names = [_words(labels) for labels in known]
    classes = _classes(contents.path, {name for some in names for name in some}, total)
    rank = {name: i for i, name in enumerate(classes)}
    np.save(folder / "classes.npy", np.array(classes))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (total,))
    done = 0
    for part, labels, words in zip(contents.parts, known, names, strict=True):
        order = np.array([rank[name] for name in words], np.int64)
        for chunk in _label_chunks(contents.path, part):
            y[done : done + len(chunk)] = order[np.searchsorted(labels, chunk)]
            done += len(chunk)


def _narrow(values: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite
        return np.asarray(values, np.float32)


def rows(contents: Contents, part: Part) -> Iterator[NDArray[np.generic]]:
    """X in chunks of (n, C, *S), read from the archive as a stream."""
    each = int(np.prod(part.shape[1:]))
    chunk = max(1, CHUNK_VALUES // each)
    with opened(contents.path) as archive, archive.open(f"x{part.suffix}.npy") as member:
        read_header(member)
        for start in range(0, part.shape[0], chunk):
            count = min(chunk, part.shape[0] - start)
            raw = member.read(count * each * part.dtype.itemsize)
            rows = np.frombuffer(raw, part.dtype).reshape(count, *part.shape[1:])
            if contents.channels_last:
                rows = np.moveaxis(rows, -1, 1)  # (n, C, *S)
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
            if lowest < 0 or not highest <= 255:
                return None
            whole = whole and bool((values == np.round(values)).all())
            shares = shares and highest <= 1 and bool((np.abs(values * 255 - np.round(values * 255)) < 1e-3).all())
            if not whole and not shares:
                return None
    return 255 if shares else 1


def _labels(path: Path, part: Part) -> NDArray[Any]:
    """The different labels of a part, in order. Raises GlassnetError where an example has none."""
    name = f"y{part.suffix}"
    with opened(path) as archive:
        shape, dtype = header(path, archive, name)
    if shape not in ((part.shape[0],), (part.shape[0], 1)) or dtype.kind not in "biuUSf":
        raise GlassnetError(
            f"{path}, {name}",
            expected=f"{part.shape[0]:,} classes, one an example",
            found="Python objects" if dtype.kind == "O" else f"{by(shape)} of dtype {dtype}",
            fix="Give y one number or word an example",
        )
    different, done = np.zeros(0, np.dtype("U1") if dtype.kind == "S" else dtype), 0
    for y in _label_chunks(path, part):
        unknown = ~np.isfinite(y) if dtype.kind == "f" else y == "" if dtype.kind in "US" else np.zeros(1, np.bool_)
        if unknown.any():
            raise GlassnetError(
                f"{path}, {name}",
                expected="a class for each example",
                found=f"none for example {done + int(unknown.argmax())}",
                fix="Give it one, or leave it out",
            )
        different = np.unique(np.concatenate([different, np.unique(y)]))
        done += len(y)
    return different


def _label_chunks(path: Path, part: Part) -> Iterator[NDArray[Any]]:
    """The labels of a part in chunks (n,), read from the archive as a stream."""
    with opened(path) as archive, archive.open(f"y{part.suffix}.npy") as member:
        _, _, dtype = read_header(member)
        for some in stretches(part.shape[0]):
            y = np.frombuffer(member.read((some.stop - some.start) * dtype.itemsize), dtype)
            yield np.char.decode(y, "utf-8", "replace") if dtype.kind == "S" else y


def _words(labels: NDArray[Any]) -> list[str]:
    """Labels in words; whole numbers among floats without their point."""
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    return [str(word) for word in labels.astype(np.str_)]


def _classes(path: Path, names: set[str], total: int) -> tuple[str, ...]:
    classes = sorted_classes(names)
    if len(classes) > max(1000, total // 2):
        raise GlassnetError(
            f"{path}, y", expected="classes", found=f"{len(classes):,} different values", fix="Give y the classes"
        )
    return classes
