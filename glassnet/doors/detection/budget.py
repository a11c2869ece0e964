"""How many epochs of a detector's training fit into --minutes, by the measured speed of a net that is thrown away."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from glassnet.doors.detection.basis import Basis
from glassnet.doors.detection.plan import EPOCHS, DetectorPlan, build, feeds
from glassnet.training.cluster import APART, Cluster
from glassnet.training.machine import using
from glassnet.training.trainer import Trainer

MEASURED = 0.03  # share of the time that measuring may take
USED = 0.9  # share of the time that all stages may fill
FORWARD = 1 / 3  # of a step's time: what judging a region takes, against learning from it


def within_minutes(plan: DetectorPlan, basis: Basis, device: torch.device, cluster: Cluster = APART) -> DetectorPlan:
    """The plan with as many epochs as fit, beside all that comes after them; one at least.

    cluster: of processes that share all this work, and take the measured steps together.
    """
    assert plan.settings.minutes is not None
    budget = plan.settings.minutes * 60
    with using(plan.recipe.threads):
        train, held = feeds(plan, basis, basis.proposals, device, cluster.world)
        net, endless = build(plan, basis.ground.classes, begun=False), replace(plan.recipe, epochs=10_000)
        trainer = Trainer(net, train, held, endless, cluster=cluster)
        begun, took, steps = time.perf_counter(), 0.0, 0
        for _ in trainer.run():
            if steps == 2:  # the first steps set things up
                begun = time.perf_counter()
            steps, took = steps + 1, time.perf_counter() - begun
            if cluster.told(steps > 5 and took > budget * MEASURED):  # by the first one's clock
                break
    step = float(str(cluster.told(took / max(steps - 2, 1))))
    region = step / (plan.recipe.batch * train.regions) * FORWARD
    epoch = step * train.steps + region * len(held.rows)
    train_pictures, val, test = basis.sides.counts()
    judged = 2 * val + test + (train_pictures if plan.engine == "rcnn" else 0)
    after = region * basis.proposals.count * judged
    fitting = int((budget * USED - after) / epoch)
    epochs = max(1, min(fitting, plan.settings.epochs or EPOCHS[1]))
    note = f"{epochs} epochs fit into {plan.settings.minutes:g} minutes"
    return replace(plan, recipe=replace(plan.recipe, epochs=epochs), notes=(*plan.notes, note))
