"""The process of one training, as the server sees it: orders go in, lines come out, questions get their answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

from glassnet.doors.lab.limits import Refused

LONGEST_LINE = 32_000_000
ANSWER_S = 60.0
SAVING_S = 60.0  # for the last checkpoint
Facts = dict[str, Any]


class Child:
    """Begun with `begin`. It ends when its standard input does, whoever closes that: it never outlives the server."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._asked = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Facts]] = {}

    @classmethod
    async def begin(cls, order: Facts) -> Child:
        """Starts it. order: as the worker takes it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "glassnet.doors.lab.worker",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # it finds what we found
            stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE, start_new_session=True,  # Ctrl-C is the server's alone
        )  # fmt: skip
        child = cls(process)
        child.tell(order)
        return child

    def tell(self, order: Facts) -> None:
        """Sends an order, if there is still somebody to take it."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def ask(self, order: Facts) -> Facts:
        """Sends an order and waits for its answer. Raises Refused when none comes."""
        number = next(self._asked)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.tell({**order, "id": number})
        try:
            return await asyncio.wait_for(future, ANSWER_S)
        except TimeoutError as late:
            raise Refused(504, f"the training did not answer in {ANSWER_S:.0f} seconds") from late
        finally:
            self._waiting.pop(number, None)

    async def lines(self) -> AsyncIterator[Facts]:
        """What it says, but for answers, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                facts: Facts = json.loads(line)
            except ValueError:
                continue  # the process was killed while it wrote
            if facts["type"] == "reply":
                future = self._waiting.get(facts["id"])
                if future and not future.done():
                    future.set_result(facts)
            else:
                yield facts
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Refused(409, "the training has ended"))
        await self._process.wait()

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode

    async def leave(self) -> None:
        """Lets it save a checkpoint and end; stops it where that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), SAVING_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
