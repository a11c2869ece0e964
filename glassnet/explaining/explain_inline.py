"""The gist of an explanation as a notebook shows it: the answer, where it comes from, the votes. No script, small.

What would have to be computed first, the other saliency maps, is left to the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glassnet.explaining.explain_page import class_table, lead
from glassnet.explaining.explain_picture import overlaid
from glassnet.explaining.images import value_colour
from glassnet.explaining.inline import data_uri
from glassnet.explaining.page import fragment

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

TALL, WIDE = 220, 290  # pixels of a picture, at most
HEAVY, MOST_SOUND = 80_000, 100_000  # bytes of each picture; letters
PALE = 0.5  # of the value scale, so that words can be read on it, light and dark
INPUT = "What it was asked about."


@dataclass(frozen=True)
class Picture:
    """One picture as the piece shows it. source: a data URI. few: whether it is shown as squares."""

    source: str
    width: int
    height: int
    says: str
    few: bool


@dataclass(frozen=True)
class Spelt:
    """A sentence's words, each with the CSS colour of its share."""

    words: tuple[tuple[str, str], ...]
    says: str


def explanation_inline(one: Explanation) -> str:
    """A piece of HTML."""
    answer = one.classes[one.answer]
    maps: list[tuple[str, NDArray[np.float64] | None]] = [(INPUT, None)]
    if one.voted is not None:
        maps.append((f"Votes for {answer} by the place in the last maps that cast them.", one.voted))
    if one.occluded.any():
        maps.append((f"Covered piece by piece: warm where {answer} loses votes without it.", one.occluded))
    parts: dict[str, object] = {
        "answer": answer,
        "score": f"{one.probability[one.answer]:.2f}",
        "runner_up": f"{one.classes[one.runner_up]} {one.probability[one.runner_up]:.2f}",
        "lead": lead(one),
        "pictures": [] if one.scene.spelt else [_picture(one, says, values) for says, values in maps],
        "spelt": [_spelt(one, says, values) for says, values in maps] if one.scene.spelt else [],
        "sound": one.scene.sound if len(one.scene.sound) <= MOST_SOUND else "",
        "votes": [class_table(one, k) for k in (one.answer, one.runner_up)],
        "tested": one.tested,
    }
    return fragment("notebook_explanation.html", parts)


def _picture(one: Explanation, says: str, values: NDArray[np.float64] | None) -> Picture:
    high, wide = one.scene.picture.shape[1:]
    scale = min(TALL / high, WIDE / wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    return Picture(data_uri(overlaid(one, values, size), HEAVY), *size, says, scale > 1)


def _spelt(one: Explanation, says: str, values: NDArray[np.float64] | None) -> Spelt:
    words = one.scene.axes[0].at
    if values is None:
        return Spelt(tuple((word, "") for word in words if word), says)
    most = float(np.abs(values).max()) or 1.0
    shares = [PALE * float(values[i * len(values) // len(words)]) / most for i in range(len(words))]
    return Spelt(tuple((word, value_colour(share)) for word, share in zip(words, shares, strict=True) if word), says)
