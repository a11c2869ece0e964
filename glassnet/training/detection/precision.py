"""Average precision: VOC's with 11 points and with all, and its bootstrap interval over pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.training.detection.matching import Floats, Matches

DRAWS = 1000  # of the bootstrap
LOW, HIGH = 2.5, 97.5  # percentiles of the interval


@dataclass(frozen=True)
class Curve:
    """Precision by recall, a point a detection, the surest first. recall, precision, scores: (m,)."""

    recall: Floats
    precision: Floats
    scores: Floats


def curve(matches: Matches) -> Curve:
    """The curve of one class. Without objects the recall is not a number."""
    hits = np.cumsum(matches.hit)
    said = np.arange(1, len(hits) + 1)
    recall = hits / matches.objects if matches.objects else np.full(len(hits), np.nan)
    return Curve(recall, hits / said, matches.scores)


def eleven_points(matches: Matches) -> float:
    """VOC 2007: the mean, over recalls 0, 0.1 ... 1, of the best precision at that recall or more. Section 4.2."""
    if not matches.objects:
        return float("nan")
    one = curve(matches)
    best = [one.precision[one.recall >= level - 1e-12].max(initial=0.0) for level in np.linspace(0, 1, 11)]
    return float(np.mean(best))


def all_points(matches: Matches) -> float:
    """VOC 2010 and later: the area below the curve made falling, over every recall that is reached."""
    if not matches.objects:
        return float("nan")
    return _area(matches.hit, matches.objects)


def interval(
    matches: Matches, seed: int = 0, precision: Callable[[Matches], float] = all_points, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % bootstrap interval over the pictures: they are drawn anew, each with its objects and detections.

    Efron and Tibshirani 1993, chapter 13. Pictures, not boxes, are what is independent of each other.
    """
    random, count = np.random.default_rng(seed), len(matches.each)
    if not matches.objects:
        return float("nan"), float("nan")
    values = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        again = np.repeat(np.arange(len(matches.hit)), times[matches.picture])
        objects = int((matches.each * times).sum())
        if objects:
            drawn = Matches(
                matches.scores[again], matches.hit[again], matches.picture[again], objects, matches.each * times
            )
            values.append(precision(drawn))
    low, high = np.percentile(values, [LOW, HIGH])
    return float(low), float(high)


def _area(hit: NDArray[np.bool_], objects: int) -> float:
    hits = np.cumsum(hit)
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or more
    return float(falling[hit].sum() / objects)
