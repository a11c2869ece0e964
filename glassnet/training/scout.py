"""How hard a data set is: what a small net gets right of the held-out examples after one short look at the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from glassnet.data.dataset import TRAIN, VAL, Dataset, Normalisation
from glassnet.data.kind import Augmentation
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import Spec
from glassnet.training.answers import answers
from glassnet.training.recipe import Recipe
from glassnet.training.trainer import Trainer

LEARNT, ASKED = 5_000, 1_000  # examples
BATCH = 64
EASY = 0.9  # right on held-out examples, after so short a look


def glance(
    spec: Spec, dataset: Dataset, sides: Split, normalisation: Normalisation, recipe: Recipe, device: torch.device
) -> float:
    """The share of some held-out examples that a net of this text is right on after seeing some of the others once."""
    short = replace(recipe, epochs=1, batch=BATCH, augmentation=Augmentation())
    random = np.random.default_rng([recipe.seed, 6])
    train, held = (
        Loader(
            dataset,
            np.sort(random.permutation(sides.rows(side))[:most]),
            normalisation,
            BATCH,
            device,
            None,
            short.seed,
        )
        for side, most in ((TRAIN, LEARNT), (VAL, ASKED))
    )
    net = ConvNet(spec, dataset.shape, len(dataset.classes), recipe.seed)
    trainer = Trainer(net, train, held, short)
    for _ in trainer.run():
        pass
    logits, y = answers(net, held, recipe.precision)
    return float((logits.argmax(1) == y).float().mean())
