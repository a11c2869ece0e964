"""The one training loop: a generator of progress that can be left and taken up again between any two steps."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Generic

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from glassnet.data.loader import Batch, memory_format, step_seed
from glassnet.errors import GlassnetError
from glassnet.nets.network import Criterion, Network, Phase
from glassnet.training.answers import answers, autocast
from glassnet.training.calibration import calibrated_loss
from glassnet.training.checkpoints import Snapshot
from glassnet.training.cluster import APART, Cluster
from glassnet.training.optimizers import optimizers_of, restore, shares_of
from glassnet.training.phases import Feed, examples_of, phases_of, some
from glassnet.training.progress import Epoch, Position, Progress
from glassnet.training.recipe import Recipe
from glassnet.training.state import Story, parts_of, taken
from glassnet.training.together import Together

AVERAGED = 2  # epochs


class Trainer(Generic[Feed]):
    """Trains a network on a loader's examples, phase by phase, keeping the weights of the epoch with the least loss on
    `held`; of a phase without labels, and where nothing is held out, the last weights. train: the batches of the phase
    that goes on. has_labels: if not, phases that learn classes are left out.

    What is judged and kept is a running average of the weights over the last AVERAGED epochs or so, which is steadier
    than the weights themselves. Polyak and Juditsky 1992; Izmailov et al. 2018.

    cluster: of processes that each have a part of every batch of `train`, and all of `held`; their weights stay equal.
    """

    def __init__(
        self,
        net: Network,
        train: Feed,
        held: Feed,
        recipe: Recipe,
        has_labels: bool = True,
        cluster: Cluster = APART,
    ) -> None:
        self.net, self.train, self.held, self.recipe = net, train, held, recipe
        self.device = train.device
        for parameter in net.to(self.device).parameters():
            lay_out = memory_format(parameter.dim())
            parameter.data = parameter.data.contiguous(memory_format=lay_out)
        weight = torch.tensor(recipe.class_weight, device=self.device) if recipe.class_weight else None
        self.criterion = Criterion(recipe.smoothing, weight)
        self.phases = phases_of(net, recipe, has_labels)
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
        self.together = Together(net, cluster)
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
        self.together.end()
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
        nets = {"net": self.net.state_dict(), "average": self.average.state_dict(), "best": self.best}
        story = Story(self.at, self.history, self.best_epoch, self.by_hand, self.learnt)
        return taken(nets, self.optimizers, story)

    def restore(self, snapshot: Snapshot) -> None:
        """Takes up the state of a snapshot of the same net and recipe."""
        parts, story = parts_of(snapshot), Story.of(snapshot.facts)
        if story.at.phase:
            self._enter(story.at.phase)
        self.net.load_state_dict(parts["net"])
        self.average.load_state_dict(parts["average"])
        self.best = {name: tensor.to(self.device) for name, tensor in parts["best"].items()}
        for k, optimizer in enumerate(self.optimizers):
            restore(optimizer, parts[f"optimizer{k}"])
        self.at, self.history, self.best_epoch = story.at, story.history, story.best_epoch
        self.by_hand, self.learnt = story.by_hand, story.learnt

    def _enter(self, number: int) -> None:
        """Sets all up for a phase that begins."""
        self.at = Position(phase=number, seconds=self.at.seconds if number else 0.0)
        phase = self.phases[number]
        if len(self.phases) > 1:
            moved = {id(one) for one in phase.moved}
            for parameter in self.net.parameters():
                parameter.requires_grad_(id(parameter) in moved)
        self.train = self._labelled if phase.has_labels else examples_of(self._labelled, phase)
        self.optimizers = optimizers_of(self.net, self.recipe, phase)
        self.history, self.best, self.best_epoch = [], {}, 0
        self.average = copy.deepcopy(self.net).eval()
        self._averaged, self._current = _floats(self.average), _floats(self.net)
        self.together.begin([one for one in self.net.parameters() if one.requires_grad], phase.has_labels)

    def _run_phase(self) -> Iterator[Progress]:
        """One phase to its end."""
        phase = self.phase
        if phase.begin is not None and not self.at.epoch and not self.at.step:
            phase.begin(some(self.train))
        while self.at.epoch < self.epochs and not (self._stopped and self.history):
            self.net.train()
            begun = time.perf_counter()
            for batch in self.train.shuffled(self.at.epoch, self.at.step):
                loss, right = self._step(batch, phase)
                self.at.step += 1
                self.at.loss += loss * batch.count
                self.at.right += right
                self.at.seen += batch.count
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
        self.together.look_at(batch)
        with autocast(self.device, recipe.precision if phase.has_labels else "float32"):
            loss, said = phase.loss(batch, self.criterion)
        self.net.zero_grad(set_to_none=True)
        loss = self.together.share(loss, batch, self.criterion)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        value = float(functional.cross_entropy(said.detach().float(), batch.y) if phase.has_labels else said)
        right = int((said.argmax(1) == batch.y).sum()) if phase.has_labels else 0
        descended, value, right = self.together.add_up(loss, value, right, batch)
        if not math.isfinite(value) or not math.isfinite(descended):
            raise self.together.cluster.fails(_no_number(at, recipe))
        for optimizer in self.optimizers:
            optimizer.step()
        self._take_average()
        return value, right

    def _take_average(self) -> None:
        """Moves the averages a little toward the weights; more at first, when there is little to average."""
        done = self.at.epoch * self.train.steps + self.at.step + 1
        kept = min(1 - 1 / (AVERAGED * self.train.steps), done / (done + 10))
        torch._foreach_lerp_(self._averaged, self._current, 1 - kept)

    def _end_epoch(self) -> Progress:
        """Judges the epoch on the held-out examples, keeps its weights if they are the best, and starts the next."""
        begun, phase = time.perf_counter(), self.phase
        self._stay_together()
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
        self.at = Position(phase=at.phase, epoch=at.epoch + 1, seconds=at.seconds)
        return progress

    def _judge(self) -> tuple[float, float]:
        """The loss on the held-out examples, at its best temperature, and the share of them that are right."""
        cluster = self.together.cluster
        logits, y = answers(self.average, self.held, self.recipe.precision, cluster)
        self.judged = logits
        told = cluster.told([calibrated_loss(logits, y), float((logits.argmax(1) == y).float().mean())])
        assert isinstance(told, list), "as it was sent"
        return told[0], told[1]

    def _stay_together(self) -> None:
        """All processes take the first one's state where theirs differs in the last digits, as on unlike processors.

        Raises GlassnetError where they have gone apart.
        """
        tensors = [*self._current, *self._averaged]
        first = self.together.first_of_unlike(tensors, self.snapshot, f"epoch {self.at.epoch + 1}")
        if first is not None:
            self.restore(first)

    def _held_error(self) -> float:
        """The error of a phase without labels on some held-out examples, the same every time; none without them."""
        if not len(self.held.rows):
            return math.nan
        torch.manual_seed(step_seed(self.recipe.seed, 0, 0))
        rows = torch.arange(0)
        with torch.no_grad():
            return float(self.phase.loss(Batch(some(self.held), rows, rows.numpy()), self.criterion)[1])

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


def _no_number(at: Position, recipe: Recipe) -> GlassnetError:
    return GlassnetError(
        f"epoch {at.epoch + 1}, step {at.step + 1}",
        found="the loss is not a number any more",
        fix=f"Lower the learning rate: --learning-rate {recipe.learning_rate / 3:.2g}",
    )


def _floats(net: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without counters."""
    return [tensor.detach() for tensor in net.state_dict().values() if tensor.is_floating_point()]
