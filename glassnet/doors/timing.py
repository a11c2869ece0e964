"""How much of a training fits into --minutes, by measured speeds."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from glassnet.data.dataset import TRAIN, Dataset
from glassnet.data.split import Split
from glassnet.doors.plan import Plan
from glassnet.doors.starting import build, loaders
from glassnet.nets import zoo
from glassnet.training import recipe as recipes
from glassnet.training.cluster import APART, Cluster
from glassnet.training.machine import Machine, using
from glassnet.training.trainer import Trainer

MEASURED = 0.03  # share of --minutes that measuring the speed may take
USED = 0.9  # share of --minutes that the epochs may fill
TRIED = 512  # examples of the epoch by which the votes' speed is measured
MOST_TIMES = 5  # epochs that more time is used for, as a multiple of the usual number


def in_minutes(plan: Plan, dataset: Dataset, sides: Split, machine: Machine, cluster: Cluster = APART) -> Plan:
    """The plan as --minutes lets it be, by measured speeds: that of a net of one phase by all of a cluster."""
    with using(plan.recipe.threads):
        if zoo.named_belief(plan.net):
            return _phases_within_minutes(plan, dataset, sides, machine)
        return _within_minutes(plan, dataset, sides, machine, cluster)


def _within_minutes(plan: Plan, dataset: Dataset, sides: Split, machine: Machine, cluster: Cluster) -> Plan:
    """The plan with as many epochs as fit into --minutes, by the measured speed of a net that is thrown away."""
    assert plan.settings.minutes is not None
    budget, count = plan.settings.minutes * 60, len(sides.rows(TRAIN))
    fitting = budget * USED / seconds_an_epoch(plan, dataset, sides, machine, budget * MEASURED, cluster)
    usual = plan.settings.epochs or recipes.default_epochs(count) * MOST_TIMES
    recipe = replace(plan.recipe, epochs=max(1, min(int(fitting), usual)))
    note = f"{recipe.epochs} epochs fit into {plan.settings.minutes:g} minutes"
    if fitting < 1:
        examples = max(plan.recipe.batch, int(fitting * count))
        recipe = replace(recipe, examples=examples)
        note = f"{plan.settings.minutes:g} minutes are enough for {examples:,} of {count:,} examples"
    return replace(plan, recipe=recipe, notes=(*plan.notes, note))


def seconds_an_epoch(
    plan: Plan, dataset: Dataset, sides: Split, machine: Machine, most_s: float, cluster: Cluster = APART
) -> float:
    """How long an epoch of a plan takes, judging included: measured for most_s seconds, the net is thrown away."""
    train, held, _ = loaders(plan, dataset, sides, torch.device(machine.device), cluster.world)
    trainer = Trainer(build(plan, dataset), train, held, replace(plan.recipe, epochs=10_000), cluster=cluster)
    begun = time.perf_counter()
    steps, seen, took = 0, 0, 0.0
    for progress in trainer.run():
        if steps == 2:  # the first steps set things up
            begun, seen = time.perf_counter(), 0
        steps, seen, took = steps + 1, seen + plan.recipe.batch, time.perf_counter() - begun
        enough = (steps > 5 and took > most_s) or (progress.finished is not None and steps > 20)
        if cluster.told(enough):  # by the first one's clock
            break
    each = float(str(cluster.told(took / max(seen, 1))))
    return each * (len(train.rows) + len(held.rows) / 3)  # judging takes a third of training


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
