"""One trial of a search: its plan, how long it may take, and its training judged on held-out examples. Prints nothing.

Asks nothing about test examples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace

import torch

from glassnet.config import Training, Value
from glassnet.data.dataset import Dataset
from glassnet.data.kind import Augmentation
from glassnet.data.kinds import KINDS
from glassnet.data.split import Split
from glassnet.doors import choosing, starting, timing
from glassnet.doors.plan import Plan
from glassnet.errors import GlassnetError
from glassnet.nets import text
from glassnet.nets.text import Spec
from glassnet.training import knobs
from glassnet.training.knobs import RECIPE, Knob, Values
from glassnet.training.machine import Machine, using
from glassnet.training.progress import Epoch, Progress
from glassnet.training.trainer import Trainer
from glassnet.training.tune import Asked, Search, Trial

MOST_TIMES = 20  # multiply-adds of a net that is tried, as a multiple of the default's, where there is time
LIGHT = 2_000_000  # multiply-adds that may be tried anyway
FEWEST_EPOCHS = 6  # that a net should have time for, as a part of the usual number
FASTER = 2.0  # times the products a second of the default, that a larger net may reach
MEASURED = 0.03  # share of a trial's time that measuring its speed may take


@dataclass(frozen=True)
class Ground:
    """What all trials have in common. plan: the default's. epoch_s: seconds of one of its epochs,
    0 if that doesn't matter.
    """

    dataset: Dataset
    sides: Split
    machine: Machine
    plan: Plan
    epoch_s: float = 0.0

    @property
    def searched(self) -> tuple[Knob, ...]:
        """The knobs: of the net unless it is given, and what of the training was left open."""
        plan, settings, dataset = self.plan, self.plan.settings, self.dataset
        of_net: tuple[Knob, ...] = ()
        if not self.is_net_given:
            of_net = knobs.of_words() if KINDS[dataset.kind].looked_up else knobs.of_grids(dataset.shape)
        recipe, may_vary = plan.recipe, not plan.recipe.augmentation.is_still
        found = knobs.of_recipe(recipe.epochs, recipe.batch, recipe.learning_rate, may_vary)
        given = {name for name in RECIPE if name != "augment" and getattr(settings, name) is not None}
        return (*of_net, *(knob for knob in found if knob.name not in given))

    @property
    def is_net_given(self) -> bool:
        """Whether a person chose the net, or weights that come with one."""
        return bool(self.plan.settings.net or self.plan.settings.weights)

    def first(self) -> list[tuple[str, Values]]:
        """What is tried first: the default, then nets that did well elsewhere, all trained as is usual."""
        searched, recipe = self.searched, self.plan.recipe
        usual: Values = {name: getattr(recipe, name) for name in RECIPE[:3]} | {"augment": True}
        if self.is_net_given:
            return [("default", {knob.name: usual[knob.name] for knob in searched})]
        shape, classes = self.dataset.shape, len(self.dataset.classes)
        starts = knobs.usual(shape, KINDS[self.dataset.kind].looked_up)
        named = [(values, str(knobs.fitted(values, shape, classes, math.inf)[0])) for values in starts]
        found: list[tuple[str, Values]] = [("default", {})]
        for values, net in named:
            known = {knob.name: {**usual, **values}[knob.name] for knob in searched}
            if net == self.plan.net:
                found[0] = ("default", known)
            else:
                found.append(("a usual net", known))
        return found

    def most(self, limit_s: float) -> float:
        """Multiply-adds that a net may take, so that it sees the examples often enough in a trial's time."""
        default = self._multiply_adds(self.plan.net)
        if not self.epoch_s:
            return max(MOST_TIMES * default, LIGHT)
        epochs = max(1, self.plan.recipe.epochs // FEWEST_EPOCHS)
        return max(default, default * FASTER * limit_s / (self.epoch_s * epochs))

    def _multiply_adds(self, net: str) -> int:
        rows = text.measure(text.parse(net), self.dataset.shape, len(self.dataset.classes))
        return text.total(rows).multiply_adds

    def planned(self, asked: Asked, limit_s: float) -> tuple[Plan, Values]:
        """The plan of a trial and the values it was made with. limit_s: how long it may take; its epochs fit in."""
        values: Values = dict(asked.values)
        if asked.begun == "default":
            plan = _varied(self, text.parse(self.plan.net), {})
        else:
            shape, looked_up = self.dataset.shape, KINDS[self.dataset.kind].looked_up
            if self.is_net_given:
                spec = text.parse(self.plan.net)
            else:
                whole = {**knobs.usual(shape, looked_up)[0], **values}
                spec, built = knobs.fitted(whole, shape, len(self.dataset.classes), self.most(limit_s))
                values = {name: built[name] for name in values}
            plan = _varied(self, spec, values)
        if math.isfinite(limit_s):
            with using(plan.recipe.threads):
                each = timing.seconds_an_epoch(plan, self.dataset, self.sides, self.machine, limit_s * MEASURED)
            plan = with_epochs(plan, max(1, min(plan.recipe.epochs, int(limit_s / each))))
        return plan, values


def with_epochs(plan: Plan, epochs: int) -> Plan:
    """The same plan with so many epochs."""
    return replace(plan, recipe=replace(plan.recipe, epochs=epochs), settings=replace(plan.settings, epochs=epochs))


def _varied(ground: Ground, spec: Spec, values: Mapping[str, Value]) -> Plan:
    """The default's plan with another net and these values of RECIPE, said in full: `glassnet train` with its settings
    makes the same plan.
    """
    plan, recipe = ground.plan, ground.plan.recipe
    still = plan.settings.augment is False or values.get("augment") is False
    recipe = replace(
        recipe,
        epochs=int(values.get("epochs", recipe.epochs)),
        batch=int(values.get("batch", recipe.batch)),
        learning_rate=float(values.get("learning_rate", recipe.learning_rate)),
        augmentation=Augmentation() if still else recipe.augmentation,
    )
    settings = replace(
        plan.settings, net=str(spec), epochs=recipe.epochs, batch=recipe.batch, learning_rate=recipe.learning_rate,
        augment=not still,
    )  # fmt: skip
    rows = text.measure(spec, ground.dataset.shape, len(ground.dataset.classes))
    recipe, settings, _ = choosing.with_threads(recipe, settings, ground.machine, rows)
    settings = replace(settings, threads=recipe.threads or None)  # so that it can be done again, bit for bit
    return replace(plan, settings=settings, net=str(spec), recipe=recipe, notes=())


def training(
    ground: Ground, plan: Plan, search: Search, asked: Asked, values: Values, cut_s: float
) -> Generator[Progress, None, Trial]:
    """Trains one trial, giving it up where others were better by then. cut_s: when it is cut, in monotonic time."""
    begun = time.monotonic()
    history: list[Epoch] = []
    state, why = "complete", ""
    device = torch.device(ground.machine.device)
    with using(plan.recipe.threads):
        train, held, _ = starting.loaders(plan, ground.dataset, ground.sides, device)
        net = starting.build(plan, ground.dataset)
        starting.begin(net, plan, train)
        trainer = Trainer(net, train, held, plan.recipe)
        try:
            for progress in trainer.run():
                search.alive(asked)
                yield progress
                if progress.finished:
                    history.append(progress.finished)
                    best = min(epoch.held_loss for epoch in history)
                    if search.report(asked, len(history) / plan.recipe.epochs, best):
                        state, why = "pruned", "others were better by then"
                        break
                if time.monotonic() > cut_s and len(history) < plan.recipe.epochs:
                    state, why = "pruned", "out of time"
                    break
        except GlassnetError as error:
            state, why = "pruned", error.found
        except torch.OutOfMemoryError:
            state, why = "pruned", "too large for the device's memory"
    best_epoch = min(history, key=lambda epoch: epoch.held_loss, default=None)
    return Trial(
        asked.number, state, plan.net, dict(values), said(plan.settings),
        best_epoch.held_loss if best_epoch else None, best_epoch.held_accuracy if best_epoch else None,
        time.monotonic() - begun,
        tuple((epoch.epoch / plan.recipe.epochs, epoch.held_loss) for epoch in history), asked.begun, why,
    )  # fmt: skip


def said(settings: Training) -> dict[str, Value]:
    """Settings as a file of `glassnet train --config` says them: what a person or the search chose."""
    plain = Training()
    told = {"net", "epochs", "batch", "learning_rate", "augment", "seed"}
    return {
        name: value
        for name, value in asdict(settings).items()
        if value is not None and name != "minutes" and (name in told or value != getattr(plain, name))
    }


def limit_s(minutes: float | None, share: float) -> float:
    """How long a trial may take: a share of all the time there is."""
    return minutes * 60 * share if minutes else math.inf
