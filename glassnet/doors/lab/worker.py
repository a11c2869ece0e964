"""The process of one training started from a page: orders as lines of JSON in, what happens as lines out.

It ends when standard input does, after saving a checkpoint: no server, no training.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from glassnet.config import Training
from glassnet.data.dataset import Dataset
from glassnet.data.reading import Progress as Reading
from glassnet.doors.judging import Judging
from glassnet.doors.lab.asked_data import AskedData
from glassnet.doors.lab.hand import Hand
from glassnet.doors.lab.watching import Watch
from glassnet.doors.plan import read_plan
from glassnet.doors.run import Event, Finished, Prepared, Stop, run
from glassnet.errors import GlassnetError, Interrupted
from glassnet.steps import finish
from glassnet.training.outcome import Outcome
from glassnet.training.progress import Progress

NOW_S = 0.4  # between two looks at what changes all the time
Facts = dict[str, Any]
Tell = Callable[[Facts], None]


class Left(Exception):
    """The server is gone, or the person threw the training away, before there was anything to save."""


@dataclass
class Driver:
    """Drives one training. order: what was asked for. tell: sends a line. orders: what is asked of it since."""

    order: Facts
    tell: Tell
    orders: queue.Queue[Facts]
    paused: bool = False
    steps: int = 0  # that are taken while it is paused
    shown_s: float = 0.0
    watch: Watch | None = None
    hand: Hand | None = None
    later: list[Facts] = field(default_factory=list)  # orders that came before there was a net

    def drive(self) -> None:
        """Trains to the end. Raises GlassnetError, and Interrupted when it was told to leave."""
        asked, out = AskedData.model_validate(self.order["data"]), Path(self.order["out"])
        stored = read_plan(out) if self.order.get("resume") else None
        dataset = self._read(asked)
        settings = stored.settings if stored else Training(**self.order["settings"])
        self.tell({"type": "preparing"})
        events = run(dataset, settings, out, asked.named, asked.reading(), stored)
        for event in events:
            self._show(event)
            if not isinstance(event, Finished):
                self._obey(events, isinstance(event, (Prepared, Progress)))

    def _read(self, asked: AskedData) -> Dataset:
        def show(progress: Reading) -> None:
            while not self.orders.empty():
                self._before(self.orders.get())
            self._often({"type": "reading", "done": progress.done, "total": progress.total})

        return finish(asked.source().steps(), show)

    def _before(self, order: Facts) -> None:
        if order["do"] in ("leave", "discard"):
            raise Left
        self.later.append(order)

    def _show(self, event: Event) -> None:
        match event:
            case Prepared():
                self.watch = Watch(event, Path(self.order["record"]))
                self.hand = Hand(self.watch)
                self.tell(self.watch.prepared())
                self._moment()
                if self.order.get("paused"):
                    self._pause()
                for order in self.later:
                    self.orders.put(order)
            case Progress():
                self._progress(event)
            case Judging():
                self._often({"type": "judging", "done": event.done, "total": event.total})
            case Finished():
                self._finished(event)

    def _progress(self, event: Progress) -> None:
        assert self.watch is not None
        point = self.watch.point(event)
        if point:
            self.tell(point)
        if event.finished and self.watch.is_moment(event.epoch):
            for facts in self.watch.moment(event.finished):
                self.tell(facts)
        elif self.paused:
            self._moment("now")
        self._now(event)

    def _moment(self, name: str = "") -> None:
        assert self.watch is not None
        for facts in self.watch.moment(None, name):
            self.tell(facts)

    def _now(self, event: Progress) -> None:
        assert self.watch is not None
        at = event.epoch - 1 + event.step / event.steps
        facts = {
            "type": "now", "epoch": at, "loss": event.loss, "accuracy": event.accuracy,
            "speed": event.examples_per_second, "left": event.seconds_left,
        }  # fmt: skip
        if self.paused or time.monotonic() - self.shown_s > NOW_S:
            self.shown_s = time.monotonic()
            self.tell({**facts, "features": self.watch.features()})

    def _finished(self, event: Finished) -> None:
        outcome = event.outcome
        assert isinstance(outcome, Outcome), "the lab trains on data with labels"
        low, high = outcome.test.interval
        self.tell(
            {
                "type": "finished", "accuracy": outcome.test.accuracy, "low": low, "high": high,
                "hits": outcome.test.hits, "examples": outcome.test.examples, "loss": outcome.test.loss,
                "best_epoch": outcome.best_epoch, "epochs": len(outcome.history), "seconds": outcome.seconds,
                "speed": outcome.examples_per_second, "share_of_peak": outcome.share_of_peak,
                "notes": list(outcome.notes), "false_alarms": outcome.alarms.share if outcome.alarms else None,
            }
        )  # fmt: skip

    def _often(self, facts: Facts) -> None:
        if time.monotonic() - self.shown_s > NOW_S / 2:
            self.shown_s = time.monotonic()
            self.tell(facts)

    def _obey(self, events: Generator[Event, None, None], is_training: bool) -> None:
        """Does what was asked since the last step; while paused it waits here for more."""
        if self.steps and self.paused:
            self.steps -= 1
        while not self.orders.empty() or (self.paused and is_training and not self.steps):
            order = self.orders.get()
            match order["do"]:
                case "leave":
                    events.throw(Stop(signal.SIGTERM))
                case "discard":
                    events.close()
                    raise Left
                case "pause" if is_training and not self.paused:
                    self._pause()
                case "go" if self.paused:
                    self.paused, self.steps = False, 0
                    self.tell({"type": "going"})
                case "step" if self.paused:
                    self.steps += 1
                case "stop" if is_training:
                    assert self.watch is not None
                    self.watch.trainer.stop()
                    self.paused = False
                    self.tell({"type": "going"})
                    return
                case "measure" | "set":
                    self._by_hand(order)

    def _pause(self) -> None:
        self.paused = True
        self.tell({"type": "paused"})
        self._moment("now")

    def _by_hand(self, order: Facts) -> None:
        assert self.hand is not None
        try:
            found = self.hand.measure(order) if order["do"] == "measure" else self.hand.set(order)
        except GlassnetError as error:
            found = {"refused": str(error)}
        if "nudged" in found:
            self.tell(found.pop("nudged"))
            if self.paused:
                self._moment("now")
        self.tell({"type": "reply", "id": order["id"], **found})


def main() -> int:
    """Serves until the training ends, or standard input does. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when it ends
    lines = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no line of ours
    try:
        order = json.loads(sys.stdin.readline())
    except ValueError:
        return 2
    tell = _teller(lines)
    driver = Driver(order, tell, _listen(sys.stdin))
    try:
        driver.drive()
    except Interrupted as stopped:
        tell({"type": "stopped", "why": stopped.found, "saved": bool(stopped.saved)})
    except Left:
        tell({"type": "left"})
    except GlassnetError as error:
        tell({"type": "failed", "error": str(error), **_where(driver)})
        return error.exit_code
    return 0


def _where(driver: Driver) -> Facts:
    """Where on the curve a training failed, and the learning rate that may do better, if a loss was no number."""
    if driver.watch is None:
        return {}
    trainer = driver.watch.trainer
    at = trainer.at.epoch + trainer.at.step / trainer.train.steps
    return {"at": at, "step": trainer.at.step + 1, "learning_rate": trainer.recipe.learning_rate}


def _teller(lines: TextIO) -> Tell:
    def tell(facts: Facts) -> None:
        try:
            lines.write(json.dumps(facts, ensure_ascii=True, allow_nan=False) + "\n")
            lines.flush()
        except OSError:
            pass  # nobody listens any more: the end of standard input says so too, and that is when to stop

    return tell


def _listen(lines: TextIO) -> queue.Queue[Facts]:
    """Orders as they come, from a thread; `leave` when no more can come."""
    orders: queue.Queue[Facts] = queue.Queue()

    def listen() -> None:
        for line in lines:
            orders.put(json.loads(line))
        orders.put({"do": "leave"})

    threading.Thread(target=listen, daemon=True).start()
    return orders


if __name__ == "__main__":
    raise SystemExit(main())
