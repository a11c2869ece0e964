"""From a data set in memory to a trained model, or further from one. Leaves no folder and tests nothing.

A training that a program asks for over and over: the machine's peaks aren't measured, nor is anybody watched.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from glassnet.config import Reading, Training
from glassnet.data import grids
from glassnet.data.dataset import TRAIN, VAL, Dataset
from glassnet.data.kinds import KINDS
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.doors import choosing, starting
from glassnet.doors import plan as plans
from glassnet.doors.card import Card
from glassnet.doors.figures import history
from glassnet.doors.judging import settle
from glassnet.doors.model import Model
from glassnet.doors.plan import Plan, card_of
from glassnet.nets import text
from glassnet.nets.convnet import ConvNet
from glassnet.training.evaluate import figures, report
from glassnet.training.familiarity import learn, remember
from glassnet.training.machine import LIGHT, Machine, choose_device, look_at_machine, using
from glassnet.training.trainer import Trainer

ROWS = "fc 64, relu, fc"  # of a table: its columns have no order, so that no layer looks at neighbours


def fit(dataset: Dataset, settings: Training, share: float) -> Model:
    """Trains a net. share: of the examples, held out to choose an epoch and to calibrate. Raises GlassnetError."""
    sides = grids.sides(dataset, share, settings.seed)
    plan, machine = _plan(dataset, settings, sides)
    with using(plan.recipe.threads):
        device = torch.device(machine.device)
        train, held, _ = starting.loaders(plan, dataset, sides, device)
        net = starting.build(plan, dataset)
        starting.begin(net, plan, train)
        trainer = _trained(Trainer(net, train, held, plan.recipe))
        card = _card(plan, dataset, sides, trainer, machine)
        told, seen = history(tuple(trainer.history)), dataset.samples.digest
        if not len(held.rows):
            return Model(net, card, {}, told, seen)
        is_words = KINDS[dataset.kind].looked_up
        known = remember(net, train, settings.seed, is_words)
        found = settle(net, held, plan.recipe.both_ways, is_words, known)
        judged = report(dataset.classes, found.logits.numpy(), found.y.numpy(), held.rows)
        card = replace(card, training={**card.training, "temperature": found.heat})
        return Model(net, card, {"val": figures(judged)}, told, seen, familiar=learn(known, found.far))


def fit_further(model: Model, dataset: Dataset) -> Model:
    """A model that begins with another's weights and sees each example of a data set once. The other one stays.

    dataset: of the same shape and classes.
    """
    card = model.card
    recipe, done = plans.recipe_of(_facts(card.training["recipe"])), int(str(card.training["epochs"]))
    recipe = replace(recipe, epochs=1, class_weight=None, seed=(card.seed + done) % 2**32)
    net = ConvNet(text.parse(card.net), dataset.shape, len(dataset.classes))
    net.load_state_dict(model.net.state_dict())
    rows, none = dataset.samples.split == TRAIN, dataset.samples.split == VAL
    train, held = (
        Loader(
            dataset, on.nonzero()[0], card.normalisation, recipe.batch, model.device, recipe.augmentation, recipe.seed
        )
        for on in (rows, none)
    )
    with using(recipe.threads):
        trainer = _trained(Trainer(net, train, held, recipe))
    told = model.history + history(tuple(trainer.history)).split("\n", 1)[1]
    training = {**card.training, "epochs": done + 1, "best_epoch": done + 1}
    return Model(net, replace(card, training=training), {}, told, dataset.samples.digest)


def _trained(trainer: Trainer[Loader]) -> Trainer[Loader]:
    """Runs a training to its end. Its net's weights lie in memory then as they do when it is opened again, so that it
    answers alike to the last bit.
    """
    for _ in trainer.run():
        pass
    for parameter in trainer.net.parameters():
        parameter.data = parameter.data.contiguous()
    return trainer


def _plan(dataset: Dataset, settings: Training, sides: Split) -> tuple[Plan, Machine]:
    """What is chosen. Light steps keep to one core; others use what torch takes, whoever else is at work."""
    device = choose_device(settings.device)
    cores = torch.get_num_threads()
    machine = Machine(str(device), device.type, cores, {})
    if settings.precision == "auto":
        machine = look_at_machine(device)
    net = settings.net or ("" if KINDS[dataset.kind].ordered or settings.weights else ROWS)
    chosen = replace(settings, net=net or None, threads=settings.threads or cores)
    plan = choosing.choose(dataset, "", Reading(), chosen, sides, machine)
    cost = text.total(text.measure(text.parse(plan.net), dataset.shape, len(dataset.classes)))
    light = cost.multiply_adds * plan.recipe.batch <= LIGHT
    recipe = replace(plan.recipe, threads=settings.threads or (1 if light else cores))
    return replace(plan, settings=settings, recipe=recipe), machine


def _card(plan: Plan, dataset: Dataset, sides: Split, trainer: Trainer[Loader], machine: Machine) -> Card:
    counts = {"train": int(sides.counts[TRAIN].sum()), "val": int(sides.counts[VAL].sum()), "test": 0, "skipped": 0}
    epochs = len(trainer.history), trainer.best_epoch
    return card_of(plan, dataset, dataset.classes, machine, epochs, 1.0, {"examples": counts})


def _facts(value: object) -> dict[str, object]:
    assert isinstance(value, dict), "written by card_of"
    return value
