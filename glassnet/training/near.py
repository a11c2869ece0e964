"""Sums of few values over the processes of one machine, by a socket from each to the first.

gloo hands a sum from thread to thread, four times in each process; with every core busy each of these waits for a slice
of the scheduler, milliseconds, where the sum itself takes microseconds. Here the thread that asks does the exchange.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from glassnet.world import World

KEY_BYTES = 32


class Near:
    """The lines between the processes of a machine: the first has one to each other, in their order; others one to it.

    What fails in it is an OSError or an EOFError: the process at the other end has ended.
    """

    def __init__(self, world: World, lines: Sequence[Connection]) -> None:
        self.world, self._lines = world, lines

    def add_up(self, values: Tensor) -> None:
        """Sums values over the processes, in place and in their order. values: on the CPU, of one shape in all."""
        flat = values.contiguous().reshape(-1)
        mine = flat.numpy().data
        if self.world.is_first:
            other = torch.empty_like(flat)
            for line in self._lines:
                line.recv_bytes_into(other.numpy().data)
                flat += other
            for line in self._lines:
                line.send_bytes(mine)
        else:
            self._lines[0].send_bytes(mine)
            self._lines[0].recv_bytes_into(mine)
        if flat.data_ptr() != values.data_ptr():
            values.copy_(flat.reshape(values.shape))

    def close(self) -> None:
        """Hangs up."""
        for line in self._lines:
            line.close()


def connect(world: World, told: Callable[[object], object]) -> Near | None:
    """Lines between all processes of a world; none where they are on several machines, or the system has no such lines.

    told: gives all what the first one says.
    """
    if world.is_alone or world.local_size != world.size or not hasattr(socket, "AF_UNIX"):
        return None
    if not world.is_first:
        where = told(None)
        return None if where is None else Near(world, [_call(where, world)])
    with TemporaryDirectory(prefix="glassnet-") as folder:
        key = secrets.token_bytes(KEY_BYTES)
        place = str(Path(folder) / "near")
        try:
            listener = Listener(place, "AF_UNIX", world.size, key)
        except OSError:  # such as a name too long for a socket
            told(None)
            return None
        with listener:
            told([place, key.hex()])
            return Near(world, _answer(listener, world))


def _call(where: object, world: World) -> Connection:
    assert isinstance(where, list), "as it was sent"
    line = Client(where[0], "AF_UNIX", bytes.fromhex(where[1]))
    line.send_bytes(world.rank.to_bytes(4, "big"))
    return line


def _answer(listener: Listener, world: World) -> list[Connection]:
    """The lines to all others, by their rank."""
    found: dict[int, Connection] = {}
    while len(found) < world.size - 1:
        line = listener.accept()
        found[int.from_bytes(line.recv_bytes(4), "big")] = line
    return [found[rank] for rank in sorted(found)]
