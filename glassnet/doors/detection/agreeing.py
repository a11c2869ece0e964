"""What the processes of a detector's training agree on before it begins: the plan, the data, the first weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import torch

from glassnet.doors.agreeing import refuse_too_many, times
from glassnet.doors.detection import plan as plans
from glassnet.doors.detection.basis import Basis
from glassnet.doors.detection.budget import within_minutes
from glassnet.doors.detection.plan import DetectorPlan
from glassnet.errors import GlassnetError
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.cluster import Cluster
from glassnet.training.machine import Machine, choose_device, look_at_machine


def look(wanted: str, cluster: Cluster) -> Machine:
    """The machine of the first process, as each of the others takes its own to be. Raises GlassnetError in all."""
    told = cluster.led(lambda: asdict(look_at_machine(choose_device(wanted))))
    assert isinstance(told, dict), "as it was sent"
    return Machine(**told)


def agree(
    basis: Basis,
    make: Callable[[], DetectorPlan],
    stored: DetectorPlan | None,
    machine: Machine,
    cluster: Cluster,
) -> tuple[DetectorPlan, Machine]:
    """The plan that the first process makes, or took up, told to all; and the machines of all as one.

    Raises GlassnetError in all. --minutes is measured by all together.
    """
    device = torch.device(machine.device)

    def first() -> dict[str, object]:
        plan = stored or make()
        if not cluster.is_alone:
            refuse_too_many(plans.feeds(plan, basis, basis.proposals, device)[0].fewest, "a picture", cluster)
        return asdict(plan)

    told = cluster.led(first)
    assert isinstance(told, dict), "as it was sent"
    plan = plans.from_json(told)
    cluster.together(lambda: _refuse_other_data(basis, plan))
    if plan.settings.minutes is not None and stored is None:
        plan = within_minutes(plan, basis, device, cluster)
    return plan, times(machine, cluster.world.size)


def begin(plan: DetectorPlan, classes: int, cluster: Cluster) -> RegionNet:
    """The net that the first process begins with, in each; no other needs the file of --weights."""
    net = cluster.together(lambda: plans.build(plan, classes, begun=cluster.world.is_first))
    if not cluster.is_alone:
        net.load_state_dict(cluster.given(net.state_dict()))
    return net


def _refuse_other_data(basis: Basis, plan: DetectorPlan) -> None:
    if basis.fingerprint != plan.fingerprint:
        fix = "Put it back as it was, or begin anew with another --out"
        raise GlassnetError(plan.source, found="the data is not what this training began with", fix=fix)
