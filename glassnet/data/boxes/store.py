"""Pictures of a data set of boxes, decoded once and kept at the size that a detector looks at them. Knows no boxes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache, pictures
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.geometry import brought
from glassnet.data.dataset import Array, Preparation
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Looks, Unreadable
from glassnet.data.listing import stamp_of
from glassnet.data.reading import Progress
from glassnet.errors import GlassnetError


@dataclass(frozen=True)
class Store(Sequence[Array]):
    """n pictures, each (3, H, W) uint8, in one memory-mapped file.

    start: (n + 1,) where each begins. size: (n, 2) height and width as kept. scale: (n, 2) kept pixels to a pixel of
    the file, across and down. digest: (n,) uint64, equal for files of the same bytes.
    """

    flat: Array
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    scale: NDArray[np.float64]
    digest: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, i: int) -> Array:  # type: ignore[override]  # one picture at a time
        height, width = self.size[i].tolist()
        picture: Array = self.flat[self.start[i] : self.start[i + 1]].reshape(3, height, width)
        return picture


@dataclass(frozen=True)
class Sized:
    """One picture as a detector looks at it. x: (3, H, W) uint8. scale: (2,) its pixels to one of the file, as above.

    size: (width, height) of the file, upright.
    """

    x: Array
    scale: NDArray[np.float64]
    size: tuple[int, int]


def sized(data: bytes, side: int) -> Sized:
    """A file's picture, upright, in colour, its longer side `side` pixels unless it is smaller. Raises Unreadable."""
    look = pictures.look(data)
    height, width = look.size
    down, across = small_size((height, width), side)
    settings = pictures.prepare(Looks.of([look])).settings
    x, _ = pictures.decode(data, Preparation((3, down, across), settings))
    return Sized(x, np.array([across / width, down / height]), (width, height))


def small_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) that a picture of this (height, width) is kept at."""
    across, down = brought((size[1], size[0]), min(side, max(size)))
    return down, across


def whole(data: bytes) -> Array:
    """(3, H, W) uint8 a file's picture, upright, in colour, as large as it is. Raises Unreadable."""
    return sized(data, max(pictures.look(data).size)).x


def digest_of(data: bytes) -> int:
    """What files of the same bytes have in common."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def store_steps(data: BoxData, side: int) -> Generator[Progress, None, Store]:
    """Decodes every picture, or finds them decoded. side: of the longer side, in pixels. Raises GlassnetError."""
    root, names = data.root.resolve(), [one.name for one in data.pictures]
    stamp = f"{side} {stamp_of([(name, _mark(root / name)) for name in names])}"
    name = cache.name_for(root.name, str(root), data.layout)
    folder = cache.remembered(name, lambda facts: facts["stamp"] == stamp)
    if folder is None:
        with cache.remember(name, {"stamp": stamp}) as new:
            yield from _fill(data, side, new)
        folder = cache.remembered(name, lambda facts: facts["stamp"] == stamp)
    assert folder is not None, "the cache was just filled"
    with np.load(folder / "columns.npz") as columns:
        known = {key: columns[key] for key in ("start", "size", "scale", "digest")}
    return Store(np.memmap(folder / "pixels.bin", np.uint8, "r"), **known)


def _fill(data: BoxData, side: int, folder: Path) -> Generator[Progress, None, None]:
    total, start = len(data), [0]
    sizes, scales, digests = [], [], []
    with (folder / "pixels.bin").open("wb") as file:
        for i in range(total):
            yield Progress(i, total)
            try:
                raw = read_bytes(data.file(i))
                one = sized(raw, side)
            except Unreadable as error:
                fix = "Repair it, or take its annotation away"
                raise GlassnetError(str(data.file(i)), found=f"the picture {error}", fix=fix) from error
            file.write(one.x.tobytes())
            start.append(start[-1] + one.x.size)
            sizes.append(one.x.shape[1:])
            scales.append(one.scale)
            digests.append(digest_of(raw))
    np.savez(
        folder / "columns.npz",
        start=np.array(start, np.int64),
        size=np.array(sizes, np.int64),
        scale=np.array(scales, np.float64),
        digest=np.array(digests, np.uint64),
    )
    yield Progress(total, total)


def _mark(path: Path) -> str:
    """Changes when a file does; "" where it is gone, which reading it will say."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
