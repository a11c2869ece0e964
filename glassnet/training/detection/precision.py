"""Average precision: VOC's with 11 points and with all, its bootstrap interval over pictures; the best threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.training.detection.matching import Floats, Ints, Matches

DRAWS = 1000  # of the bootstrap
LOW, HIGH = 2.5, 97.5  # percentiles of the interval
ROOM = 2_000_000  # numbers of one step of it


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


def curve_points(one: Curve) -> list[tuple[float, float]]:
    """(recall, precision) where the curve turns: at hits, and at the last false detection before each."""
    turns = np.append(np.diff(one.recall) != 0, True) | np.insert(np.diff(one.recall) != 0, 0, True)
    places = np.flatnonzero(turns[: len(one.recall)])
    return [(float(one.recall[i]), float(one.precision[i])) for i in places]


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


def draws(pictures: int, seed: int = 0, count: int = DRAWS) -> Ints:
    """(count, pictures) how often each picture is in a set of as many that is drawn from them, again and again.

    Efron and Tibshirani 1993, chapter 13. Pictures, not boxes, are what is independent of each other.
    """
    random, times = np.random.default_rng(seed), np.zeros((count, pictures), np.int64)
    for row in times if pictures else ():
        row += np.bincount(random.integers(0, pictures, pictures), minlength=pictures)
    return times


def drawn(matches: Matches, times: Ints) -> Floats:
    """(count,) all_points of each set of pictures that was drawn; not a number where a set has no object.

    times: (count, pictures). A picture that is drawn twice has its objects and detections twice; equal detections lie
    side by side, so that each only weighs more.
    """
    objects = times @ matches.each
    end = int(np.flatnonzero(matches.hit).max(initial=-1)) + 1  # what comes after the last hit changes nothing
    hit, where = matches.hit[:end], matches.picture[:end]
    sums = [np.zeros(0)]
    for some in np.array_split(times, 1 + len(times) * end // ROOM):
        weight = some[:, where]  # (some, end)
        hits = weight * hit
        precision = hits.cumsum(1) / np.maximum(weight.cumsum(1), 1)
        falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        sums.append((hits * falling).sum(1))
    areas = np.full(len(times), np.nan)
    return np.asarray(np.divide(np.concatenate(sums), objects, out=areas, where=objects > 0))


def between(values: Floats, figure: float) -> tuple[float, float]:
    """The ends of the 95 % interval of drawn values, of which some may be no number; it always holds the figure.

    With very few objects of a class the draws lean upward: without a picture its false detections are gone too, and
    without objects the class. Where they leave the figure behind, the interval is widened to it.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [LOW, HIGH])
    return min(float(low), figure), max(float(high), figure)


def interval(matches: Matches, seed: int = 0, count: int = DRAWS) -> tuple[float, float]:
    """95 % bootstrap interval of all_points over the pictures."""
    return between(drawn(matches, draws(len(matches.each), seed, count)), all_points(matches))


def best_threshold(matches: Matches, otherwise: float = 0.5) -> float:
    """Between the last score that makes the best F1 and the next below it. van Rijsbergen 1979, chapter 7.

    Of equal F1s that of the highest score counts. The middle, for on other pictures the last hit's own score would cut
    off half of its like. To be chosen on pictures that are not tested on. otherwise: what it is without any hit.
    """
    if not matches.hit.any():
        return otherwise
    f1 = 2 * np.cumsum(matches.hit) / (np.arange(1, len(matches.hit) + 1) + matches.objects)
    is_last = np.append(matches.scores[1:] < matches.scores[:-1], True)  # of its score: equal ones come together
    last = int(np.where(is_last, f1, -1).argmax())
    below = matches.scores[last + 1] if last + 1 < len(matches.scores) else 0.0
    return float(matches.scores[last] + min(below, matches.scores[last])) / 2


def at_threshold(matches: Matches, threshold: float) -> tuple[float, float]:
    """Precision and recall of the detections from a score on; not a number without detections, without objects."""
    hit = matches.hit[matches.scores >= threshold]
    return (
        float(hit.mean()) if len(hit) else float("nan"),
        float(hit.sum() / matches.objects) if matches.objects else float("nan"),
    )


def _area(hit: NDArray[np.bool_], objects: int) -> float:
    hits = np.cumsum(hit)
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or more
    return float(falling[hit].sum() / objects)
