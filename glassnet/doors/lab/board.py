"""The drawing board: what is drawn on it, moved, scaled, turned and thickened. Grey pictures only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glassnet.data.xo import CLASSES, Knobs, draw

KNOBS = {"shift": (-3.0, 3.0), "scale": (0.5, 1.5), "rotate": (-90.0, 90.0), "weight": (0.6, 3.0)}
REST = {"shift": 0.0, "scale": 1.0, "rotate": 0.0, "weight": 1.0}
POSITIONS = 49  # of a slider that are tried; odd, so that its middle is one of them

Ink = NDArray[np.float64]


def positions(knob: str, size: int) -> NDArray[np.float64]:
    """Where a slider is tried. size: pixels a side; a shift is in pixels, in proportion to nine."""
    low, high = KNOBS[knob]
    unit = size / 9 if knob in ("shift", "weight") else 1.0
    return np.linspace(low * unit, high * unit, POSITIONS)


def turned(ink: Ink, shift: float, scale: float, rotate: float, weight: float) -> Ink:
    """What was drawn, changed by the four knobs. ink: (H, W), -1 paper to 1 ink; the same comes back at rest.

    The letters of the slides are drawn anew, so that their strokes stay strokes; anything else is resampled.
    """
    if (shift, scale, rotate, weight) == (0.0, 1.0, 0.0, 1.0):
        return ink
    letter = letter_of(ink)
    if letter:
        size = len(ink)
        knobs = Knobs(
            size, (_within(shift, size), _within(shift, size)), (scale, scale), (rotate, rotate), (weight, weight)
        )
        return draw(letter, knobs)
    return _resampled(ink, shift, scale, rotate, weight)


def letter_of(ink: Ink) -> str:
    """The letter of the slides that this is, pixel for pixel; empty if none."""
    if ink.shape[0] != ink.shape[1] or len(ink) < 5:
        return ""
    return next((one for one in CLASSES if np.array_equal(draw(one, Knobs(len(ink))), np.sign(ink))), "")


def _resampled(ink: Ink, shift: float, scale: float, rotate: float, weight: float) -> Ink:
    """Moved by whole places of a sampled picture; strokes grow or shrink by shifting the threshold of their blur."""
    values = (ink + 1) / 2
    angle = np.radians(rotate)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    centre = (np.array(ink.shape) - 1) / 2
    offset = centre - turn @ (centre + shift)
    moved = ndimage.affine_transform(values, turn, offset, order=1)
    if weight != 1.0:
        moved = _thickened(moved, weight)
    return np.asarray(moved.clip(0, 1) * 2 - 1)


def _thickened(values: Ink, weight: float) -> Ink:
    """Grown where weight is over 1, shrunk where it is under: a blend of the grey dilations on both sides."""
    by = abs(weight - 1) / 2 * len(values) / 9
    whole = int(by)
    change = ndimage.grey_dilation if weight > 1 else ndimage.grey_erosion
    for _ in range(whole):
        values = change(values, (3, 3))
    more = change(values, (3, 3))
    return np.asarray(values + (more - values) * (by - whole))


def _within(shift: float, size: int) -> float:
    return max(-size, min(size, shift))
