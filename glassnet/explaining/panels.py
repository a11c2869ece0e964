"""The confusion and calibration pictures of a report, worked out in pixels. Knows figures, not HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.explaining.charts import Scale, Tick, round_values
from glassnet.explaining.gallery import cell_mark
from glassnet.training.evaluate import ClassFigures, Report
from glassnet.words import counted, percent

MOST_CLASSES = 40  # in the confusion picture
SIDE, LARGEST_CELL, SMALLEST_CELL = 400, 38, 11
FOUND_WIDTH, KEPT_HEIGHT = 120, 70
LOOK_AT = 3  # of the dots, the lowest are pointed out
RUG = 300  # answers marked below the calibration picture


@dataclass(frozen=True)
class Mark:
    """A share with its interval: a dot on a line. at: along the classes. low, middle, high: pixels along the scale."""

    at: float
    low: float
    middle: float
    high: float
    words: str
    look: bool


@dataclass(frozen=True)
class Margin:
    """One share of each class, as dots beside the confusion, and the ticks of their scale."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Wrong:
    """An inked cell. x, y: its corner. share: of the most frequent mistake. mark: the address of its examples."""

    x: float
    y: float
    count: str
    share: float
    mark: str
    words: str


@dataclass(frozen=True)
class Confusion:
    """The confusion picture in pixels. cell: a cell's side. side: of all. names, right: words with their places.

    turned: whether the names below are set upright. left, below: room for names. left_out: classes that are not shown.
    """

    cell: int
    side: int
    names: tuple[Tick, ...]
    right: tuple[Tick, ...]
    wrong: tuple[Wrong, ...]
    found: Margin
    kept: Margin
    turned: bool
    left: int
    below: int
    left_out: int

    @staticmethod
    def of(report: Report) -> Confusion:
        """The whole confusion, or of very many classes those with the most mistakes."""
        mistakes = report.confusion - np.diag(np.diag(report.confusion))
        order = np.argsort(-(mistakes.sum(0) + mistakes.sum(1)), kind="stable")[:MOST_CLASSES]
        shown = sorted(int(k) for k in order)
        cell = max(SMALLEST_CELL, min(LARGEST_CELL, SIDE // len(shown)))
        centres = [(i + 0.5) * cell for i in range(len(shown))]
        longest = max(len(report.classes[k]) for k in shown)
        turned = longest * 7 > cell
        found, kept = _margins(report, shown, centres)
        return Confusion(
            cell=cell,
            side=cell * len(shown),
            names=tuple(Tick(at, short(report.classes[k])) for k, at in zip(shown, centres, strict=True)),
            right=tuple(
                Tick(at, fitting(int(report.confusion[k, k]), cell)) for k, at in zip(shown, centres, strict=True)
            ),
            wrong=_wrong(report, shown, cell),
            found=found,
            kept=kept,
            turned=turned,
            left=min(150, max(48, 8 * longest + 20)),
            below=min(110, 8 * longest + 14) if turned else 24,
            left_out=len(report.classes) - len(shown),
        )


@dataclass(frozen=True)
class Dot:
    """Answers of about one confidence. x: their confidence. low, middle, high: their accuracy. size: how many."""

    x: float
    low: float
    middle: float
    high: float
    size: float
    words: str


@dataclass(frozen=True)
class Calibration:
    """The calibration picture in pixels: dots, the diagonal (x1, y1, x2, y2), and a rug of all answers."""

    dots: tuple[Dot, ...]
    diagonal: tuple[float, float, float, float]
    rug: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]

    @staticmethod
    def of(report: Report) -> Calibration:
        """Confidence across, share right upward."""
        x_ticks = round_values(math.floor(min(0.9, float(report.confidence.min())) * 10) / 10, 1, 3)
        low = x_ticks[0]
        x, y = Scale(low, 1, 0, 200), Scale(0, 1, 140, 0)
        most = max(one.examples for one in report.bins)
        dots = tuple(
            Dot(
                x.at(one.confidence),
                y.at(one.low),
                y.at(one.accuracy),
                y.at(one.high),
                round(3 + 3 * math.sqrt(one.examples / most), 1),
                f"sure to {one.confidence:.2f}: {percent(one.accuracy)} of {one.examples:,} right",
            )
            for one in report.bins
        )
        sample = np.sort(report.confidence)[:: max(1, report.examples // RUG)]
        return Calibration(
            dots,
            (x.at(low), y.at(low), x.at(1), y.at(1)),
            tuple(x.at(float(value)) for value in sample),
            tuple(Tick(x.at(v), f"{v:g}") for v in x_ticks),
            tuple(Tick(y.at(v), f"{v * 100:g}") for v in (0, 0.5, 1)),
        )


def _margins(report: Report, shown: Sequence[int], centres: Sequence[float]) -> tuple[Margin, Margin]:
    """The share found of each class, and the share right when it was said, on one scale."""
    figures = [report.by_class[k] for k in shown]
    lowest = min([f.found_low for f in figures if f.examples] + [f.right_low for f in figures if f.said] + [0.9])
    ticks = round_values(math.floor(lowest * 10) * 10, 100, 3)
    across, down = Scale(ticks[0], 100, 0, FOUND_WIDTH), Scale(ticks[0], 100, KEPT_HEIGHT, 0)

    def found(one: ClassFigures) -> tuple[float, float, float]:
        return one.found_low, one.found, one.found_high

    def right(one: ClassFigures) -> tuple[float, float, float]:
        return one.right_low, one.right_when_said, one.right_high

    places = list(zip(centres, figures, strict=True))
    return (
        _margin([(at, *found(one)) for at, one in places if one.examples], across, ticks),
        _margin([(at, *right(one)) for at, one in places if one.said], down, ticks),
    )


def _margin(shares: Sequence[tuple[float, float, float, float]], scale: Scale, ticks: Sequence[float]) -> Margin:
    """shares: (place along the classes, low, middle, high)."""
    lowest = sorted(middle for _, _, middle, _ in shares)[:LOOK_AT]
    marks = tuple(
        Mark(
            at,
            scale.at(low * 100),
            scale.at(middle * 100),
            scale.at(high * 100),
            f"{min(middle * 100, 100 if middle == 1 else 99):.0f}",
            middle < 1 and middle <= lowest[-1],
        )
        for at, low, middle, high in shares
    )
    return Margin(marks, tuple(Tick(scale.at(value), f"{value:g}") for value in ticks))


def _wrong(report: Report, shown: Sequence[int], cell: int) -> tuple[Wrong, ...]:
    place = {k: i * cell for i, k in enumerate(shown)}
    pairs = [(i, j, count) for i, j, count in report.confused() if i in place and j in place]
    most = max([count for _, _, count in pairs], default=1)
    return tuple(
        Wrong(
            place[j],
            place[i],
            fitting(count, cell),
            round(0.35 + 0.65 * count / most, 2),
            cell_mark(i, j),
            f"{counted(count, 'time')} {report.classes[i]}, said {report.classes[j]}",
        )
        for i, j, count in pairs
    )


def fitting(number: int, cell: int) -> str:
    """A count that fits its cell, or nothing. cell: its side in pixels."""
    words = f"{number:,}"
    return words if number and len(words) * 7 < cell else ""


def short(name: str, most: int = 16) -> str:
    """A name with room for so many letters."""
    return name if len(name) <= most else name[: most - 1] + "…"
