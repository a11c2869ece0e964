"""Everything that one evaluation of a detector says: judged once, given as plain values. Opens no pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.training.detection.coco import CocoFigures, coco_figures
from glassnet.training.detection.confusion import BACKGROUND, MISSED, Confusion, confusion
from glassnet.training.detection.funnel import STAGES, Funnel, Lost, funnel
from glassnet.training.detection.matching import Found, Matches, Objects, Stages, match
from glassnet.training.detection.mistakes import SORTS, Mistake, mistakes
from glassnet.training.detection.precision import (
    Curve,
    all_points,
    at_threshold,
    between,
    curve,
    drawn,
    draws,
    eleven_points,
)

MOST = 20  # mistakes of a sort, and missed objects, that are named


@dataclass(frozen=True)
class ClassJudged:
    """One class. ap: all-point average precision at overlap 0.5, with its interval. eleven: VOC 2007's.

    coco: over overlaps 0.50 to 0.95; half: COCO's at 0.50; NaN without its library. precision, recall: at the
    threshold. What isn't known is NaN.
    """

    name: str
    objects: int
    ap: float
    low: float
    high: float
    eleven: float
    coco: float
    half: float
    threshold: float
    precision: float
    recall: float
    curve: Curve


@dataclass(frozen=True)
class Judged:
    """A detector on pictures whose objects are known. objects, found: a picture each. thresholds: (K,) of the scores.

    map50: the mean of ap over the classes that have objects; low, high: its interval over the same drawn pictures.
    map50_11: of eleven. map, map50_coco: COCO's own, None without its library. wrong: all false detections.
    """

    by_class: tuple[ClassJudged, ...]
    objects: tuple[Objects, ...]
    found: tuple[Found, ...]
    thresholds: tuple[float, ...]
    map50: float
    low: float
    high: float
    map50_11: float
    map: float | None
    map50_coco: float | None
    confusion: Confusion
    funnel: Funnel
    wrong: tuple[Mistake, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.by_class)

    @cached_property
    def missed(self) -> tuple[Lost, ...]:
        """Every object that wasn't found, the classes in turn, of each the largest first."""
        turns: dict[int, list[tuple[float, Lost]]] = {}
        for one in self.funnel.lost:
            x1, y1, x2, y2 = self.objects[one.picture].boxes[one.place]
            turns.setdefault(one.label, []).append((-float((x2 - x1) * (y2 - y1)), one))
        ordered = [
            (turn, label, one)
            for label, mine in turns.items()
            for turn, (_, one) in enumerate(sorted(mine, key=lambda pair: pair[0]))
        ]
        return tuple(one for _, _, one in sorted(ordered, key=lambda place: place[:2]))

    def wrong_by_sort(self) -> dict[str, list[Mistake]]:
        """The false detections of each sort, the surest first."""
        return {sort: [one for one in self.wrong if one.sort == sort] for sort in SORTS}


def judge(
    classes: Sequence[str],
    objects: Sequence[Objects],
    stages: Sequence[Stages],
    thresholds: Sequence[float],
    seed: int = 0,
) -> Judged:
    """Judges what a detector made of pictures against what is on them. thresholds: (K,) as chosen on other pictures.

    seed: of the pictures drawn for the intervals.
    """
    assert len(objects) == len(stages) and len(classes) == len(thresholds)
    size, found = len(classes), [one.kept for one in stages]
    every = [match(objects, found, k) for k in range(size)]
    times = draws(len(objects), seed)
    areas = np.array([drawn(one, times) for one in every]).reshape(size, len(times))  # (K, draws)
    coco = _coco(objects, found, size)
    judged = tuple(
        _class_judged(name, every[k], areas[k], thresholds[k], coco.each[k] if coco else (math.nan, math.nan))
        for k, name in enumerate(classes)
    )
    map50 = _mean([one.ap for one in judged])
    low, high = between(_means(areas), map50)
    return Judged(
        judged, tuple(objects), tuple(found), tuple(map(float, thresholds)),
        map50, low, high, _mean([one.eleven for one in judged]),
        coco.mean if coco else None, coco.half if coco else None,
        confusion(size, objects, found, thresholds),
        funnel(classes, objects, stages, thresholds),
        mistakes(objects, found, thresholds),
    )  # fmt: skip


def figures(judged: Judged, names: Sequence[str] | None = None) -> dict[str, object]:
    """The same as plain values, for JSON; what isn't known is None. names: of the pictures, instead of their numbers.

    A class's ap50, low, high are all-point, its ap is COCO's. funnel: each class, and "all".
    """
    rows = [*judged.classes, BACKGROUND]
    reached = {name: judged.funnel.reached(k) for k, name in enumerate(judged.classes)}
    return {
        "pictures": len(judged.objects),
        "map50": _number(judged.map50),
        "map50_low": _number(judged.low),
        "map50_high": _number(judged.high),
        "map50_11": _number(judged.map50_11),
        "map": _number(judged.map),
        "map50_coco": _number(judged.map50_coco),
        "classes": [_class_figures(one) for one in judged.by_class],
        "confusion": {
            "rows": rows, "columns": [*judged.classes, MISSED], "counts": judged.confusion.counts.tolist()
        },
        "funnel": {
            name: dict(zip(STAGES, counts, strict=True))
            for name, counts in (reached | {"all": judged.funnel.reached()}).items()
        },
        "mistakes": {
            sort: {"count": len(some), "worst": [_mistake(judged, one, names) for one in some[:MOST]]}
            for sort, some in judged.wrong_by_sort().items()
        },
        "missed": [_lost(judged, one, names) for one in judged.missed[:MOST]],
    }  # fmt: skip


def _class_judged(
    name: str, matches: Matches, areas: np.ndarray, threshold: float, coco: tuple[float, float]
) -> ClassJudged:
    ap = all_points(matches)
    return ClassJudged(
        name, matches.objects, ap, *between(areas, ap), eleven_points(matches), *coco,
        float(threshold), *at_threshold(matches, threshold), curve(matches),
    )  # fmt: skip


def _class_figures(one: ClassJudged) -> dict[str, object]:
    return {
        "class": one.name,
        "objects": one.objects,
        "ap50": _number(one.ap),
        "low": _number(one.low),
        "high": _number(one.high),
        "ap50_11": _number(one.eleven),
        "ap": _number(one.coco),
        "ap50_coco": _number(one.half),
        "precision": _number(one.precision),
        "recall": _number(one.recall),
        "threshold": _number(one.threshold),
    }


def _mistake(judged: Judged, one: Mistake, names: Sequence[str] | None) -> dict[str, object]:
    real = judged.objects[one.picture]
    return {
        "picture": names[one.picture] if names else one.picture,
        "class": judged.classes[one.label],
        "score": _number(one.score),
        "box": judged.found[one.picture].boxes[one.place].tolist(),
        "is": judged.classes[real.labels[one.of]] if one.of >= 0 else None,
        "overlap": one.overlap,
    }


def _lost(judged: Judged, one: Lost, names: Sequence[str] | None) -> dict[str, object]:
    return {
        "picture": names[one.picture] if names else one.picture,
        "object": one.place,
        "class": judged.classes[one.label],
        "box": judged.objects[one.picture].boxes[one.place].tolist(),
        "stage": one.stage,
        "why": one.words,
    }


def _coco(objects: Sequence[Objects], found: Sequence[Found], classes: int) -> CocoFigures | None:
    """COCO's figures, if its library is there."""
    try:
        return coco_figures(objects, found, classes)
    except GlassnetError:
        return None


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _means(areas: np.ndarray) -> np.ndarray:
    """(draws,) the mean over the classes of which a draw has objects. areas: (K, draws)."""
    known = ~np.isnan(areas)
    many = known.sum(0)
    none = np.full(areas.shape[1], np.nan)
    return np.asarray(np.divide(np.where(known, areas, 0).sum(0), many, out=none, where=many > 0))


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
