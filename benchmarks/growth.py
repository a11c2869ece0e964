"""What memory a training takes as its data grow: `python -m benchmarks.growth`.

Makes sets of 28x28 pictures in 10 classes, an .npz, shards of PNGs or class folders of them, trains on each with one
thread and looks every 20 ms at what the process holds: RssAnon, its own memory, against the pages of mapped files,
which the system takes back when it needs them. A line a set, then what an example more costs.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, CLASSES, CHUNK = 28, 10, 10_000
EVERY_S = 0.02
MB = 1_000_000
Chunk = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True)
class Grown:
    """One training. own_mb: the most it held of its own. mapped_mb: the most of mapped files. rate: examples/s."""

    layout: str
    examples: int
    own_mb: float
    mapped_mb: float
    whole_s: float
    rate: float


def main() -> None:
    """Prints a line a set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 1_000_000], help="examples of each set")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="npz")
    parser.add_argument("--epochs", default="1")
    parser.add_argument("--batch", help="the same for all sets, for that of few examples is smaller")
    parser.add_argument("--work", type=Path, help="where models and sets go; a temporary folder unless given")
    parser.add_argument("--sets", type=Path, help="a folder where the sets are kept, and found the next time")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    more_words = ["--epochs", chosen.epochs, *(["--batch", chosen.batch] if chosen.batch else [])]
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        found, work = [], Path(folder).resolve()
        for count in chosen.counts:
            data = made_once(chosen.sets or work, chosen.layout, count)
            found.append(trained(data, count, chosen.layout, work, more_words))
            one = found[-1]
            if not chosen.json:
                print(
                    f"{one.layout} {one.examples:>10,} examples: own memory {one.own_mb:6.1f} MB, mapped files "
                    f"{one.mapped_mb:7.1f} MB; {one.whole_s:.1f} s in all, {one.rate:,.0f} examples/s in training",
                    flush=True,
                )
    more = (found[-1].own_mb - found[0].own_mb) * MB / max(1, found[-1].examples - found[0].examples)
    if chosen.json:
        print(json.dumps({"trainings": [asdict(one) for one in found], "bytes_an_example": more}))
    elif len(found) > 1:
        print(f"{more:.1f} bytes of own memory for each example more")


def made_once(folder: Path, layout: str, count: int) -> Path:
    """A set in a folder, made there unless it lies there already."""
    name, make = LAYOUTS[layout]
    path = folder / name.format(count)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as new:  # what is whole has its name
            make(Path(new), count).rename(path)
    return path


def made(count: int) -> Iterator[Chunk]:
    """Noise with a bright square whose place tells the class, about 1 in 20 in the wrong one, in chunks."""
    for start in range(0, count, CHUNK):
        random = np.random.default_rng(start)
        size = min(CHUNK, count - start)
        x = random.integers(0, 160, (size, SIDE, SIDE), np.uint8)
        y = random.integers(0, CLASSES, size)
        for k in range(CLASSES):
            top, left = 3 + k // 5 * 12, 1 + k % 5 * 5
            x[y == k, top : top + 8, left : left + 5] += 60
        yield x, np.where(random.random(size) < 0.05, random.integers(0, CLASSES, size), y)


def npz(folder: Path, count: int) -> Path:
    """An .npz of so many."""
    path = folder / f"{count}.npz"
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            head = {"descr": "|u1", "fortran_order": False, "shape": (count, SIDE, SIDE)}
            np.lib.format.write_array_header_1_0(member, head)
            for x, _ in made(count):
                member.write(x.tobytes())
        with archive.open("y.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.concatenate([y for _, y in made(count)]))
    return path


def shards(folder: Path, count: int) -> Path:
    """Shards of CHUNK PNGs each, a class's number beside each."""
    root = folder / f"shards{count}"
    root.mkdir()
    for n, (x, y) in enumerate(made(count)):
        with tarfile.open(root / f"data-{n:06}.tar", "w") as archive:
            for i, (pixels, k) in enumerate(zip(x, y.tolist(), strict=True)):
                for suffix, held in ((".cls", str(k).encode()), (".png", png(pixels))):
                    info = tarfile.TarInfo(f"{n * CHUNK + i:09}{suffix}")
                    info.size = len(held)
                    archive.addfile(info, io.BytesIO(held))
    return root


def folders(folder: Path, count: int) -> Path:
    """A folder a class, of PNGs."""
    root = folder / f"folders{count}"
    for k in range(CLASSES):
        (root / str(k)).mkdir(parents=True)
    for n, (x, y) in enumerate(made(count)):
        for i, (pixels, k) in enumerate(zip(x, y.tolist(), strict=True)):
            (root / str(k) / f"{n * CHUNK + i:09}.png").write_bytes(png(pixels))
    return root


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture as the file of one."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


def trained(data: Path, count: int, layout: str, work: Path, more: list[str]) -> Grown:
    """Trains on a set in a process of its own, and watches that. work: where its model and cache go. more: settings."""
    out = work / f"model{layout}{count}"
    words = ["train", str(data.resolve()), "--out", str(out), "--threads", "1", "--json", *more]
    begun, own, mapped = time.perf_counter(), 0, 0
    with subprocess.Popen(
        [sys.executable, "-m", "glassnet", *words], cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            anonymous, files = held(process.pid)
            own, mapped = max(own, anonymous), max(mapped, files)
            time.sleep(EVERY_S)
        assert process.stdout is not None and process.stderr is not None
        if process.returncode:
            sys.exit(process.stderr.read().decode())
        rate = json.loads(process.stdout.read())["examples_per_second"]
    return Grown(layout, count, own / 1000, mapped / 1000, time.perf_counter() - begun, rate)


def held(process: int) -> tuple[int, int]:
    """RssAnon and RssFile of a process in kB; proc_pid_status(5)."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        return int(lines["RssAnon"].split()[0]), int(lines["RssFile"].split()[0])
    except (OSError, KeyError, ValueError):
        return 0, 0  # it has just ended


LAYOUTS: dict[str, tuple[str, Callable[[Path, int], Path]]] = {
    "npz": ("{}.npz", npz), "shards": ("shards{}", shards), "folders": ("folders{}", folders),
}  # fmt: skip

if __name__ == "__main__":
    main()
