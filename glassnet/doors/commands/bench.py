"""glassnet bench: what this machine can do at most, and where the time of a training step goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from glassnet.config import Reading, Training
from glassnet.data.dataset import NOT_GIVEN, Dataset, Names, Preparation, Samples
from glassnet.doors import choosing, starting
from glassnet.doors import plan as plans
from glassnet.doors.commands import print_json
from glassnet.doors.inputs import find_data
from glassnet.doors.screen import console, fact
from glassnet.nets import text
from glassnet.training.machine import Machine, choose_device, look_at_machine, using
from glassnet.training.memory import keep_memory
from glassnet.training.profile import StepProfile, profile_steps
from glassnet.training.trainer import Trainer
from glassnet.words import by, percent

NOISE = 8000  # pictures, enough for the net that suits many
BAR = 24  # letters


@dataclass(frozen=True)
class Measured:
    """One profiled step. multiply_adds: of one example's forward pass."""

    data: str
    plan: plans.Plan
    multiply_adds: int
    step: StepProfile
    machine: Machine

    @property
    def examples_per_second(self) -> float:
        return self.step.examples / self.step.seconds

    @property
    def gflops(self) -> float:
        """Products and sums a second: two for each multiply-add, three passes a step."""
        return self.examples_per_second * self.multiply_adds * 6 / 1e9

    @property
    def share_of_peak(self) -> float:
        return self.gflops / self.machine.gflops[self.plan.recipe.precision]

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        return {
            "data": self.data,
            "net": self.plan.net,
            "batch": self.step.examples,
            "precision": self.plan.recipe.precision,
            "threads": self.plan.recipe.threads,
            "seconds_per_step": self.step.seconds,
            "examples_per_second": self.examples_per_second,
            "gflops": self.gflops,
            "share_of_peak": self.share_of_peak,
            "parts": self.step.parts,
        }


def bench(data: str | None, settings: Training, reading: Reading, again: bool, json: bool) -> None:
    """Prints the peaks of this machine, measured once, and a profile of a training step."""
    keep_memory()
    machine = look_at_machine(choose_device(settings.device), whole=True, again=again)
    steps = []
    screen = console(json)
    if not json:
        screen.print(fact("machine", f"{machine.cores} cores, {machine.name}, torch {torch.__version__}"))
        screen.print(fact("peak", _peaks(machine)))
    for name, dataset in _data(data, reading):
        measured = measure(name, dataset, settings, machine)
        steps.append(measured)
        if not json:
            for line in lines(measured):
                screen.print(line)
    if json:
        peak = {name: rate * 1e9 for name, rate in machine.gflops.items()} | {"memory": machine.memory * 1e9}
        print_json(
            {
                "machine": {"name": machine.name, "device": machine.device, "cores": machine.cores},
                "torch": torch.__version__,
                "peak": peak,
                "steps": [one.as_json() for one in steps],
            }
        )
        return
    screen.print(fact("next", f"glassnet train {data or 'digits'}", "bold"))


def measure(name: str, dataset: Dataset, settings: Training, machine: Machine) -> Measured:
    """Profiles the training that glassnet would do of this data."""
    dataset = starting.fitted(dataset, settings.seed)
    plan, sides, _ = choosing.make(dataset, name, Reading(), settings)
    with using(plan.recipe.threads):
        train, val, _ = starting.loaders(plan, dataset, sides, torch.device(machine.device))
        endless = replace(plan.recipe, epochs=1_000_000)
        step = profile_steps(Trainer(starting.build(plan, dataset), train, val, endless))
    rows = text.measure(text.parse(plan.net), dataset.shape, len(dataset.classes))
    return Measured(name, plan, text.total(rows).multiply_adds, step, machine)


def noise(shape: tuple[int, ...] = (3, 32, 32), count: int = NOISE, classes: int = 10) -> Dataset:
    """Pictures that show nothing, for timing alone."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (count, *shape), np.uint8)
    samples = Samples(
        x,
        np.arange(count) % classes,
        Names(count, lambda i: f"noise {i}"),
        np.full(count, NOT_GIVEN, np.int8),
        np.arange(count, dtype=np.uint64),
        np.full((count, len(shape) - 1), shape[1:], np.int32),
    )
    return Dataset("pictures", "noise", tuple(map(str, range(classes))), samples, Preparation(shape, {}))


def lines(one: Measured) -> Iterator[object]:
    """A profiled step as it is printed."""
    recipe = one.plan.recipe
    yield fact(
        "step", f"{one.data}: {one.step.examples:,} examples in {recipe.precision}, {one.step.seconds * 1e3:.1f} ms"
    )
    yield fact("", one.plan.net, "dim")
    rate = f"{one.examples_per_second:,.0f} examples/s, {one.gflops:,.0f} GF/s"
    yield fact("", f"{rate}, {percent(one.share_of_peak)} of the peak", "bold")
    for part, share in one.step.parts.items():
        if share >= 0.005:
            yield fact("", f"{part:<26} {share * 100:3.0f} %  {'█' * round(share * BAR)}")


def _data(data: str | None, reading: Reading) -> Iterator[tuple[str, Dataset]]:
    """What is trained on: the data that was named, or small pictures and large ones."""
    if data is not None:
        yield data, find_data(data, reading).read()
        return
    yield "digits", find_data("digits").read()
    dataset = noise()
    yield f"pictures of {by(dataset.shape[1:])}", dataset


def _peaks(machine: Machine) -> str:
    rates = [f"{name} {rate:,.0f} {'GOP/s' if name == 'int8' else 'GF/s'}" for name, rate in machine.gflops.items()]
    return ", ".join([*rates, f"memory {machine.memory:,.0f} GB/s"])
