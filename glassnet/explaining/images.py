"""Raw examples and feature values as small pictures inside a page. Knows pixels and colours, not what they mean."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Kind, Unreadable

PIXELATED = 48  # sides up to this are shown as squares
LARGEST = 160  # larger pictures are shown smaller


def picture(x: NDArray[np.uint8], ink: bool, largest: int = LARGEST) -> str:
    """A data URI of one example as a person sees it. x: (1 or 3, H, W). ink: bright is ink, drawn dark on white."""
    values = 255 - x if ink else x
    image = Image.fromarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0))
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


def sound(kind: Kind, path: Path) -> str:
    """A data URI of what a file sounds like; empty for kinds that don't sound and for files that can't be read."""
    if kind.playable is None:
        return ""
    try:
        return f"data:audio/wav;base64,{base64.b64encode(kind.playable(read_bytes(path))).decode()}"
    except Unreadable:
        return ""
