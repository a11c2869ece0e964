"""Two machines on one: namespaces joined by a cable, each with its own torchrun. `python -m benchmarks.namespaces`.

The same training four times: in one process, on the two machines, with the cable out for some seconds in its midst,
with a process killed in its midst. Prints a line each: how far losses and weights are from those of one process. Needs
root and Linux; makes two namespaces and a cable between them, and takes them away again. Words that it doesn't know
go to the training: `python -m benchmarks.namespaces cells --epochs 3 --engine rcnn --regions 300`.
"""

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file

BIN = Path(sys.executable).parent
PORT = 29_477
NET = "conv 8 3, batchnorm, relu, pool 2, dropout 0.2, fc"
FREQUENT = """
from glassnet.training import checkpoints
checkpoints.SOONEST_S, checkpoints.COST = 0.0, 1.0
from glassnet.doors.cli import main
if __name__ == "__main__":
    main()
"""  # the same program, saving as often as it can


@dataclass(frozen=True)
class Node:
    """A machine that isn't one. link: its end of the cable."""

    name: str
    link: str
    address: str


def permitted() -> bool:
    """Whether namespaces can be made here."""
    name = f"gn{os.getpid()}t"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        ip("netns", "del", name)
    return made


def ip(*words: str) -> None:
    """One command of iproute2. Raises CalledProcessError."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    """Two namespaces and a cable between them, until the end."""
    mark = f"gn{os.getpid() % 100_000}"
    nodes = tuple(Node(f"{mark}{end}", f"{mark}v{end}", f"10.231.0.{i}") for i, end in enumerate("ab", 1))
    try:
        for node in nodes:
            ip("netns", "add", node.name)
        first, second = nodes
        ip("link", "add", first.link, "netns", first.name, "type", "veth", "peer", second.link, "netns", second.name)
        for node in nodes:
            for words in (("addr", "add", f"{node.address}/24", "dev", node.link), ("link", "set", node.link, "up")):
                ip("-n", node.name, *words)
            ip("-n", node.name, "link", "set", "lo", "up")
        yield first, second
    finally:
        for node in nodes:
            subprocess.run(["ip", "netns", "del", node.name], capture_output=True, check=False)


def start(node: Node, first: Node, home: Path, words: list[str]) -> subprocess.Popen[str]:
    """A torchrun on one of the two machines, with one process."""
    script = home / "train.py"
    script.write_text(FREQUENT, "utf-8")
    torchrun = [
        str(BIN / "torchrun"), "--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-id", home.name,
        "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{first.address}:{PORT}", "--local-addr", node.address,
        "--rdzv-conf", f"is_host={str(node is first).lower()}",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "GLOO_SOCKET_IFNAME": node.link,
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "OMP_NUM_THREADS": "1",
        "GLASSNET_CACHE": str(home / f"cache-{node.name}"),
    }
    return subprocess.Popen(
        ["ip", "netns", "exec", node.name, *torchrun, str(script), *words],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def train(home: Path, out: str, words: list[str], disturb: "Disturbance | None" = None, limit_s: float = 300) -> str:
    """The training on two machines. What the first one printed. Raises RuntimeError where it fails."""
    with two_nodes() as (first, second):
        running = [start(node, first, home, [*words, "--out", out]) for node in (first, second)]
        try:
            if disturb is not None:
                wait_for(home, f"{out}/checkpoints/epoch-{disturb.epoch}*", running[0])
                disturb.work(first, second)
            said = [one.communicate(timeout=limit_s)[0] for one in running]
        finally:
            for one in running:
                if one.poll() is None:
                    os.killpg(one.pid, signal.SIGKILL)
                    end_all(first, second)
                    one.communicate()
    if any(one.returncode for one in running):
        raise RuntimeError(f"ended with {[one.returncode for one in running]}: {said[0][-3000:]}\n{said[1][-3000:]}")
    return said[0]


@dataclass(frozen=True)
class Disturbance:
    """What happens once an epoch is saved. seconds: how long the cable is out, 0 to kill a process instead."""

    epoch: int
    seconds: float

    def work(self, first: Node, second: Node) -> None:
        """Cuts the cable for a while, or kills the second machine's process."""
        if self.seconds:
            ip("-n", first.name, "link", "set", first.link, "down")
            time.sleep(self.seconds)
            ip("-n", first.name, "link", "set", first.link, "up")
            return
        for pid in processes(second):
            if "torchrun" not in Path(f"/proc/{pid}/cmdline").read_text("utf-8"):
                os.kill(pid, signal.SIGKILL)


def processes(node: Node) -> list[int]:
    """What runs in a namespace."""
    found = subprocess.run(["ip", "netns", "pids", node.name], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid in found.split()]


def end_all(*nodes: Node) -> None:
    """Ends whatever still runs in namespaces of ours."""
    for pid in (pid for node in nodes for pid in processes(node)):
        os.kill(pid, signal.SIGKILL)


def wait_for(home: Path, pattern: str, process: subprocess.Popen[str], limit_s: float = 120) -> None:
    """Waits until there is such a file. Raises RuntimeError."""
    end = time.monotonic() + limit_s
    while not list(home.glob(pattern)):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"no {pattern} in {limit_s:.0f} s, or it ended before")
        time.sleep(0.02)


def losses(model: Path) -> list[float]:
    """Held-out losses by epoch."""
    with open(model / "history.csv", encoding="utf-8", newline="") as file:
        return [float(row["held_loss"]) for row in csv.DictReader(file)]


def gap(one: Path, other: Path) -> float:
    """How far two models' weights are from each other, at most, of the largest weight of each layer."""
    a, b = (load_file(model / "model.safetensors") for model in (one, other))
    return max(float((a[k] - b[k]).abs().max() / a[k].abs().max().clamp(min=1e-9)) for k in a if a[k].numel())


def main() -> None:
    """Prints a line a training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--cut", type=float, default=20.0, help="seconds that the cable is out")
    chosen, others = parser.parse_known_args()
    if not permitted():
        sys.exit("network namespaces: may not be made here. Run it as root.")
    if Path(chosen.data).exists():
        chosen.data = str(Path(chosen.data).resolve())
    words = ["train", chosen.data, "--epochs", str(chosen.epochs), "--precision", "float32", *others]
    if not others:
        words += ["--net", NET]
    with TemporaryDirectory() as folder:
        home = Path(folder)
        alone = [sys.executable, "-m", "glassnet", *words, "--threads", "1", "--out", "alone"]
        subprocess.run(alone, cwd=home, check=True, stdout=subprocess.DEVNULL)
        trainings = {
            "two machines": None,
            f"cable out for {chosen.cut:g} s": Disturbance(1, chosen.cut),
            "a process killed": Disturbance(1, 0),
        }
        for i, (name, disturb) in enumerate(trainings.items()):
            begun = time.monotonic()
            said = train(home, f"model{i}", words, disturb)
            pairs = zip(losses(home / "alone"), losses(home / f"model{i}"), strict=True)
            apart = max(abs(a - b) for a, b in pairs)
            began = len(re.findall("^cluster ", said, re.MULTILINE))
            exact = gap(home / "model0", home / f"model{i}") == 0.0
            print(
                f"{name}: {time.monotonic() - begun:.0f} s, {began} round(s); held-out losses within {apart:.1e} of "
                f"those of one process, weights within {gap(home / 'alone', home / f'model{i}'):.1e}; "
                f"{'bit for bit' if exact else 'not'} the undisturbed ones",
                flush=True,
            )


if __name__ == "__main__":
    main()
