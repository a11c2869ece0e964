"""Scene: an example as a person meets it, beside what the net is given. Knows no net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.kind import Axis


@dataclass(frozen=True)
class Scene:
    """An example as a person meets it. picture: (1 or 3, H, W) bytes. axes: what its places are called.

    ink: whether bright is ink, drawn dark on a page. sound: what it sounds like, as a data URI. noun: what it is.
    piece: places a side that are covered at a time; a quarter of them unless given. spelt: whether places are words.
    """

    picture: NDArray[np.uint8]
    axes: tuple[Axis, ...]
    ink: bool = False
    sound: str = ""
    noun: str = "picture"
    piece: int | None = None
    spelt: bool = False
