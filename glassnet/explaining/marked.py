"""A picture's detections beside what is really on it: which are right, which objects are missed, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.data.boxes.geometry import overlap
from glassnet.training.detection.detecting import Seen
from glassnet.training.detection.funnel import funnel
from glassnet.training.detection.matching import Objects, Stages
from glassnet.training.detection.mistakes import BACKGROUND, DUPLICATE, PLACED, Mistake, mistakes


@dataclass(frozen=True)
class Verdict:
    """What a detection is worth. is_right: None where it lies on an object that counts neither way."""

    is_right: bool | None
    words: str


@dataclass(frozen=True)
class Missed:
    """An object that wasn't found. stage: the first of the funnel that it doesn't reach. words: why.

    box: (4,). rival: the box that is the reason, if one is.
    """

    label: int
    box: tuple[float, ...]
    stage: str
    words: str
    rival: tuple[float, ...] | None


@dataclass(frozen=True)
class Marked:
    """verdicts: of what is kept and over its threshold, by its place among what is kept. objects: that count.

    missed: those of them that weren't found.
    """

    verdicts: dict[int, Verdict]
    objects: int
    missed: tuple[Missed, ...]


def mark(real: Objects, seen: Seen, classes: Sequence[str], thresholds: Sequence[float]) -> Marked:
    """Compares a picture's detections with its objects. thresholds: (K,) scores from which a class's boxes count."""
    found = seen.found
    wrong = {one.place: one for one in mistakes([real], [found], thresholds)}
    share = overlap(found.boxes, real.boxes)  # (m, n)
    verdicts = {}
    for place, (label, score) in enumerate(zip(found.labels.tolist(), found.scores.tolist(), strict=True)):
        if score >= thresholds[label]:
            own = np.where(real.labels == label, share[place], -1.0)
            verdicts[place] = _verdict(wrong.get(place), own, real, classes)
    followed = funnel(classes, [real], [Stages(seen.proposals, seen.scored, found)], thresholds)
    missed = tuple(
        Missed(one.label, tuple(real.boxes[one.place].tolist()), one.stage, one.words, one.rival)
        for one in followed.lost
    )
    return Marked(verdicts, int((~real.is_hard).sum()), missed)


def _verdict(wrong: Mistake | None, own: np.ndarray, real: Objects, classes: Sequence[str]) -> Verdict:
    """own: (n,) its overlap with each object of its class, -1 with the others."""
    if wrong is None:
        of = int(own.argmax())
        name = classes[real.labels[of]]
        if real.is_hard[of]:
            return Verdict(None, f"neither right nor false: the {name} marked there is called difficult")
        return Verdict(True, f"right: {name} is marked there, overlapped by {own[of]:.2f}")
    if wrong.sort == BACKGROUND:
        return Verdict(False, "false: nothing is marked there")
    name = classes[real.labels[wrong.of]]
    words = {
        DUPLICATE: f"a surer box has this {name} already",
        PLACED: f"badly placed, it overlaps the {name} by {wrong.overlap:.2f} only",
    }.get(wrong.sort, f"{name} is marked there, overlapped by {wrong.overlap:.2f}")
    return Verdict(False, f"false: {words}")
