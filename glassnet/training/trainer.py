"""The one training loop: a generator of progress that can be left and taken up again between any two steps."""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from glassnet.data.loader import Batch, Batches, Loader, memory_format, step_seed
from glassnet.errors import GlassnetError
from glassnet.nets.network import Criterion, Network, Phase
from glassnet.training.answers import answers, autocast
from glassnet.training.calibration import calibrated_loss
from glassnet.training.checkpoints import Snapshot
from glassnet.training.optimizers import optimizers_of, restore, shares_of
from glassnet.training.recipe import Recipe

AVERAGED = 2  # epochs
SOME = 512  # examples that a phase without labels begins from, and is judged by
FEWEST = 8  # steps of such a phase


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
    """Where a training stands. epoch: from 1. step: done in this epoch. finished: the epoch, when one just ended.

    has_labels: whether its phase learns classes; if not, losses are mean squared errors, and nothing is right or wrong.
    """

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
    has_labels: bool = True


@dataclass
class _Position:
    """Where the loop is, and the sums of the epoch so far."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0


Feed = TypeVar("Feed", bound=Batches)


class Trainer(Generic[Feed]):
    """Trains a network on a loader's examples, phase by phase, keeping the weights of the epoch with the least loss on
    `held`; of a phase without labels, and where nothing is held out, the last weights. train: the batches of the phase
    that goes on. has_labels: if not, phases that learn classes are left out.

    What is judged and kept is a running average of the weights over the last AVERAGED epochs or so, which is steadier
    than the weights themselves. Polyak and Juditsky 1992; Izmailov et al. 2018.
    """

    def __init__(self, net: Network, train: Feed, held: Feed, recipe: Recipe, has_labels: bool = True) -> None:
        self.net, self.train, self.held, self.recipe = net, train, held, recipe
        self.device = train.device
        for parameter in net.to(self.device).parameters():
            lay_out = memory_format(parameter.dim())
            parameter.data = parameter.data.contiguous(memory_format=lay_out)
        weight = torch.tensor(recipe.class_weight, device=self.device) if recipe.class_weight else None
        self.criterion = Criterion(recipe.smoothing, weight)
        self.phases = _phases(net, recipe, has_labels)
        self.learnt: dict[str, list[Epoch]] = {}  # what the phases before this one came to
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.average: Network = net
        self.optimizers: list[Optimizer] = []
        self.judged = torch.empty(0)  # (n, K) logits of the held-out examples after the newest epoch
        self.by_hand: list[str] = []  # what a person did to this training while it ran
        self._stopped = False
        self._drops = any(isinstance(module, nn.Dropout) for module in net.modules())
        self._labelled = train
        self._enter(0)

    @property
    def seconds(self) -> float:
        """Time spent training, over all sittings."""
        return self.at.seconds

    def run(self) -> Iterator[Progress]:
        """Trains to the end, yielding after each step; then the net holds the best epoch's weights.

        Raises GlassnetError at the first loss that is not a number.
        """
        yield from self._run_phase()
        while self.at.phase + 1 < len(self.phases):
            self.learnt[self.phase.name] = self.history
            self._enter(self.at.phase + 1)
            yield from self._run_phase()
        self.net.load_state_dict(self.best)
        self.net.eval()

    @property
    def phase(self) -> Phase:
        """What is being learnt."""
        return self.phases[self.at.phase]

    @property
    def epochs(self) -> int:
        """How many the phase that goes on has."""
        return -(-self.phase.steps // self.train.steps) if self.phase.steps else self.recipe.epochs

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.at.phase + 1 == len(self.phases) and self.at.epoch >= self.epochs

    def stop(self) -> None:
        """Makes the epoch that is under way the last, after the step that was just taken or the first one."""
        self._stopped = True
        at, epochs = self.at, self.epochs
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
            "learnt": {name: [asdict(epoch) for epoch in epochs] for name, epochs in self.learnt.items()},
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
        facts = snapshot.facts
        assert isinstance(facts["at"], dict) and isinstance(facts["history"], list), "written by snapshot"
        at = _Position(**facts["at"])
        if at.phase:
            self._enter(at.phase)
        self.net.load_state_dict(parts["net"])
        self.average.load_state_dict(parts["average"])
        self.best = {name: tensor.to(self.device) for name, tensor in parts["best"].items()}
        for k, optimizer in enumerate(self.optimizers):
            restore(optimizer, parts[f"optimizer{k}"])
        self.at = at
        self.history = [Epoch(**epoch) for epoch in facts["history"]]
        self.best_epoch = int(str(facts["best_epoch"]))
        told = facts.get("by_hand", [])
        assert isinstance(told, list), "written by snapshot"
        self.by_hand = [str(one) for one in told]
        earlier = facts.get("learnt", {})
        assert isinstance(earlier, dict), "written by snapshot"
        self.learnt = {name: [Epoch(**epoch) for epoch in epochs] for name, epochs in earlier.items()}

    def _enter(self, number: int) -> None:
        """Sets all up for a phase that begins."""
        self.at = _Position(phase=number, seconds=self.at.seconds if number else 0.0)
        phase = self.phases[number]
        if len(self.phases) > 1:
            moved = {id(one) for one in phase.moved}
            for parameter in self.net.parameters():
                parameter.requires_grad_(id(parameter) in moved)
        self.train = self._labelled if phase.has_labels else _examples(self._labelled, phase)
        self.optimizers = optimizers_of(self.net, self.recipe, phase)
        self.history, self.best, self.best_epoch = [], {}, 0
        self.average = copy.deepcopy(self.net).eval()
        self._averaged, self._current = _floats(self.average), _floats(self.net)

    def _run_phase(self) -> Iterator[Progress]:
        """One phase to its end."""
        phase = self.phase
        if phase.begin is not None and not self.at.epoch and not self.at.step:
            phase.begin(_some(self.train))
        while self.at.epoch < self.epochs and not (self._stopped and self.history):
            self.net.train()
            begun = time.perf_counter()
            for batch in self.train.shuffled(self.at.epoch, self.at.step):
                loss, right = self._step(batch, phase)
                self.at.step += 1
                self.at.loss += loss * len(batch.rows)
                self.at.right += right
                self.at.seen += len(batch.rows)
                self._clock(time.perf_counter() - begun)
                if self.at.step < self.train.steps:
                    yield self._progress()
                    if self._stopped:
                        break
                begun = time.perf_counter()
            yield self._end_epoch()

    def _step(self, batch: Batch, phase: Phase) -> tuple[float, int]:
        """One step of backpropagation. Returns the plain cross-entropy of the batch and how many it got right."""
        at, recipe = self.at, self.recipe
        if self._drops or not phase.has_labels:
            torch.manual_seed(step_seed(recipe.seed, at.epoch, at.step))
        share = shares_of(phase, recipe)((at.epoch + at.step / self.train.steps) / self.epochs)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share
        with autocast(self.device, recipe.precision if phase.has_labels else "float32"):
            loss, said = phase.loss(batch, self.criterion)
        self.net.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        value = float(functional.cross_entropy(said.detach().float(), batch.y) if phase.has_labels else said)
        if not math.isfinite(value) or not math.isfinite(float(loss.detach())):
            raise GlassnetError(
                f"epoch {at.epoch + 1}, step {at.step + 1}",
                found="the loss is not a number any more",
                fix=f"Lower the learning rate: --learning-rate {recipe.learning_rate / 3:.2g}",
            )
        for optimizer in self.optimizers:
            optimizer.step()
        self._take_average()
        return value, int((said.argmax(1) == batch.y).sum()) if phase.has_labels else 0

    def _take_average(self) -> None:
        """Moves the averages a little toward the weights; more at first, when there is little to average."""
        done = self.at.epoch * self.train.steps + self.at.step + 1
        kept = min(1 - 1 / (AVERAGED * self.train.steps), done / (done + 10))
        torch._foreach_lerp_(self._averaged, self._current, 1 - kept)

    def _end_epoch(self) -> Progress:
        """Judges the epoch on the held-out examples, keeps its weights if they are the best, and starts the next."""
        begun, phase = time.perf_counter(), self.phase
        judged = phase.has_labels and len(self.held.rows) > 0
        held_loss, held_right = self._judge() if judged else (self._held_error(), 0.0)
        self._clock(time.perf_counter() - begun)
        at = self.at
        rate = phase.rate or self.recipe.learning_rate
        epoch = Epoch(
            at.epoch + 1,
            at.loss / at.seen,
            at.right / at.seen,
            held_loss,
            held_right,
            rate * shares_of(phase, self.recipe)((at.epoch + 1) / self.epochs),
            at.epoch_seconds,
            at.seen / at.epoch_seconds,
        )
        if not judged or not self.best or held_loss < min(one.held_loss for one in self.history):
            kept = self.average if phase.has_labels else self.net
            self.best = {name: tensor.detach().clone() for name, tensor in kept.state_dict().items()}
            self.best_epoch = epoch.epoch
        self.history.append(epoch)
        progress = replace(self._progress(), finished=epoch)
        self.at = _Position(phase=at.phase, epoch=at.epoch + 1, seconds=at.seconds)
        return progress

    def _judge(self) -> tuple[float, float]:
        """The loss on the held-out examples, at its best temperature, and the share of them that are right."""
        logits, y = answers(self.average, self.held, self.recipe.precision)
        self.judged = logits
        return calibrated_loss(logits, y), float((logits.argmax(1) == y).float().mean())

    def _held_error(self) -> float:
        """The error of a phase without labels on some held-out examples, the same every time; none without them."""
        if not len(self.held.rows):
            return math.nan
        torch.manual_seed(step_seed(self.recipe.seed, 0, 0))
        rows = torch.arange(0)
        with torch.no_grad():
            return float(self.phase.loss(Batch(_some(self.held), rows, rows.numpy()), self.criterion)[1])

    def _clock(self, seconds: float) -> None:
        self.at.seconds += seconds
        self.at.epoch_seconds += seconds

    def _progress(self) -> Progress:
        at, epochs, steps = self.at, self.epochs, self.train.steps
        done = at.epoch * steps + at.step
        before = sum(epoch.seconds for earlier in self.learnt.values() for epoch in earlier)
        return Progress(
            self.phase.name,
            at.epoch + 1,
            epochs,
            at.step,
            steps,
            at.loss / at.seen,
            at.right / at.seen,
            at.seen / max(at.epoch_seconds, 1e-9),
            (at.seconds - before) / done * (epochs * steps - done),
            has_labels=self.phase.has_labels,
        )


def _phases(net: Network, recipe: Recipe, has_labels: bool) -> tuple[Phase, ...]:
    """The stretches of a training, those without labels as long as the recipe has patience."""
    kept = [phase for phase in net.phases() if has_labels or not phase.has_labels]
    return tuple(
        phase if phase.has_labels else replace(phase, steps=max(FEWEST, round(phase.steps * recipe.patience)))
        for phase in kept
    )


def _examples(feed: Feed, phase: Phase) -> Feed:
    """The batches of a phase without labels."""
    assert isinstance(feed, Loader), "only whole examples are learnt without labels"
    return cast(Feed, feed.of(phase.batch, phase.steps))


def _some(feed: Batches) -> Tensor:
    """Some examples as they are, (N, C, *S)."""
    assert isinstance(feed, Loader), "only whole examples are learnt without labels"
    return feed.some(SOME)


def _floats(net: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without counters."""
    return [tensor.detach() for tensor in net.state_dict().values() if tensor.is_floating_point()]
