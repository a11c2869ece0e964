"""The X's and O's of the slides, at any size, with translation, scaling, rotation and weight as knobs.

A pixel is ink (+1, stored as 255) when its centre lies within half the weight of a stroke, and paper (-1, stored as 0)
otherwise: at 9x9 with every knob at rest the X is the slides' X, pixel for pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet import files
from glassnet.data import cache
from glassnet.data.dataset import NOT_GIVEN, Dataset, Names, Normalisation, Preparation, Samples, digests
from glassnet.data.decoding import new_array
from glassnet.data.reading import Progress
from glassnet.errors import GlassnetError

CLASSES = ("X", "O")
CHUNK = 4096
EXACT = Normalisation((0.5,), (0.5,))  # 255 becomes exactly +1 and 0 exactly -1

Range = tuple[float, float]


@dataclass(frozen=True)
class Knobs:
    """The trickier cases. Each example draws its own value from each range.

    size: pixels a side. translate: shifts along both axes, in pixels. scale: 1 fills the picture but for one pixel.
    rotate: degrees. weight: the stroke's width in pixels.
    """

    size: int = 9
    translate: Range = (0.0, 0.0)
    scale: Range = (1.0, 1.0)
    rotate: Range = (0.0, 0.0)
    weight: Range = (1.0, 1.0)

    def __post_init__(self) -> None:
        limits = {
            "size": ((self.size, self.size), 5, 512, "a whole number of pixels from 5 to 512"),
            "translate": (self.translate, -self.size, self.size, f"pixels from -{self.size} to {self.size}"),
            "scale": (self.scale, 0.1, 4, "factors from 0.1 to 4"),
            "rotate": (self.rotate, -360, 360, "degrees from -360 to 360"),
            "weight": (self.weight, 0.5, self.size, f"pixels from 0.5 to {self.size}"),
        }
        for name, ((low, high), least, most, words) in limits.items():
            if not least <= low <= high <= most:
                fix = "Write one number, or LOW:HIGH"
                raise GlassnetError(f"--{name}", expected=words, found=f"{low:g}:{high:g}", fix=fix)


def trickier(size: int = 9) -> Knobs:
    """All four trickier cases of the slides at once, in proportion to the picture."""
    unit = size / 9
    return Knobs(size, (-unit, unit), (0.7, 1.2), (-45.0, 45.0), (unit, 2 * unit))


def draw(letter: str, knobs: Knobs | None = None) -> NDArray[np.float64]:
    """One X or O as on the slides, +1 and -1. knobs: the middle of each range is used. Returns (size, size)."""
    knobs = knobs or Knobs()
    middles = {name: np.array([np.mean(getattr(knobs, name))]) for name in ("scale", "rotate", "weight")}
    shift = np.full((1, 2), np.mean(knobs.translate))
    ink = _render(np.array([CLASSES.index(letter)]), knobs.size, shift, **middles)
    return np.where(ink[0], 1.0, -1.0)


def generate(knobs: Knobs, count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures in chunks of (n, size, size) uint8, X and O in turn. A longer run begins with the shorter one."""
    random = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        letter = np.arange(start, start + CHUNK) % 2
        shift = random.uniform(*knobs.translate, (CHUNK, 2))
        scale, rotate, weight = (random.uniform(*r, CHUNK) for r in (knobs.scale, knobs.rotate, knobs.weight))
        ink = _render(letter, knobs.size, shift, scale, rotate, weight)
        yield (ink[: count - start] * 255).astype(np.uint8)  # (n, size, size)


def read_steps(knobs: Knobs | None = None, count: int = 4000, seed: int = 0) -> Generator[Progress, None, Dataset]:
    """The X's and O's as a data set, generated once into the cache."""
    knobs = knobs or trickier()
    if not 10 <= count <= 100_000_000:
        raise GlassnetError("--count", expected="10 to 100,000,000 pictures", found=f"{count:,}", fix="Choose another")
    facts: dict[str, object] = {"knobs": list(dataclasses.astuple(knobs)), "count": count, "seed": seed}
    name = cache.name_for("xo", str(facts))
    folder = cache.remembered(name, lambda _: True)
    if folder is None:
        with cache.remember(name, facts) as new:
            x = new_array(new / "x.npy", (count, 1, knobs.size, knobs.size))
            done = 0
            for chunk in generate(knobs, count, seed):
                x[done : done + len(chunk), 0] = chunk
                done += len(chunk)
                yield Progress(done, count)
            x.flush()
            np.save(new / "digest.npy", digests(x))
        folder = cache.remembered(name, lambda _: True)
    assert folder is not None, "the cache was just filled"
    samples = Samples(
        np.load(folder / "x.npy", mmap_mode="c"),
        np.arange(count, dtype=np.int64) % 2,
        Names(count, lambda i: f"{CLASSES[i % 2]} {i}"),
        np.full(count, NOT_GIVEN, np.int8),
        np.load(folder / "digest.npy"),
        np.full((count, 2), knobs.size, np.int32),
    )
    settings = {"full_scale": 65535, "ink": 1}
    preparation = Preparation((1, knobs.size, knobs.size), settings)
    return Dataset("pictures", "xo", CLASSES, samples, preparation, normalisation=EXACT, augment=False)


def make_folder(out: Path, knobs: Knobs, count: int, seed: int) -> Generator[Progress, None, dict[str, int]]:
    """Writes PNGs, white on black, into the class folders out/X and out/O. Returns how many of each."""
    from PIL import Image

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GlassnetError(str(out), expected="a new or empty folder", found="something there", fix="Choose another")
    files.check_room(out, count * 150)
    digits = len(str(count - 1))
    with files.new_folder(out) as new:
        for letter in CLASSES:
            (new / letter).mkdir()
        done = 0
        for chunk in generate(knobs, count, seed):
            for i, pixels in enumerate(chunk, done):
                Image.fromarray(pixels).save(new / CLASSES[i % 2] / f"{i:0{digits}}.png")
            done += len(chunk)
            yield Progress(done, count)
    return {letter: len(range(i, count, 2)) for i, letter in enumerate(CLASSES)}


def _render(
    letter: NDArray[np.int64],
    size: int,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    rotate: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which pixels are ink. letter: (N,) 0 for X, 1 for O. shift: (N, 2) x and y. Returns (N, size, size)."""
    centre, radius = (size - 1) / 2, (size - 3) / 2 * scale[:, None, None]
    row, column = np.mgrid[0:size, 0:size]
    x = column - centre - shift[:, 0, None, None]
    y = row - centre - shift[:, 1, None, None]
    sine, cosine = np.sin(np.radians(rotate))[:, None, None], np.cos(np.radians(rotate))[:, None, None]
    u, v = cosine * x + sine * y, cosine * y - sine * x  # (N, size, size), in the letter's own axes
    along, across = np.abs(u + v) / np.sqrt(2), np.abs(u - v) / np.sqrt(2)
    reach = radius * np.sqrt(2)
    strokes = np.minimum(
        np.hypot(np.maximum(along - reach, 0), across),
        np.hypot(np.maximum(across - reach, 0), along),
    )
    ring = np.abs(np.hypot(u, v) - radius)
    distance = np.where(letter[:, None, None] == 0, strokes, ring)
    return np.asarray(distance < weight[:, None, None] / 2 + 1e-9)
