"""The checks of this server: their processes, what each has told so far, and the line before them. Knows no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from glassnet.doors.lab.limits import Refused

WORKER = (sys.executable, "-P", "-m", "glassnet.doors.lab.check_worker")
KEPT = 30  # checks that are remembered
AT_ONCE = 2  # processes that check; those that only look don't count
LONGEST_LINE = 16_000_000
HEARTBEAT_S = 15.0
GATHERED_S = 0.1  # what comes within this goes out together
LEAVING_S = 2.0  # before a process that was asked to end is killed
BUSY = ("reading", "waiting", "checking")
Facts = dict[str, Any]


@dataclass(eq=False)
class Check:
    """One question. facts: all that was told; state: reading, known, waiting, checking, found, stopped or failed."""

    key: str
    order: Facts
    facts: Facts = field(default_factory=dict)
    at: float = field(default_factory=time.time)
    process: Process | None = None
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> str:
        return str(self.facts.get("state", ""))

    @property
    def is_busy(self) -> bool:
        """Whether there is more to come."""
        return self.state in BUSY

    def listed(self) -> Facts:
        """What a list says of it."""
        found = self.facts.get("found", {})
        data = self.facts.get("data", {})
        return {
            "id": self.key, "state": self.state, "data": self.order["data"]["data"], "seed": self.order["seed"],
            "words": data.get("words", ""), "verdict": found.get("verdict", ""),
        }  # fmt: skip

    def tell(self, **facts: object) -> None:
        """Adds what is known now; None takes it away."""
        self.facts = {name: value for name, value in {**self.facts, **facts}.items() if value is not None}
        self.wake()

    def wake(self) -> None:
        """Lets whoever streams it look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Checks:
    """Starts, remembers and ends them. Lives in the server's loop."""

    def __init__(self) -> None:
        self._known: dict[str, Check] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._closing = False

    def every(self) -> list[Check]:
        """All of them, the newest first."""
        return sorted(self._known.values(), key=lambda one: -one.at)

    def find(self, key: str) -> Check:
        """One that is known. Raises Refused where there is none."""
        if key not in self._known:
            raise Refused(404, "there is no such check; the server may have been started anew")
        return self._known[key]

    def look(self, key: str, order: Facts, anew: bool) -> Check:
        """What is known of it, or a first look; anew: a look in any case, but where more is under way. Raises Refused
        for too many.
        """
        one = self._known.get(key) or self._new(key, order)
        if not one.is_busy and (anew or "data" not in one.facts):
            self._run(one, check=False)
        return one

    def check(self, key: str, order: Facts) -> Check:
        """Checks it, from the beginning unless that is being done. Raises Refused for too many."""
        one = self._known.get(key) or self._new(key, order)
        if not one.is_busy or not one.facts.get("checks"):
            self._run(one, check=True)
        return one

    async def stop(self, one: Check) -> None:
        """Ends its process. What it told stays."""
        if one.is_busy:
            one.tell(state="stopped")
            await self._end(one)

    async def stream(self, one: Check) -> AsyncIterator[str]:
        """Server-sent events: all that is known, then what changes; null for what is known no longer."""
        sent: Facts = {}
        while not self._closing:
            changed, now = one.changed, one.facts
            news = {name: value for name, value in now.items() if name not in sent or sent[name] is not value}
            news.update(dict.fromkeys(sent.keys() - now.keys()))
            sent = now
            yield f"data: {json.dumps(news)}\n\n" if news else ": still here\n\n"
            if not one.is_busy:
                return
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
        """Ends every process."""
        self.end_streams()
        await asyncio.gather(*(self._end(one) for one in self._known.values()))

    def _new(self, key: str, order: Facts) -> Check:
        """A new one; the oldest that nothing is done for are forgotten where there are too many."""
        while len(self._known) >= KEPT:
            idle = [one for one in reversed(self.every()) if not one.is_busy]
            if not idle:
                raise Refused(503, f"{KEPT} checks are under way: stop one, or wait")
            del self._known[idle[0].key]
        one = self._known[key] = Check(key, order)
        return one

    def _run(self, one: Check, check: bool) -> None:
        """Begins a process for it, after the one it may have."""
        before, one.at = one.task, time.time()
        kept = {"data": one.facts["data"]} if check and "data" in one.facts else {}
        one.facts = {}
        one.tell(state="waiting" if check else "reading", checks=check, named=one.order["named"], **kept)
        one.task = asyncio.get_running_loop().create_task(self._after(one, before, check))

    async def _after(self, one: Check, before: asyncio.Task[None] | None, check: bool) -> None:
        if before is not None:
            await self._quit(one, before)
        if not check:
            await self._follow(one, check)
            return
        async with self._room:
            await self._follow(one, check)

    async def _follow(self, one: Check, check: bool) -> None:
        """Runs one process to its end, whatever that is."""
        one.tell(state="reading")
        with contextlib.suppress(OSError, ValueError):  # no process could be begun, or it told nonsense: it broke off
            one.process = await _begin({**one.order, "check": check})
            try:
                assert one.process.stdout is not None
                async for line in one.process.stdout:
                    if one.is_busy:
                        _heard(one, json.loads(line), check)
            finally:
                await _leave(one.process)
        if one.is_busy:
            one.tell(state="failed", error="the check broke off; the terminal of glassnet serve says why")

    async def _end(self, one: Check) -> None:
        if one.task is not None:
            await self._quit(one, one.task)

    @staticmethod
    async def _quit(one: Check, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        one.process = None


async def _begin(order: Facts) -> Process:
    """A process that works on an order."""
    paths = os.pathsep.join(filter(None, sys.path))  # it finds what we found
    process = await asyncio.create_subprocess_exec(
        *WORKER, env={**os.environ, "PYTHONPATH": paths},
        stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE, start_new_session=True,  # Ctrl-C is the server's alone
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    return process


def _heard(one: Check, facts: Facts, check: bool) -> None:
    """Adds what a process told."""
    if "error" in facts:
        one.tell(state="failed", step=None, **facts)
    elif "found" in facts:
        one.tell(state="found", step=None, **facts)
    elif "data" in facts:
        one.tell(state="checking" if check else "known", reading=None, **facts)
    else:
        one.tell(**facts)


async def _leave(process: Process) -> None:
    """Ends it: by the end of its orders; or else by force, with all that it began."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), LEAVING_S)
    except (TimeoutError, asyncio.CancelledError):
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
