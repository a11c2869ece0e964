"""Which of several processes this one is, as torchrun tells it. Knows the environment, not how they talk."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class World:
    """A process among others. rank: from 0, of `size`. local_rank: the same on its machine, of `local_size`."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that decides, writes and prints."""
        return self.rank == 0

    def part(self, count: int, rank: int | None = None) -> slice:
        """Which of `count` things, in a row, are this process's, or another rank's; parts differ by one at most."""
        at = self.rank if rank is None else rank
        return slice(count * at // self.size, count * (at + 1) // self.size)

    def cores(self) -> int:
        """How many of this machine's cores are this process's."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, usable // self.local_size)


ALONE = World()


def world() -> World:
    """What torchrun says of this process; without torchrun, a world of one."""
    told = [os.environ.get(name, "") for name in TOLD]
    if not all(told) or not all(one.isdecimal() for one in told[:4]):
        return ALONE
    return World(*map(int, told[:4]))


def launch() -> str:
    """What tells one call of torchrun from every other, in all its rounds; "" without torchrun.

    Its id alone need not: it may be given, and be given again. So its process goes with it, and when that began.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if not name:
        return ""
    launcher = os.getppid()
    try:
        began = Path(f"/proc/{launcher}/stat").read_text("ascii").rpartition(")")[2].split()[19]
    except (OSError, IndexError, UnicodeDecodeError):
        began = ""  # the system doesn't say
    return "-".join((name, socket.gethostname(), str(launcher), began))


def restarts_badly() -> bool:
    """Whether torchrun shall restart dead processes but keeps the store of the first round, in which they hang."""
    restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    return restarts not in ("", "0") and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
