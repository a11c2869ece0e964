"""How fast an exported file answers beside the net itself: `python -m benchmarks.prediction [DATA ...]`.

The first table is one-shot `glassnet predict` as a whole process, of a net for each DATA (digits unless given; each is
trained first, by `glassnet train`): from the net, its file, its file in whole numbers. Their accuracy stands beside.
The second is ResNet-50 at 224 pixels, a coloured picture at a time, from its bytes without decoding: torch makes them
floats and normalises them as people write it, the files do so in their graph. Its weights are hardly trained, which the
time doesn't depend on. Ways are asked by turns, so that what else the machine does falls on all of them. The third says
where the time of the file in whole numbers goes, operator by operator, by onnxruntime's own account.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import glassnet as gn
from benchmarks.__main__ import machine
from glassnet.doors.exporting import int8, runtime
from glassnet.nets.text import measure

runtime.keep_quiet()
import onnxruntime  # noqa: E402  # after that

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
    """Prints the rows of ResNet-50, and where its time goes."""
    print(f"making {NET}", file=sys.stderr)
    colours(cwd / "colours")
    glassnet("train", "colours", "--net", NET, "--size", str(SIDE), "--epochs", "1", "--out", NET, cwd=cwd)
    model = gn.load(cwd / NET)
    assert isinstance(model, gn.Model)
    int8.ALLOWED = 1.0  # it has learnt nothing that could be lost
    gn.export(model, cwd / "floats.onnx")
    gn.export(model, cwd / "int8.onnx", int8=str(cwd / "colours"))
    ask(model, cwd, runs, threads)
    where_it_goes(model, cwd, threads)


def ask(model: gn.Model, cwd: Path, runs: int, threads: int) -> None:
    """Prints how long a picture takes, each way."""
    options, pixels = settings(threads), some_pixels()

    def from_file(name: str) -> Callable[[], object]:
        opened = onnxruntime.InferenceSession(str(cwd / name), options, providers=["CPUExecutionProvider"])
        return lambda: opened.run(None, {"pixels": pixels})

    torch.set_num_threads(threads)
    values = model.card.normalisation
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) * model.card.full_scale for one in (values.mean, values.std))

    def prepared() -> torch.Tensor:
        return (torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() - mean) / std

    def eager() -> object:
        with torch.inference_mode():
            return model.net(prepared())

    def bfloat16() -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return model.net(prepared().contiguous(memory_format=torch.channels_last))

    ways = {"torch, float32": eager, "torch, bfloat16": bfloat16, "its file": from_file("floats.onnx")}
    took = by_turns({**ways, "its file, --int8": from_file("int8.onnx")}, runs, True)
    for way, seconds in took.items():
        print(row(f"{NET}, {threads} threads: {way}", seconds, took["torch, float32"], 1000), flush=True)


def where_it_goes(model: gn.Model, cwd: Path, threads: int) -> None:
    """Prints the operators that take longest, and how many products and sums a second its convolutions come to."""
    options = settings(threads)
    options.enable_profiling, options.profile_file_prefix = True, str(cwd / "profile")
    spent = by_operator(cwd / "int8.onnx", options, some_pixels())
    print(f"\n| in whole numbers, {threads} threads: where it goes | operators | milliseconds |\n|---|---|---|")
    for kind, (count, took_s) in sorted(spent.items(), key=lambda one: -one[1][1])[:6]:
        print(f"| {kind} | {count} | {took_s * 1000:.2f} |")
    print(f"| all | {sum(n for n, _ in spent.values())} | {sum(took_s for _, took_s in spent.values()) * 1000:.2f} |")
    sums = 2 * sum(one.cost.multiply_adds for one in measure(model.net.spec, model.net.shape, model.net.classes))
    count, took_s = spent["QLinearConv"]
    print(f"\n{count} convolutions, {sums / 1e9:.2f} G products and sums: {sums / took_s / 1e9:,.0f} GOP/s")


def settings(threads: int) -> onnxruntime.SessionOptions:
    """How onnxruntime is asked: as it is, on so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, runtime.SILENT
    return options


def some_pixels() -> NDArray[np.uint8]:
    """A picture of noise, (1, SIDE, SIDE, 3) bytes."""
    return np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)


def colours(folder: Path) -> None:
    """Two classes of coloured patches, as pictures."""
    random = np.random.default_rng(0)
    for i in range(40):
        patches = Image.fromarray(random.integers(0, 256, (7, 9, 3), np.uint8)).resize((SIDE, SIDE))
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        patches.save(path)


def by_operator(
    path: Path, options: onnxruntime.SessionOptions, pixels: NDArray[np.uint8], runs: int = 60
) -> dict[str, tuple[int, float]]:
    """How many operators of a kind a file is run as, and the seconds of them all: of each the least of the runs."""
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for _ in range(runs):
        session.run(None, {"pixels": pixels})
    least: dict[tuple[str, str], float] = {}
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            one = event["args"]["op_name"], event["name"]
            least[one] = min(least.get(one, np.inf), event["dur"] / 1e6)
    kinds = {kind for kind, _ in least}
    every = {kind: [took_s for (of, _), took_s in least.items() if of == kind] for kind in kinds}
    return {kind: (len(took), sum(took)) for kind, took in every.items()}


def main() -> None:
    """Prints three tables."""
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
