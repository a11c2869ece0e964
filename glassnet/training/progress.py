"""Where a training stands, in figures. Knows nothing of what trains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of the history. loss, accuracy: on the varied training examples, as they came. held_*: on val,
    the loss at its best temperature.
    """

    epoch: int
    loss: float
    accuracy: float
    held_loss: float
    held_accuracy: float
    learning_rate: float
    seconds: float
    examples_per_second: float


@dataclass(frozen=True)
class Progress:
    """Where a training stands. epoch: from 1. step: done in this epoch. finished: the epoch, when one just ended.

    has_labels: whether its phase learns classes; if not, losses are mean squared errors, and nothing is right or wrong.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    examples_per_second: float
    seconds_left: float
    finished: Epoch | None = None
    has_labels: bool = True


@dataclass
class Position:
    """Where the loop is, and the sums of the epoch so far."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
