"""A training from a data set to a model folder, as a generator of what happens. Prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from glassnet import files
from glassnet.config import Reading, Training
from glassnet.data.columns import different, taken
from glassnet.data.dataset import TRAIN, VAL, Dataset
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.doors import agreeing, starting
from glassnet.doors import folder as layout
from glassnet.doors.examples import FOLDER, KEY, test_files, write_examples
from glassnet.doors.figures import examples, history, metrics
from glassnet.doors.folder import CHECKPOINTS
from glassnet.doors.judging import Judging, judge
from glassnet.doors.model import Model
from glassnet.doors.plan import Plan, card_of
from glassnet.doors.readme import readme
from glassnet.errors import Interrupted
from glassnet.explaining.hierarchy_picture import draws, hierarchy_picture
from glassnet.explaining.report import training_page
from glassnet.explaining.unlabelled_page import unlabelled_page
from glassnet.nets import text
from glassnet.nets.text import Row
from glassnet.training.checkpoints import Checkpoints
from glassnet.training.cluster import APART, Cluster
from glassnet.training.machine import Machine, using
from glassnet.training.memory import keep_memory
from glassnet.training.outcome import Outcome, Unlabelled
from glassnet.training.progress import Progress
from glassnet.training.trainer import Trainer
from glassnet.world import launch


class Stop(Exception):
    """Thrown into a run by its driver, between two steps, to make it save and end. number: of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Prepared:
    """All is chosen and the training begins. resumed: whether it goes on from before, after `epoch` whole epochs.

    trainer: for a driver that watches closely, or lets a person change what goes on.
    """

    dataset: Dataset
    split: Split
    rows: tuple[Row, ...]
    plan: Plan
    machine: Machine
    notes: tuple[str, ...]
    resumed: bool
    epoch: int
    trainer: Trainer[Loader]


@dataclass(frozen=True)
class Finished:
    """The model that came out, its story, and the folder it lies in, if any. example: a test example to try it on."""

    model: Model
    outcome: Outcome | Unlabelled
    out: Path | None
    example: Path | None


Event = Prepared | Progress | Judging | Finished


def run(
    dataset: Dataset,
    settings: Training,
    out: Path | None = None,
    source: str = "",
    reading: Reading | None = None,
    stored: Plan | None = None,
    cluster: Cluster = APART,
) -> Generator[Event, None, None]:
    """Trains a net on a data set and, with `out`, leaves a model folder there.

    source, reading: how the data was named, if it was, and read. stored: the plan of a training that is taken up
    again. Throw Stop into it to make it save and end with Interrupted. Raises GlassnetError.

    cluster: of the processes that run this together; `out` and `stored` are the first one's, and it alone comes to
    Finished.
    """
    keep_memory()
    dataset = starting.fitted(dataset, (stored.settings if stored else settings).seed)
    plan, sides, machine = agreeing.agree(dataset, source, reading or Reading(), settings, stored, cluster)
    with ExitStack() as held:
        held.enter_context(using(agreeing.threads_of(plan.recipe, plan.settings, cluster)))
        cluster.together(lambda: begin_folder(out, plan, held))
        train, val, test = starting.loaders(plan, dataset, sides, torch.device(machine.device), cluster.world)
        checkpoints = Checkpoints(out / CHECKPOINTS) if out is not None else None
        snapshot, notes = checkpoints.latest() if checkpoints else (None, ())
        snapshot = cluster.shared(snapshot)
        net = starting.build(plan, dataset)
        if snapshot is None:
            agreeing.begin(net, plan, train, cluster)
        trainer = Trainer(net, train, val, plan.recipe, dataset.has_labels, cluster)
        if snapshot is not None:
            trainer.restore(snapshot)
        rows = text.measure(text.parse(plan.net), dataset.shape, len(starting.classes_of(plan.net, dataset)))
        try:
            cluster.look_up()
            told, went_on = (*plan.notes, *notes), stored is not None
            yield Prepared(dataset, sides, rows, plan, machine, told, went_on, trainer.at.epoch, trainer)
            yield from _epochs(trainer, checkpoints)
            plan = replace(plan, notes=(*plan.notes, *trainer.by_hand))
            outcome = yield from judge(trainer, test, plan, dataset, sides, machine)
        except Stop as stop:
            raise cluster.fails(_interrupted(stop, trainer, checkpoints, plan, out)) from stop
        if not cluster.world.is_first:
            return
        model = _model(outcome, plan)
        yield Finished(model, outcome, out, _save(model, outcome, out) if out is not None else None)


class Written(Protocol):
    """What is kept of a plan beside the checkpoints."""

    def write(self, out: Path) -> None:
        """Keeps it."""


def begin_folder(out: Path | None, plan: Written, held: ExitStack) -> None:
    """Begins the folder of a run, if there is one."""
    if out is None:
        return
    enter(out, held)
    plan.write(out)
    if launch():
        files.write_file(out / CHECKPOINTS / layout.LAUNCH, launch())


def enter(out: Path, held: ExitStack) -> None:
    """Makes the folder and holds it for this process alone; tidies up after one that was killed."""
    try:
        (out / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(out, error) from error
    held.enter_context(files.only_writer(out))
    files.sweep(out)
    files.sweep(out / CHECKPOINTS)


def _epochs(trainer: Trainer[Loader], checkpoints: Checkpoints | None) -> Iterator[Progress]:
    """The training itself, saving a checkpoint when one is due."""
    for progress in trainer.run():
        if checkpoints and checkpoints.due:
            checkpoints.save(trainer.snapshot(), trainer.at.epoch, trainer.at.step)
        yield progress


def _interrupted(
    stop: Stop, trainer: Trainer[Loader], checkpoints: Checkpoints | None, plan: Plan, out: Path | None
) -> Interrupted:
    """Saves where the training stands and says how to go on."""
    done = trainer.at.epoch >= plan.recipe.epochs
    where = "while testing" if done else f"in epoch {trainer.at.epoch + 1}"
    if checkpoints is None or out is None:
        return Interrupted(stop.number, f"stopped {where}; it had no folder to save to")
    saved = checkpoints.save(trainer.snapshot(), trainer.at.epoch, trainer.at.step)
    command = f"glassnet train {shlex.quote(plan.source)} --out {shlex.quote(str(out))} --resume"
    return Interrupted(stop.number, f"stopped {where}; nothing is lost.", str(saved), command)


def _model(outcome: Outcome | Unlabelled, plan: Plan) -> Model:
    dataset, sides = outcome.dataset, outcome.split
    heat = outcome.temperature if isinstance(outcome, Outcome) else 1.0
    data = {"examples": examples(outcome), KEY: test_files(outcome)}
    epochs = len(outcome.history), outcome.best_epoch
    card = card_of(plan, dataset, outcome.classes, outcome.machine, epochs, heat, data)
    seen = different(taken(dataset.samples.digest, np.concatenate([sides.rows(TRAIN), sides.rows(VAL)])))
    told = history(outcome.history)
    return Model(outcome.net.eval(), card, metrics(outcome), told, seen, familiar=outcome.familiar)


def _save(model: Model, outcome: Outcome | Unlabelled, out: Path) -> Path | None:
    """Swaps the whole model in for the folder that held its checkpoints. Returns a test example on disk, if any."""
    with files.new_folder(out) as new:
        model.write(new)
        page = training_page(outcome, str(out)) if isinstance(outcome, Outcome) else unlabelled_page(outcome, str(out))
        files.write_file(new / layout.REPORT, page)
        files.write_file(new / layout.CARD, readme(outcome, out.name))
        net = outcome.net
        if draws(net):
            files.write_file(new / layout.HIERARCHY, hierarchy_picture(net, out.name))
        made = write_examples(outcome, new / FOLDER)
    if made:
        return out / "examples" / made
    tested = outcome.test.rows if isinstance(outcome, Outcome) else outcome.asked
    return outcome.dataset.file(int(tested[0]))
