"""Series: from the bytes of a .npy or CSV to (C, T) float32, a line a channel. Knows moments, not classes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glassnet.data.dataset import Array, Preparation
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable
from glassnet.data.numbers import csv_columns, npy_header, npy_values
from glassnet.words import by

SUFFIXES = frozenset({".npy", ".csv"})
MOST_MOMENTS = 1024  # of a longer series the mean of neighbours is taken
PICTURE = (72, 192)  # pixels of a drawn series
LINES = (25, 110, 170, 200)  # greys


def look(data: bytes) -> Look:
    """Moments and channels. Raises Unreadable."""
    if not data.startswith(b"\x93NUMPY"):
        channels, moments = csv_columns(data).shape
        return Look((moments,), channels, 1)
    shape, _ = npy_header(data)
    channels, moments = _layout(shape)
    return Look((moments,), channels, 1)


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """One length: the common one, or what nineteen of twenty fit into; neighbours averaged where that is long."""
    length = int(np.quantile(looks.size[:, 0], 0.95, method="higher"))
    every = max(1, math.ceil(length / (longest or MOST_MOMENTS)))
    return Preparation((int(looks.channels.max()), max(8, math.ceil(length / every))), {"every": every, "floats": 1})


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One series as (C, T) float32: its first T moments, or its last value repeated. Raises Unreadable."""
    values, (channels, moments) = raw(data, preparation), preparation.shape
    found = Look((values.shape[1],), channels, 1)
    return fitted(values, int(preparation.settings.get("every", 1)), moments), found


def raw(data: bytes, preparation: Preparation) -> NDArray[np.float32]:
    """(C, t) all moments of a series. Raises Unreadable."""
    if data.startswith(b"\x93NUMPY"):
        given = npy_values(data)
        values = np.asarray(
            given.reshape(_layout(given.shape)) if given.ndim == 1 or _layout(given.shape) == given.shape else given.T
        )
    else:
        values = csv_columns(data)
    if len(values) != preparation.shape[0]:
        raise Unreadable(f"has {len(values)} channels, others have {preparation.shape[0]}")
    return np.asarray(values, np.float32)


def typed(text: str, preparation: Preparation) -> bytes:
    """Numbers as a person types them, a row a moment, or a line a channel, as a CSV of a row a moment."""
    data = text.encode("utf-8", "replace")
    try:
        values = csv_columns(data)
    except Unreadable:
        return data
    if len(values) == preparation.shape[0] or values.shape[1] != preparation.shape[0]:
        return data
    return "\n".join(",".join(str(float(v)) for v in moment) for moment in values).encode()


def fitted(values: NDArray[np.float32], every: int, moments: int) -> NDArray[np.float32]:
    """(C, moments): the mean of each `every` neighbours, cut or continued with the last value."""
    if every > 1:
        ends = np.arange(0, values.shape[1], every)
        sums = np.add.reduceat(values, ends, axis=1)
        values = np.asarray(sums / np.diff([*ends, values.shape[1]]), np.float32)
    values = values[:, :moments]
    missing = moments - values.shape[1]
    return np.ascontiguousarray(np.pad(values, ((0, 0), (0, missing)), mode="edge"), np.float32)


def vary(shape: tuple[int, ...]) -> Augmentation:
    """A little earlier or later; never backwards."""
    return Augmentation(shift_x=round(shape[1] * 0.05), edge="border")


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Moments by their number."""
    return (Axis("moment"),)


def describe(sizes: NDArray[np.int32], preparation: Preparation) -> str:
    """In words: "3 channels of 128 moments"."""
    low, high = int(sizes.min()), int(sizes.max())
    length = f"{high:,}" if low == high else f"{low:,} to {high:,}"
    channels = preparation.shape[0]
    return f"{f'{channels} channels of ' if channels > 1 else ''}{length} moments"


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """A line a channel, dark on white, each from its lowest to its highest value. x: (C, T). Returns (1, H, W)."""
    height, width = PICTURE
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    for c in reversed(range(min(len(x), len(LINES)))):
        values = np.asarray(x[c], np.float64)
        low, spread = float(values.min()), float(np.ptp(values)) or 1.0
        across = (np.arange(len(values)) + 0.5) * width / len(values)
        down = 3 + (height - 7) * (1 - (values - low) / spread)
        draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), LINES[c], 1)
    return np.asarray(image, np.uint8)[None]


def _layout(shape: tuple[int, ...]) -> tuple[int, int]:
    """(C, T): channels stand first, unless there would be far more of them than moments. Raises Unreadable."""
    if len(shape) == 1:
        return 1, shape[0]
    if len(shape) == 2:
        return (shape[0], shape[1]) if shape[0] <= shape[1] or shape[1] > 16 else (shape[1], shape[0])
    raise Unreadable(f"is an array of {by(shape)}, not a series of (moments) or (channels, moments)")
