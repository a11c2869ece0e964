"""Plan: what a training does, in full, before it begins. Written beside its checkpoints so that it can go on alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glassnet import files
from glassnet.config import Reading, Settings, Training, flag
from glassnet.data.dataset import Dataset, Normalisation
from glassnet.data.kind import Augmentation
from glassnet.data.split import Split, split
from glassnet.doors.card import Card
from glassnet.doors.folder import CHECKPOINTS
from glassnet.errors import GlassnetError
from glassnet.training.machine import Machine, choose_device, look_at_machine
from glassnet.training.recipe import Recipe

RUN = "run.json"


@dataclass(frozen=True)
class Plan:
    """One run. source: the data as it was named. fingerprint: of its examples, classes and sides."""

    source: str
    reading: Reading
    settings: Training
    net: str
    recipe: Recipe
    normalisation: Normalisation
    fingerprint: str
    notes: tuple[str, ...]

    def command(self) -> str:
        """The command that does this again; none for data that was never named."""
        if not self.source:
            return ""
        epochs = self.recipe.epochs if self.settings.minutes else self.settings.epochs
        settings = replace(self.settings, minutes=None, epochs=epochs)
        return command_of(self.source, (settings, Training()), (self.reading, Reading()))

    def write(self, out: Path) -> None:
        """Keeps the plan beside the checkpoints."""
        files.write_json(out / CHECKPOINTS / RUN, asdict(self))


def command_of(source: str, *records: tuple[Settings, Settings]) -> str:
    """The command that trains on data with these settings; each record comes with one that says nothing."""
    words = ["glassnet", "train", source]
    for chosen, usual in records:
        for name, value in vars(chosen).items():
            if isinstance(value, bool) and value != vars(usual)[name]:
                words += [flag(name) if value else f"--no-{flag(name)[2:]}"]
            elif value != vars(usual)[name] or name == "seed":
                words += [flag(name), str(value)]
    return shlex.join(words)


def card_of(
    plan: Plan,
    dataset: Dataset,
    classes: tuple[str, ...],
    machine: Machine,
    epochs: tuple[int, int],
    temperature: float,
    data: Mapping[str, object],
) -> Card:
    """The card of the model that came of a plan. epochs: how many there were, and the best. data: more of it."""
    return Card(
        kind=dataset.kind,
        classes=classes,
        net=plan.net,
        preparation=dataset.preparation,
        normalisation=plan.normalisation,
        full_scale=dataset.full_scale,
        both_ways=plan.recipe.both_ways,
        seed=plan.recipe.seed,
        unlabelled=not dataset.has_labels,
        training={
            "settings": asdict(plan.settings),
            "recipe": asdict(plan.recipe),
            "epochs": epochs[0],
            "best_epoch": epochs[1],
            "temperature": temperature,
            "machine": asdict(machine),
            "torch": torch.__version__,
        },
        data={
            "name": dataset.name,
            "source": plan.source,
            "reading": asdict(plan.reading),
            "fingerprint": plan.fingerprint,
            **data,
        },
    )


def take_up(plan: Plan, dataset: Dataset) -> tuple[Split, Machine]:
    """Makes sure that a stored plan still fits its data. Raises GlassnetError when the data changed."""
    return sides_of(plan, dataset), look_at_machine(choose_device(plan.settings.device))


def sides_of(plan: Plan, dataset: Dataset) -> Split:
    """The sides of a plan's data. Raises GlassnetError when the data isn't what the plan was made for."""
    sides = split(dataset, plan.settings.seed)
    if fingerprint(dataset, sides) != plan.fingerprint:
        raise GlassnetError(
            plan.source,
            found="the data is not what this training began with",
            fix="Put it back as it was, or begin anew with another --out",
        )
    return sides


def read_plan(out: Path) -> Plan:
    """The plan of an unfinished training. Raises GlassnetError when there is none."""
    path = out / CHECKPOINTS / RUN
    try:
        return from_json(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        fix = "Begin one without --resume"
        raise GlassnetError(str(out), expected="an unfinished training", found="none", fix=fix) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GlassnetError(str(path), found="the plan of this training is damaged", fix="Begin anew") from error


def fingerprint(dataset: Dataset, sides: Split) -> str:
    """Changes when an example, a class or a side does."""
    hasher = blake2b(digest_size=16)
    for part in (dataset.samples.digest, dataset.samples.y, sides.side):
        hasher.update(np.ascontiguousarray(part).data)
    hasher.update("\0".join(dataset.classes).encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def recipe_of(facts: Mapping[str, Any]) -> Recipe:
    """A recipe as JSON has it."""
    recipe = dict(facts)
    recipe["augmentation"] = Augmentation(**recipe["augmentation"])
    recipe["class_weight"] = tuple(recipe["class_weight"]) if recipe["class_weight"] else None
    return Recipe(**recipe)


def from_json(facts: Mapping[str, Any]) -> Plan:
    """The plan that was written as JSON."""
    normalisation = facts["normalisation"]
    return Plan(
        facts["source"],
        Reading(**facts["reading"]),
        Training(**facts["settings"]),
        facts["net"],
        recipe_of(facts["recipe"]),
        Normalisation(tuple(normalisation["mean"]), tuple(normalisation["std"])),
        facts["fingerprint"],
        tuple(facts["notes"]),
    )
