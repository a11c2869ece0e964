"""One process and two, side by side: `python -m benchmarks.cluster [DATA ...]`.

Trains each data set in one process and in two of the same batches, in float32, and draws their losses on top of each
other (--picture). Printed as JSON: how far they are apart by epoch, and how far one process with two threads is from
one with one, which is rounding too; of a step in each the seconds, those of the exchanges among them, and the bytes
that are summed over the processes. DATA: digits, unless given.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw

BIN = Path(sys.executable).parent
TIMED = """
import json, os, sys, time
import torch
from glassnet.training import cluster, together, trainer

class Clock:
    steps, step_s, wait_s, norms, norm_bytes, norm_s, nbytes = 0, 0.0, 0.0, 0, 0, 0.0, 0
    inside = False

def timed_step(step):
    def run(self, batch, phase):
        begun = time.perf_counter()
        Clock.inside = True
        made = step(self, batch, phase)
        Clock.inside = False
        Clock.steps += 1
        if Clock.steps > 5:
            Clock.step_s += time.perf_counter() - begun
        if self.together._gradients is not None:
            Clock.nbytes = self.together._gradients.nbytes
        return made
    return run

def timed_sum(add_up):
    def run(self, values):
        begun = time.perf_counter()
        made = add_up(self, values)
        if Clock.inside and not self.is_alone and Clock.steps >= 5:
            Clock.norm_s += time.perf_counter() - begun
            Clock.norms += 1
            Clock.norm_bytes += values.nbytes
        return made
    return run

def timed_finish(finish):
    def run(self):
        begun = time.perf_counter()
        finish(self)
        if Clock.steps >= 5:
            Clock.wait_s += time.perf_counter() - begun
    return run

trainer.Trainer._step = timed_step(trainer.Trainer._step)
cluster.Cluster.add_up = timed_sum(cluster.Cluster.add_up)
together.Gradients.finish = timed_finish(together.Gradients.finish)

def note():
    if os.environ.get("RANK", "0") == "0" and Clock.steps > 5:
        n = Clock.steps - 5
        found = {
            "steps": Clock.steps, "seconds_a_step": Clock.step_s / n,
            "waiting_for_gradients_s_a_step": Clock.wait_s / n, "other_sums_s_a_step": Clock.norm_s / n,
            "other_sums_a_step": Clock.norms / n, "gradient_bytes_a_step": Clock.nbytes,
            "other_bytes_a_step": Clock.norm_bytes / n,
        }
        open(sys.argv[0] + ".json", "w").write(json.dumps(found))

from glassnet.doors import cli
run = cli.run
cli.run = lambda words: (run(words), note())[0]
if __name__ == "__main__":
    cli.main()
"""  # the same program, timing its steps
SIZE, EDGE, COLOURS = (560, 340), 46, ("#f58ab6", "#2d6cdf")


@dataclass(frozen=True)
class Trained:
    """A training. losses: name to values by epoch. timed: see the top."""

    losses: dict[str, list[float]]
    timed: dict[str, float]


def train(home: Path, processes: int, words: list[str], threads: int = 1) -> Trained:
    """Trains in so many processes of so many threads each."""
    script = home / f"timed{processes}x{threads}.py"
    script.write_text(TIMED, "utf-8")
    start = [str(BIN / "torchrun"), "--nproc-per-node", str(processes)] if processes > 1 else [sys.executable]
    out = home / f"model{processes}x{threads}"
    command = [*start, str(script), "train", *words, "--threads", str(threads), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
    with open(out / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = {name: [float(row[name]) for row in rows] for name in ("loss", "held_loss")}
    return Trained(losses, json.loads(Path(f"{script}.json").read_text("utf-8")))


def compare(data: str, epochs: int, batch: int | None, seed: int) -> tuple[dict[str, object], Trained, Trained]:
    """One process and two on a data set."""
    where = str(Path(data).resolve()) if Path(data).exists() else data
    words = [where, "--epochs", str(epochs), "--precision", "float32", "--seed", str(seed)]
    words += ["--batch", str(batch)] if batch else []
    with TemporaryDirectory() as folder:
        one, two = (train(Path(folder), processes, words) for processes in (1, 2))
        threaded = train(Path(folder), 1, words, threads=2)
    facts: dict[str, object] = {
        "data": Path(data).name,
        "held_loss": one.losses["held_loss"],
        "two_processes_apart": apart(one, two),
        "two_threads_apart": apart(one, threaded),
        "one": one.timed,
        "two": two.timed,
        "two_threads": threaded.timed,
    }
    return facts, one, two


def apart(one: Trained, other: Trained) -> dict[str, list[float]]:
    """How far the losses of two trainings are from each other, by epoch."""
    pairs = {name: zip(one.losses[name], other.losses[name], strict=True) for name in one.losses}
    return {name: [abs(a - b) for a, b in both] for name, both in pairs.items()}


def draw(titles: list[str], pairs: list[tuple[Trained, Trained]]) -> Image.Image:
    """Losses by epoch, each data set a panel: one process a wide pale line, two a thin dark one on top."""
    width, height = SIZE
    picture = Image.new("RGB", (width * len(pairs), height), "white")
    pen = ImageDraw.Draw(picture)
    for i, (title, pair) in enumerate(zip(titles, pairs, strict=True)):
        left, right, top, bottom = i * width + EDGE, (i + 1) * width - 16, 34, height - 44
        every = [value for one in pair for values in one.losses.values() for value in values]
        high, epochs = max(every) * 1.05, len(pair[0].losses["loss"])
        pen.text((left, 10), f"{title}: training loss above, held-out below", "black")
        for tick in range(5):
            y = bottom - (bottom - top) * tick / 4
            pen.line((left, y, right, y), "#dddddd")
            pen.text((i * width + 6, y - 6), f"{high * tick / 4:.2f}", "#666666")
        for epoch in range(1, epochs + 1, max(1, epochs // 8)):
            x = left + (right - left) * (epoch - 1) / max(epochs - 1, 1)
            pen.text((x - 4, bottom + 6), str(epoch), "#666666")
        for one, colour, thick in zip(pair, COLOURS, (9, 2), strict=True):
            for values in one.losses.values():
                points = [
                    (left + (right - left) * k / max(epochs - 1, 1), bottom - (bottom - top) * value / high)
                    for k, value in enumerate(values)
                ]
                pen.line(points, colour, thick, joint="curve")
        pen.text((left, bottom + 24), "epoch", "#666666")
        pen.text((left + 80, bottom + 24), "wide: one process", COLOURS[0])
        pen.text((left + 210, bottom + 24), "thin: two processes, the same batches", COLOURS[1])
    return picture


def main() -> None:
    """Prints a JSON object a data set; draws with --picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=["digits"])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    pairs = []
    for data in chosen.data:
        facts, one, two = compare(data, chosen.epochs, chosen.batch, chosen.seed)
        pairs.append((one, two))
        print(json.dumps(facts), flush=True)
    if chosen.picture:
        draw([Path(data).name for data in chosen.data], pairs).save(chosen.picture)


if __name__ == "__main__":
    main()
