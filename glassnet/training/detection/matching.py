"""Which detection found which object, a class at a time. Everingham et al. 2010, section 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes, overlap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Objects:
    """What is really on a picture. boxes: (n, 4). labels: (n,). is_hard: (n,) objects that count neither way."""

    boxes: Boxes
    labels: Ints
    is_hard: Flags


@dataclass(frozen=True)
class Found:
    """What a detector says is on a picture. boxes: (m, 4). labels: (m,). scores: (m,)."""

    boxes: Boxes
    labels: Ints
    scores: Floats


@dataclass(frozen=True)
class Matches:
    """All detections of one class, the surest first. hit: whether each found an object that none before it found.

    scores, hit: (m,), without those that fell on hard objects. picture: (m,) where. objects: how many there are to
    find. each: (pictures,) how many of them are on each picture.
    """

    scores: Floats
    hit: Flags
    picture: Ints
    objects: int
    each: Ints


def match(objects: Sequence[Objects], found: Sequence[Found], label: int, least: float = 0.5) -> Matches:
    """Matches a class's detections to its objects over all pictures. least: the overlap of a hit.

    A detection belongs to the object that it overlaps most; of several that belong to one, the surest is the hit and
    the others are false. Detections that belong to a hard object count neither way.
    """
    scores, hits, places, each = [], [], [], np.zeros(len(objects), np.int64)
    for place, (real, said) in enumerate(zip(objects, found, strict=True)):
        mine, hard = real.boxes[real.labels == label], real.is_hard[real.labels == label]
        each[place] = int((~hard).sum())
        chosen = np.flatnonzero(said.labels == label)
        order = chosen[np.argsort(-said.scores[chosen], kind="stable")]
        share = overlap(said.boxes[order], mine)  # (m, n)
        taken = np.zeros(len(mine), bool)
        for row, i in enumerate(order):
            best = int(share[row].argmax()) if len(mine) else -1
            is_on = best >= 0 and share[row, best] >= least
            if is_on and hard[best]:
                continue
            is_hit = bool(is_on and not taken[best])
            if is_hit:
                taken[best] = True
            scores.append(float(said.scores[i]))
            hits.append(is_hit)
            places.append(place)
    order = np.argsort(-np.array(scores, float), kind="stable")
    return Matches(
        np.array(scores, float)[order],
        np.array(hits, bool)[order],
        np.array(places, np.int64)[order],
        int(each.sum()),
        each,
    )
