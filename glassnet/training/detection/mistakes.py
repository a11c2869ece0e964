"""False detections by their sort, as in Hoiem et al. 2012, "Diagnosing error in object detectors", section 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.data.boxes.geometry import overlap
from glassnet.training.detection.matching import Found, Objects, belonging, operating

DUPLICATE, PLACED, CONFUSED, BACKGROUND = SORTS = ("duplicate", "badly placed", "confused", "background")
NEAR = 0.1  # overlap from which a false detection has to do with an object


@dataclass(frozen=True)
class Mistake:
    """A false detection. picture, place: which. of: the object it has to do with, or -1; overlap: with that object."""

    picture: int
    place: int
    label: int
    score: float
    sort: str
    of: int
    overlap: float


def mistakes(
    objects: Sequence[Objects], found: Sequence[Found], thresholds: Sequence[float], least: float = 0.5
) -> tuple[Mistake, ...]:
    """All false detections from their class's threshold on, the surest first. thresholds: (K,).

    Duplicate: on an object of its class that a surer one found. Badly placed: overlaps one by NEAR at least, but not
    enough. Confused: overlaps an object of another class by NEAR at least. Background: the rest.
    """
    every = [
        one
        for i, (real, said) in enumerate(zip(objects, found, strict=True))
        for one in _of_picture(i, real, said, thresholds, least)
    ]
    return tuple(sorted(every, key=lambda one: (-one.score, one.picture, one.place)))


def _of_picture(picture: int, real: Objects, said: Found, thresholds: Sequence[float], least: float) -> list[Mistake]:
    good = np.zeros(len(said.scores), bool)
    for label in np.unique(said.labels):
        one = belonging(real, said, int(label), least)
        good[one.place] = one.is_hit | ~one.counts
    wrong = [int(place) for place in operating(said, thresholds) if not good[place]]
    share = overlap(said.boxes[wrong], real.boxes)  # (wrong, n)
    return [_sorted(picture, place, said, real, row, least) for place, row in zip(wrong, share, strict=True)]


def _sorted(picture: int, place: int, said: Found, real: Objects, share: np.ndarray, least: float) -> Mistake:
    """share: (n,) its overlap with each object."""
    label, of, most, sort = int(said.labels[place]), -1, 0.0, BACKGROUND
    own = real.labels == label
    for mine, name in ((own, PLACED), (~own, CONFUSED)):
        best = float(share[mine].max(initial=0))
        if best >= NEAR:
            of, most = int(np.flatnonzero(mine)[share[mine].argmax()]), best
            sort = DUPLICATE if name == PLACED and best >= least else name
            break
    return Mistake(picture, place, label, float(said.scores[place]), sort, of, most)
