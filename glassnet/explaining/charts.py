"""Figures become places on paper: scales, ticks and curves for the pages' drawings. Knows no meanings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """From values to pixels along one axis. low, high: values at the pixels start, end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value, to a tenth; values beyond the ends stay at them."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


@dataclass(frozen=True)
class Tick:
    """One mark of an axis: its pixel and its words."""

    at: float
    words: str


@dataclass(frozen=True)
class Line:
    """A curve as an SVG path, its points, and its end."""

    path: str
    points: tuple[tuple[float, float], ...]

    @property
    def end(self) -> tuple[float, float]:
        return self.points[-1]


@dataclass(frozen=True)
class Curves:
    """Two curves over epochs on one pair of axes: training and held out; kept: the point of the epoch that was kept."""

    width: int
    height: int
    training: Line
    held: Line
    kept: tuple[float, float]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def curves(training: Sequence[float], held: Sequence[float], kept: int, top: float | None, width: int) -> Curves:
    """Curves of one value an epoch. kept: an epoch, from 1. top: the highest value there can be, or None."""
    height, count = 140, len(held)
    values = [value for value in (*training, *held) if math.isfinite(value)]
    y_ticks = round_values(min(values) if top else 0.0, top if top is not None else _fitting(values), 3)
    x = Scale(1, max(count, 2), 0, width)
    y = Scale(y_ticks[0], y_ticks[-1], height, 0)
    x_values = sorted({1, count, *(int(v) for v in round_values(1, count, 4) if 1 < v < count * 0.93)})
    return Curves(
        width,
        height,
        line(x, y, training),
        line(x, y, held),
        (x.at(kept), y.at(held[kept - 1])),
        tuple(Tick(x.at(value), str(value)) for value in x_values),
        tuple(Tick(y.at(value), f"{value:g}") for value in y_ticks),
    )


def line(x: Scale, y: Scale, values: Sequence[float]) -> Line:
    """A curve through one value at each of 1, 2, 3, ..."""
    return through([(x.at(i), y.at(value)) for i, value in enumerate(values, 1)])


def through(points: Sequence[tuple[float, float]]) -> Line:
    """A curve through points in pixels; of several in a row at one place the first."""
    kept = tuple(point for i, point in enumerate(points) if not i or point != points[i - 1])
    return Line("M" + "L".join(f"{px:g},{py:g}" for px, py in kept), kept)


def round_values(low: float, high: float, about: int) -> list[float]:
    """Round values from just below low to just above high, about so many, in steps of 1, 2, 2.5 or 5 times 10^n."""
    if high <= low:
        high = low + 1
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def apart(first: float, second: float, gap: float = 15.0) -> tuple[float, float]:
    """Two labels' heights moved apart, as little as needed to be readable."""
    if abs(first - second) >= gap:
        return first, second
    middle, half = (first + second) / 2, gap / 2
    return (middle - half, middle + half) if first <= second else (middle + half, middle - half)


def _fitting(values: Sequence[float]) -> float:
    """A top that holds all values, or all but 2 in 100 where those are wild: over three times the others."""
    usual = sorted(values)[max(0, math.ceil(len(values) * 0.98) - 1)]
    return usual if max(values) > 3 * usual > 0 else max(values)
