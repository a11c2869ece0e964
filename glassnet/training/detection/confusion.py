"""What detections say of what is really there, any class with any, and of nothing; objects that nobody found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.data.boxes.geometry import overlap
from glassnet.training.detection.matching import Found, Ints, Objects, operating

BACKGROUND, MISSED = "background", "missed"
SAME = 1e-9  # by which an equal overlap with an object of the same class counts more


@dataclass(frozen=True)
class Confusion:
    """counts: (K + 1, K + 1). Rows: the class that it is, last the background. Columns: the class that was said, last
    missed. A row adds up to the objects of its class; a column, with what was left out, to the detections of its.

    left_out: (K,) detections of each class on hard objects, which count neither way.
    """

    counts: Ints
    left_out: Ints

    def confused(self) -> list[tuple[int, int, int]]:
        """(row, column, how often) off the diagonal, the most frequent first."""
        rows, columns = np.nonzero(self.counts)
        cells = [(int(self.counts[i, j]), int(i), int(j)) for i, j in zip(rows, columns, strict=True) if i != j]
        return [(i, j, n) for n, i, j in sorted(cells, key=lambda cell: (-cell[0], cell[1], cell[2]))]


def confusion(
    classes: int, objects: Sequence[Objects], found: Sequence[Found], thresholds: Sequence[float], least: float = 0.5
) -> Confusion:
    """Counts the detections from their class's threshold on. thresholds: (K,). least: the overlap of a match.

    The surest first, each detection takes of the objects that are left, of whatever class, the one that it overlaps
    most; what finds none that it overlaps enough is on the background. Hard objects are never taken, nor missed.
    """
    counts, left_out = np.zeros((classes + 1, classes + 1), np.int64), np.zeros(classes, np.int64)
    for real, said in zip(objects, found, strict=True):
        missed = ~real.is_hard
        for place, of in pairs(real, said, thresholds, least):
            label = int(said.labels[place])
            if of >= 0 and real.is_hard[of]:
                left_out[label] += 1
                continue
            counts[real.labels[of] if of >= 0 else classes, label] += 1
            if of >= 0:
                missed[of] = False
        counts[:classes, classes] += np.bincount(real.labels[missed], minlength=classes)
    return Confusion(counts, left_out)


def pairs(real: Objects, said: Found, thresholds: Sequence[float], least: float) -> Iterator[tuple[int, int]]:
    """(detection, the object that it takes or -1), the surest first."""
    share = overlap(said.boxes, real.boxes)  # (m, n)
    share = np.where(share >= least, share + SAME * (said.labels[:, None] == real.labels[None]), 0)
    for place in operating(said, thresholds):
        of = int(share[place].argmax()) if share[place].any() else -1
        if of >= 0 and not real.is_hard[of]:
            share[:, of] = 0
        yield int(place), of
