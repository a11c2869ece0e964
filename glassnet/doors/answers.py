"""What a model says of one input: a class with its votes, or boxes. The same words from a net and from a file of it.

Needs no torch, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SHOWN = 0.05  # score from which a box is told at all


@dataclass(frozen=True)
class Prediction:
    """What a model says of one input. votes: each class's share of 1, the strongest first; where nothing named classes,
    the chance of each feature of the highest machine to be there. error: why there is none.

    strangeness: over 1 it is like nothing that the model learnt from; None where the model can't tell.
    """

    input: str
    label: str = ""
    score: float = 0.0
    votes: Mapping[str, float] | None = None
    error: str = ""
    strangeness: float | None = None

    @classmethod
    def of(
        cls, name: str, classes: tuple[str, ...], shares: NDArray[np.float64], strangeness: float | None
    ) -> Prediction:
        """shares: (K,) each class's share of 1."""
        order = np.argsort(-shares, kind="stable")
        votes = {classes[k]: float(shares[k]) for k in order}
        return cls(name, classes[order[0]], float(shares[order[0]]), votes, strangeness=strangeness)

    @property
    def is_none_of_these(self) -> bool:
        """Whether it is like nothing that the model learnt from, whatever the votes say."""
        return self.strangeness is not None and self.strangeness > 1

    def as_json(self, top: int | None = None) -> dict[str, object]:
        """As `glassnet predict --json` prints it."""
        if self.votes is None:
            return {"input": self.input, "error": self.error}
        votes = dict(islice(self.votes.items(), top))
        said = {"input": self.input, "class": self.label, "score": self.score, "votes": votes}
        if self.strangeness is None:
            return said
        return said | {"none_of_these": self.is_none_of_these, "strangeness": self.strangeness}


@dataclass(frozen=True)
class Box:
    """One object found. box: x1, y1, x2, y2 in pixels of the file. is_likely: whether it is over the class's threshold,
    where hits and false alarms were best balanced on the validation pictures.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]
    is_likely: bool


@dataclass(frozen=True)
class Detections:
    """What a detector says of one input, the surest first. error: why there is nothing, or empty."""

    input: str
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] = (0, 0)
    error: str = ""

    @property
    def likely(self) -> tuple[Box, ...]:
        """Those over their thresholds."""
        return tuple(one for one in self.boxes if one.is_likely)

    def as_json(self, top: int | None = None) -> dict[str, object]:
        """As `glassnet predict --json` prints it."""
        if self.error:
            return {"input": self.input, "error": self.error}
        boxes = [
            {"class": one.label, "score": one.score, "box": list(one.box), "likely": one.is_likely}
            for one in self.boxes[:top]
        ]
        return {"input": self.input, "boxes": boxes}


def boxes_of(
    found: tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.integer]],
    classes: tuple[str, ...],
    thresholds: tuple[float, ...],
) -> tuple[Box, ...]:
    """found: boxes (n, 4), scores (n,) and classes' numbers (n,), the surest first. Those from SHOWN on stay."""
    boxes, scores, labels = (values.tolist() for values in found)
    return tuple(
        Box(classes[label], score, (box[0], box[1], box[2], box[3]), score >= thresholds[label])
        for box, label, score in zip(boxes, labels, scores, strict=True)
        if score >= min(SHOWN, thresholds[label])
    )
