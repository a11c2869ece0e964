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
class Stages:
    """What a detector made of one picture, stage by stage.

    proposals: (p, 4) the regions that were looked at. scored: their boxes after box regression, once for each class
    that they may be, before any was dropped for another. kept: what the detector says.
    """

    proposals: Boxes
    scored: Found
    kept: Found


@dataclass(frozen=True)
class Belonging:
    """The detections of one class on one picture, the surest first. place: (m,) theirs in Found.

    of: (m,) the object that each belongs to, as its place in Objects, or -1. overlap: (m,) with the object of this
    class that it overlaps most. is_hit: (m,). counts: (m,) False for those that belong to a hard object.
    """

    place: Ints
    of: Ints
    overlap: Floats
    is_hit: Flags
    counts: Flags


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


def belonging(real: Objects, said: Found, label: int, least: float = 0.5) -> Belonging:
    """Which detection of a class belongs to which object of one picture. least: the overlap of a hit.

    A detection belongs to the object of its class that it overlaps most; of several that belong to one, the surest is
    the hit and the others are false. Detections that belong to a hard object count neither way.
    """
    mine, chosen = np.flatnonzero(real.labels == label), np.flatnonzero(said.labels == label)
    place = chosen[np.argsort(-said.scores[chosen], kind="stable")]
    if not len(mine):
        nothing = np.zeros(len(place))
        return Belonging(place, nothing.astype(np.int64) - 1, nothing, nothing > 0, nothing == 0)
    share = overlap(said.boxes[place], real.boxes[mine])  # (m, n)
    best, most = mine[share.argmax(1)], share.max(1)  # (m,)
    of = np.where(most >= least, best, -1)
    counts = (of < 0) | ~real.is_hard[best]
    first = np.zeros(len(place), bool)
    first[np.unique(of, return_index=True)[1]] = True
    return Belonging(place, of, most, first & (of >= 0) & counts, counts)


def operating(said: Found, thresholds: Sequence[float]) -> Ints:
    """The detections that reach the threshold of their class, the surest first. thresholds: (K,)."""
    enough = np.flatnonzero(said.scores >= np.asarray(thresholds, float)[said.labels])
    return np.asarray(enough[np.argsort(-said.scores[enough], kind="stable")])


def match(objects: Sequence[Objects], found: Sequence[Found], label: int, least: float = 0.5) -> Matches:
    """Matches a class's detections to its objects over all pictures. least: the overlap of a hit."""
    each = np.array([int(((one.labels == label) & ~one.is_hard).sum()) for one in objects], np.int64)
    scores, hits, places = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, np.int64)]
    for i, (real, said) in enumerate(zip(objects, found, strict=True)):
        one = belonging(real, said, label, least)
        scores.append(said.scores[one.place[one.counts]])
        hits.append(one.is_hit[one.counts])
        places.append(np.full(int(one.counts.sum()), i))
    every = np.concatenate(scores)
    order = np.argsort(-every, kind="stable")
    return Matches(every[order], np.concatenate(hits)[order], np.concatenate(places)[order], int(each.sum()), each)
