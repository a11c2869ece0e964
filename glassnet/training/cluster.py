"""Cluster: what the processes of a training do together. One process is a cluster of one, for which all is free.

Holds this process's place and device, and the few exchanges there are. Knows nets only as tensors by name.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from glassnet.errors import Elsewhere, GlassnetError
from glassnet.training.checkpoints import Snapshot
from glassnet.training.near import Near, connect
from glassnet.training.pulse import END, Pulse
from glassnet.world import ALONE, World

PATIENCE = timedelta(days=7)  # of an exchange: the first process may test and write for long. The pulse knows who lives
LINGERING_S = 20.0
FEW_BYTES = 1 << 20  # the exchange itself takes less than handing it to other threads
SIGNALS = 64  # signal numbers are below
T = TypeVar("T")


class Lost(GlassnetError):
    """Another process of the cluster has ended, or can't be reached."""

    exit_code = END


class Cluster:
    """A process's place among those that train together. caught: the number of a signal that came to it, or 0.

    agreed: the number of a signal that all know of, between the same two steps, or 0.
    """

    def __init__(self, world: World = ALONE) -> None:
        self.world = world
        self.caught: Callable[[], int] = lambda: 0
        self.agreed = 0
        self._pulse: Pulse | None = None
        self._near: Near | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is a cluster of one."""
        return self.world.is_alone

    def __deepcopy__(self, _: object) -> Cluster:
        """A copied net belongs to the same cluster."""
        return self

    def among(self, count: int) -> Cluster:
        """The cluster that so many things are divided in: this one, unless some process would get none."""
        return self if count >= self.world.size else APART

    def join(self, gpu: bool) -> None:
        """Meets the others at the place that torchrun named. gpu: whether tensors on GPUs will be exchanged."""
        if self.is_alone:
            return
        with _reaching(self.world):
            backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE, rank=self.world.rank, world_size=self.world.size)
            self._pulse = Pulse(self.world, os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
            self._wait()
            self._near = None if gpu else connect(self.world, self.told)

    def leave(self) -> None:
        """Ends together with the others, once the first has done what only it does."""
        if self.is_alone:
            return
        with _reaching(self.world):
            self._wait()
            if self._pulse is not None:
                self._pulse.stop()
            self._wait()
            if self._near is not None:
                self._near.close()
            dist.destroy_process_group()

    def leave_behind(self) -> None:
        """Nobody is waited for any more."""
        if self._pulse is not None:
            self._pulse.stop()

    def linger(self) -> None:
        """Gives the process that says why all end the time to do so: torchrun stops all once the first has ended."""
        self.leave_behind()
        end = time.monotonic() + LINGERING_S
        try:
            while time.monotonic() < end and self._pulse is not None and self._pulse.is_reachable():
                time.sleep(0.1)
        except GlassnetError:  # torchrun's signal
            return

    def told(self, value: object) -> object:
        """What the first process says, as JSON; others may say None."""
        if self.is_alone:
            return value
        blob = json.dumps(value).encode() if self.world.is_first else b""
        length = torch.tensor([len(blob)])
        with _reaching(self.world):
            dist.broadcast(length, 0)
            raw = torch.frombuffer(bytearray(blob), dtype=torch.uint8) if blob else _bytes(int(length))
            dist.broadcast(raw, 0)
        return value if self.world.is_first else json.loads(raw.numpy().tobytes())

    def together(self, work: Callable[[], T]) -> T:
        """What each process's work gives. Where it fails in one, all fail, and the first that did says why."""
        if self.is_alone:
            return work()
        error: GlassnetError | None = None
        try:
            done = work()
        except GlassnetError as failed:
            error = failed
        codes = self.gathered(torch.tensor([error.exit_code if error else 0])).tolist()
        first = next((rank for rank, code in enumerate(codes) if code), None)
        if first is None:
            return done
        if error is not None and first == self.world.rank:
            raise error
        raise Elsewhere(codes[first])

    def led(self, work: Callable[[], object]) -> object:
        """What the work of the first process alone gives, told as JSON to all. Where it fails, all fail."""
        return self.told(self.together(lambda: work() if self.world.is_first else None))

    def in_turn(self, work: Callable[[], T]) -> T:
        """What each process's work gives, which on each machine one does before the others: it fills the cache."""
        done: list[T] = []
        self.together(lambda: done.append(work()) if self.world.local_rank == 0 else None)
        self.together(lambda: done.append(work()) if not done else None)
        return done[0]

    def fails(self, error: GlassnetError) -> GlassnetError:
        """An error that every process meets, as this one should raise it: the first says it for all."""
        return error if self.world.is_first else Elsewhere(error.exit_code)

    def shared(self, snapshot: Snapshot | None) -> Snapshot | None:
        """The first process's snapshot; so no other needs to read its disk."""
        if self.is_alone:
            return snapshot
        kept = snapshot if self.world.is_first else None
        facts = self.told(None if kept is None else kept.facts)
        tensors = self.given(kept.tensors if kept else {})
        return None if facts is None else Snapshot(tensors, dict(facts))  # type: ignore[call-overload]  # a JSON object

    def given(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The first process's tensors by name, on the CPU; what others bring doesn't count."""
        if self.is_alone:
            return dict(tensors)
        kinds = {name: [list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in tensors.items()}
        told = self.told(kinds)
        assert isinstance(told, dict), "kinds by name"
        found = {}
        for name, (shape, dtype) in told.items():
            mine = tensors[name] if self.world.is_first else torch.empty(shape, dtype=getattr(torch, dtype))
            mine = mine.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
            with _reaching(self.world):
                dist.broadcast(mine.reshape(-1).view(torch.uint8), 0)
            found[name] = mine
        return found

    def gathered(self, part: Tensor) -> Tensor:
        """(n, ...) what all processes have, in their order. part: (own n, ...) on the CPU."""
        if self.is_alone:
            return part
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.world.size)]
        with _reaching(self.world):
            dist.all_gather(counts, torch.tensor([len(part)]))
            most = max(int(one) for one in counts)
            padded = part.new_zeros((most, *part.shape[1:]))
            padded[: len(part)] = part
            every = [torch.empty_like(padded) for _ in counts]
            dist.all_gather(every, padded)
        return torch.cat([one[: int(count)] for one, count in zip(every, counts, strict=True)])

    def add_up(self, values: Tensor) -> Tensor:
        """Sums values over all processes, in place."""
        if not self.is_alone:
            self._add(values)
        return values

    def _add(self, values: Tensor) -> None:
        with _reaching(self.world):
            if self._near is not None:
                self._near.add_up(values)
            else:
                dist.all_reduce(values)

    def begin_adding(self, values: Tensor) -> Callable[[], None]:
        """The same while other work goes on; what it returns waits for the end. Of few values it is done there."""
        if self._near is not None and values.nbytes <= FEW_BYTES:
            return lambda: self._add(values)
        with _reaching(self.world):
            work = dist.all_reduce(values, async_op=True)

        def wait() -> None:
            with _reaching(self.world):
                assert work is not None, "a process of the group has one"
                work.wait()

        return wait

    def differs(self, number: int) -> bool:
        """Whether not all processes have this whole number."""
        return len(set(self.gathered(torch.tensor([number])).tolist())) > 1

    def look_up(self) -> None:
        """Lets all know of a signal that came to one."""
        self.hear(float(self.add_up(torch.tensor([self.said()], dtype=torch.float64))))

    def said(self) -> float:
        """What this process adds to a sum from which all hear of signals."""
        number = self.caught()
        return 0.0 if not number else 1.0 if number == 2 else float(SIGNALS * self.world.size)  # SIGINT, SIGTERM

    def hear(self, total: float) -> None:
        """Takes such a sum: of several signals SIGTERM counts."""
        if not self.is_alone and total and not self.agreed:
            self.agreed = 15 if total >= SIGNALS * self.world.size else 2

    def _wait(self) -> None:
        dist.all_reduce(torch.zeros(1))


@contextmanager
def _reaching(world: World) -> Iterator[None]:
    """Raises Lost where the others can't be reached."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        found = "another process ended, or can't be reached"
        fix = "Go on from the last checkpoint: the same command with --resume (torchrun --max-restarts does)"
        raise Lost(f"process {world.rank} of {world.size}", found=found, fix=fix) from error


def _bytes(count: int) -> Tensor:
    return torch.empty(count, dtype=torch.uint8)


APART = Cluster()
