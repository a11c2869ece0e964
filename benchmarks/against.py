"""Runs peers, each in an environment of its own, beside glassnet on the same pictures, and prints a table of ratios.

`python -m benchmarks.against [--only fastai keras-tf] [--rows accuracy rate latency growth]`, or `make peers`. The
environments are made once, under `.peers/` in the current folder; what a peer needs is in PEERS. The table, with date,
machine, versions and commit, is kept in benchmarks/results/.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.__main__ import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
PLACE = Path(".peers")
TARGET = 0.99
LIMIT = 900  # seconds a run


@dataclass(frozen=True)
class Peer:
    """A library as its users use it. needs: what pip installs. script: in benchmarks/peers. epochs: its tutorial's."""

    name: str
    needs: tuple[str, ...]
    script: str
    epochs: int
    environment: dict[str, str] = field(default_factory=dict)


TORCH = "torch==2.13.0"
PEERS = (
    Peer("fastai", (TORCH, "fastai"), "fastai_mnist.py", 5),
    Peer("keras-tf", ("tensorflow-cpu", "pillow"), "keras_mnist.py", 15, {"KERAS_BACKEND": "tensorflow"}),
    Peer("keras-jax", ("keras", "jax", "pillow"), "keras_mnist.py", 15, {"KERAS_BACKEND": "jax"}),
    Peer("skorch", (TORCH, "skorch", "pillow", "scikit-learn"), "skorch_mnist.py", 10),
    Peer("pytorch", (TORCH, "pillow", "numpy"), "pytorch.py", 14),
)


@dataclass(frozen=True)
class Run:
    """One process. seconds: whole. lines: the JSON it printed. megabytes: its largest memory."""

    seconds: float
    lines: list[dict[str, float]]
    megabytes: float
    error: str = ""


def environment(peer: Peer) -> Path:
    """The Python of a peer's own environment, made if it isn't there."""
    home = PLACE / peer.name
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        print(f"making {home} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-c", ROOT / "constraints.txt", *peer.needs], check=True)
        (home / ".ready").touch()
    return python.absolute()


def run(command: list[str | Path], cwd: Path, extra: dict[str, str] | None = None) -> Run:
    """A process from its start to its end."""
    begun = time.time()
    variables = {**os.environ, **(extra or {}), "BEGUN": str(begun), "TF_CPP_MIN_LOG_LEVEL": "3"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=out, stderr=err)
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)  # of this process and its own children alone
        timer.cancel()
        seconds = time.time() - begun
        out.seek(0)
        err.seek(0)
        error = "" if status == 0 else (err.read().strip().splitlines() or ["stopped"])[-1]
        return Run(seconds, parsed(out.read()), usage.ru_maxrss / 1024, error)


def parsed(printed: str) -> list[dict[str, float]]:
    """The lines of JSON among others."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def peer_run(peer: Peer, data: Path, *more: str) -> Run:
    """A peer's script on a folder of pictures."""
    command = [environment(peer), HERE / "peers" / peer.script, data, "--epochs", str(peer.epochs), *more]
    return run(command, HERE / "peers", peer.environment)


def glassnet_run(data: Path, cwd: Path, *more: str) -> Run:
    """`glassnet train` on the same folder, with nothing remembered from before."""
    subprocess.run(["rm", "-rf", cwd / ".glassnet", cwd / "model"], check=True)
    return run([sys.executable, "-m", "glassnet", "train", data, "--out", "model", "--json", *more], cwd)


def accuracy_rows(peers: list[Peer], data: Path, cwd: Path) -> list[str]:
    """Whole process, reading the folder included, until TARGET is reached on the test pictures.

    All files are read once before, so that whoever comes first doesn't wait for the disk alone.
    """
    for file in data.rglob("*.png"):
        file.read_bytes()
    own = glassnet_run(data, cwd)
    summary = own.lines[-1]
    assert isinstance(summary["test"], dict)
    reached = summary["test"]["accuracy"]
    rows = [
        f"| glassnet | {own.seconds:.1f} s | {reached * 100:.2f} % | 1 | {summary['examples_per_second']:,.0f} | "
        f"{own.megabytes:,.0f} MB |"
    ]
    for peer in peers:
        got = peer_run(peer, data, "--target", str(TARGET))
        epochs = [line for line in got.lines if "accuracy" in line]
        if not epochs:
            rows.append(f"| {peer.name} | failed: {got.error[:80]} | | | | |")
            continue
        last = epochs[-1]
        mark = "" if last["accuracy"] >= TARGET else " (not reached)"
        rate = max(line["examples_per_second"] for line in epochs)
        rows.append(
            f"| {peer.name} | {last['seconds']:.1f} s{mark} | {last['accuracy'] * 100:.2f} % | "
            f"{last['seconds'] / own.seconds:.1f} | {rate:,.0f} | {got.megabytes:,.0f} MB |"
        )
    title = f"`glassnet train` on {count(data):,} PNGs of 28 x 28 to {TARGET:.0%}, whole process, folder read"
    head = "| | time | right on test | times glassnet's | training, examples/s | memory |\n|---|---|---|---|---|---|"
    return [f"### {title}\n", head, *rows, ""]


def rate_rows(cwd: Path, cifar: Path | None) -> list[str]:
    """ResNet-18 for 32 x 32 by glassnet and by the plain PyTorch loop: examples a second in training."""
    if cifar is None:
        return []
    net = (
        "conv 64 3, batchnorm, relu, residual 64 x2, residual 128/2, residual 128, residual 256/2, residual 256, "
        "residual 512/2, residual 512, mean, fc"
    )
    bench = [sys.executable, "-m", "glassnet", "bench", cifar, "--net", net, "--batch", "128", "--json"]
    own = run(bench, cwd).lines[-1]["steps"]
    assert isinstance(own, list)
    plain = peer_run(PEERS[-1], cifar, "--net", "resnet18", "--epochs", "1")
    ours, theirs = own[0]["examples_per_second"], plain.lines[0]["examples_per_second"]
    return [
        "### ResNet-18 for 32 x 32 pictures, training, batch 128\n",
        "| | examples/s | ratio |\n|---|---|---|",
        f"| glassnet ({own[0]['precision']}, {own[0]['share_of_peak']:.0%} of the peak) | {ours:,.0f} | |",
        f"| plain PyTorch loop (float32) | {theirs:,.0f} | {ours / theirs:.2f} |",
        "",
    ]


def latency_rows(peers: list[Peer], data: Path, cwd: Path) -> list[str]:
    """One picture: a whole process, and one answer of a running process."""
    glassnet_run(data, cwd, "--epochs", "1")
    picture = next(iter(sorted((data / "test").rglob("*.png"))))
    cold = min(run([sys.executable, "-m", "glassnet", "predict", "model", picture], cwd).seconds for _ in range(3))
    code = (
        "import time, glassnet as gn\n"
        "model = gn.load('model')\n"
        f"ask = lambda: model.predict({str(picture)!r})\n"
        "for _ in range(5): ask()\n"
        "took = []\n"
        "for _ in range(50):\n"
        "    begun = time.perf_counter(); ask(); took.append(time.perf_counter() - begun)\n"
        "print('{\"latency_ms\": %f}' % (sorted(took)[25] * 1e3))\n"
    )
    warm = run([sys.executable, "-c", code], cwd).lines[0]["latency_ms"]
    rows = [f"| glassnet | {cold:.2f} s | {warm:.2f} ms | |"]
    for peer in peers:
        got = peer_run(peer, data, "--epochs", "1", "--predict")
        asked = [line["latency_ms"] for line in got.lines if "latency_ms" in line]
        imports = {"fastai": "fastai.vision.all", "skorch": "skorch"}.get(peer.name, peer.script.split("_")[0])
        imports = "torch" if peer.name == "pytorch" else imports
        prefix = (
            "import torch; d = torch.library.Library('torchvision', 'FRAGMENT'); "
            "[d.define(n + '(Tensor a, Tensor b, float c) -> Tensor') for n in ('nms', 'qnms')]; "
            if peer.name == "fastai"
            else ""
        )
        start = min(
            run([environment(peer), "-c", f"{prefix}import {imports}"], cwd, peer.environment).seconds for _ in range(3)
        )
        if asked:
            rows.append(
                f"| {peer.name} | over {start:.2f} s (its import alone) | {asked[0]:.2f} ms | {asked[0] / warm:.1f} |"
            )
        else:
            rows.append(f"| {peer.name} | failed: {got.error[:80]} | | |")
    head = "| | whole process | running process, median | times glassnet's |\n|---|---|---|---|"
    return ["### One picture, from its file\n", head, *rows, ""]


def growth_rows(peers: list[Peer], cwd: Path) -> list[str]:
    """Examples a second as examples and batch grow; a folder is made for each size."""
    rows = []
    sizes = (2_000, 10_000, 50_000)
    for size in sizes:
        folder = cwd / f"digits-{size}"
        if not folder.is_dir():
            subprocess.run(
                [sys.executable, "-m", "benchmarks.pictures", folder, "--count", str(size), "--test", "500"],
                cwd=ROOT,
                check=True,
            )
    for size, batch in ((2_000, 128), (10_000, 128), (50_000, 128), (10_000, 32), (10_000, 512)):
        folder = cwd / f"digits-{size}"
        own = glassnet_run(folder, cwd, "--epochs", "1", "--batch", str(batch), "--net", SMALL)
        cells = [f"{own.lines[-1]['examples_per_second']:,.0f} ({own.megabytes:,.0f} MB)"]
        for peer in peers:
            got = peer_run(peer, folder, "--epochs", "1", "--batch", str(batch))
            cells.append(f"{got.lines[0]['examples_per_second']:,.0f}" if got.lines else "failed")
        rows.append(f"| {size:,} | {batch} | {' | '.join(cells)} |")
    names = " | ".join(["glassnet", *(peer.name for peer in peers)])
    head = f"| examples | batch | {names} |\n|---|---|{'---|' * (len(peers) + 1)}"
    note = f"Training, examples/s in the first epoch, each library's own tutorial net; glassnet's is `{SMALL}`.\n"
    return ["### Growth with examples and batch\n", note, head, *rows, ""]


SMALL = "conv 16 5/2, batchnorm, relu, conv 32 3, pool 2, batchnorm, relu, fc"


def count(data: Path) -> int:
    """Pictures in a folder."""
    return sum(1 for _ in data.rglob("*.png"))


def versions(peers: list[Peer]) -> str:
    """What each peer's environment holds."""
    shown = {"fastai", "torch", "keras", "tensorflow_cpu", "jax", "skorch"}
    lines = []
    for peer in peers:
        pip = [environment(peer), "-m", "pip", "freeze", "--disable-pip-version-check"]
        frozen = subprocess.run(pip, capture_output=True, text=True, check=True).stdout.split()
        lines.append(f"{peer.name}: " + ", ".join(one for one in frozen if one.split("==")[0] in shown))
    return "; ".join(lines)


def main() -> None:
    """Prints the tables and keeps them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[peer.name for peer in PEERS], help="these peers")
    parser.add_argument("--rows", nargs="*", default=["accuracy", "rate", "latency", "growth"])
    parser.add_argument("--data", type=Path, help="a folder with train/ and test/; made of digits unless given")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as class folders, for the row of ResNet-18")
    chosen = parser.parse_args()
    peers = [peer for peer in PEERS if chosen.only is None or peer.name in chosen.only]
    cwd = (PLACE / "work").absolute()
    cwd.mkdir(parents=True, exist_ok=True)
    data = chosen.data
    if data is None:
        data = cwd / "digits28"
        if not data.is_dir():
            subprocess.run([sys.executable, "-m", "benchmarks.pictures", data], cwd=ROOT, check=True)
    data, cifar = data.absolute(), chosen.cifar and chosen.cifar.absolute()
    parts = {
        "accuracy": lambda: accuracy_rows(peers, data, cwd),
        "rate": lambda: rate_rows(cwd, cifar),
        "latency": lambda: latency_rows(peers, data, cwd),
        "growth": lambda: growth_rows(peers, cwd),
    }
    today = datetime.date.today().isoformat()
    lines = [f"## {today}: {machine()}\n", f"{versions(peers)}\n"]
    print("\n".join(lines), flush=True)
    for name in chosen.rows:
        new = parts[name]()
        print("\n".join(new), flush=True)
        lines += new
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{today}-peers.md").open("a") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
