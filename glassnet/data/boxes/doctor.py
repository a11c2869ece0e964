"""A data doctor for boxes: copies, unusual sizes, pictures on which a common class was not marked. Opens no files.

What is left unmarked teaches a detector that it is background, and what is marked twice counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.annotated import Annotated, BoxData, Finding
from glassnet.data.boxes.geometry import area, overlap

Flags = NDArray[np.bool_]

COPY = 0.8  # overlap from which two boxes of one class are one object
COMMON = 0.9  # share of the pictures from which a class is expected on each
MANY = 5.0  # boxes of it a picture, in the mean, without which its absence means little
FAR = 3.5  # robust standard deviations of the log area: Iglewicz and Hoaglin 1993, section 3.4
FEW = 20  # boxes of a class from which its usual size is known
TWICE = 2.0  # times its usual area that an outlier has at least


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and what cleaned data looks like. absent: (pictures, K) common classes that are not marked."""

    findings: tuple[Finding, ...]
    cleaned: BoxData
    absent: Flags

    def by_sort(self) -> dict[str, list[Finding]]:
        """The findings by what they are, the most frequent first."""
        sorts: dict[str, list[Finding]] = {}
        for one in self.findings:
            sorts.setdefault(one.what, []).append(one)
        return dict(sorted(sorts.items(), key=lambda item: -len(item[1])))


def diagnose(data: BoxData) -> Diagnosis:
    """Looks data over. The cleaned copy lacks boxes that are there twice, and pictures that lack a common class."""
    absent = _absent(data)
    findings = [*data.found, *_copies(data), *_sizes(data), *_unmarked(data, absent)]
    whole = [i for i in range(len(data)) if not absent[i].any()]
    pictures = tuple(data.pictures[i].only(~_is_copy(data.pictures[i])) for i in whole)
    return Diagnosis(tuple(findings), replace(data, pictures=pictures), absent)


def _is_copy(one: Annotated) -> Flags:
    """(n,) whether an earlier box of the same class marks the same object."""
    same = (overlap(one.boxes, one.boxes) >= COPY) & (one.labels[:, None] == one.labels[None])
    return np.asarray(np.tril(same, -1).any(1))


def _copies(data: BoxData) -> Iterator[Finding]:
    for one in data.pictures:
        for i in np.flatnonzero(_is_copy(one)):
            label = data.classes[one.labels[i]]
            yield Finding(
                "marked twice", one.source, int(one.lines[i]), f"{label} at {_at(one, int(i))} is there already"
            )


def _sizes(data: BoxData) -> Iterator[Finding]:
    """Boxes much larger or smaller than their class usually is, with the class that they would fit, if one does."""
    logs = [np.log(area(one.boxes)) for one in data.pictures]
    labels = np.concatenate([one.labels for one in data.pictures])
    every, usual = np.concatenate(logs), {}
    for k in range(len(data.classes)):
        mine = every[labels == k]
        if len(mine) >= FEW:
            middle = float(np.median(mine))
            spread = 1.4826 * float(np.median(np.abs(mine - middle)))
            usual[k] = middle, max(spread, np.log(TWICE) / FAR)
    for one, log in zip(data.pictures, logs, strict=True):
        for i, (k, value) in enumerate(zip(one.labels.tolist(), log.tolist(), strict=True)):
            if k not in usual or abs(value - usual[k][0]) <= FAR * usual[k][1]:
                continue
            if value < usual[k][0] and _touches_edge(one, i):
                continue
            other = [j for j, (middle, spread) in usual.items() if j != k and abs(value - middle) <= spread]
            times = np.exp(abs(value - usual[k][0]))
            words = f"{times:.1f} times as {'large' if value > usual[k][0] else 'small'} as usual"
            fits = f"; a {data.classes[other[0]]} would be of this size" if len(other) == 1 else ""
            yield Finding(
                "unusual size", one.source, int(one.lines[i]), f"{data.classes[k]} at {_at(one, i)} is {words}{fits}"
            )


def _absent(data: BoxData) -> Flags:
    """(pictures, K) whether a class that is on nearly every picture, several times, is not on this one."""
    there = data.counts > 0
    if len(data) < FEW:
        return np.zeros_like(there)
    common = (there.mean(0) >= COMMON) & (data.counts.sum(0) >= MANY * np.maximum(there.sum(0), 1))
    return np.asarray(~there & common[None])


def _unmarked(data: BoxData, absent: Flags) -> Iterator[Finding]:
    for i, k in np.argwhere(absent):
        share = f"{(data.counts[:, k] > 0).mean() * 100:.0f} %"
        words = f"has no {data.classes[k]}, which is on {share} of the pictures: not marked, perhaps"
        yield Finding("class not marked", data.pictures[i].source, 0, words)


def _touches_edge(one: Annotated, i: int) -> bool:
    """Whether a box is cut off by the picture's edge, and small for that."""
    x1, y1, x2, y2 = one.boxes[i]
    return bool(x1 <= 1 or y1 <= 1 or x2 >= one.size[0] - 1 or y2 >= one.size[1] - 1)


def _at(one: Annotated, i: int) -> str:
    return ", ".join(f"{value:g}" for value in one.boxes[i])
