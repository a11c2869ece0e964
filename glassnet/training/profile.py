"""Where a training step's time goes: torch's profiler over some steps, its operations summed up under plain names."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from glassnet.data.loader import Batch, Loader
from glassnet.training.trainer import Trainer

WARM_UP, MEASURED, PROFILED = (3, 1.0), (3, 2.0), (3, 0.2)  # steps and seconds, at least
LOADING = "loading and varying"
OPTIMIZER = "optimizer"
PYTHON = "Python, between operations"
REST = "everything else"
GROUPS = (  # the first whose sign stands in an operation's name
    ("convolution, backward", ("convolution_backward",)),
    ("convolution, forward", ("convolution", "conv1d", "conv2d", "conv3d")),
    ("pooling", ("max_pool", "mean")),
    ("batch norm", ("batch_norm",)),
    ("relu", ("clamp_min", "threshold_backward", "relu")),
    ("votes", ("addmm", "aten::mm", "linear")),
    ("averaging the weights", ("_foreach_lerp",)),
    ("loss", ("softmax", "nll_loss", "cross_entropy")),
    ("casts and copies", ("copy", "aten::to", "empty", "fill_", "zero", "contiguous", "clone")),
)
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own remarks are for its makers


@dataclass(frozen=True)
class StepProfile:
    """A training step. examples: in it. seconds: it takes. parts: share of it by what it does, the largest first."""

    examples: int
    seconds: float
    parts: dict[str, float]


def profile_steps(trainer: Trainer) -> StepProfile:
    """Times some steps as they are, then some under the profiler, whose own cost is in parts but not in seconds."""
    steps = _Endless(trainer)
    steps.run(*WARM_UP)
    seconds = steps.run(*MEASURED)
    trainer.train = _Watched(trainer.train)
    steps = _Endless(trainer)
    on_gpu = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiled:
        begun = time.perf_counter()
        done = steps.count(*PROFILED)
        whole = time.perf_counter() - begun
    parts: defaultdict[str, float] = defaultdict(float)
    events = sorted(profiled.events() or [], key=lambda event: event.time_range.start)
    ends = {LOADING: 0.0, OPTIMIZER: 0.0}
    for event in events:
        if event.name == LOADING or event.name.startswith("Optimizer.step"):
            part = LOADING if event.name == LOADING else OPTIMIZER
            ends[part] = max(ends[part], event.time_range.end)
        inside = next((part for part, end in ends.items() if event.time_range.start < end), None)
        took = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        parts[inside or _group(event.name)] += took / 1e6 / whole
    parts[PYTHON] = max(0.0, 1 - sum(parts.values()))
    ordered = dict(sorted(parts.items(), key=lambda part: -part[1]))
    assert done > 0, "at least one step was profiled"
    return StepProfile(-(-trainer.train.examples // trainer.train.steps), seconds, ordered)


class _Watched(Loader):
    """A loader whose work shows in a profile."""

    def __init__(self, of: Loader) -> None:
        vars(self).update(vars(of))

    def shuffled(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        batches = super().shuffled(epoch, first)
        while True:
            with record_function(LOADING):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


class _Endless:
    """Steps of a training, one after another."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.progress = trainer.run()

    def run(self, steps: int, seconds: float) -> float:
        """Runs at least so many steps, for at least so long. Returns the seconds that the middle one took."""
        took: list[float] = []
        while len(took) < steps or sum(took) < seconds:
            begun = time.perf_counter()
            one = next(self.progress)
            if self.trainer.device.type == "cuda":
                torch.cuda.synchronize(self.trainer.device)
            if not one.finished:  # the last step of an epoch has the judging in it
                took.append(time.perf_counter() - begun)
        return sorted(took)[len(took) // 2]

    def count(self, steps: int, seconds: float) -> int:
        """The same. Returns how many it ran."""
        begun, done = time.perf_counter(), 0
        while done < steps or time.perf_counter() - begun < seconds:
            next(self.progress)
            done += 1
        return done


def _group(name: str) -> str:
    return next((group for group, signs in GROUPS if any(sign in name for sign in signs)), REST)
