"""Measures this machine for the cost model: a step's compute, reading, sums between two processes. Predicts both."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.costs import JUDGED, PASSES, SPLITS
from benchmarks.growth import npz, shards
from glassnet.config import Training
from glassnet.data import kinds
from glassnet.doors import choosing, starting
from glassnet.nets import text
from glassnet.training.cluster import APART
from glassnet.training.machine import using
from glassnet.training.memory import keep_memory
from glassnet.training.spread import put_together
from glassnet.training.trainer import Trainer

EXAMPLES, BATCH, STEPS, RUNS = 6_000, 128, 30, 3
NET = "(conv 32 3, batchnorm, relu) x2, pool 2, (conv 64 3, batchnorm, relu) x2, mean, fc"
NORMS = 4  # batch norms of it
MEBIBYTES_4 = 1 << 22  # what glassnet sums at a time of large nets' gradients
PAIR = """
import json, os, sys, time, torch
from glassnet.training.cluster import Cluster
from glassnet.world import world
torch.set_num_threads(1)
cluster = Cluster(world())
cluster.join(False)
factor, found = torch.randn(360, 360), []
for size in map(int, sys.argv[1].split(",")):
    values, took = torch.zeros(max(1, size // 4)), []
    for _ in range(200 if size < 1 << 22 else 40):
        end = time.perf_counter() + 0.005
        while time.perf_counter() < end:  # work of its own, as between two exchanges of a step
            factor @ factor
        begun = time.perf_counter()
        cluster.begin_adding(values)()
        took.append(time.perf_counter() - begun)
    found.append(sum(took[10:]) / len(took[10:]))
if cluster.world.is_first:
    print(json.dumps(found), flush=True)
cluster.leave()
os._exit(0)
"""


def measure(as_json: bool) -> None:
    """Prints what was measured and what follows for two processes of one thread each."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["GLASSNET_CACHE"] = f"{name}/cache"
        data = npz(Path(name), EXAMPLES)
        kinds.read(data)  # into the cache, so that two need not
        (whole,), halves = steps_s(data, BATCH, 1), steps_s(data, BATCH // 2, 2)
        half = sum(halves) / 2
        decoding, reading = rates(shards(Path(name), EXAMPLES), data)
    weights = text.total(text.measure(text.parse(NET), (1, 28, 28), 10)).parameters
    small, gradients, large = pair_s((8, 4 * weights, MEBIBYTES_4))
    bandwidth = MEBIBYTES_4 / max(1e-9, large - small)
    exchanges = (2 * NORMS + 1) * small
    two = half + exchanges + gradients  # so few bytes are summed after the step's compute, not beside it
    train, held = round(SPLITS * EXAMPLES), round(JUDGED * EXAMPLES)
    epoch = -(-train // BATCH) * two + held / 2 / (BATCH / 2) * half / PASSES  # each judges its share, forward alone
    facts = {
        "net": NET, "weights": weights, "batch": BATCH, "step_s": whole, "half_step_s": half,
        "decoded_per_s": decoding, "read_per_s": reading, "exchange_s": small, "bytes_per_s": bandwidth,
        "gradients_s": gradients, "exchanges_s": exchanges, "two_processes_step_s": two,
        "two_processes_rate": train / epoch, "one_process_rate": BATCH / whole, "efficiency": whole / 2 / two,
    }  # fmt: skip
    if as_json:
        print(json.dumps(facts))
        return
    print(f"one process, one thread: {whole * 1e3:.1f} ms a step of {BATCH}")
    print(f"two processes at once, each for itself, with norms over parts: {half * 1e3:.1f} ms a step of {BATCH // 2}")
    print(f"decoding small PNGs out of shards: {decoding:,.0f}/s a core; batches out of the cache: {reading:,.0f}/s")
    print("sums between two processes that work 5 ms before each, with the wait for the later one:")
    sums = f"{small * 1e6:.0f} us of 8 bytes, {gradients * 1e6:.0f} us of the gradients"
    print(f"{sums}, {bandwidth / 1e9:.2f} GB/s of 4 MiB")
    print(
        f"predicted of two processes: {two * 1e3:.1f} ms a step, {train / epoch:,.0f} pictures/s with judging, "
        f"efficiency {whole / 2 / two * 100:.0f} %"
    )


def steps_s(data: Path, batch: int, processes: int) -> list[float]:
    """Seconds of a step in each of some processes that train at the same time, each for itself."""
    words = [sys.executable, "-m", "benchmarks.scale_here", str(data), str(batch)]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return [float(one.communicate(timeout=600)[0]) for one in running]


def step_s(data: Path, batch: int) -> float:
    """Seconds of a step of one thread: the median of some runs' means.

    Of a part of BATCH with batch norms that look beyond it, as they do where several processes share a step: these take
    more passes over the maps than plain ones.
    """
    keep_memory()
    dataset = kinds.read(data)
    settings = Training(net=NET, batch=batch, epochs=10, threads=1, precision="float32")
    plan, sides, _ = choosing.make(dataset, "", kinds.Reading(), settings)
    train, held, _ = starting.loaders(plan, dataset, sides, torch.device("cpu"))
    found = []
    with using(1):
        for _ in range(RUNS):
            net = starting.build(plan, dataset)
            if batch < BATCH:
                put_together(net, APART).whole = batch
            trainer = Trainer(net, train, held, plan.recipe)
            steps = trainer.run()
            for _ in range(4):  # the first steps set things up
                next(steps)
            begun = time.perf_counter()
            for _ in range(STEPS):
                next(steps)
            found.append((time.perf_counter() - begun) / STEPS)
    return float(np.median(found))


def rates(tars: Path, data: Path) -> tuple[float, float]:
    """Examples a second: decoded out of shards, with all cores, for one; and read in random order from the cache."""
    begun = time.perf_counter()
    kinds.read(tars)
    decoding = EXAMPLES / (time.perf_counter() - begun)
    dataset = kinds.read(data)
    plan, sides, _ = choosing.make(dataset, "", kinds.Reading(), Training(net="fc", threads=1, augment=False))
    train, _, _ = starting.loaders(plan, dataset, sides, torch.device("cpu"))
    begun, count = time.perf_counter(), 0
    for epoch in range(3):
        for one in train.shuffled(epoch):
            count += len(one.rows)
    return decoding, count / (time.perf_counter() - begun)


def pair_s(sizes: Sequence[int]) -> list[float]:
    """Seconds of a sum of so many bytes between two processes that both work before it, on average: the wait too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    words = [sys.executable, "-c", PAIR, ",".join(map(str, sizes))]
    size = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    running = [
        subprocess.Popen(
            words,
            env={**os.environ, **place, **size, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said, _ = (one.communicate(timeout=300)[0] for one in running)
    return list(json.loads(said))


if __name__ == "__main__":
    print(step_s(Path(sys.argv[1]), int(sys.argv[2])))
