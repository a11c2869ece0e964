"""How a search looks in a terminal: a line a trial, one live block, the answer first. Plain lines elsewhere."""

from __future__ import annotations

import math
import time

from rich.console import Console, Group
from rich.text import Text

from glassnet.doors.judging import Judging
from glassnet.doors.run import Finished, Prepared
from glassnet.doors.screen import ACCENT, Redrawn, fact
from glassnet.doors.terminal import TrainingView, short
from glassnet.doors.tuned import Tuned
from glassnet.doors.tuning import Begun, Event, Tried, Trying
from glassnet.training.progress import Progress
from glassnet.training.tune import Trial
from glassnet.words import counted, duration, joined, listed, percent

BAR = 38
HEAD = "trial   held out    right        took   net"
NET = 36  # letters of a net on a trial's line


class TuningView:
    """Shows a search as it goes."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._drawn = Redrawn(out)
        self._trying: Trying | None = None
        self._since = 0.0
        self._winner: TrainingView | None = None
        self._trials: int | None = None
        self._minutes: float | None = None

    def show(self, event: Event) -> None:
        """One event further."""
        match event:
            case Begun():
                self._begun(event)
            case Trying():
                self._trying, self._since = event, time.monotonic()
            case Progress() if self._winner is None:
                self._progress(event)
            case Tried():
                self._tried(event)
            case Prepared():
                self._drawn.stop()
                self.out.print()
                self.out.print(Text("the best net, trained and tested", "bold"))
                self._winner = TrainingView(self.out)
                self._winner.show(event)
            case Progress() | Judging() if self._winner is not None:
                self._winner.show(event)
            case Finished() if self._winner is not None:
                self._winner.answered(event)
            case Tuned():
                self._tuned(event)

    def close(self) -> None:
        """Takes the live block away."""
        self._drawn.stop()
        if self._winner is not None:
            self._winner.close()

    def _begun(self, event: Begun) -> None:
        ground, wanted = event.ground, event.wanted
        self._trials, self._minutes = wanted.trials, wanted.minutes
        train, val, test = (f"{int(n):,}" for n in ground.sides.counts.sum(1))
        until = [f"{wanted.trials} trials"] if wanted.trials else []
        until += [f"{wanted.minutes:g} minutes, the training of the best one included"] if wanted.minutes else []
        self.out.print(fact("data", ground.dataset.describe()))
        self.out.print(fact("split", f"{train} to train, {val} to judge trials by, {test} to test the best one once"))
        self.out.print(fact("knobs", listed([knob.name.replace("_", " ") for knob in event.knobs], 30)))
        self.out.print(fact("until", " or ".join(until)))
        self.out.print(fact("trials", event.url))
        for note in event.notes:
            self.out.print(fact("note", note))
        if event.trials:
            self.out.print(fact("resume", f"going on after {counted(len(event.trials), 'trial')}"))
        self.out.print()
        self.out.print(Text(HEAD, "dim"))

    def _progress(self, event: Progress) -> None:
        if not self._drawn.due or self._trying is None:
            return
        trying = self._trying
        share = (event.epoch - 1 + event.step / event.steps) / event.epochs
        full = round(BAR * share)
        bar = Text.assemble(
            (f"{trying.number:5d}  ", ACCENT), ("━" * full, ACCENT), ("━" * (BAR - full), "dim"),
            f"  {share * 100:2.0f} %   ", (duration(event.seconds_left), "bold"), " left",
        )  # fmt: skip
        now = f"       epoch {event.epoch} of {event.epochs}, loss {event.loss:.3f}; {short(trying.net)}"
        self._drawn.show(Group(bar, Text(now, overflow="ellipsis", no_wrap=True), Text(self._whole(trying), "dim")))

    def _whole(self, trying: Trying) -> str:
        """How far the search is."""
        parts = (
            [f"{trying.done} of {self._trials} trials"] if self._trials else [f"{counted(trying.done, 'trial')} so far"]
        )
        if math.isfinite(trying.seconds_left):
            left = trying.seconds_left - (time.monotonic() - self._since)
            parts.append(f"{duration(max(0.0, left))} left to search")
        return "       " + ", ".join(parts)

    def _tried(self, event: Tried) -> None:
        self._drawn.stop()
        trial = event.trial
        self.out.print(_line(trial, event.is_best))

    def _tuned(self, event: Tuned) -> None:
        self.close()
        best, default = event.best, event.default
        self.out.print()
        words = "Nothing was better on held-out examples than what glassnet train chooses."
        if default is not None and event.is_better:
            losses = f"{_loss(best)} instead of {_loss(default)}"
            words = f"Held-out loss {losses} of the default; right {_right(best)} instead of {_right(default)}."
        self.out.print(Text(words, "bold"))
        shares = list(event.importance.items())[:3]
        if shares:
            told = joined([f"{name.replace('_', ' ')} ({percent(share)})" for name, share in shares])
            self.out.print(f"What whole trials differ by: {told}.")
        if event.model is None:
            self.out.print("Another process still works on this search; the last one to end trains the best net.")
        else:
            self.out.print(fact("model", str(event.model)))
        self.out.print(fact("net", best.net))
        self.out.print(fact("config", str(event.config)))
        self.out.print(fact("page", str(event.page)))
        for i, command in enumerate(event.next):
            self.out.print(fact("" if i else "next", command, "bold"))


def _line(trial: Trial, is_best: bool) -> Text:
    """A trial on a line."""
    head = f"{trial.number:5d}   {_loss(trial):>8}  {_right(trial):>7}  {duration(trial.seconds):>10}   "
    what = trial.why if trial.state == "pruned" else f"{trial.begun}: {trial.net}" if trial.begun else trial.net
    what = what if len(what) <= NET else what[: NET - 3] + "..."
    return Text.assemble((head, "bold" if is_best else ""), (what, ACCENT if is_best else "dim"))


def _loss(trial: Trial) -> str:
    return "-" if trial.held_loss is None else f"{trial.held_loss:.3f}"


def _right(trial: Trial) -> str:
    return "-" if trial.held_accuracy is None else percent(trial.held_accuracy)
