"""Whether the processes of a cluster live: each counts up in a common store, and is missed when it stops.

A call that waits for a dead process, or across a cut cable, waits for hours; the pulse ends the process instead, so
that whoever started it can begin again from the last checkpoint. Knows nothing of what they do together.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import timedelta

from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]  # public all the same

from glassnet.world import World

EVERY_S = 2.0  # between two beats
MISSED_S = 45.0  # without one, a process is given up; a cable may be out for some 20 s and TCP needs time to notice
END = 1  # exit status of a process that gave another up


class Pulse:
    """Beats for this process and listens for others: the first hears all of them, the others the first.

    host, port: of the store that the processes met at.
    """

    def __init__(self, world: World, host: str, port: int) -> None:
        self.world = world
        self._store: Store = TCPStore(host, port, None, False, timedelta(seconds=MISSED_S))
        heard = range(1, world.size) if world.is_first else range(1)
        now = time.monotonic()
        self._heard = dict.fromkeys(heard, (0, now))
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._beat, self._watch)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing is missed any more: the end has come. A thread that outlived Python would abort the process."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(MISSED_S)

    def is_reachable(self) -> bool:
        """Whether the store still answers."""
        try:
            self._store.add(_key(self.world.rank), 0)
        except RuntimeError:
            return False
        return True

    def _beat(self) -> None:
        """Counts up and looks at the others' counts, over and over. Blocks while the store can't be reached."""
        while not self._stopped.wait(EVERY_S):
            try:
                self._store.add(_key(self.world.rank), 1)
                for rank, (count, _) in self._heard.items():
                    newer = self._store.add(_key(rank), 0)
                    if newer != count:
                        self._heard[rank] = newer, time.monotonic()
            except (
                RuntimeError
            ):  # the store is gone, and its process with it; the watch gives the others time to say so
                return

    def _watch(self) -> None:
        """Ends the process when another is missed. The call that waits for it can't be ended otherwise."""
        while not self._stopped.wait(1.0):
            rank, (_, last) = min(self._heard.items(), key=lambda one: one[1][1])
            if time.monotonic() - last > MISSED_S:
                what = f"process {rank} of {self.world.size} has given no sign of life for {MISSED_S:.0f} seconds"
                fix = "Go on from the last checkpoint: the same command with --resume (torchrun --max-restarts does)"
                sys.stderr.write(f"process {self.world.rank}: {what}. {fix}.\n")
                sys.stderr.flush()
                os._exit(END)


def _key(rank: int) -> str:
    return f"glassnet/pulse/{rank}"
