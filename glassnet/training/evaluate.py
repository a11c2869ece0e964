"""What a net's answers are worth: accuracy with its interval, confusion, figures a class, calibration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet.data.columns import Rows, stretches

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NORMAL_95 = 1.959963984540054
BINS = 10


@dataclass(frozen=True)
class ClassFigures:
    """One class. found: share of its examples recognised. right_when_said: share of such answers that hold."""

    name: str
    examples: int
    said: int
    hits: int
    found: float
    found_low: float
    found_high: float
    right_when_said: float
    right_low: float
    right_high: float
    f1: float


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence. confidence: their mean. accuracy: how many held, with its interval."""

    confidence: float
    accuracy: float
    low: float
    high: float
    examples: int


@dataclass(frozen=True)
class Shares:
    """The votes on N examples as shares of 1, made of a few at a time, when they are asked for. logits: (N, K)."""

    logits: NDArray[np.float32] | Floats

    def __getitem__(self, some: slice) -> Floats:
        return softmax(np.asarray(self.logits[some], np.float64))


@dataclass(frozen=True)
class Report:
    """Answers to N examples of known class. y: (N,) classes. probability: (N, K). rows: (N,) places in the data set."""

    classes: tuple[str, ...]
    y: Ints
    probability: Shares | Floats
    rows: Rows

    @cached_property
    def said(self) -> Ints:
        """(N,) the likeliest class."""
        return self._of_each(lambda shares, _: shares.argmax(1))

    @cached_property
    def confidence(self) -> Floats:
        """(N,) the probability of the likeliest class."""
        return self._of_each(lambda shares, _: shares.max(1))

    @property
    def examples(self) -> int:
        return len(self.y)

    @property
    def hits(self) -> int:
        """How many are right."""
        return int((self.said == self.y).sum())

    @property
    def accuracy(self) -> float:
        return self.hits / self.examples

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy."""
        return wilson(self.hits, self.examples)

    @cached_property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        own: Floats = self._of_each(lambda shares, y: shares[np.arange(len(y)), y])
        return float(-np.log(np.maximum(own, 1e-30)).mean())

    @cached_property
    def confusion(self) -> Ints:
        """(K, K) counts: row the class it is, column the class that was said."""
        size = len(self.classes)
        return np.bincount(self.y * size + self.said, minlength=size * size).reshape(size, size)

    @cached_property
    def by_class(self) -> tuple[ClassFigures, ...]:
        """Figures of each class, in order."""
        return tuple(self._figures(k) for k in range(len(self.classes)))

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the share found: rare ones count as much as common ones."""
        return float(np.mean([one.found for one in self.by_class if one.examples]))

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """Answers by confidence, in ten equal steps; empty ones left out."""
        place = np.minimum((self.confidence * BINS).astype(int), BINS - 1)
        return tuple(self._bin(place == i) for i in range(BINS) if (place == i).any())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of confidence and accuracy. Guo et al. 2017, section 2."""
        return sum(abs(one.confidence - one.accuracy) * one.examples for one in self.bins) / self.examples

    @cached_property
    def mistakes(self) -> Ints:
        """Which of the N are wrong, the surest first."""
        wrong = np.flatnonzero(self.said != self.y)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]

    @cached_property
    def narrow(self) -> Ints:
        """Which of the N are right, the least sure first."""
        right = np.flatnonzero(self.said == self.y)
        return right[np.argsort(self.confidence[right], kind="stable")]

    def confused(self) -> list[tuple[int, int, int]]:
        """(class, said instead, how often), the most frequent first."""
        pairs = [(int(self.confusion[i, j]), int(i), int(j)) for i, j in zip(*np.nonzero(self.confusion), strict=True)]
        return [(i, j, n) for n, i, j in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])) if i != j]

    def _of_each(self, of: Callable[[Floats, Ints], NDArray[Any]]) -> NDArray[Any]:
        """(N,) what is worked out of each example's shares (n, K) and class (n,), some examples at a time."""
        parts = [of(self.probability[some], self.y[some]) for some in stretches(self.examples, len(self.classes))]
        return np.concatenate(parts)

    def _figures(self, k: int) -> ClassFigures:
        hits = int(self.confusion[k, k])
        examples, said = int(self.confusion[k].sum()), int(self.confusion[:, k].sum())
        return ClassFigures(
            self.classes[k],
            examples,
            said,
            hits,
            hits / examples if examples else math.nan,
            *wilson(hits, examples),
            hits / said if said else math.nan,
            *wilson(hits, said),
            2 * hits / (examples + said) if examples + said else math.nan,
        )

    def _bin(self, mine: NDArray[np.bool_]) -> Bin:
        right = int((self.said[mine] == self.y[mine]).sum())
        count = int(mine.sum())
        return Bin(float(self.confidence[mine].mean()), right / count, *wilson(right, count), count)


def report(classes: tuple[str, ...], logits: NDArray[np.float32] | Floats, y: Ints, rows: Rows) -> Report:
    """The report of a net's logits (N, K), which it keeps."""
    return Report(classes, y, Shares(logits), rows)


def softmax(logits: Floats) -> Floats:
    """Votes as shares of 1. logits: (N, K)."""
    powers = logits - logits.max(1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(1, keepdims=True)
    return np.asarray(powers)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % confidence interval of a share. Wilson 1927; Brown, Cai and DasGupta 2001. No trials give 0 to 1."""
    if not trials:
        return 0.0, 1.0
    z2, share = NORMAL_95**2, hits / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return (max(0.0, centre - half) if hits else 0.0), (min(1.0, centre + half) if hits < trials else 1.0)


def figures(report: Report) -> dict[str, object]:
    """The report as plain values, for JSON."""
    low, high = report.interval
    return {
        "examples": report.examples,
        "accuracy": report.accuracy,
        "low": low,
        "high": high,
        "loss": report.loss,
        "balanced_accuracy": report.balanced_accuracy,
        "calibration_error": report.calibration_error,
        "classes": [
            {
                "class": one.name,
                "examples": one.examples,
                "found": _number(one.found),
                "right_when_said": _number(one.right_when_said),
                "f1": _number(one.f1),
            }
            for one in report.by_class
        ],
        "confusion": report.confusion.tolist(),
        "calibration": [
            {"confidence": one.confidence, "accuracy": one.accuracy, "examples": one.examples} for one in report.bins
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
