"""What a training came to, with labels or without, with all that a report or a model folder tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import Dataset, Normalisation
from glassnet.data.split import Split
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import Row, operations
from glassnet.training.completion import Rebuilt
from glassnet.training.evaluate import Report
from glassnet.training.familiarity import Alarms, Familiarity
from glassnet.training.machine import Machine
from glassnet.training.progress import Epoch
from glassnet.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained net and its story. rows: its layer sheet. classes: what its votes are for.

    source: the data as it was named, if it was. command: what does this training again, if it was. fingerprint: of its
    examples, classes and sides. notes: what a person should know. familiar, alarms: what tells strange examples, and
    how many real test examples it takes for such; None where the examples are too few, or too much the same, to tell.
    """

    net: ConvNet
    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    dataset: Dataset
    source: str
    command: str
    fingerprint: str
    split: Split
    normalisation: Normalisation
    recipe: Recipe
    machine: Machine
    history: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    notes: tuple[str, ...]
    familiar: Familiarity | None = None
    alarms: Alarms | None = None

    @property
    def examples_per_second(self) -> float:
        """Training speed over all epochs of the last phase, judging the held-out examples included."""
        spent = sum(epoch.seconds for epoch in self.history)
        return sum(epoch.examples_per_second * epoch.seconds for epoch in self.history) / spent

    @property
    def gflops(self) -> float:
        """Products and sums of training a second, in GF/s."""
        return self.examples_per_second * operations(self.rows) / 1e9

    @property
    def share_of_peak(self) -> float:
        """That speed as a share of the machine's measured peak at the precision used."""
        return self.gflops / self.machine.gflops[self.recipe.precision]


@dataclass(frozen=True, kw_only=True)
class Outcome(Trained):
    """What a training with labels came to. test, held: reports of the sides it did not learn from.

    temperature: what its votes were divided by.
    """

    temperature: float
    test: Report
    held: Report


@dataclass(frozen=True, kw_only=True)
class Unlabelled(Trained):
    """What a training without labels came to. test: what was measured on the test examples, and of which `asked` (n,).

    learnt: the epochs of each machine by its name, from the lowest up.
    """

    test: Rebuilt
    asked: NDArray[np.int64]
    learnt: Mapping[str, tuple[Epoch, ...]]
