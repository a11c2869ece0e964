"""What the processes of a training agree on before it begins: one plan, the same data, the same first weights."""

from __future__ import annotations

from dataclasses import asdict, replace

from glassnet.config import Reading, Training
from glassnet.data.dataset import TRAIN, Dataset
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.doors import choosing, starting, timing
from glassnet.doors import plan as plans
from glassnet.doors.plan import Plan
from glassnet.errors import GlassnetError
from glassnet.nets import zoo
from glassnet.nets.convnet import ConvNet
from glassnet.training.cluster import Cluster
from glassnet.training.machine import Machine
from glassnet.training.recipe import Recipe
from glassnet.words import counted


def agree(
    dataset: Dataset, source: str, reading: Reading, settings: Training, stored: Plan | None, cluster: Cluster
) -> tuple[Plan, Split, Machine]:
    """The plan that the first process makes, or took up, told to all. Raises GlassnetError in all.

    What depends on the moment, as speeds do, is measured by the first alone; --minutes by all together.
    """
    sharing = cluster.world.local_size
    if cluster.is_alone:
        if stored is not None:
            return stored, *plans.take_up(stored, dataset)
        return choosing.make(dataset, source, reading, settings)

    def first() -> dict[str, object]:
        if stored is None:
            plan, sides, machine = choosing.make(dataset, source, reading, settings, timed=False, sharing=sharing)
        else:
            plan, (sides, machine) = stored, plans.take_up(stored, dataset)
        _refuse_too_many(plan, sides, cluster)
        return {"plan": asdict(plan), "machine": asdict(machine), "went_on": stored is not None}

    told = cluster.led(first)
    assert isinstance(told, dict), "as it was sent"
    plan, machine = plans.from_json(told["plan"]), Machine(**told["machine"])
    sides = cluster.together(lambda: plans.sides_of(plan, dataset))
    if plan.settings.minutes and not told["went_on"]:
        plan = _in_minutes(plan, dataset, sides, machine, cluster)
    return plan, sides, times(machine, cluster.world.size)


def _in_minutes(plan: Plan, dataset: Dataset, sides: Split, machine: Machine, cluster: Cluster) -> Plan:
    """The plan as --minutes lets it be: measured in the steps that all take together, or by the first alone."""
    if not zoo.named_belief(plan.net):
        return timing.in_minutes(plan, dataset, sides, machine, cluster)
    told = cluster.led(lambda: asdict(timing.in_minutes(plan, dataset, sides, machine)))
    assert isinstance(told, dict), "as it was sent"
    return plans.from_json(told)


def threads_of(recipe: Recipe, settings: Training, cluster: Cluster) -> int:
    """The cores that this process spreads its work over: those of the plan, as far as its share of the machine goes."""
    if cluster.is_alone or settings.threads:
        return recipe.threads
    share = cluster.world.cores()
    return min(recipe.threads or share, share)


def begin(net: ConvNet, plan: Plan, train: Loader, cluster: Cluster) -> None:
    """Gives the net of every process what the first one's begins with; no other needs the file of --weights."""
    cluster.together(lambda: starting.begin(net, plan, train) if cluster.world.is_first else None)
    if not cluster.is_alone:
        net.load_state_dict(cluster.given(net.state_dict()))


def _refuse_too_many(plan: Plan, sides: Split, cluster: Cluster) -> None:
    """Raises GlassnetError where some process would have no part of some batch."""
    examples = plan.recipe.examples or int(sides.counts[TRAIN].sum())
    refuse_too_many(examples // -(-examples // plan.recipe.batch), "an example", cluster)


def refuse_too_many(least: int, what: str, cluster: Cluster) -> None:
    """Raises GlassnetError for more processes than there are examples in the smallest batch."""
    if least < cluster.world.size:
        raise GlassnetError(
            "torchrun",
            expected=f"up to {counted(least, 'process', 'processes')}, {what} of each batch for one",
            found=str(cluster.world.size),
            fix="Start fewer, or add a larger --batch",
        )


def times(machine: Machine, processes: int) -> Machine:
    """So many machines, or parts of one, as one."""
    peaks = {precision: peak * processes for precision, peak in machine.gflops.items()}
    return replace(machine, cores=machine.cores * processes, gflops=peaks, memory=machine.memory * processes)
