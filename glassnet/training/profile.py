"""Where a training step's time goes: each layer's work forward and backward, and what the loop does beside them, timed.

By clocks around them, not by torch's profiler: its own small allocations between large ones made later steps fetch new
pages, and it reported 30 % of a step for pooling that takes 10 %.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from glassnet.data.loader import Batch, Loader
from glassnet.nets.layers import CONVS, NORMS, POOLS, Add, Mean
from glassnet.training.progress import Progress
from glassnet.training.trainer import Trainer

WARM_UP, MEASURED, TIMED = (3, 1.0), (3, 2.0), (3, 1.5)  # steps and seconds, at least
REST = "loss, Python, the rest"
WORDS: dict[type[nn.Module], str] = {
    **dict.fromkeys(CONVS.values(), "convolution"),
    **dict.fromkeys(POOLS.values(), "pooling"),
    **dict.fromkeys(NORMS.values(), "batch norm"),
    nn.ReLU: "relu",
    nn.GELU: "gelu",
    nn.Linear: "fully connected",
    Mean: "mean",
    Add: "sum of a block",
}


@dataclass(frozen=True)
class StepProfile:
    """A training step. examples: in it. seconds: it takes. parts: share of it by what it does, the largest first."""

    examples: int
    seconds: float
    parts: dict[str, float]


def profile_steps(trainer: Trainer[Loader]) -> StepProfile:
    """Times some steps as they are, then some with a clock around each part."""
    steps = trainer.run()
    _steps(trainer, steps, *WARM_UP)
    seconds = sorted(_steps(trainer, steps, *MEASURED))
    watch = _Stopwatch(trainer)
    whole = sum(_steps(trainer, trainer.run(), *TIMED, watch))
    parts = {part: took / whole for part, took in watch.seconds.items()}
    parts[REST] = max(0.0, 1 - sum(parts.values()))
    ordered = dict(sorted(parts.items(), key=lambda part: -part[1]))
    return StepProfile(-(-trainer.train.examples // trainer.train.steps), seconds[len(seconds) // 2], ordered)


def _steps(
    trainer: Trainer[Loader], steps: Iterator[Progress], least: int, seconds: float, watch: _Stopwatch | None = None
) -> list[float]:
    """Runs at least so many steps, for at least so long. Returns the seconds of each.

    An epoch's last step, which has the judging in it, is left out, also of what is watched.
    """
    took: list[float] = []
    while len(took) < least or sum(took) < seconds:
        before = watch.seconds.copy() if watch else None
        begun = _now(trainer.device)
        one = next(steps)
        if not one.finished:
            took.append(_now(trainer.device) - begun)
        elif watch and before is not None:
            watch.seconds = before
    return took


class _Stopwatch:
    """Clocks around every layer, the optimizers, the average and the loader of a trainer. seconds: by part."""

    def __init__(self, trainer: Trainer[Loader]) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.device = trainer.device
        self.begun: dict[object, float] = {}
        for layer in trainer.net.modules():
            if not list(layer.children()):
                layer.register_forward_pre_hook(self._enter)
                layer.register_forward_hook(self._leave)
        for optimizer in trainer.optimizers:
            optimizer.step = self._around("optimizer", optimizer.step)  # type: ignore[method-assign]
        trainer._take_average = self._around("averaging the weights", trainer._take_average)  # type: ignore[method-assign]
        trainer.train = _Watched(trainer.train, self)

    def add(self, part: str, begun: float) -> None:
        """Time since `begun` goes to a part."""
        self.seconds[part] += _now(self.device) - begun

    def _enter(self, layer: nn.Module, _: object) -> None:
        self.begun[layer] = _now(self.device)

    def _leave(self, layer: nn.Module, _: object, output: Tensor) -> None:
        word = WORDS.get(type(layer), "everything else")
        self.add(f"{word}, forward", self.begun.pop(layer))
        node = output.grad_fn
        if node is not None:
            node.register_prehook(partial(self._enter_backward, layer))
            node.register_hook(partial(self._leave_backward, layer, f"{word}, backward"))

    def _enter_backward(self, layer: nn.Module, _: object) -> None:
        self.begun[layer] = _now(self.device)

    def _leave_backward(self, layer: nn.Module, part: str, *_: object) -> None:
        self.add(part, self.begun.pop(layer))

    def _around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: object) -> object:
            begun = _now(self.device)
            result = work(*given)
            self.add(part, begun)
            return result

        return timed


class _Watched(Loader):
    """A loader with a clock around it."""

    def __init__(self, of: Loader, watch: _Stopwatch) -> None:
        vars(self).update(vars(of))
        self.watch = watch

    def shuffled(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        batches = super().shuffled(epoch, first)
        while True:
            begun = _now(self.device)
            batch = next(batches, None)
            self.watch.add("loading and varying", begun)
            if batch is None:
                return
            yield batch


def _now(device: torch.device) -> float:
    """Seconds, once all work given to a device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
