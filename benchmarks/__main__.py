"""Times the commands a user types, as whole processes, and prints the README's table. `make bench`.

Data sets that are no part of the project are taken from $GLASSNET_TEST_DATA where it is set, and left out otherwise.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = 3


def glassnet(words: Sequence[str], cwd: Path) -> tuple[float, str]:
    """Seconds that a whole command took, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "glassnet", *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    return time.perf_counter() - begun, done.stdout


def trainings(cwd: Path, runs: int) -> list[str]:
    """Rows: built-in data, then the sets that are here; the cache is warm after the first run, so it is removed."""
    data = os.environ.get("GLASSNET_TEST_DATA")
    names = ["xo", "digits"]
    if data:
        names += [str(path) for name in ("cifar10-small", "faces-and-cars-64") if (path := Path(data, name)).is_dir()]
    rows = []
    for name in names:
        took, seconds, right = [], [], []
        for seed in range(runs):
            subprocess.run(["rm", "-rf", str(cwd / ".glassnet"), str(cwd / "models")], check=True)
            whole, printed = glassnet(["train", name, "--seed", str(seed), "--json"], cwd)
            summary = json.loads(printed)
            took.append(whole)
            seconds.append(summary["seconds"])
            right.append(summary["test"]["accuracy"])
        rows.append(
            f"| `glassnet train {Path(name).name}` | {min(right) * 100:.1f} to {max(right) * 100:.1f} % "
            f"| {spread(seconds)} | {spread(took)} |"
        )
    return rows


def answers(cwd: Path, runs: int) -> list[str]:
    """Rows: the commands that should answer in a blink."""
    glassnet(["train", "digits", "--out", "model", "--overwrite"], cwd)
    commands = (
        ["--help"],
        ["train", "nowhere"],
        ["predict", "model", "nowhere.png"],
        ["predict", "model", "model/examples/3.png"],
        ["explain", "model", "model/examples/3.png"],
    )
    return [
        f"| `glassnet {' '.join(words)}` | | | {spread([glassnet(words, cwd)[0] for _ in range(runs * 3)])} |"
        for words in commands
    ]


def spread(values: Sequence[float]) -> str:
    """Median, and least to most."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def machine() -> str:
    """Where the figures are from."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    ).stdout
    return (
        f"{os.cpu_count()} cores {name}, Python {platform.python_version()}, torch {version('torch')}, "
        f"commit {commit.strip()}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each training, one a seed")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        print(f"{machine()}, {runs} runs: median (least to most)\n")
        print("| command | right on unseen ones | training | whole process |\n|---|---|---|---|")
        for row in trainings(Path(name), runs) + answers(Path(name), runs):
            print(row, flush=True)


if __name__ == "__main__":
    main()
