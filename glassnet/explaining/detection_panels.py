"""The drawings of a detector's page, worked out in pixels: curves, funnels, confusion. Knows figures, not HTML."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.explaining.charts import Line, Scale, Tick, through
from glassnet.explaining.panels import Mark, Wrong, fitting, short
from glassnet.training.detection.confusion import BACKGROUND, MISSED
from glassnet.training.detection.judging import ClassJudged, Judged
from glassnet.training.detection.precision import curve_points
from glassnet.training.detection.telling import confusion_words, share
from glassnet.words import counted, interval, percent

CURVES, BESIDE = 12, 6  # classes with a curve of their own; up to so many are drawn faintly behind one another
WIDTH, HEIGHT = 250, 150  # of a curve
FUNNELS = 8
STEP, BAR, FUNNEL_HEIGHT = 72, 44, 120
MATRIX, LARGEST_CELL, SMALLEST_CELL, MOST_CLASSES = 420, 60, 13, 30
DOTS = 120  # width of the intervals in the table
NAMES = ("there", "proposed", "scored", "kept")


@dataclass(frozen=True)
class Row:
    """A class in the table. mark: its average precision as a dot with its interval, None without objects."""

    one: ClassJudged
    cells: tuple[str, ...]
    mark: Mark | None


@dataclass(frozen=True)
class CurvePanel:
    """One class's precision by recall. own: its line; others: places of the lines behind it. at: where it operates."""

    name: str
    number: int
    ap: str
    own: Line | None
    others: tuple[int, ...]
    at: tuple[float, float] | None
    at_words: str
    words: str


@dataclass(frozen=True)
class Bar:
    """One stage of a funnel. x: its left. top: of what is left; lost: of what was lost there, None where nothing was.

    slope: (x1, y1, x2, y2) from the stage before. count, less: in words.
    """

    x: float
    top: float
    lost: float | None
    slope: tuple[float, float, float, float] | None
    name: str
    count: str
    less: str


@dataclass(frozen=True)
class FunnelPanel:
    """The funnel of one class or of all, and its losses in words."""

    name: str
    bars: tuple[Bar, ...]
    losses: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Matrix:
    """The confusion with background in pixels, as the template's matrix takes it. left_out: classes not shown."""

    cell: int
    side: int
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    right: tuple[Tick, ...]
    wrong: tuple[Wrong, ...]
    turned: bool
    left: int
    below: int
    left_out: int


def table(judged: Judged) -> tuple[list[Row], tuple[Tick, ...]]:
    """The classes as rows, and the ticks of the scale of their dots."""
    ends = [one.low for one in judged.by_class if not math.isnan(one.low)] or [0.0]
    low = math.floor(min(0.8, *ends) * 5) / 5
    scale = Scale(low, 1, 0, DOTS)
    rows = []
    for one in judged.by_class:
        cells = (
            share(one.ap), f"({interval(one.low, one.high)})" if one.objects else "", share(one.eleven),
            share(one.coco), share(one.precision), share(one.recall), f"{one.threshold:.2f}",
        )  # fmt: skip
        mark = Mark(0, scale.at(one.low), scale.at(one.ap), scale.at(one.high), "", False) if one.objects else None
        rows.append(Row(one, cells, mark))
    return rows, (Tick(0, f"{low * 100:.0f}"), Tick(DOTS, "100"))


def curve_panels(judged: Judged) -> list[CurvePanel]:
    """A panel a class that has objects, those with the lowest average precision of very many."""
    known = [k for k, one in enumerate(judged.by_class) if one.objects]
    shown = sorted(sorted(known, key=lambda k: judged.by_class[k].ap)[:CURVES])
    drawn = tuple(k for k in shown if len(judged.by_class[k].curve.scores)) if len(shown) <= BESIDE else ()
    return [_curve_panel(judged.by_class[k], k, tuple(other for other in drawn if other != k)) for k in shown]


def _curve_panel(one: ClassJudged, number: int, others: tuple[int, ...]) -> CurvePanel:
    x, y = Scale(0, 1, 0, WIDTH), Scale(0, 1, HEIGHT, 0)
    points = [(x.at(recall), y.at(precision)) for recall, precision in curve_points(one.curve)]
    operates = not math.isnan(one.precision)
    at = (x.at(one.recall), y.at(one.precision)) if operates else None
    at_words = f"from {one.threshold:.2f}: {percent(one.precision)} right, {percent(one.recall)} found"
    words = f"{one.name}, precision by recall: average precision {percent(one.ap)}; " + (
        at_words if operates else f"nothing scores {one.threshold:.2f} or more"
    )
    line = through(points) if points else None
    return CurvePanel(one.name, number, percent(one.ap), line, others, at, at_words if operates else "", words)


def funnel_panels(judged: Judged) -> list[FunnelPanel]:
    """The funnel of all objects, then of each class that has some, those that lose the largest share of very many."""
    funnel = judged.funnel
    known = [k for k in range(len(judged.classes)) if funnel.objects[k]]
    shown = sorted(sorted(known, key=lambda k: funnel.kept[k] / funnel.objects[k])[: FUNNELS - 1])
    panels = [_funnel_panel("All classes", funnel.reached())] if len(known) != 1 and any(funnel.reached()) else []
    return panels + [_funnel_panel(judged.classes[k], funnel.reached(k)) for k in shown]


def _funnel_panel(name: str, reached: Sequence[int]) -> FunnelPanel:
    scale = Scale(0, reached[0], FUNNEL_HEIGHT, 0)
    bars: list[Bar] = []
    for i, (stage, count) in enumerate(zip(NAMES, reached, strict=True)):
        before = reached[i - 1] if i else count
        slope = ((i - 1) * STEP + BAR, scale.at(before), i * STEP, scale.at(count)) if i else None
        lost = scale.at(before) if count < before else None
        less = f"−{before - count:,}" if count < before else ""
        bars.append(Bar(i * STEP, scale.at(count), lost, slope, stage, f"{count:,}", less))
    losses = _losses(reached)
    words = ", ".join(f"{count:,} {stage}" for stage, count in zip(NAMES, reached, strict=True))
    return FunnelPanel(name, tuple(bars), losses, f"{name}: {words}")


def _losses(reached: Sequence[int]) -> tuple[str, ...]:
    whys = (
        "{} never proposed: no region lies well enough on {}.",
        "{} proposed, but no box there scores enough as what {}.",
        "{} scored enough, but lost {} box to another.",
    )
    whose = (("it", "them"), ("it is", "they are"), ("its", "their"))
    losses = [before - after for before, after in itertools.pairwise(reached)]
    told = [
        why.format(counted(loss, "is", "are") if why is whys[0] else f"{loss:,}", ends[loss > 1])
        for why, ends, loss in zip(whys, whose, losses, strict=True)
        if loss
    ]
    return tuple(told) or ("Nothing is lost.",)


def matrix(judged: Judged) -> Matrix:
    """The whole confusion, or of very many classes those with the most mistakes, always with the background."""
    counts, size = judged.confusion.counts, len(judged.classes)
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-(off.sum(0) + off.sum(1))[:size], kind="stable")[:MOST_CLASSES]
    shown = [*sorted(int(k) for k in order), size]
    names = [*(judged.classes[k] for k in shown[:-1])]
    cell = max(SMALLEST_CELL, min(LARGEST_CELL, MATRIX // len(shown)))
    centres = [(i + 0.5) * cell for i in range(len(shown))]
    longest = max(len(name) for name in [*names, BACKGROUND])
    turned = longest * 7 > cell
    return Matrix(
        cell=cell,
        side=cell * len(shown),
        rows=tuple(Tick(at, short(name)) for at, name in zip(centres, [*names, BACKGROUND], strict=True)),
        columns=tuple(Tick(at, short(name)) for at, name in zip(centres, [*names, MISSED], strict=True)),
        right=tuple(Tick(at, fitting(int(counts[k, k]), cell)) for at, k in zip(centres[:-1], shown[:-1], strict=True)),
        wrong=_wrong(judged, shown, cell),
        turned=turned,
        left=min(150, 8 * longest + 20),
        below=min(110, 8 * longest + 14) if turned else 24,
        left_out=size + 1 - len(shown),
    )


def _wrong(judged: Judged, shown: Sequence[int], cell: int) -> tuple[Wrong, ...]:
    place = {k: i * cell for i, k in enumerate(shown)}
    cells = [one for one in judged.confusion.confused() if one[0] in place and one[1] in place]
    most = max([count for _, _, count in cells], default=1)
    return tuple(
        Wrong(
            place[j], place[i], fitting(count, cell), round(0.35 + 0.65 * count / most, 2), "",
            confusion_words(judged, i, j, count),
        )
        for i, j, count in cells
    )  # fmt: skip
