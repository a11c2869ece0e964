"""Plan: what a training does, in full, before it begins. Written beside its checkpoints so that it can go on alone."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from glassnet import files
from glassnet.config import Reading, Settings, Training, flag
from glassnet.data.dataset import TRAIN, VAL, Dataset, Normalisation
from glassnet.data.kind import Augmentation, Kind
from glassnet.data.kinds import KINDS
from glassnet.data.loader import Loader, learn_normalisation
from glassnet.data.split import Split, split
from glassnet.doors.card import refuse_weights_of_detector
from glassnet.doors.folder import CHECKPOINTS
from glassnet.errors import GlassnetError
from glassnet.nets import text, vectors, weights, zoo
from glassnet.nets.blocks import Embed, Rbm
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Embed as LookedUp
from glassnet.nets.text import Row, Spec
from glassnet.nets.vectors import Vectors
from glassnet.nets.weights import Weights
from glassnet.training import recipe as recipes
from glassnet.training.evidence import weigh_words
from glassnet.training.machine import Machine, choose_device, choose_threads, look_at_machine, using
from glassnet.training.recipe import Recipe
from glassnet.training.scout import EASY, glance
from glassnet.training.trainer import Trainer
from glassnet.training.whitening import EXAMPLES, can_be_whitened, whiten
from glassnet.words import percent

RUN = "run.json"
MEASURED = 0.03  # share of --minutes that measuring the speed may take
USED = 0.9  # share of --minutes that the epochs may fill
VOTING = 20  # epochs of the votes on features that were learnt without labels
NO_CLASSES = "nothing names classes: the net learns features alone, and its votes are for those of the highest machine"
TRIED = 512  # examples of the epoch by which the votes' speed is measured
MOST_TIMES = 5  # epochs that more time is used for, as a multiple of the usual number


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


def make(dataset: Dataset, source: str, reading: Reading, settings: Training) -> tuple[Plan, Split, Machine]:
    """Chooses whatever was left open. Raises GlassnetError when the data or the net can't be trained."""
    kind = KINDS[dataset.kind]
    if not kind.ordered and not settings.net:
        raise GlassnetError(
            dataset.name,
            expected="data whose neighbours are related",
            found=f"{kind.name}, whose columns have no order",
            fix="A ConvNet doesn't fit; glassnet check tells what does (--net trains one all the same)",
        )
    sides = split(dataset, settings.seed)
    machine = look_at_machine(choose_device(settings.device))
    return choose(dataset, source, reading, settings, sides, machine), sides, machine


def choose(dataset: Dataset, source: str, reading: Reading, settings: Training, sides: Split, machine: Machine) -> Plan:
    """The same where the sides and the machine are known. Raises GlassnetError."""
    if settings.net:
        _refuse_other_values(KINDS[dataset.kind], zoo.find(settings.net))
    choice = recipes.choose(dataset, sides, settings, machine.precision(settings.precision))
    given = _weights(settings, dataset)
    normalisation = given.normalisation_for(dataset.shape[0]) if given else None
    if normalisation is None:
        normalisation = learn_normalisation(dataset, sides.rows(TRAIN))
    recipe, why = choice.recipe, choice.notes
    named = settings.net or (given.net if given else "")
    if named:
        spec = zoo.suited(named, dataset.shape)
        if any(isinstance(layer, Rbm) for layer in spec.layers):
            recipe, why = _first_without_labels(recipe, settings)
            if not dataset.has_labels:
                spec, why = zoo.without_labels(spec)[0], (NO_CLASSES,)
    else:
        spec, recipe, more = _suitable(dataset, sides, settings, recipe, normalisation, machine)
        why += more
    rows = text.measure(spec, dataset.shape, len(classes_of(str(spec), dataset)))
    recipe, fewer = _with_threads(recipe, settings, machine, rows)
    if fewer:  # so that the command of this training says it too
        settings = replace(settings, threads=recipe.threads)
    notes = (*dataset.notes, *sides.notes, *why, *fewer)
    plan = Plan(source, reading, settings, str(spec), recipe, normalisation, fingerprint(dataset, sides), notes)
    if given:
        plan = replace(plan, notes=(*notes, *_begun_with(given, plan, dataset)))
    if settings.minutes:
        with using(plan.recipe.threads):
            in_time = _phases_within_minutes if zoo.named_belief(plan.net) else _within_minutes
            plan = in_time(plan, dataset, sides, machine)
    return plan


def _refuse_other_values(kind: Kind, net: Spec) -> None:
    """Words are looked up by the first layer, and only they are."""
    first = net.layers[0]
    if isinstance(first, Embed) != kind.looked_up:
        found = f"a net that begins with `{first}` for {kind.name}"
        fix = "Begin with `embed 100`" if kind.looked_up else "Begin with another layer"
        raise GlassnetError("--net", found=found, fix=fix)


def _first_without_labels(recipe: Recipe, settings: Training) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of a net whose features are learnt before any class is: examples as they are, few epochs of votes.

    Raises GlassnetError for settings that have no sense then.
    """
    if settings.weights:
        fix = "Leave it out"
        raise GlassnetError("--weights", expected="a net that begins with labels", found="rbm layers", fix=fix)
    still = replace(recipe, augmentation=Augmentation(), precision="float32", epochs=settings.epochs or VOTING)
    return still, ("features are learnt without labels, layer by layer; then the votes, with labels",)


def fitted(dataset: Dataset, seed: int) -> Dataset:
    """The data set as it is once its training examples are known: sentences learn their words from these alone."""
    kind = KINDS[dataset.kind]
    return kind.fitted(dataset, split(dataset, seed).rows(TRAIN)) if kind.fit else dataset


def take_up(plan: Plan, dataset: Dataset) -> tuple[Split, Machine]:
    """Makes sure that a stored plan still fits its data. Raises GlassnetError when the data changed."""
    sides = split(dataset, plan.settings.seed)
    if fingerprint(dataset, sides) != plan.fingerprint:
        raise GlassnetError(
            plan.source,
            found="the data is not what this training began with",
            fix="Put it back as it was, or begin anew with another --out",
        )
    return sides, look_at_machine(choose_device(plan.settings.device))


def read_plan(out: Path) -> Plan:
    """The plan of an unfinished training. Raises GlassnetError when there is none."""
    path = out / CHECKPOINTS / RUN
    try:
        return _from_json(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        fix = "Begin one without --resume"
        raise GlassnetError(str(out), expected="an unfinished training", found="none", fix=fix) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GlassnetError(str(path), found="the plan of this training is damaged", fix="Begin anew") from error


def fingerprint(dataset: Dataset, sides: Split) -> str:
    """Changes when an example, a class or a side does."""
    hasher = blake2b(digest_size=16)
    for part in (dataset.samples.digest, dataset.samples.y, sides.side):
        hasher.update(part.tobytes())
    hasher.update("\0".join(dataset.classes).encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def loaders(plan: Plan, dataset: Dataset, sides: Split, device: torch.device) -> tuple[Loader, Loader, Loader]:
    """Loaders of the three sides."""
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
    given = _weights(plan.settings, train.dataset)
    if given:
        given.lay_in(net, train.dataset.classes)
    elif can_be_whitened(net):
        whiten(net, train.some(EXAMPLES))
    elif isinstance(first := next(net.children()), LookedUp):
        weigh_words(first, train.dataset.samples.x, train.dataset.samples.y, train.rows)


def _weights(settings: Training, dataset: Dataset) -> Weights | Vectors | None:
    """What --weights names: of words their vectors, of other data a net's weights. Raises GlassnetError."""
    if not settings.weights:
        return None
    kind, path = KINDS[dataset.kind], Path(settings.weights)
    if not kind.looked_up or path.suffix.lower() not in vectors.SUFFIXES:
        refuse_weights_of_detector(settings.weights)
        return weights.find(settings.weights)
    words = tuple(str(dataset.preparation.settings["words"]).split("\n"))
    return vectors.find(settings.weights, words, settings.net or kind.net)


def _begun_with(given: Weights | Vectors, plan: Plan, dataset: Dataset) -> tuple[str, ...]:
    """What a person should know of the weights that a training begins with, which are tried on for it."""
    net = ConvNet(text.parse(plan.net), dataset.shape, len(dataset.classes))
    done = given.lay_in(net, dataset.classes)
    longer = max(dataset.shape[1:])
    if given.side <= longer * 1.3:
        return (done,)
    return done, f"these weights were made with pictures of {given.side} pixels; here they have {longer} (--size)"


def _suitable(
    dataset: Dataset, sides: Split, settings: Training, recipe: Recipe, normalisation: Normalisation, machine: Machine
) -> tuple[Spec, Recipe, tuple[str, ...]]:
    """The net and the epochs that suit the data. Of many examples a small net first learns some, for a second or so:
    where that is enough to tell most held-out ones apart, it is enough for all.
    """
    count = int(sides.counts[TRAIN].sum())
    natural = KINDS[dataset.kind].net
    if natural:
        return text.parse(natural), recipe, ()
    small = zoo.easy(dataset.shape) if count >= zoo.MANY and not settings.minutes and sides.counts[VAL].any() else None
    if small is not None:
        right = glance(small, dataset, sides, normalisation, recipe, torch.device(machine.device))
        if right >= EASY:
            epochs = settings.epochs or recipes.easy_epochs(count)
            note = f"a small net is enough: it is right on {percent(right)} of held-out ones after a glance (--minutes)"
            return small, replace(recipe, epochs=epochs), (note,)
    return zoo.choose(dataset.shape, dataset.classes, count), recipe, ()


def _with_threads(
    recipe: Recipe, settings: Training, machine: Machine, rows: tuple[Row, ...]
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the cores it shall use, and why they are fewer than there are, if that depends on the moment."""
    if machine.device != "cpu" or settings.threads:
        return replace(recipe, threads=settings.threads or 0), ()
    threads, why = choose_threads(machine.cores, text.total(rows).multiply_adds * recipe.batch)
    return replace(recipe, threads=threads), (why,) if why else ()


def _within_minutes(plan: Plan, dataset: Dataset, sides: Split, machine: Machine) -> Plan:
    """The plan with as many epochs as fit into --minutes, by the measured speed of a net that is thrown away."""
    assert plan.settings.minutes is not None
    budget = plan.settings.minutes * 60
    train, held, _ = loaders(plan, dataset, sides, torch.device(machine.device))
    trainer = Trainer(build(plan, dataset), train, held, replace(plan.recipe, epochs=10_000))
    begun = time.perf_counter()
    steps, seen, took = 0, 0, 0.0
    for progress in trainer.run():
        if steps == 2:  # the first steps set things up
            begun, seen = time.perf_counter(), 0
        steps, seen, took = steps + 1, seen + plan.recipe.batch, time.perf_counter() - begun
        if (steps > 5 and took > budget * MEASURED) or (progress.finished and steps > 20):
            break
    each = took / max(seen, 1)
    epoch = each * (len(train.rows) + len(held.rows) / 3)  # judging takes a third of training
    fitting = budget * USED / epoch
    usual = plan.settings.epochs or recipes.default_epochs(len(train.rows)) * MOST_TIMES
    recipe = replace(plan.recipe, epochs=max(1, min(int(fitting), usual)))
    note = f"{recipe.epochs} epochs fit into {plan.settings.minutes:g} minutes"
    if fitting < 1:
        examples = max(plan.recipe.batch, int(fitting * len(train.rows)))
        recipe = replace(recipe, examples=examples)
        note = f"{plan.settings.minutes:g} minutes are enough for {examples:,} of {len(train.rows):,} examples"
    return replace(plan, recipe=recipe, notes=(*plan.notes, note))


def _phases_within_minutes(plan: Plan, dataset: Dataset, sides: Split, machine: Machine) -> Plan:
    """The same of a net that learns without labels first: all its phases are shortened or drawn out alike."""
    assert plan.settings.minutes is not None
    train, held, _ = loaders(plan, dataset, sides, torch.device(machine.device))
    net, labels = build(plan, dataset), dataset.has_labels
    usual = Trainer(net, train, held, plan.recipe, labels).phases
    short = replace(plan, recipe=replace(plan.recipe, epochs=1, patience=0.0, examples=TRIED))
    some, few, _ = loaders(short, dataset, sides, torch.device(machine.device))
    tried = Trainer(net, some, few, short.recipe, labels)
    needed, before, phase = 0.0, time.perf_counter(), ""
    steps: list[float] = []
    for progress in tried.run():
        now = time.perf_counter()
        if progress.phase != phase:  # its first step holds what it begins with
            phase, steps = progress.phase, []
            needed += now - before
        else:
            steps.append(now - before)
        if progress.finished and steps:
            one = next(one for one in usual if one.name == phase)
            votes = plan.recipe.epochs * (train.steps + held.steps / 3)
            needed += sorted(steps)[len(steps) // 2] * (one.steps or votes)
        before = now
    patience = min(plan.settings.minutes * 60 * USED / needed, float(MOST_TIMES))
    epochs = plan.settings.epochs or max(1, round(plan.recipe.epochs * min(patience, 1.0)))
    note = f"{plan.settings.minutes:g} minutes are enough for {patience:.2g} times the usual steps of each machine"
    recipe = replace(plan.recipe, patience=patience, epochs=epochs)
    return replace(plan, recipe=recipe, notes=(*plan.notes, note))


def recipe_of(facts: Mapping[str, Any]) -> Recipe:
    """A recipe as JSON has it."""
    recipe = dict(facts)
    recipe["augmentation"] = Augmentation(**recipe["augmentation"])
    recipe["class_weight"] = tuple(recipe["class_weight"]) if recipe["class_weight"] else None
    return Recipe(**recipe)


def _from_json(facts: Mapping[str, Any]) -> Plan:
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
