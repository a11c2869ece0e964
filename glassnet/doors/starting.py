"""From a plan to what a training starts with: loaders of the three sides, and a net with its first weights."""

from __future__ import annotations

from pathlib import Path

import torch

from glassnet.config import Training
from glassnet.data.dataset import TRAIN, Dataset
from glassnet.data.kinds import KINDS
from glassnet.data.loader import Loader
from glassnet.data.split import Split, split
from glassnet.doors.card import refuse_weights_of_detector
from glassnet.doors.plan import Plan
from glassnet.nets import text, vectors, weights, zoo
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Embed as LookedUp
from glassnet.nets.vectors import Vectors
from glassnet.nets.weights import Weights
from glassnet.training.evidence import weigh_words
from glassnet.training.whitening import EXAMPLES, can_be_whitened, whiten
from glassnet.world import ALONE, World


def fitted(dataset: Dataset, seed: int) -> Dataset:
    """The data set as it is once its training examples are known: sentences learn their words from these alone."""
    kind = KINDS[dataset.kind]
    return kind.fitted(dataset, split(dataset, seed).rows(TRAIN)) if kind.fit else dataset


def loaders(
    plan: Plan, dataset: Dataset, sides: Split, device: torch.device, world: World = ALONE
) -> tuple[Loader, Loader, Loader]:
    """Loaders of the three sides. world: of the processes that share each step of training."""
    recipe = plan.recipe
    train, val, test = (
        Loader(
            dataset,
            sides.rows(side),
            plan.normalisation,
            recipe.batch,
            device,
            recipe.augmentation if side == TRAIN else None,
            recipe.seed,
            recipe.examples if side == TRAIN else 0,
            world if side == TRAIN else ALONE,
        )
        for side in range(3)
    )
    return train, val, test


def build(plan: Plan, dataset: Dataset) -> ConvNet:
    """The net of a plan, with random weights."""
    net = ConvNet(text.parse(plan.net), dataset.shape, len(classes_of(plan.net, dataset)), plan.recipe.seed)
    if not dataset.has_labels:
        net.name_features()
    return net


def classes_of(net: str, dataset: Dataset) -> tuple[str, ...]:
    """What a net's votes on a data set are for: its classes, or features where nothing names any."""
    return dataset.classes if dataset.has_labels else zoo.without_labels(text.parse(net))[1]


def begin(net: ConvNet, plan: Plan, train: Loader) -> None:
    """Gives a net what it begins with beside random weights: --weights, whitening kernels, how much each word tells."""
    given = weights_of(plan.settings, train.dataset)
    if given:
        given.lay_in(net, train.dataset.classes)
    elif can_be_whitened(net):
        whiten(net, train.some(EXAMPLES))
    elif isinstance(first := next(net.children()), LookedUp):
        weigh_words(first, train.dataset.samples.x, train.dataset.samples.y, train.rows)


def weights_of(settings: Training, dataset: Dataset) -> Weights | Vectors | None:
    """What --weights names: of words their vectors, of other data a net's weights. Raises GlassnetError."""
    if not settings.weights:
        return None
    kind, path = KINDS[dataset.kind], Path(settings.weights)
    if not kind.looked_up or path.suffix.lower() not in vectors.SUFFIXES:
        refuse_weights_of_detector(settings.weights)
        return weights.find(settings.weights)
    words = tuple(str(dataset.preparation.settings["words"]).split("\n"))
    return vectors.find(settings.weights, words, settings.net or kind.net)


def begun_with(given: Weights | Vectors, plan: Plan, dataset: Dataset) -> tuple[str, ...]:
    """What a person should know of the weights that a training begins with, which are tried on for it."""
    net = ConvNet(text.parse(plan.net), dataset.shape, len(dataset.classes))
    done = given.lay_in(net, dataset.classes)
    longer = max(dataset.shape[1:])
    if given.side <= longer * 1.3:
        return (done,)
    return done, f"these weights were made with pictures of {given.side} pixels; here they have {longer} (--size)"
