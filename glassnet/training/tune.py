"""A search over knobs by Optuna: trials asked for, reported, judged, kept in a storage that several processes share.

Knows no net and no data set. Nothing is pickled: Optuna keeps numbers and JSON in a database.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from glassnet.config import Value
from glassnet.training.database import opened, unusable
from glassnet.training.knobs import Knob, Values
from glassnet.training.sampling import Continued, suggested

PARTS = 10  # of a training, after which trials are compared
UNSEEN = 3  # parts that nothing is given up in: the learning rate is high then
BEFORE_PRUNING = 4  # trials that run to their end before one is given up
TELLING = 8  # whole trials before importances are worked out
DECIDING_S = 3.0  # that a process takes, at most, to know whether it may try what it asked for
SEEN_S, LOST_S = 20.0, 600.0  # between two signs of life of a trial; after this without one it is taken for lost
TAKEN_OVER = optuna.exceptions.UpdateFinishedTrialError


@dataclass(frozen=True)
class Trial:
    """One training that was tried. state: "complete", "pruned" (given up) or "running".

    knobs: the values that made its net, as built. settings: what `glassnet train` needs to do it again. held_loss,
    held_accuracy: of its best epoch, on held-out examples. curve: (share of the training done, held-out loss) an epoch.
    begun: what it began as, of nets that are tried first. why: it ended early.
    """

    number: int
    state: str
    net: str
    knobs: Mapping[str, Value]
    settings: Mapping[str, Value]
    held_loss: float | None = None
    held_accuracy: float | None = None
    seconds: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()
    begun: str = ""
    why: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it was judged."""
        return self.state in ("complete", "pruned")

    def as_json(self) -> dict[str, object]:
        """As a program reads it."""
        facts = asdict(self) | {"curve": [list(point) for point in self.curve]}
        return {name: value for name, value in facts.items() if name not in ("begun", "why") or value}


@dataclass(frozen=True)
class Asked:
    """A trial that is to be run. values: of every knob; none for one that is given as a whole. begun: see Trial."""

    number: int
    values: Values
    begun: str
    trial: optuna.Trial


class Search:
    """One search in a storage: all trials of one data set with the same sides and the same settings left open."""

    def __init__(
        self, url: str, name: str, seed: int, knobs: Sequence[Knob], first: Sequence[tuple[str, Values]]
    ) -> None:
        """url: of the database. first: what is tried first, each with what it is called; without values, as a whole.

        Raises GlassnetError for a database that can't be opened.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.url, self.name, self.knobs = url, name, tuple(knobs)
        storage = opened(url)
        pruner = MedianPruner(BEFORE_PRUNING, UNSEEN + 1)
        try:
            self.study = optuna.create_study(
                storage=storage, sampler=Continued(seed, self.knobs), pruner=pruner, study_name=name,
                direction="minimize", load_if_exists=True,
            )  # fmt: skip
            self.others = tuple(other for other in optuna.get_all_study_names(storage) if other != name)
            self._sweep()
            self._put(first)
        except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
            raise unusable(url, error) from error
        self._seen_s, self._part = 0.0, 0

    def trials(self) -> tuple[Trial, ...]:
        """All trials that were begun so far, of all processes; those that failed and are tried again left out."""
        begun = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return tuple(_told(one) for one in self.study.get_trials(deepcopy=False, states=begun))

    def is_idle(self) -> bool:
        """Whether no process tries anything. One that has just asked is waited for, until it knows whether it may."""
        end = time.monotonic() + DECIDING_S
        while True:
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if any("process" in one.user_attrs for one in running):
                return False
            if not running or time.monotonic() > end:
                return not running
            time.sleep(0.05)

    def ask(self, most: int | None = None) -> Asked | None:
        """The next trial: one that waits, or one whose values are chosen after what was found.

        most: trials in all; None comes back where other processes have begun so many.
        """
        self._sweep()
        trial = self.study.ask()
        while self._is_double(trial):
            self.study.tell(trial, state=TrialState.FAIL)
            trial = self.study.ask()
        if most is not None and sum(one.number < trial.number for one in self.trials()) >= most:
            if trial.user_attrs:  # it waited here, and goes on waiting
                self._again(trial.number)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
            return None
        trial.set_user_attr("process", _process())
        begun = str(trial.user_attrs.get("begun", ""))
        values = {} if trial.user_attrs.get("whole") else {knob.name: suggested(trial, knob) for knob in self.knobs}
        asked = Asked(trial.number, values, begun, trial)
        self._part = 0
        self.alive(asked, at_once=True)
        return asked

    def describe(self, asked: Asked, net: str, knobs: Values, settings: Mapping[str, Value]) -> None:
        """Keeps what the trial is, for those who look at it later."""
        for name, value in (("net", net), ("knobs", dict(knobs)), ("settings", dict(settings))):
            asked.trial.set_user_attr(name, value)

    def alive(self, asked: Asked, at_once: bool = False) -> None:
        """Says that a trial still runs. To be called often; it writes only now and then."""
        if at_once or time.monotonic() - self._seen_s > SEEN_S:
            self._seen_s = time.monotonic()
            with suppress(TAKEN_OVER):
                asked.trial.set_user_attr("seen", time.time())

    def report(self, asked: Asked, done: float, held_loss: float) -> bool:
        """Tells how a trial stands when a share `done` of it is over. Returns whether it is to be given up.

        Trials of different lengths are compared where they have done the same share.
        """
        part = math.floor(PARTS * done + 1e-9)
        if part <= self._part or done >= 1:
            return False
        self._part = part
        try:
            asked.trial.report(held_loss, part)
        except TAKEN_OVER:  # another process took this one for lost, and tries it again
            return True
        return bool(asked.trial.should_prune())

    def finish(self, asked: Asked, found: Trial) -> None:
        """Keeps what came of a trial, unless another process took it for lost and tries it again."""
        with suppress(TAKEN_OVER):
            for name in ("held_loss", "held_accuracy", "seconds", "why"):
                asked.trial.set_user_attr(name, getattr(found, name))
            asked.trial.set_user_attr("curve", [list(point) for point in found.curve])
            if found.state == "complete":
                self.study.tell(asked.trial, found.held_loss)
            else:
                self.study.tell(asked.trial, state=TrialState.PRUNED)

    def leave(self, asked: Asked) -> None:
        """Gives back a trial that was stopped on the way: it is tried again when the search goes on."""
        self._again(asked.number)

    def importances(self) -> dict[str, float]:
        """Which share of the differences between whole trials each knob explains; empty where they are too few to tell.

        Functional analysis of variance over a random forest: Hutter, Hoos and Leyton-Brown 2014.
        """
        whole = [one for one in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if one.params]
        varied = [name for name in (knob.name for knob in self.knobs) if len({one.params[name] for one in whole}) > 1]
        if len(whole) < TELLING or not varied or len({one.value for one in whole}) < 2:
            return {}
        found = get_param_importances(self.study, evaluator=FanovaImportanceEvaluator(seed=0), params=varied)
        return {name: float(share) for name, share in sorted(found.items(), key=lambda one: -one[1])}

    def _sweep(self) -> None:
        """Takes trials of processes that are gone for lost, and has them tried again."""
        for one in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if _is_lost(one):
                self._again(one.number)

    def _put(self, first: Sequence[tuple[str, Values]]) -> None:
        """Has what is tried first wait, all that isn't there: another process may be about it, or have died over it."""
        there = {one.user_attrs.get("first") for one in self.study.get_trials(deepcopy=False)}
        for place, (begun, values) in enumerate(first):
            if place not in there:
                facts = {"begun": begun, "whole": not values, "first": place}
                self.study.enqueue_trial(dict(values), user_attrs=facts)

    def _is_double(self, trial: optuna.Trial) -> bool:
        """Whether it is to be tried first and stands there twice: processes that began at once both put it there."""
        place = trial.user_attrs.get("first")
        before = self.study.get_trials(deepcopy=False)[: trial.number] if place is not None else []
        return any(one.user_attrs.get("first") == place and one.state is not TrialState.FAIL for one in before)

    def _again(self, number: int) -> None:
        old = self.study.get_trials(deepcopy=False)[number]
        try:
            self.study.tell(number, state=TrialState.FAIL)
        except (ValueError, TAKEN_OVER):
            return  # another process was quicker
        kept = {name: value for name, value in old.user_attrs.items() if name in ("begun", "whole", "first")}
        self.study.enqueue_trial(dict(old.params), user_attrs=kept)


def _told(one: FrozenTrial) -> Trial:
    facts = one.user_attrs
    states = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.RUNNING: "running"}
    return Trial(
        one.number,
        states[one.state],
        str(facts.get("net", "")),
        facts.get("knobs", {}),
        facts.get("settings", {}),
        facts.get("held_loss"),
        facts.get("held_accuracy"),
        float(facts.get("seconds", 0.0)),
        tuple((float(done), float(loss)) for done, loss in facts.get("curve", ())),
        str(facts.get("begun", "")),
        str(facts.get("why", "")),
    )


def _process() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _is_lost(one: FrozenTrial) -> bool:
    """Whether the process that ran a trial is gone: known of this machine, taken for so of others after a while."""
    number, _, host = str(one.user_attrs.get("process", "")).partition("@")
    begun = one.datetime_start.timestamp() if one.datetime_start else 0.0
    if time.time() - float(one.user_attrs.get("seen", begun)) > LOST_S:
        return True
    if host != socket.gethostname() or not number.isdecimal() or os.name != "posix":
        return False
    if int(number) == os.getpid():
        return True  # an earlier process with our number: this one asks only between two trials of its own
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
