"""What this machine can do: its device, the precision that pays on it, and the peak that speeds are a share of."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from glassnet import files
from glassnet.config import no_device

RUNS = 12
LIMIT_S = 0.4  # for one precision; a CPU without bfloat16 instructions is slow at it and needs no second look
WORTH = 1.2  # bfloat16 is chosen when it is faster than float32 by this factor


@dataclass(frozen=True)
class Machine:
    """A device and its measured peaks. gflops: the best rate of a 3x3 convolution, by precision, in GF/s."""

    device: str
    name: str
    cores: int
    gflops: dict[str, float]

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


def look_at_machine(device: torch.device) -> Machine:
    """Measures the peaks of a device, under a second; remembered, so that the choice stays the same."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    cores = torch.get_num_threads()
    identity = [str(device), name, cores, torch.__version__]
    memory = files.workspace() / "machine.json"
    try:
        known = json.loads(memory.read_text("utf-8"))
        if known["identity"] == identity:
            return Machine(**known["machine"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # measured for the first time, or the note was damaged: measure
    gflops = {"float32": _peak(device, torch.float32), "bfloat16": _peak(device, torch.bfloat16)}
    machine = Machine(str(device), name, cores, gflops)
    files.write_json(memory, {"identity": identity, "machine": asdict(machine)})
    return machine


def _peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of one convolution, 128 features of 128 x 3 x 3 at 16 x 16 places for 64 pictures, in GF/s."""
    x = torch.ones(64, 128, 16, 16, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(128, 128, 3, 3, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)
    work = 2 * 64 * 16 * 16 * 128 * 128 * 9
    best, begun = float("inf"), time.perf_counter()
    with torch.no_grad():
        for _ in range(RUNS):
            start = time.perf_counter()
            torch.nn.functional.conv2d(x, weight, padding=1)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - start)
            if time.perf_counter() - begun > LIMIT_S:
                break
    return work / best / 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
