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
from glassnet.doors.agreeing import threads_of
from glassnet.doors.detection import agreeing
from glassnet.doors.detection import plan as plans
from glassnet.doors.detection.basis import Basis, basis_steps
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.folder import save
from glassnet.doors.detection.outcome import DetectorOutcome
from glassnet.doors.detection.plan import DetectorPlan
from glassnet.doors.detection.turns import NOTHING_LOST
from glassnet.doors.folder import CHECKPOINTS
from glassnet.doors.run import Stop, begin_folder
from glassnet.errors import Interrupted
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.checkpoints import Checkpoints
from glassnet.training.cluster import APART, Cluster
from glassnet.training.detection.choosing import chances, choose_overlap
from glassnet.training.detection.detecting import Limits, Seen, again, see
from glassnet.training.detection.feeding import Feed
from glassnet.training.detection.fitting import PROVISIONAL, Fitter
from glassnet.training.detection.gathering import brought_together
from glassnet.training.detection.judging import judge
from glassnet.training.detection.matching import Stages, match
from glassnet.training.detection.precision import best_threshold
from glassnet.training.machine import Machine, using
from glassnet.training.memory import keep_memory
from glassnet.training.progress import Progress
from glassnet.training.trainer import Trainer

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
    cluster: Cluster = APART,
) -> Generator[Event, None, None]:
    """Trains a detector and, with `out`, leaves a model folder there. See doors.run.run for what else is given.

    Throw Stop into it to make it save and end with Interrupted. Raises GlassnetError.

    cluster: of the processes that run this together; `out` is the first one's, and it alone comes to Finished.
    """
    keep_memory()
    machine = agreeing.look(stored.settings.device if stored else settings.device, cluster)
    asked, reading = (stored.detecting if stored else detecting), reading or Reading()
    seed, side = (stored.settings.seed, stored.side) if stored else (settings.seed, reading.size)
    basis = yield from _begin(found, asked, side, seed, cluster)

    def make() -> DetectorPlan:
        return plans.make(basis, source, settings, detecting, reading, machine, cluster.world.local_size)

    plan, machines = agreeing.agree(basis, make, stored, machine, cluster)
    with ExitStack() as held:
        held.enter_context(using(threads_of(plan.recipe, plan.settings, cluster)))
        cluster.together(lambda: begin_folder(out, plan, held))
        work = Work(basis, plan, machines, out, stored is not None, cluster)
        try:
            outcome = yield from work.run()
        except Stop as stop:
            raise cluster.fails(work.interrupted(stop)) from stop
        if outcome is None:
            return
        if out is not None:
            save(outcome, out)
        yield Finished(outcome, out)


def _begin(
    found: BoxData, asked: Detecting, side: int | None, seed: int, cluster: Cluster
) -> Generator[Step, None, Basis]:
    """All that it starts from; nothing is lost where that is stopped."""
    kind = asked.proposals or ("grid" if (asked.engine or "fast") == "fast" else "both")
    try:
        return (yield from basis_steps(found, side, kind, asked.regions, asked.cleaned, seed, cluster))
    except Stop as stop:
        raise Interrupted(stop.number, NOTHING_LOST) from stop


class Work:
    """The stages of one run, and where it stands. cluster: of the processes that share each stage."""

    def __init__(
        self,
        basis: Basis,
        plan: DetectorPlan,
        machine: Machine,
        out: Path | None,
        resumed: bool,
        cluster: Cluster = APART,
    ) -> None:
        self.cluster = cluster
        self.basis, self.plan, self.machine, self.out, self.resumed = basis, plan, machine, out, resumed
        self.device = torch.device(machine.device)
        self.net: RegionNet = agreeing.begin(plan, basis.ground.classes, cluster)
        self.train, self.val = plans.feeds(plan, basis, basis.proposals, self.device, cluster.world)
        self.trainer: Trainer[Feed] = Trainer(self.net, self.train, self.val, plan.recipe, cluster=cluster)
        self.checkpoints = Checkpoints(out / CHECKPOINTS) if out is not None else None
        self.fits = Checkpoints(out / CHECKPOINTS / FITTED) if out is not None else None
        self.fitter: Fitter | None = None
        self.seconds: dict[str, float] = {}

    def run(self) -> Generator[Event, None, DetectorOutcome | None]:
        """Every stage in turn; what came of it is the first process's."""
        snapshot, notes = self.checkpoints.latest() if self.checkpoints else (None, ())
        snapshot = self.cluster.shared(snapshot)
        if snapshot is not None:
            self.trainer.restore(snapshot)
        plan = self.plan
        self.cluster.look_up()
        yield Prepared(self.basis, plan, self.machine, (*plan.notes, *notes), self.resumed, self.trainer.at.epoch)
        tuned = isinstance(self.net, Cropped) and "fine-tuning" not in plan.detecting.parts
        if not tuned:
            yield from self.train_net()
        self.trainer.together.end()
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
            net, self.basis.ground, self.train.pictures, plan.normalisation, plan.recipe.precision, plan.recipe.seed,
            self.cluster,
        )  # fmt: skip
        fitter.restore(self.fits.latest()[0] if self.fits else None)
        self.fitter = fitter
        for progress in fitter.run():
            if self.fits and self.fits.due:
                self.fits.save(fitter.snapshot(), fitter.done, 0)
            self.cluster.look_up()
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
        limits = Limits(float(str(self.cluster.led(lambda: choose_overlap(objects, seen, classes)))), twice)
        seen = [again(one, limits.most, classes) for one in seen]
        if isinstance(self.net, Cropped) and self.net.has_svms:
            told = self.cluster.led(lambda: chances(objects, seen, classes, PROVISIONAL).tolist())
            self.net.get_buffer("chances").copy_(torch.tensor(told))
            seen = yield from self._see(rows, limits, "choosing")
        found = [one.found for one in seen]
        thresholds = tuple(best_threshold(match(objects, found, k)) for k in range(classes))
        self.seconds["choose"] = time.perf_counter() - begun
        return limits, thresholds

    def test(self, limits: Limits, thresholds: tuple[float, ...]) -> Generator[Step, None, DetectorOutcome | None]:
        """Judges the test pictures; what came of it is the first process's."""
        basis, trainer = self.basis, self.trainer
        rows = basis.sides.rows(TEST).tolist()
        begun = time.perf_counter()
        seen = yield from self._see(rows, limits, "testing")
        if not self.cluster.world.is_first:
            return None
        looked = len(rows[:: self.cluster.world.size])  # by this process
        took = (time.perf_counter() - begun) / looked
        each = {"proposals": self._propose(rows[:PROPOSED]), "detection": took}
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
        """What the net makes of some pictures, with the boxes in the file's pixels; each process looks at its share."""
        seen: list[Seen] = []
        begun, world, basis, plan = time.perf_counter(), self.cluster.world, self.basis, self.plan
        for done in range(0, len(rows), world.size):
            left = (time.perf_counter() - begun) / done * (len(rows) - done) if done else None
            self.cluster.look_up()
            yield Step(stage, done, len(rows), "pictures", left)
            for i in rows[done : done + world.size][world.rank : world.rank + 1]:
                store, size = basis.store, basis.data.pictures[i].size
                seen.append(
                    see(
                        self.net, store[i], store.scale[i], size, basis.regions(i), plan.normalisation, limits,
                        plan.recipe.precision,
                    )
                )  # fmt: skip
        return brought_together(seen, [basis.regions(i) for i in rows], self.cluster)
