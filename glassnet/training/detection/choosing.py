"""What is chosen on validation pictures: over which overlap two boxes are one object, what a margin is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glassnet.training.detection.detecting import Seen, again
from glassnet.training.detection.matching import Objects, match
from glassnet.training.detection.precision import all_points

OVERLAPS = (0.3, 0.4, 0.5, 0.6)  # R-CNN's own is 0.3; where objects crowd that loses them
ENOUGH = 5  # hits and misses without which a chance can't be told


def mean_precision(objects: Sequence[Objects], seen: Sequence[Seen], classes: int) -> float:
    """The mean, over the classes that there are, of the average precision at an overlap of 0.5."""
    found = [one.found for one in seen]
    each = [all_points(match(objects, found, k)) for k in range(classes)]
    known = [one for one in each if not np.isnan(one)]
    return float(np.mean(known)) if known else 0.0


def choose_overlap(objects: Sequence[Objects], seen: Sequence[Seen], classes: int) -> float:
    """The overlap for non-maximum suppression that is best on these pictures; of equal ones the smallest."""
    best = [mean_precision(objects, [again(one, most, classes) for one in seen], classes) for most in OVERLAPS]
    return OVERLAPS[int(np.argmax(best))]


def chances(objects: Sequence[Objects], seen: Sequence[Seen], classes: int, slope: float) -> NDArray[np.float64]:
    """(K, 2) slope and offset that turn a margin into the chance that the box is right, from what was found here.

    The scores of `seen` are sigmoid(slope x margin). Platt 1999. A class with too few to tell keeps that slope.
    """
    from sklearn.linear_model import LogisticRegression

    found, result = [one.found for one in seen], np.tile([slope, 0.0], (classes, 1))
    for k in range(classes):
        matches = match(objects, found, k)
        if min(int(matches.hit.sum()), int((~matches.hit).sum())) < ENOUGH:
            continue
        score = np.clip(matches.scores, 1e-9, 1 - 1e-9)
        margin = np.log(score / (1 - score)) / slope
        model = LogisticRegression(C=1e3, max_iter=1000).fit(margin[:, None], matches.hit)
        if model.coef_[0, 0] > 0:
            result[k] = model.coef_[0, 0], model.intercept_[0]
    return result
