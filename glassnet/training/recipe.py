"""How a training goes: chosen from the data and the machine, every choice a plain number that a person may overrule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from glassnet.config import Training
from glassnet.data.dataset import TRAIN, Dataset
from glassnet.data.kind import Augmentation
from glassnet.data.kinds import KINDS
from glassnet.data.split import Split
from glassnet.data.symmetry import Symmetry, symmetry
from glassnet.nets.zoo import MANY

UNEVEN = 1.5  # classes are weighed when the largest has this many times the examples of the smallest
EXAMPLES_SEEN = 3000.0  # epochs are this over the square root of the examples, within EPOCHS
EPOCHS = (8, 60)
FEWER = 0.5  # times as many, where the examples are MANY and the net is large
GLANCES = 100_000  # examples seen in a training of a small net on easy data, in at least two epochs
BATCHES = (32, 512)
DROPPED = 2 / 7  # of a training after which sgd's rate is a tenth: 20,000 of R-CNN's 70,000 steps
LEARNING, TUNING = 0.01, 0.003  # highest learning rate, of a net that begins anew and of one that begins with weights


@dataclass(frozen=True)
class Recipe:
    """One training run. class_weight: (K,) or None. examples: of an epoch, 0 for all. warm: share that warms up.

    threads: cores that the work is spread over, 0 for as many as torch takes. optimizer: "muon" (see trainer), or "sgd"
    with steps down instead of a line, as R-CNN's net was fine-tuned. patience: steps of the phases without labels, as a
    multiple of what they have by themselves.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    smoothing: float
    warm: float
    precision: str
    seed: int
    augmentation: Augmentation
    class_weight: tuple[float, ...] | None = None
    examples: int = 0
    threads: int = 0
    optimizer: str = "muon"
    patience: float = 1.0

    @property
    def both_ways(self) -> bool:
        """Whether the trained net is asked about mirror images too: where mirrored copies are natural."""
        return self.augmentation.mirror_x

    def share(self, done: float) -> float:
        """The learning rate when a share `done` of all steps is done, of its highest: up in a line, then down in one.

        Smith and Topin 2017, "Super-convergence"; down to zero: Bergsma et al. 2025, "Straight to zero".
        """
        if self.optimizer == "sgd":
            return 0.1 ** int(done / DROPPED)
        if done < self.warm:
            return 0.04 + 0.96 * done / self.warm
        return (1 - done) / (1 - self.warm)


@dataclass(frozen=True)
class Choice:
    """A recipe, and in words what of it depends on the data."""

    recipe: Recipe
    notes: tuple[str, ...]


def choose(dataset: Dataset, split: Split, settings: Training, precision: str) -> Choice:
    """The recipe for a data set: what the settings say, and for the rest what its size and classes suggest."""
    train = split.rows(TRAIN)
    count, kind = len(train), KINDS[dataset.kind]
    varied = settings.augment and dataset.augment and dataset.has_labels
    found = symmetry(dataset, train, settings.seed) if varied and kind.mirrored else None
    augmentation = _augmentation(dataset, found) if varied else Augmentation()
    weight = _class_weight(dataset, split)
    tuned = settings.weights and not kind.looked_up  # vectors of words are but the beginning of a net
    usual = min(max(_power_of_two(count / 40), BATCHES[0]), BATCHES[1])
    batch = settings.batch or usual
    rate = (TUNING if tuned else LEARNING) * kind.rate * math.sqrt(batch / usual)  # as noisy: Malladi et al. 2022
    recipe = Recipe(
        epochs=settings.epochs or max(1, round(default_epochs(count) * kind.epochs)),
        batch=batch,
        learning_rate=settings.learning_rate or rate,
        weight_decay=0.02,
        smoothing=0.1,
        warm=0.1,
        precision=precision,
        seed=settings.seed,
        augmentation=augmentation,
        class_weight=weight,
    )
    return Choice(recipe, _notes(dataset, split, weight, augmentation, found))


def easy_epochs(examples: int) -> int:
    """How often each example is seen where a small net tells them apart at a glance."""
    return min(max(round(GLANCES / examples), 2), EPOCHS[1])


def default_epochs(examples: int) -> int:
    """How often each example is seen: fewer times when there are many."""
    share = FEWER if examples >= MANY else 1
    return min(max(round(share * EXAMPLES_SEEN / math.sqrt(examples)), EPOCHS[0]), EPOCHS[1])


def _augmentation(dataset: Dataset, found: Symmetry | None) -> Augmentation:
    """Copies that are natural for the kind of data, mirrored only where that was found to keep the classes."""
    natural = KINDS[dataset.kind].vary(dataset.shape)
    if found is None:
        return natural
    return replace(natural, mirror_x=found.left_right.natural, mirror_y=found.up_down.natural)


def _class_weight(dataset: Dataset, split: Split) -> tuple[float, ...] | None:
    """Rare classes count more, by one over the square root of their number; the mean over the examples is 1.

    None where they are even, or where one has no examples yet.
    """
    counts, each = split.counts[TRAIN].astype(np.float64), dataset.samples.weight
    if each is not None:
        rows = split.rows(TRAIN)
        counts = np.bincount(dataset.samples.y[rows], each[rows].astype(np.float64), len(counts))
    if counts.max() < UNEVEN * counts.min() or not counts.min():
        return None
    weight = 1 / np.sqrt(counts)
    return tuple((weight * counts.sum() / (weight * counts).sum()).tolist())


def _notes(
    dataset: Dataset,
    split: Split,
    weight: tuple[float, ...] | None,
    augmentation: Augmentation,
    found: Symmetry | None,
) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if weight is not None:
        counts = split.counts[TRAIN]
        notes += (f"uneven classes ({counts.min():,} to {counts.max():,}): a rare one's examples weigh more",)
    if not augmentation.is_still:
        mirror = found.left_right if found else None
        why = ""
        if mirror and mirror.plain >= 0:
            why = f" (a linear model is right on {mirror.plain * 100:.0f} %, mirrored {mirror.mirrored * 100:.0f} %)"
        axes = KINDS[dataset.kind].axes(dataset.preparation, None)
        notes += (f"varied: {augmentation.describe(axes)}{why}",)
    if augmentation.mirror_x:
        notes += (f"an answer is the mean over a {dataset.one} and its mirror image",)
    return notes


def _power_of_two(number: float) -> int:
    return int(2 ** round(math.log2(max(number, 1))))
