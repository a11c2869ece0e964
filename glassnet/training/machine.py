"""What this machine can do: its device, the precision and the cores that pay on it, the peak speeds are a share of."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from glassnet import files
from glassnet.config import no_device

RUNS = 12
LIMIT_S = 0.4  # for one precision; a CPU without bfloat16 instructions is slow at it and needs no second look
WORTH = 1.2  # bfloat16 is chosen when it is faster than float32 by this factor


LIGHT = 5_000_000  # multiply-adds of a step; up to here one core is as fast as many, and no neighbour can slow it
LOOKED = 0.2  # seconds that other programs are watched for
TICKS = 100  # of /proc/stat in a second


@dataclass(frozen=True)
class Machine:
    """A device and its measured peaks. gflops: the best rate of a 3x3 convolution, by precision, in GF/s; of int8, of a
    product of matrices. memory: the best rate of copying, read and written, in GB/s; 0 while it was not measured.
    """

    device: str
    name: str
    cores: int
    gflops: dict[str, float]
    memory: float = 0.0

    @property
    def gain(self) -> float:
        """How many times faster bfloat16 is than float32."""
        return self.gflops["bfloat16"] / self.gflops["float32"]

    def precision(self, wanted: str) -> str:
        """float32 or bfloat16: what is wanted, or where that is "auto" what pays."""
        return wanted if wanted != "auto" else "bfloat16" if self.gain >= WORTH else "float32"


def choose_device(wanted: str) -> torch.device:
    """The device of a name, or for "auto" a GPU where there is one. Raises GlassnetError when it isn't there."""
    if wanted == "auto":
        gpu = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(gpu)
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise no_device(wanted) from error
    return device


def choose_threads(cores: int, multiply_adds: int, sharing: int = 1) -> tuple[int, str]:
    """How many of its cores a training step of so many multiply-adds should use, and why fewer than are idle.

    sharing: processes on this machine that train together, each with so many cores and such a step in equal parts.
    Threads wait for each other after every operation; one that shares its core with another program makes all of them
    wait.
    """
    if multiply_adds <= LIGHT * sharing:
        return 1, ""
    busy = _busy_elsewhere() / sharing
    free = max(1, round(cores - busy))
    if free >= cores:
        return cores, ""
    return free, f"other programs keep {busy:.1f} of {cores} cores busy: {free} used (--threads)"


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Spreads the work over so many cores meanwhile; 0 leaves it as it is."""
    before = torch.get_num_threads()
    try:
        if threads:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


def look_at_machine(device: torch.device, whole: bool = False, again: bool = False) -> Machine:
    """Measures the peaks of a device, under a second; remembered, so that the choice stays the same.

    whole: those of int8 and of memory too, which no choice needs. again: whether to measure even so.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    cores = torch.get_num_threads()
    identity = [str(device), name, cores, torch.__version__]
    memory = files.workspace() / "machine.json"
    try:
        known = json.loads(memory.read_text("utf-8"))
        machine = Machine(**known["machine"])
        if known["identity"] == identity and not again and (machine.memory or not whole):
            return machine
    except (OSError, ValueError, KeyError, TypeError):
        pass  # measured for the first time, or the note was damaged: measure
    gflops = {"float32": _peak(device, torch.float32), "bfloat16": _peak(device, torch.bfloat16)}
    machine = Machine(str(device), name, cores, gflops)
    if whole:
        machine = replace(machine, gflops=gflops | {"int8": _peak_int8(device)}, memory=_peak_memory(device))
    files.write_json(memory, {"identity": identity, "machine": asdict(machine)})
    return machine


def _peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of one convolution, 128 features of 128 x 3 x 3 at 16 x 16 places for 64 pictures, in GF/s."""
    x = torch.ones(64, 128, 16, 16, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(128, 128, 3, 3, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)
    work = 2 * 64 * 16 * 16 * 128 * 128 * 9
    with torch.no_grad():
        return work / _best(device, lambda: torch.nn.functional.conv2d(x, weight, padding=1)) / 1e9


def _peak_int8(device: torch.device) -> float:
    """The best rate of a product of two matrices of 512 x 512 in int8, summed in int32, in 10^9 operations a second."""
    x = torch.ones(512, 512, dtype=torch.int8, device=device)
    try:
        return 2 * 512**3 / _best(device, lambda: torch._int_mm(x, x)) / 1e9
    except (RuntimeError, NotImplementedError):
        return 0.0  # this device has no such product


def _peak_memory(device: torch.device) -> float:
    """The best rate of copying 128 MiB, far more than caches hold, in GB/s; a byte is read and written."""
    x, y = (torch.ones(1 << 25, device=device) for _ in range(2))
    return 2 * x.nbytes / _best(device, lambda: y.copy_(x)) / 1e9


def _best(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    best, begun = float("inf"), time.perf_counter()
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() - begun > LIMIT_S:
            break
    return best


def _busy_elsewhere() -> float:
    """How many of our cores other programs keep busy just now; 0 where the system doesn't say."""
    begun = time.perf_counter()
    try:
        cores = os.sched_getaffinity(0)
        others = -_ticks(cores)
        time.sleep(LOOKED)
        others += _ticks(cores)
    except (AttributeError, OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, others / TICKS / (time.perf_counter() - begun))


def _ticks(cores: set[int]) -> float:
    """Ticks that these cores have worked for other programs."""
    lines = Path("/proc/stat").read_text("ascii").splitlines()
    work = 0.0
    for line in lines:
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            user, nice, system, _idle, _waiting, *rest = map(int, counts[:8])
            work += user + nice + system + sum(rest)
    own = os.times()
    return work - (own.user + own.system) * TICKS


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
