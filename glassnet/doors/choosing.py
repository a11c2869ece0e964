"""Chooses whatever a training was not told: sides, machine, net, recipe, into its plan."""

from __future__ import annotations

from dataclasses import replace

import torch

from glassnet.config import Reading, Training
from glassnet.data.dataset import TRAIN, VAL, Dataset, Normalisation
from glassnet.data.kind import Augmentation, Kind
from glassnet.data.kinds import KINDS
from glassnet.data.loader import learn_normalisation
from glassnet.data.split import Split, split
from glassnet.doors.plan import Plan, fingerprint
from glassnet.doors.starting import begun_with, classes_of, weights_of
from glassnet.doors.timing import in_minutes
from glassnet.errors import GlassnetError
from glassnet.nets import text, zoo
from glassnet.nets.blocks import Embed, Rbm
from glassnet.nets.text import Row, Spec
from glassnet.training import recipe as recipes
from glassnet.training.machine import Machine, choose_device, choose_threads, look_at_machine
from glassnet.training.recipe import Recipe
from glassnet.training.scout import EASY, glance
from glassnet.words import percent

VOTING = 20  # epochs of the votes on features that were learnt without labels
NO_CLASSES = "nothing names classes: the net learns features alone, and its votes are for those of the highest machine"


def make(
    dataset: Dataset, source: str, reading: Reading, settings: Training, timed: bool = True, sharing: int = 1
) -> tuple[Plan, Split, Machine]:
    """Chooses whatever was left open. Raises GlassnetError when the data or the net can't be trained.

    timed: whether --minutes is seen to; in a cluster all measure that together. sharing: processes on this machine.
    """
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
    plan = choose(dataset, source, reading, settings, sides, machine, sharing)
    if settings.minutes and timed:
        plan = in_minutes(plan, dataset, sides, machine)
    return plan, sides, machine


def choose(
    dataset: Dataset,
    source: str,
    reading: Reading,
    settings: Training,
    sides: Split,
    machine: Machine,
    sharing: int = 1,
) -> Plan:
    """The same where the sides and the machine are known, but for --minutes. Raises GlassnetError."""
    if settings.net:
        _refuse_other_values(KINDS[dataset.kind], zoo.find(settings.net))
    choice = recipes.choose(dataset, sides, settings, machine.precision(settings.precision))
    given = weights_of(settings, dataset)
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
    recipe, settings, fewer = with_threads(recipe, settings, machine, rows, sharing)
    notes = (*dataset.notes, *sides.notes, *why, *fewer)
    plan = Plan(source, reading, settings, str(spec), recipe, normalisation, fingerprint(dataset, sides), notes)
    if given:
        plan = replace(plan, notes=(*notes, *begun_with(given, plan, dataset)))
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


def with_threads(
    recipe: Recipe, settings: Training, machine: Machine, rows: tuple[Row, ...], sharing: int = 1
) -> tuple[Recipe, Training, tuple[str, ...]]:
    """The recipe with the cores it shall use, and why they are fewer than there are, if that depends on the moment:
    then the settings say it too, for the command of this training.
    """
    if machine.device != "cpu" or settings.threads:
        return replace(recipe, threads=settings.threads or 0), settings, ()
    threads, why = choose_threads(machine.cores, text.total(rows).multiply_adds * recipe.batch, sharing)
    recipe = replace(recipe, threads=threads)
    return (recipe, replace(settings, threads=threads), (why,)) if why else (recipe, settings, ())
