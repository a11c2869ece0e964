"""How fast an exported file answers beside the net itself: `python -m benchmarks.prediction [DATA ...]`.

The first table is one-shot `glassnet predict` as a whole process, of a net for each DATA (digits unless given; each is
trained first, by `glassnet train`): from the net, its file, its file in whole numbers. Their accuracy stands beside.
The second is ResNet-50 at 224 pixels, a picture at a time, without decoding; its weights are hardly trained, which the
time doesn't depend on. Ways are asked by turns, so that what else the machine does falls on all of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.__main__ import machine

SIDE, NET = 224, "resnet50"
WARM = 3  # rounds that are not counted
PAUSE_S = 0.25  # until the threads of the way before have gone to sleep: they look out for work for a while


def glassnet(*words: str, cwd: Path) -> str:
    """What a command prints; it must succeed."""
    line = [sys.executable, "-m", "glassnet", *words]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=True).stdout


def by_turns(ways: Mapping[str, Callable[[], object]], runs: int, awake: bool = False) -> dict[str, list[float]]:
    """Seconds that each way took, one after the other in every round. awake: right after another of its kind."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(WARM + runs):
        for name, way in ways.items():
            if awake:
                time.sleep(PAUSE_S)
                way()
            begun = time.perf_counter()
            way()
            if round_ >= WARM:
                took[name].append(time.perf_counter() - begun)
    return took


def row(name: str, took: list[float], first: list[float], unit: float, more: str = "") -> str:
    """Median (least to most), and how many times faster than the first way, in the medians."""
    middle, least, most = (value * unit for value in (statistics.median(took), min(took), max(took)))
    times = statistics.median(first) / statistics.median(took)
    return f"| {name} | {middle:.3g} ({least:.3g} to {most:.3g}) | {times:.1f} |{more}"


def whole_processes(data: str, cwd: Path, runs: int) -> None:
    """Prints the rows of one data set."""
    name = Path(data).name
    print(f"training on {name}", file=sys.stderr)
    glassnet("train", data, "--out", name, cwd=cwd)
    from glassnet.doors.card import read_card
    from glassnet.doors.examples import find_examples

    asked = str(next(iter(find_examples(str(cwd / name), read_card(cwd / name).data).values())))
    worth = json.loads(glassnet("export", name, "--int8", "--json", cwd=cwd))["int8"]

    def ask(place: str) -> Callable[[], object]:
        return lambda: glassnet("predict", place, asked, "--json", cwd=cwd)

    net = {"the net": ask(name)}  # before there is a file in its folder
    glassnet("export", name, "--out", f"{name}.onnx", cwd=cwd)
    took = by_turns({**net, "its file": ask(f"{name}.onnx"), "its file, --int8": ask(f"{name}/model-int8.onnx")}, runs)
    right = {"its file": worth["accuracy_float"], "its file, --int8": worth["accuracy"]}
    for way, seconds in took.items():
        percent = f" {right[way] * 100:.2f} % of {worth['measured_on']} |" if way in right else " |"
        print(row(f"{name}: {way}", seconds, took["the net"], 1, percent), flush=True)


def one_picture(cwd: Path, runs: int, threads: int) -> None:
    """Prints the rows of ResNet-50."""
    print(f"making {NET}", file=sys.stderr)
    glassnet("make", "xo", "letters", "--count", "40", "--size", "64", cwd=cwd)
    glassnet("train", "letters", "--net", NET, "--size", str(SIDE), "--epochs", "1", "--out", NET, cwd=cwd)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnx
    import onnxruntime
    import torch

    import glassnet as gn
    from glassnet.doors.exporting import int8

    model = gn.load(cwd / NET)
    assert isinstance(model, gn.Model)
    int8.ALLOWED = 1.0  # it has learnt nothing that could be lost
    gn.export(model, cwd / "floats.onnx")
    gn.export(model, cwd / "int8.onnx", int8=str(cwd / "letters"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)

    def from_file(name: str) -> Callable[[], object]:
        opened = onnxruntime.InferenceSession(str(cwd / name), options, providers=["CPUExecutionProvider"])
        return lambda: opened.run(None, {"pixels": pixels})

    net, x = (
        model.net,
        model.look(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)[:, : model.card.preparation.shape[0]])),
    )
    torch.set_num_threads(threads)

    def eager() -> object:
        with torch.inference_mode():
            return net(x)

    def bfloat16() -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return net(x.contiguous(memory_format=torch.channels_last))

    ways = {"torch, float32": eager, "torch, bfloat16": bfloat16, "its file": from_file("floats.onnx")}
    took = by_turns({**ways, "its file, --int8": from_file("int8.onnx")}, runs, True)
    for way, seconds in took.items():
        print(row(f"{NET}, {threads} threads: {way}", seconds, took["torch, float32"], 1000), flush=True)
    nodes = [node.op_type for node in onnx.load(cwd / "floats.onnx").graph.node]
    print(f"\n{nodes.count('Conv')} convolutions; the files also prepare the picture, torch begins after that.")


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("data", nargs="*", default=["digits"], help="what nets are trained on")
    parser.add_argument("--runs", type=int, default=15, help="rounds that are counted")
    parser.add_argument("--threads", type=int, default=1, help="of ResNet-50")
    given = parser.parse_args()
    print(f"{machine()}; median (least to most) of {given.runs} rounds\n")
    with tempfile.TemporaryDirectory() as name:
        print("| one-shot `predict` | seconds | times faster | right |\n|---|---|---|---|")
        for data in given.data:
            whole_processes(str(Path(data).resolve()) if Path(data).exists() else data, Path(name), given.runs)
        print("\n| a picture at a time | milliseconds | times faster |\n|---|---|---|")
        one_picture(Path(name), given.runs, given.threads)


if __name__ == "__main__":
    main()
