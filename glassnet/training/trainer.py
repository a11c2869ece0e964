"""The one training loop: a generator of progress that can be left and taken up again between any two steps."""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.data.loader import Batch, Batches, memory_format, step_seed
from glassnet.errors import GlassnetError
from glassnet.nets.network import Criterion, Network
from glassnet.training.answers import answers, autocast
from glassnet.training.calibration import calibrated_loss
from glassnet.training.checkpoints import Snapshot
from glassnet.training.optimizers import optimizers_of, restore
from glassnet.training.recipe import Recipe

AVERAGED = 2  # epochs


@dataclass(frozen=True)
class Epoch:
    """One line of the history. loss, accuracy: on the varied training examples, as they came. held_*: on val,
    the loss at its best temperature.
    """

    epoch: int
    loss: float
    accuracy: float
    held_loss: float
    held_accuracy: float
    learning_rate: float
    seconds: float
    examples_per_second: float


@dataclass(frozen=True)
class Progress:
    """Where a training stands. epoch: from 1. step: done in this epoch. finished: the epoch, when one just ended."""

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    examples_per_second: float
    seconds_left: float
    finished: Epoch | None = None


@dataclass
class _Position:
    """Where the loop is, and the sums of the epoch so far."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0


Feed = TypeVar("Feed", bound=Batches)


class Trainer(Generic[Feed]):
    """Trains a network on a loader's examples, keeping the weights of the epoch with the least loss on `held`.

    What is judged and kept is a running average of the weights over the last AVERAGED epochs or so, which is steadier
    than the weights themselves. Polyak and Juditsky 1992; Izmailov et al. 2018.
    """

    def __init__(self, net: Network, train: Feed, held: Feed, recipe: Recipe) -> None:
        self.net, self.train, self.held, self.recipe = net, train, held, recipe
        self.device = train.device
        for parameter in net.to(self.device).parameters():
            lay_out = memory_format(parameter.dim())
            parameter.data = parameter.data.contiguous(memory_format=lay_out)
        self.optimizers = optimizers_of(net, recipe)
        weight = torch.tensor(recipe.class_weight, device=self.device) if recipe.class_weight else None
        self.criterion = Criterion(recipe.smoothing, weight)
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.judged = torch.empty(0)  # (n, K) logits of the held-out examples after the newest epoch
        self.by_hand: list[str] = []  # what a person did to this training while it ran
        self.at = _Position()
        self.average = copy.deepcopy(net).eval()
        self._averaged = _floats(self.average)
        self._current = _floats(net)
        self._stopped = False
        self._drops = any(isinstance(module, nn.Dropout) for module in net.modules())

    @property
    def seconds(self) -> float:
        """Time spent training, over all sittings."""
        return self.at.seconds

    def run(self) -> Iterator[Progress]:
        """Trains to the end, yielding after each step; then the net holds the best epoch's weights.

        Raises GlassnetError at the first loss that is not a number.
        """
        phase = self.net.phases()[0]
        while self.at.epoch < self.recipe.epochs and not (self._stopped and self.history):
            self.net.train()
            begun = time.perf_counter()
            for batch in self.train.shuffled(self.at.epoch, self.at.step):
                loss, right = self._step(batch, phase.loss)
                self.at.step += 1
                self.at.loss += loss * len(batch.rows)
                self.at.right += right
                self.at.seen += len(batch.rows)
                self._clock(time.perf_counter() - begun)
                if self.at.step < self.train.steps:
                    yield self._progress(phase.name)
                    if self._stopped:
                        break
                begun = time.perf_counter()
            yield self._end_epoch(phase.name)
        self.net.load_state_dict(self.best)
        self.net.eval()

    def stop(self) -> None:
        """Makes the epoch that is under way the last, after the step that was just taken or the first one."""
        self._stopped = True
        at, epochs = self.at, self.recipe.epochs
        where = f"after {at.epoch}" if not at.step and at.epoch else f"in epoch {at.epoch + 1}"
        self.by_hand.append(f"stopped by hand {where} of {epochs} epochs")

    def snapshot(self) -> Snapshot:
        """The whole state, to go on from bit for bit."""
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for k, optimizer in enumerate(self.optimizers):
            for i, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer{k}.{i}.{name}": tensor for name, tensor in state.items()}
        facts: dict[str, object] = {
            "at": asdict(self.at),
            "history": [asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "by_hand": list(self.by_hand),
        }
        kept = {
            name: t.detach().to("cpu", copy=True, memory_format=torch.contiguous_format) for name, t in tensors.items()
        }
        return Snapshot(kept, facts)

    def restore(self, snapshot: Snapshot) -> None:
        """Takes up the state of a snapshot of the same net and recipe."""
        parts: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in snapshot.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.net.load_state_dict(parts["net"])
        self.average.load_state_dict(parts["average"])
        self.best = {name: tensor.to(self.device) for name, tensor in parts["best"].items()}
        for k, optimizer in enumerate(self.optimizers):
            restore(optimizer, parts[f"optimizer{k}"])
        facts = snapshot.facts
        assert isinstance(facts["at"], dict) and isinstance(facts["history"], list), "written by snapshot"
        self.at = _Position(**facts["at"])
        self.history = [Epoch(**epoch) for epoch in facts["history"]]
        self.best_epoch = int(str(facts["best_epoch"]))
        told = facts.get("by_hand", [])
        assert isinstance(told, list), "written by snapshot"
        self.by_hand = [str(one) for one in told]

    def _step(self, batch: Batch, objective: Callable[[Batch, Criterion], tuple[Tensor, Tensor]]) -> tuple[float, int]:
        """One step of backpropagation. Returns the plain cross-entropy of the batch and how many it got right."""
        at, recipe = self.at, self.recipe
        if self._drops:
            torch.manual_seed(step_seed(recipe.seed, at.epoch, at.step))
        share = recipe.share((at.epoch + at.step / self.train.steps) / recipe.epochs)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share
        with autocast(self.device, recipe.precision):
            loss, logits = objective(batch, self.criterion)
        self.net.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        plain = functional.cross_entropy(logits.detach().float(), batch.y)
        value = float(plain)
        if not math.isfinite(value) or not math.isfinite(float(loss.detach())):
            raise GlassnetError(
                f"epoch {at.epoch + 1}, step {at.step + 1}",
                found="the loss is not a number any more",
                fix=f"Lower the learning rate: --learning-rate {recipe.learning_rate / 3:.2g}",
            )
        for optimizer in self.optimizers:
            optimizer.step()
        self._take_average()
        return value, int((logits.argmax(1) == batch.y).sum())

    def _take_average(self) -> None:
        """Moves the averages a little toward the weights; more at first, when there is little to average."""
        done = self.at.epoch * self.train.steps + self.at.step + 1
        kept = min(1 - 1 / (AVERAGED * self.train.steps), done / (done + 10))
        torch._foreach_lerp_(self._averaged, self._current, 1 - kept)

    def _end_epoch(self, phase: str) -> Progress:
        """Judges the epoch on the held-out examples, keeps its weights if they are the best, and starts the next."""
        begun = time.perf_counter()
        logits, y = answers(self.average, self.held, self.recipe.precision)
        held_loss, self.judged = calibrated_loss(logits, y), logits
        self._clock(time.perf_counter() - begun)
        at = self.at
        epoch = Epoch(
            at.epoch + 1,
            at.loss / at.seen,
            at.right / at.seen,
            held_loss,
            float((logits.argmax(1) == y).float().mean()),
            self.recipe.learning_rate * self.recipe.share((at.epoch + 1) / self.recipe.epochs),
            at.epoch_seconds,
            at.seen / at.epoch_seconds,
        )
        if not self.best or held_loss < min(one.held_loss for one in self.history):
            self.best = {name: tensor.detach().clone() for name, tensor in self.average.state_dict().items()}
            self.best_epoch = epoch.epoch
        self.history.append(epoch)
        progress = replace(self._progress(phase), finished=epoch)
        self.at = _Position(epoch=at.epoch + 1, seconds=at.seconds)
        return progress

    def _clock(self, seconds: float) -> None:
        self.at.seconds += seconds
        self.at.epoch_seconds += seconds

    def _progress(self, phase: str) -> Progress:
        at, epochs, steps = self.at, self.recipe.epochs, self.train.steps
        done = at.epoch * steps + at.step
        return Progress(
            phase,
            at.epoch + 1,
            epochs,
            at.step,
            steps,
            at.loss / at.seen,
            at.right / at.seen,
            at.seen / max(at.epoch_seconds, 1e-9),
            at.seconds / done * (epochs * steps - done),
        )


def _floats(net: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without counters."""
    return [tensor.detach() for tensor in net.state_dict().values() if tensor.is_floating_point()]
