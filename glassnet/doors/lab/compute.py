"""Where the lab's nets work: one thread for all, a line before it, and a limit to how long anybody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from glassnet.doors.lab.limits import Refused

QUEUE = 100
LONGEST_S = 60.0
T = TypeVar("T")


class Compute:
    """One thread: torch uses all cores by itself, and what is changed by one request is never half seen by another."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "compute")
        self._waiting = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of work. Raises Refused where too many wait already, or when it takes too long."""
        if self._waiting >= QUEUE:
            raise Refused(503, f"{QUEUE} requests wait already: try again in a second")
        self._waiting += 1
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._thread, work), LONGEST_S)
        except TimeoutError as late:
            raise Refused(504, f"this took more than {LONGEST_S:.0f} seconds") from late
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Lets what runs end; what waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)
