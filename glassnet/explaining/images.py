"""Raw examples and feature values as small pictures inside a page. Knows pixels and colours, not what they mean."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glassnet.data.dataset import Array

PIXELATED = 48  # sides up to this are shown as squares
LARGEST = 160  # larger pictures are shown smaller


def picture(x: Array, ink: bool, largest: int = LARGEST) -> str:
    """A data URI of one raw example. x: (C, H, W) bytes or floats. ink: bright values are ink, drawn dark on white."""
    values = _bytes(x)
    if ink:
        values = 255 - values
    image = Image.fromarray(values[0] if len(values) == 1 else values[:3].transpose(1, 2, 0))
    small = max(image.size) <= PIXELATED
    if max(image.size) > largest:
        image.thumbnail((largest, largest))
    data = io.BytesIO()
    if small:
        image.save(data, "PNG", optimize=True)
    else:
        image.convert("RGB").save(data, "JPEG", quality=85)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether a picture of this shape (C, H, W) is shown as squares."""
    return max(shape[1:]) <= PIXELATED


def value_colour(value: float) -> str:
    """A CSS colour of the value scale. value: -1 to 1; beyond that it stays at the ends."""
    strength = min(abs(value), 1.0)
    sign = "" if value >= 0 else "-"
    low, high, share = (
        ("0", f"{sign}05", strength * 2) if strength < 0.5 else (f"{sign}05", f"{sign}1", strength * 2 - 1)
    )
    return f"color-mix(in oklab, var(--v{low}), var(--v{high}) {share * 100:.0f}%)"


def _bytes(x: Array) -> NDArray[np.uint8]:
    if x.dtype == np.uint8:
        return np.asarray(x, np.uint8)
    low, high = float(x.min()), float(x.max())
    return np.asarray((x - low) * (255 / (high - low or 1)), np.uint8)
