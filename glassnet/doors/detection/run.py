"""A detector's training from boxes to a model folder, as a generator of what happens. Prints nothing."""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.dataset import TEST, VAL
from glassnet.doors.detection import plan as plans
from glassnet.doors.detection.basis import Basis, basis_steps
from glassnet.doors.detection.budget import within_minutes
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.folder import save
from glassnet.doors.detection.outcome import DetectorOutcome
from glassnet.doors.detection.plan import DetectorPlan
from glassnet.doors.folder import CHECKPOINTS
from glassnet.doors.run import Stop, enter
from glassnet.errors import GlassnetError, Interrupted
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.checkpoints import Checkpoints
from glassnet.training.detection.choosing import chances, choose_overlap
from glassnet.training.detection.detecting import Limits, Seen, again, see
from glassnet.training.detection.feeding import Feed
from glassnet.training.detection.fitting import PROVISIONAL, Fitter
from glassnet.training.detection.judging import judge
from glassnet.training.detection.matching import Stages, match
from glassnet.training.detection.precision import best_threshold
from glassnet.training.machine import Machine, choose_device, look_at_machine, using
from glassnet.training.memory import keep_memory
from glassnet.training.trainer import Progress, Trainer

PROPOSED = 10  # pictures that it is timed on
LOOSE = 0.5  # overlap of boxes that are one object while the best isn't known
TRAINED, FITTED = "train", "fit"  # stages that leave checkpoints; the second in a folder of its own


@dataclass(frozen=True)
class Prepared:
    """All is chosen and the training begins. resumed: whether it goes on from before, after `epoch` whole epochs."""

    basis: Basis
    plan: DetectorPlan
    machine: Machine
    notes: tuple[str, ...]
    resumed: bool
    epoch: int


@dataclass(frozen=True)
class Finished:
    """What came of it, and the folder that it lies in, if any."""

    outcome: DetectorOutcome
    out: Path | None


Event = Step | Prepared | Progress | Finished


def run(
    found: BoxData,
    settings: Training,
    detecting: Detecting,
    out: Path | None = None,
    source: str = "",
    reading: Reading | None = None,
    stored: DetectorPlan | None = None,
) -> Generator[Event, None, None]:
    """Trains a detector and, with `out`, leaves a model folder there. See doors.run.run for what else is given.

    Throw Stop into it to make it save and end with Interrupted. Raises GlassnetError.
    """
    keep_memory()
    machine = look_at_machine(choose_device(stored.settings.device if stored else settings.device))
    asked, reading = (stored.detecting if stored else detecting), reading or Reading()
    kind = asked.proposals or ("grid" if (asked.engine or "fast") == "fast" else "both")
    seed, side = (stored.settings.seed, stored.side) if stored else (settings.seed, reading.size)
    basis = yield from basis_steps(found, side, kind, asked.regions, asked.cleaned, seed)
    if stored is None:
        plan = plans.make(basis, source, settings, detecting, reading, machine)
        if settings.minutes is not None:
            plan = within_minutes(plan, basis, torch.device(machine.device))
    else:
        plan = stored
        if basis.fingerprint != plan.fingerprint:
            fix = "Put it back as it was, or begin anew with another --out"
            raise GlassnetError(plan.source, found="the data is not what this training began with", fix=fix)
    with ExitStack() as held:
        held.enter_context(using(plan.recipe.threads))
        if out is not None:
            enter(out, held)
            plan.write(out)
        work = Work(basis, plan, machine, out, stored is not None)
        try:
            outcome = yield from work.run()
        except Stop as stop:
            raise work.interrupted(stop) from stop
        if out is not None:
            save(outcome, out)
        yield Finished(outcome, out)


class Work:
    """The stages of one run, and where it stands."""

    def __init__(self, basis: Basis, plan: DetectorPlan, machine: Machine, out: Path | None, resumed: bool) -> None:
        self.basis, self.plan, self.machine, self.out, self.resumed = basis, plan, machine, out, resumed
        self.device = torch.device(machine.device)
        self.net: RegionNet = plans.build(plan, basis.ground.classes)
        self.train, self.val = plans.feeds(plan, basis, basis.proposals, self.device)
        self.trainer: Trainer[Feed] = Trainer(self.net, self.train, self.val, plan.recipe)
        self.checkpoints = Checkpoints(out / CHECKPOINTS) if out is not None else None
        self.fits = Checkpoints(out / CHECKPOINTS / FITTED) if out is not None else None
        self.fitter: Fitter | None = None
        self.seconds: dict[str, float] = {}

    def run(self) -> Generator[Event, None, DetectorOutcome]:
        """Every stage in turn."""
        snapshot, notes = self.checkpoints.latest() if self.checkpoints else (None, ())
        if snapshot is not None:
            self.trainer.restore(snapshot)
        plan = self.plan
        yield Prepared(self.basis, plan, self.machine, (*plan.notes, *notes), self.resumed, self.trainer.at.epoch)
        tuned = isinstance(self.net, Cropped) and "fine-tuning" not in plan.detecting.parts
        if not tuned:
            yield from self.train_net()
        self.net.eval()
        if isinstance(self.net, Cropped) and plan.detecting.parts & {"svm", "regression"}:
            yield from self.fit(self.net)
        self._leave_out()
        limits, thresholds = yield from self.choose()
        return (yield from self.test(limits, thresholds))

    def interrupted(self, stop: Stop) -> Interrupted:
        """Saves where it stands and says how to go on."""
        trainer = self.trainer
        if self.fitter is not None:
            where = f"at picture {self.fitter.done % max(len(self.fitter.pictures), 1) + 1} of the SVMs"
        elif trainer.at.epoch >= self.plan.recipe.epochs:
            where = "while choosing and testing"
        else:
            where = f"in epoch {trainer.at.epoch + 1}"
        if self.checkpoints is None or self.fits is None or self.out is None:
            return Interrupted(stop.number, f"stopped {where}; it had no folder to save to")
        saved = (
            self.fits.save(self.fitter.snapshot(), self.fitter.done, 0)
            if self.fitter is not None
            else self.checkpoints.save(trainer.snapshot(), trainer.at.epoch, trainer.at.step)
        )
        command = f"glassnet train {shlex.quote(self.plan.source)} --out {shlex.quote(str(self.out))} --resume"
        return Interrupted(stop.number, f"stopped {where}; nothing is lost.", str(saved), command)

    def train_net(self) -> Iterator[Progress]:
        trainer, at_end = self.trainer, self.trainer.at.epoch >= self.plan.recipe.epochs
        for progress in trainer.run():
            if self.checkpoints and self.checkpoints.due:
                self.checkpoints.save(trainer.snapshot(), trainer.at.epoch, trainer.at.step)
            yield progress
        if self.checkpoints and not at_end:  # what follows may be left too
            self.checkpoints.save(trainer.snapshot(), trainer.at.epoch, trainer.at.step)
        self.seconds["train"] = trainer.seconds

    def fit(self, net: Cropped) -> Iterator[Step]:
        plan = self.plan
        fitter = Fitter(
            net, self.basis.ground, self.train.pictures, plan.normalisation, plan.recipe.precision, plan.recipe.seed
        )
        snapshot, _ = self.fits.latest() if self.fits else (None, ())
        if snapshot is not None:
            fitter.restore(snapshot)
        self.fitter = fitter
        for progress in fitter.run():
            if self.fits and self.fits.due:
                self.fits.save(fitter.snapshot(), fitter.done, 0)
            yield Step("fitting", progress.done, progress.total, "pictures for SVMs and boxes", progress.seconds_left)
        if self.fits:
            self.fits.save(fitter.snapshot(), fitter.done, 0)
        self.fitter = None
        self.seconds["fit"] = fitter.seconds

    def _leave_out(self) -> None:
        """What was not wanted is as it was before anything was fitted."""
        if isinstance(self.net, Cropped) and "svm" not in self.plan.detecting.parts:
            self.net.get_buffer("chances").zero_()
        if "regression" not in self.plan.detecting.parts:
            self.net.without_corrections()

    def choose(self) -> Generator[Step, None, tuple[Limits, tuple[float, ...]]]:
        """On the validation pictures: the overlap, what a margin is worth, the thresholds."""
        rows, classes = self.basis.sides.rows(VAL).tolist(), self.basis.ground.classes
        begun = time.perf_counter()
        objects = [self.basis.objects(i) for i in rows]
        twice = self.plan.engine == "fast"  # R-CNN corrects a box once
        seen = yield from self._see(rows, Limits(LOOSE, twice), "choosing")
        limits = Limits(choose_overlap(objects, seen, classes), twice)
        seen = [again(one, limits.most, classes) for one in seen]
        if isinstance(self.net, Cropped) and self.net.has_svms:
            self.net.get_buffer("chances").copy_(torch.from_numpy(chances(objects, seen, classes, PROVISIONAL)))
            seen = yield from self._see(rows, limits, "choosing")
        found = [one.found for one in seen]
        thresholds = tuple(best_threshold(match(objects, found, k)) for k in range(classes))
        self.seconds["choose"] = time.perf_counter() - begun
        return limits, thresholds

    def test(self, limits: Limits, thresholds: tuple[float, ...]) -> Generator[Step, None, DetectorOutcome]:
        basis, trainer = self.basis, self.trainer
        rows = basis.sides.rows(TEST).tolist()
        begun = time.perf_counter()
        seen = yield from self._see(rows, limits, "testing")
        each = {"proposals": self._propose(rows[:PROPOSED]), "detection": (time.perf_counter() - begun) / len(rows)}
        stages = [Stages(one.proposals, one.scored, one.found) for one in seen]
        test = judge(basis.data.classes, [basis.objects(i) for i in rows], stages, thresholds, self.plan.recipe.seed)
        return DetectorOutcome(
            self.net, basis, self.plan, self.machine, limits, thresholds, tuple(trainer.history), trainer.best_epoch,
            self.seconds, each, test, tuple(rows),
        )  # fmt: skip

    def _propose(self, rows: list[int]) -> float:
        """Seconds that finding the regions of a picture takes, nothing remembered."""
        begun = time.perf_counter()
        for i in rows:
            self.basis.proposals.of(self.basis.data.file(i).read_bytes())
        return (time.perf_counter() - begun) / len(rows)

    def _see(self, rows: list[int], limits: Limits, stage: str) -> Generator[Step, None, list[Seen]]:
        """What the net makes of some pictures, with the boxes in the file's pixels."""
        seen, begun = [], time.perf_counter()
        for done, i in enumerate(rows):
            left = (time.perf_counter() - begun) / done * (len(rows) - done) if done else None
            yield Step(stage, done, len(rows), "pictures", left)
            store, one = self.basis.store, self.basis.data.pictures[i]
            seen.append(
                see(
                    self.net,
                    store[i],
                    store.scale[i],
                    one.size,
                    self.basis.regions(i),
                    self.plan.normalisation,
                    limits,
                    self.plan.recipe.precision,
                )
            )
        return seen
