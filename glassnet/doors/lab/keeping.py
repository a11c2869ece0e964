"""The trainings that were started from pages: which run, which wait in line, what is kept of those that ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from glassnet.doors.folder import is_model, reserved
from glassnet.doors.lab import kept
from glassnet.doors.lab.child import Child
from glassnet.doors.lab.kept import Record
from glassnet.doors.lab.limits import Refused
from glassnet.errors import GlassnetError

AT_ONCE = 2
MOST_WAITING = 20
HEARTBEAT_S = 10.0
GATHERED_S = 0.05  # between two parcels of events
ENDS = {"finished": "finished", "failed": "failed", "stopped": "stopped"}
PASSING = {
    "reading": "reading",
    "preparing": "preparing",
    "judging": "judging",
    "now": "",
    "paused": "paused",
    "going": "running",
}
Facts = dict[str, Any]


@dataclass
class Training:
    """One that runs or ended. state: waiting, reading, preparing, running, paused, judging; finished, failed, stopped.

    passing: what is shown of this very moment and not kept, by type. version: changes with whatever a page shows.
    """

    record: Record
    state: str
    child: Child | None = None
    why: str = ""
    passing: dict[str, Facts] = field(default_factory=dict)
    version: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_unwanted: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDS.values()

    def heard(self, facts: Facts) -> None:
        """Takes in one line of its process."""
        kind = facts["type"]
        if kind in PASSING or facts.get("file") == "now":
            self.state = PASSING.get(kind, "") or self.state
            if kind == "going":
                self.passing.clear()
            self.passing[kind] = facts
        elif kind != "left":
            self._keep(facts)
        self.wake()

    def _keep(self, facts: Facts) -> None:
        kind = facts["type"]
        if kind == "prepared":
            self.state = "running"
            self.passing.clear()
        if kind == "moment":
            self.passing.pop("moment", None)
        if kind in ENDS:
            self.end(ENDS[kind], str(facts.get("error", facts.get("why", ""))))
        try:
            self.record.add(json.dumps(facts))
        except OSError as error:
            self.why = f"its story can't be kept: {error.strerror or error}".lower()

    def end(self, state: str, why: str = "") -> None:
        """It is over, for now."""
        self.state, self.why = state, why
        self.passing.clear()
        self.record.asked |= {"state": state, "why": why}
        with suppress(GlassnetError):  # a full disk is why it ended; the events say so too
            self.record.write()
        self.wake()

    def wake(self) -> None:
        """Tells whoever streams it that there is more."""
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()


class Trainings:
    """Starts, lists and ends them. Lives in the server's loop."""

    def __init__(self) -> None:
        self._known: dict[str, Training] = {}
        self._line: list[Training] = []
        self._followed: set[asyncio.Task[None]] = set()
        self._closing = False

    def every(self) -> list[Training]:
        """All of them, the newest first."""
        for record in kept.every():
            if record.name not in self._known:
                self._known[record.name] = _ended(record)
        gone = [name for name, one in self._known.items() if one.is_over and not one.record.folder.is_dir()]
        for name in gone:
            del self._known[name]
        return sorted(self._known.values(), key=lambda one: -one.record.asked["at"])

    def find(self, name: str) -> Training:
        """One by its name. Raises Refused where there is none."""
        if name in self._known and not self._known[name].is_over:
            return self._known[name]
        found = next((one for one in self.every() if one.record.name == name), None)
        if found is None:
            raise Refused(404, f"no training is called {name}")
        return found

    def facts(self, one: Training) -> Facts:
        """What a list says of a training."""
        asked = one.record.asked
        return {
            "type": "state", "id": one.record.name, "state": one.state, "why": one.why,
            "place": self._line.index(one) + 1 if one in self._line else 0, "at_once": AT_ONCE,
            "data": asked["data"], "settings": asked["settings"], "at": asked["at"], "out": str(one.record.out),
            "can_go_on": one.is_over and one.state != "finished", "is_saved": one.record.can_go_on,
            "is_model": is_model(one.record.out),
        }  # fmt: skip

    def start(self, title: str, data: Facts, settings: Facts, paused: bool) -> Training:
        """Puts a training in line. title: what its model is named after. Raises GlassnetError, Refused."""
        self._refuse_many()
        asked = {"data": data, "settings": settings, "paused": paused, "at": time.time(), "state": "waiting"}
        one = Training(Record(reserved(title, kept.KEPT).name, asked), "waiting")
        one.record.begin()
        self._known[one.record.name] = one
        self._line.append(one)
        self._pump()
        return one

    def go_on(self, one: Training) -> None:
        """Takes up a training that was stopped, from its checkpoint if one was saved. Raises Refused."""
        if not one.is_over or one.state == "finished":
            raise Refused(409, "this training is not stopped")
        self._refuse_many()
        one.state, one.why = "waiting", ""
        one.passing.clear()
        self._line.append(one)
        one.wake()
        self._pump()

    def order(self, one: Training, what: str) -> None:
        """pause, go, step or stop. Raises Refused for one that isn't under way."""
        if one.child is None or one.state not in ("running", "paused"):
            raise Refused(409, "this training is not under way")
        one.child.tell({"do": what})

    async def ask(self, one: Training, order: Facts) -> Facts:
        """A question to a training under way. Raises Refused, GlassnetError."""
        if one.child is None or one.state not in ("running", "paused"):
            raise Refused(409, "this training is not under way")
        answer = await one.child.ask(order)
        if "refused" in answer:
            raise Refused(400, answer["refused"])
        return answer

    async def discard(self, one: Training) -> None:
        """Throws a training away, with its checkpoints. Raises Refused for a finished one."""
        if one.state in ("finished", "judging"):
            raise Refused(409, "this training is finished; its model stays")
        one.is_unwanted = True
        if one in self._line:
            self._line.remove(one)
        if one.child is not None:
            one.child.tell({"do": "discard"})
            await one.child.leave()
        one.end("stopped", "thrown away")
        one.record.remove()
        self._known.pop(one.record.name, None)
        self._pump()

    async def stream(self, one: Training, first: int) -> AsyncIterator[str]:
        """Server-sent events: those kept from number `first` on, then each as it comes, with what passes between."""
        at, version = max(first, 0), -1
        while not self._closing:
            changed, events = one.changed, one.record.events()
            parcel = [f"id: {i}\ndata: {events[i]}\n\n" for i in range(at, len(events))]
            at = max(at, len(events))
            if one.version != version:
                version = one.version
                parcel += [f"data: {json.dumps(facts)}\n\n" for facts in [*one.passing.values(), self.facts(one)]]
            yield "".join(parcel) or ": still here\n\n"
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
            except TimeoutError:
                continue
            await asyncio.sleep(GATHERED_S)

    def end_streams(self) -> None:
        """Lets every page go: the server is about to end."""
        self._closing = True
        for one in self._known.values():
            one.wake()

    async def close(self) -> None:
        """Lets every training save a checkpoint and end."""
        self.end_streams()
        self._line.clear()
        await asyncio.gather(*(one.child.leave() for one in self._known.values() if one.child is not None))
        await asyncio.gather(*self._followed)

    def _refuse_many(self) -> None:
        if len(self._line) >= MOST_WAITING:
            raise Refused(503, f"{MOST_WAITING} trainings wait already: stop one, or wait")

    def _pump(self) -> None:
        """Starts whoever is next in line, where there is room."""
        busy = len(self._followed)
        while self._line and busy < AT_ONCE and not self._closing:
            one = self._line.pop(0)
            one.state = "preparing"
            task = asyncio.get_running_loop().create_task(self._follow(one))
            self._followed.add(task)
            task.add_done_callback(self._done)
            busy += 1
        for waiting in self._line:
            waiting.wake()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._followed.discard(task)
        self._pump()

    async def _follow(self, one: Training) -> None:
        """Runs one training to its end, whatever that is."""
        record = one.record
        order = {
            "data": record.asked["data"], "settings": record.asked["settings"], "paused": record.asked["paused"],
            "out": str(record.out), "record": str(record.folder), "resume": record.can_go_on,
        }  # fmt: skip
        one.child = await Child.begin(order)
        record.asked["paused"] = False  # so it was begun; taken up again it goes on by itself
        one.wake()
        async for facts in one.child.lines():
            if not one.is_unwanted:
                one.heard(facts)
        if not one.is_over and not one.is_unwanted:
            one.end(*_broken(one.child.code))
        if one.state == "failed" and not one.record.can_go_on:
            with suppress(OSError):
                record.out.rmdir()
        one.child = None
        one.wake()


def _broken(code: int | None) -> tuple[str, str]:
    """State and words for a process that ended without a word."""
    if code == 0:
        return "stopped", "it was stopped before it began"
    if code is not None and code < 0:
        return "failed", f"the system ended its process (signal {-code}), perhaps for want of memory"
    return "failed", "its process broke; the terminal of glassnet serve says how"


def _ended(record: Record) -> Training:
    """A training of an earlier server. One whose end wasn't kept was cut off."""
    state = record.asked.get("state", "")
    if state in ENDS.values():
        return Training(record, state, why=str(record.asked.get("why", "")))
    return Training(record, "finished" if record.of("finished") else "stopped", why="the server ended")
