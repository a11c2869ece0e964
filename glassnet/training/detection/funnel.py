"""Where objects are lost on their way through a detector: from what is there to what it says. Opens no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.data.boxes.geometry import overlap
from glassnet.training.detection.matching import Flags, Found, Ints, Objects, Stages, belonging

STAGES = ("objects", "proposed", "scored", "kept")


@dataclass(frozen=True)
class Lost:
    """An object that wasn't found. picture, place: which. stage: the first of STAGES that it doesn't reach.

    words: why. rival: the box that stands for the reason (x1, y1, x2, y2), if there is one.
    """

    picture: int
    place: int
    label: int
    stage: str
    words: str
    rival: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Funnel:
    """How many objects of each class reach each stage; never more than reach the one before. All: (K,).

    proposed: a proposal overlaps it enough. scored: a box of its own class does, with enough score. kept: it was found.
    moved: how many count as proposed only because a box does that was moved there from a proposal too far away.
    """

    objects: Ints
    proposed: Ints
    scored: Ints
    kept: Ints
    moved: Ints
    lost: tuple[Lost, ...]

    def reached(self, label: int | None = None) -> tuple[int, ...]:
        """How many reach each of STAGES, of one class or of all."""
        counts = (self.objects, self.proposed, self.scored, self.kept)
        return tuple(int(one.sum() if label is None else one[label]) for one in counts)


def funnel(
    classes: Sequence[str],
    objects: Sequence[Objects],
    stages: Sequence[Stages],
    thresholds: Sequence[float],
    least: float = 0.5,
) -> Funnel:
    """Follows every object. thresholds: (K,) the scores from which a class's boxes count. least: enough overlap.

    An object that is found by a box moved there from a proposal further away counts as proposed and as scored. Hard
    objects count neither way.
    """
    size = len(classes)
    counts = np.zeros((5, size), np.int64)
    lost: list[Lost] = []
    for i, (real, made) in enumerate(zip(objects, stages, strict=True)):
        walk = _Walk(classes, real, made, np.asarray(thresholds, float), least)
        easy = ~real.is_hard
        for row, reached in enumerate((easy, walk.proposed, walk.scored, walk.kept, walk.proposed & ~walk.near)):
            counts[row] += np.bincount(real.labels[easy & reached], minlength=size)
        lost += [walk.lost(i, int(place)) for place in np.flatnonzero(easy & ~walk.kept)]
    return Funnel(counts[0], counts[1], counts[2], counts[3], counts[4], tuple(lost))


class _Walk:
    """The objects of one picture on their way. proposed, scored, kept, near: (n,) whether each got there."""

    def __init__(
        self, classes: Sequence[str], real: Objects, made: Stages, thresholds: np.ndarray, least: float
    ) -> None:
        self.classes, self.real, self.made, self.thresholds, self.least = classes, real, made, thresholds, least
        proposals = overlap(real.boxes, made.proposals)  # (n, p)
        self.best = proposals.max(1, initial=0)
        self.share = overlap(real.boxes, made.scored.boxes)  # (n, s)
        self.own = real.labels[:, None] == made.scored.labels[None]
        self.holder, self.kept = self._kept()
        enough = made.scored.scores >= thresholds[made.scored.labels]
        self.good = (self.share >= least) & self.own & enough[None]
        self.near = self.best >= least
        self.scored: Flags = self.good.any(1) | self.kept
        self.proposed: Flags = self.near | self.scored

    def _kept(self) -> tuple[Ints, Flags]:
        """(m,) the object that each kept box belongs to, or -1; (n,) whether a kept box from its score on hits it."""
        holder, kept = np.full(len(self.made.kept.scores), -1), np.zeros(len(self.real.labels), bool)
        for label in np.unique(self.made.kept.labels):
            one = belonging(self.real, self.made.kept, int(label), self.least)
            holder[one.place] = one.of
            kept[one.of[one.is_hit & (self.made.kept.scores[one.place] >= self.thresholds[label])]] = True
        return holder, kept

    def lost(self, picture: int, place: int) -> Lost:
        label = int(self.real.labels[place])
        if not self.proposed[place]:
            words = f"no proposal overlaps it by {self.least:.2f}, the best by {self.best[place]:.2f}"
            return Lost(picture, place, label, "proposed", words)
        words, rival = self._unkept(place) if self.scored[place] else self._unscored(place)
        return Lost(picture, place, label, "kept" if self.scored[place] else "scored", words, rival)

    def _unscored(self, place: int) -> tuple[str, tuple[float, ...] | None]:
        """Why no box of its class scored enough there: what did instead."""
        scored, label, share = self.made.scored, int(self.real.labels[place]), self.share[place]
        there = np.flatnonzero(share >= self.least)
        if not len(there):
            most = share.max(initial=0)
            far = f"the nearest box with a score overlaps it by {most:.2f}" if most else "no box there has a score"
            return f"proposed ({self.best[place]:.2f}), but {far}", None
        own, others = there[self.own[place, there]], there[~self.own[place, there]]
        wanted = self.thresholds[label]
        words = f"{scored.scores[own].max():.2f} at most for its own class, {wanted:.2f} is needed" if len(own) else ""
        winner = int(others[scored.scores[others].argmax()]) if len(others) else -1
        if winner >= 0 and (not len(own) or scored.scores[winner] > scored.scores[own].max()):
            other = f"{self.classes[scored.labels[winner]]} won there with {scored.scores[winner]:.2f}"
            return f"{other}; {words or 'its own class has no score there'}", _corners(scored, winner)
        return words, _corners(scored, int(own[scored.scores[own].argmax()]))

    def _unkept(self, place: int) -> tuple[str, tuple[float, ...] | None]:
        """Why its best box was not kept, or not for it."""
        scored, kept, label = self.made.scored, self.made.kept, int(self.real.labels[place])
        good = np.flatnonzero(self.good[place])
        box = int(good[scored.scores[good].argmax()])
        words = f"its box scored {scored.scores[box]:.2f}"
        same = np.flatnonzero((kept.labels == label) & (kept.scores >= scored.scores[box]))
        share = overlap(scored.boxes[box][None], kept.boxes[same])[0]
        if not share.max(initial=0) > 0:
            return f"{words}, but was dropped though no surer kept box overlaps it", _corners(scored, box)
        by = int(same[share.argmax()])
        where = _corners(kept, by)
        if np.allclose(kept.boxes[by], scored.boxes[box]):
            return f"{words} and was kept, but overlaps another object more", where
        most, of = float(share.max()), "of another object" if self.holder[by] >= 0 else "on no object"
        return f"{words}, dropped for a kept box {of} ({kept.scores[by]:.2f}), which overlaps it by {most:.2f}", where


def _corners(found: Found, place: int) -> tuple[float, ...]:
    return tuple(float(value) for value in found.boxes[place])
