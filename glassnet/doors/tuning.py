"""A search from a data set to the model of its best net, as a generator of what happens. Prints nothing.

Trials are judged on held-out examples; the test examples are asked about once, by the training of the winner.
"""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

from glassnet import files
from glassnet.config import Reading, Training, flag
from glassnet.data.dataset import Dataset
from glassnet.doors import choosing, starting, timing
from glassnet.doors import folder as layout
from glassnet.doors import plan as plans
from glassnet.doors.run import Event as RunEvent
from glassnet.doors.run import Finished, Stop, run
from glassnet.doors.trials import Ground, limit_s, said, training
from glassnet.doors.tuned import CONFIG, MODEL, TRIALS, Tuned, best_of, epochs_wanted, home, page, result, toml
from glassnet.errors import GlassnetError, Interrupted
from glassnet.nets import zoo
from glassnet.training.database import shown
from glassnet.training.knobs import Knob
from glassnet.training.machine import using
from glassnet.training.memory import keep_memory
from glassnet.training.progress import Progress
from glassnet.training.tune import Asked, Search, Trial

LOCK = ".tuning"
SHARE = 1 / 8  # of all the time that one trial may take
WINNER = 0.3  # of it, at most, that is kept for the training of the winner
MARGIN = 1.2  # times its trial, that the training of the winner may take
BEGINNING_S, ENDING_S = (
    60.0,
    15.0,
)  # to wait for another process: that sets the search up, that looks whether all is over
MOST_OVER = 3  # times its time, after which a trial is cut: speeds are measured before, and others may use the machine
SHORTEST = 0.3  # of a trial's time, under which none is begun any more
SPACE = 1  # counts up when the knobs change so that older trials can't be gone on with


@dataclass(frozen=True)
class Wanted:
    """How far a search goes, and where. trials: judged in all, over all sittings and processes. minutes: of this
    sitting, the winner's training included. storage: a database's URL, or None for a file in the folder.
    """

    out: Path
    trials: int | None = None
    minutes: float | None = None
    storage: str | None = None


@dataclass(frozen=True)
class Begun:
    """The search begins, or goes on with the trials that are there."""

    ground: Ground
    knobs: tuple[Knob, ...]
    trials: tuple[Trial, ...]
    wanted: Wanted
    url: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Trying:
    """A trial begins. done: trials that were judged. seconds_left: of the search, where its time is given."""

    number: int
    done: int
    net: str
    begun: str
    epochs: int
    seconds_left: float


@dataclass(frozen=True)
class Tried:
    """A trial is over. is_best: of all that ran to their end."""

    trial: Trial
    is_best: bool


Event = Begun | Trying | Progress | Tried | RunEvent | Tuned


class _Clock:
    """The time of this sitting."""

    def __init__(self, minutes: float | None) -> None:
        self.whole = limit_s(minutes, 1.0)
        self.end = time.monotonic() + self.whole

    @property
    def left(self) -> float:
        return self.end - time.monotonic()


def tune(
    dataset: Dataset, settings: Training, wanted: Wanted, source: str = "", reading: Reading | None = None
) -> Generator[Event, None, None]:
    """Searches, trains the best net, tests it once, and leaves its model, its settings and a page in wanted.out.

    settings: what is set in them is not searched. Throw Stop into it to make it save and end with Interrupted. Raises
    GlassnetError.
    """
    keep_memory()
    reading, clock = reading or Reading(), _Clock(wanted.minutes)
    _enter(wanted.out)
    settings = replace(settings, minutes=None)
    ground = _ground(dataset, settings, source, reading, clock)
    url = wanted.storage or f"sqlite:///{(wanted.out / TRIALS).absolute()}"
    with _alone(wanted.out, BEGINNING_S):
        search = Search(url, _name(ground), settings.seed, ground.searched, ground.first())
    others = ("trials of other examples or other settings lie there too; this is a search of its own",)
    yield Begun(ground, search.knobs, _judged(search), wanted, shown(url), others if search.others else ())
    again = _command(source, settings, wanted, reading)
    yield from _trials(ground, search, wanted, clock, again)
    best = best_of(search.trials())
    if best is None:
        raise GlassnetError(
            "--minutes", found="not one trial could run to its end", fix="Give it more, or a smaller --net"
        )
    chosen = _winner(best, clock)
    model, finished = None, None
    with _alone(wanted.out, ENDING_S) as is_alone:
        if is_alone and search.is_idle():
            model, chosen = home(wanted.out / MODEL, best, chosen, ground.plan.fingerprint)
            files.write_file(wanted.out / CONFIG, toml(chosen, reading, best, source))
            if not layout.is_model(model):
                finished = yield from _train(dataset, chosen, model, source, reading, again)
        found = result(search, best, chosen, model, finished, wanted.out, source, reading)
        if is_alone:
            files.write_file(found.page, page(ground, found))
    yield found


def _ground(dataset: Dataset, settings: Training, source: str, reading: Reading, clock: _Clock) -> Ground:
    """All that trials share: the data as the net sees it, its sides, and the plan of the default."""
    if not dataset.has_labels:
        fix = "Features alone are learnt by glassnet train --net cdbn"
        raise GlassnetError(dataset.name, expected="examples with a class each", found="none has one", fix=fix)
    dataset = starting.fitted(dataset, settings.seed)
    plan, sides, machine = choosing.make(dataset, source, reading, settings)
    if zoo.named_belief(plan.net):
        fix = "Name another, or leave it out"
        raise GlassnetError("--net", expected="a net that learns with labels", found="rbm layers", fix=fix)
    ground = Ground(dataset, sides, machine, plan)
    if math.isinf(clock.whole):
        return ground
    with using(plan.recipe.threads):
        epoch_s = timing.seconds_an_epoch(plan, dataset, sides, machine, clock.whole * SHARE * 0.03)
    return replace(ground, epoch_s=epoch_s)


def _trials(ground: Ground, search: Search, wanted: Wanted, clock: _Clock, again: str) -> Generator[Event, None, None]:
    """Trials until there are enough of them, or the time is over."""
    usual_s = clock.whole * SHARE
    while True:
        found = search.trials()
        best = best_of(found)
        counted = sum(trial.is_over or trial.state == "running" for trial in found)
        left = clock.left - _kept(best, clock)
        if (wanted.trials is not None and counted >= wanted.trials) or (best and left < SHORTEST * usual_s):
            return
        asked = search.ask(wanted.trials)
        if asked is None:
            return  # another process took the last one
        try:
            yield from _trial(ground, search, asked, best, min(usual_s, max(left, SHORTEST * usual_s)), counted, left)
        except (Stop, GeneratorExit, KeyboardInterrupt, Interrupted) as stop:
            search.leave(asked)
            if not isinstance(stop, Stop):
                raise
            kept = len(_judged(search))
            raise Interrupted(
                stop.number,
                f"stopped in trial {asked.number}; the {kept} before it are kept.",
                shown(search.url),
                again,
            ) from stop


def _trial(
    ground: Ground, search: Search, asked: Asked, best: Trial | None, time_s: float, done: int, left: float
) -> Generator[Event, None, None]:
    plan, values = ground.planned(asked, time_s)
    search.describe(asked, plan.net, values, said(plan.settings))
    yield Trying(asked.number, done, plan.net, asked.begun, plan.recipe.epochs, left)
    cut_s = time.monotonic() + min(MOST_OVER * time_s, max(left, time_s)) if best else math.inf
    trial = yield from training(ground, plan, search, asked, values, cut_s)
    search.finish(asked, trial)
    now = best_of(search.trials())
    yield Tried(trial, now is not None and now.number == trial.number)


def _kept(best: Trial | None, clock: _Clock) -> float:
    """Seconds to keep for the winner's training, by the best trial so far."""
    if best is None or math.isinf(clock.whole):
        return 0.0
    epochs = max(1, len(best.curve))
    whole = best.seconds / epochs * max(epochs, epochs_wanted(best))
    return min(whole * MARGIN, max(WINNER * clock.whole, best.seconds * MARGIN))


def _winner(best: Trial, clock: _Clock) -> Training:
    """The settings of the best trial; where its time was short, with the epochs it wanted, if they fit in now."""
    settings = Training(**dict(best.settings))  # type: ignore[arg-type]  # what said() wrote
    tried, wanted = int(best.settings["epochs"]), epochs_wanted(best)
    if wanted > tried and best.curve:
        fits = wanted if math.isinf(clock.whole) else int(clock.left / MARGIN / (best.seconds / len(best.curve)))
        settings = replace(settings, epochs=max(tried, min(wanted, fits)))
    return settings


def _train(
    dataset: Dataset, chosen: Training, model: Path, source: str, reading: Reading, again: str
) -> Generator[Event, None, Finished]:
    """Trains the winner as `glassnet train` does, or goes on with it where it was left."""
    stored = plans.read_plan(model) if layout.is_unfinished(model) else None
    try:
        events = run(dataset, chosen, model, source, reading, stored)
        for event in events:
            try:
                yield event
            except Stop as stop:
                events.throw(stop)
    except Interrupted as stop:
        raise Interrupted(stop.exit_code - 128, stop.found, stop.saved, again) from stop
    assert isinstance(event, Finished), "a run ends with its model"
    return event


def _enter(out: Path) -> None:
    """Makes the folder of a search. Raises GlassnetError where something else lies there."""
    files.check_room(out, layout.ROOM)
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in (TRIALS, CONFIG, MODEL, LOCK)):
        fix = "Choose another --out"
        raise GlassnetError(str(out), expected="a new folder, or one of a search", found="something else", fix=fix)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(out, error) from error


@contextmanager
def _alone(out: Path, wait_s: float) -> Iterator[bool]:
    """Holds the folder of a search, and says whether it is ours. wait_s: for another process that holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(out / LOCK, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise files.cannot_write(out, error) from error
    try:
        yield True
    finally:
        lock.release()


def _name(ground: Ground) -> str:
    """What a search is called in its storage: it changes with the examples, their sides and what is left open."""
    hasher = blake2b(digest_size=6)
    given = {name: value for name, value in said(ground.plan.settings).items() if name not in ("threads", "device")}
    knobs = [asdict(knob) for knob in ground.searched]
    hasher.update(json.dumps([SPACE, ground.plan.fingerprint, given, knobs], sort_keys=True).encode())
    return f"{ground.dataset.name}-{hasher.hexdigest()}"


def _judged(search: Search) -> tuple[Trial, ...]:
    return tuple(trial for trial in search.trials() if trial.is_over)


def _command(source: str, settings: Training, wanted: Wanted, reading: Reading) -> str:
    """What goes on with a search."""
    words = shlex.split(plans.command_of(source, (settings, Training()), (reading, Reading())))
    words[1] = "tune"
    for name, value in (
        ("trials", wanted.trials),
        ("minutes", wanted.minutes),
        ("storage", wanted.storage and shown(wanted.storage)),
    ):
        if value is not None:
            words += [flag(name), f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join([*words, "--out", str(wanted.out)])
