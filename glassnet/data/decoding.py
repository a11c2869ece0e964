"""Decodes many files into one memory-mapped array, in processes where that helps. Knows nothing of classes."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np

from glassnet.data.dataset import Array, Preparation, Skipped
from glassnet.data.kind import Kind, Look, Unreadable

MAX_BYTES = 256_000_000
CHUNK = 128  # files a message to a worker
WORTH_WORKERS_S = 1.0  # work below which starting processes costs more than it saves


@dataclass(frozen=True)
class Outcome:
    """What became of one file. row: its place among the files. reason: why it could not be read, or empty."""

    row: int
    digest: int
    look: Look | None
    reason: str = ""


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, if it isn't too large. Raises Unreadable."""
    try:
        found = os.stat(path)
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
            raise Unreadable("is a folder, not a file" if stat.S_ISDIR(found.st_mode) else "is no ordinary file")
        if size > MAX_BYTES:
            raise Unreadable(f"is {size / 1e6:,.0f} MB long, over the limit of {MAX_BYTES / 1e6:.0f} MB")
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror or error}") from error


def look_at(kind: Kind, root: Path, names: Sequence[str], most: int) -> tuple[list[Look], list[Skipped]]:
    """Looks at up to `most` files, spread evenly. Returns what was seen, and which can't be read."""
    looks: list[Look] = []
    skipped: list[Skipped] = []
    for i in np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int)):
        try:
            looks.append(kind.look(read_bytes(root / names[i])))
        except Unreadable as error:
            skipped.append(Skipped(names[i], str(error)))
    return looks, skipped


def decode_one(kind: Kind, path: Path, preparation: Preparation) -> tuple[Array, Look]:
    """One file as an array. Raises Unreadable."""
    return kind.decode(read_bytes(path), preparation)


def seconds_each(kind: Kind, root: Path, names: Sequence[str], preparation: Preparation, timed: int) -> float:
    """How long a file takes to decode: the median of a few, spread evenly, for the first may load a library."""
    took = [0.0]
    for i in np.unique(np.linspace(0, len(names) - 1, min(timed, len(names))).astype(int)):
        begun = time.perf_counter()
        try:
            decode_one(kind, root / names[i], preparation)
        except Unreadable:
            continue
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def decode_rows(
    kind: Kind, root: Path, rows: Sequence[tuple[int, str]], preparation: Preparation, target: Array
) -> list[Outcome]:
    """Decodes files into rows of `target`. rows: (row, name). Never raises for a file: its outcome says why."""
    outcomes = []
    for row, name in rows:
        try:
            x, look = decode_one(kind, root / name, preparation)
        except Unreadable as error:
            outcomes.append(Outcome(row, 0, None, str(error)))
            continue
        target[row] = x
        digest = int.from_bytes(blake2b(x.data, digest_size=8).digest(), "little")
        outcomes.append(Outcome(row, digest, look))
    return outcomes


def decode_all(
    kind: Kind, root: Path, names: Sequence[str], preparation: Preparation, file: Path, seconds: float
) -> Iterator[list[Outcome]]:
    """Decodes every file into the array at `file`, (N, C, *S); yields outcomes a chunk at a time, in any order.

    seconds: about how long that takes one process; decides whether more help.
    """
    dtype = np.float32 if preparation.settings.get("floats") else np.uint8
    target = new_array(file, (len(names), *preparation.shape), dtype)
    rows = list(enumerate(names))
    chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
    workers = min(_cores(), len(chunks))
    if workers < 2 or seconds < WORTH_WORKERS_S:
        for chunk in chunks:
            yield decode_rows(kind, root, chunk, preparation, target)
    else:
        with _Workers(workers, kind, root, preparation, file) as pool:
            yield from pool.decode(chunks)
    target.flush()


def new_array(
    file: Path, shape: tuple[int, ...], dtype: type[np.uint8 | np.float32] = np.uint8
) -> np.memmap[tuple[int, ...], np.dtype[Any]]:
    """A memory-mapped array, with its room on the disk taken."""
    array: np.memmap[tuple[int, ...], np.dtype[Any]] = np.lib.format.open_memmap(file, "w+", dtype, shape)
    take_room(file)
    return array


def take_room(file: Path) -> None:
    """Takes all of a sparse file's room on the disk, so that a full disk is an error here and no crash later."""
    if hasattr(os, "posix_fallocate"):
        with open(file, "r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, max(1, os.fstat(handle.fileno()).st_size))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Workers:
    """Processes that decode for this one: started as programs, so that a caller's script needs no guard.

    Each takes a chunk a line on standard input and answers a line. One that dies is replaced; the file it died on,
    found by handing out the chunk one by one, is reported as unreadable.
    """

    def __init__(self, count: int, kind: Kind, root: Path, preparation: Preparation, file: Path) -> None:
        self.count = count
        self.order = json.dumps(
            {"kind": kind.name, "root": str(root), "file": str(file), "preparation": dataclasses.asdict(preparation)}
        )
        self.mine = threading.local()
        self.running: set[subprocess.Popen[str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in list(self.running):
            process.kill()
            process.communicate()

    def decode(self, chunks: Sequence[Sequence[tuple[int, str]]]) -> Iterator[list[Outcome]]:
        with ThreadPoolExecutor(self.count) as threads:
            futures = [threads.submit(self._hand_out, chunk) for chunk in chunks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _hand_out(self, chunk: Sequence[tuple[int, str]]) -> list[Outcome]:
        answer = self._ask(chunk)
        if answer is not None:
            return answer
        if len(chunk) == 1:
            return [Outcome(chunk[0][0], 0, None, "is damaged: it stops the decoder")]
        return [outcome for row in chunk for outcome in self._hand_out([row])]

    def _ask(self, chunk: Sequence[tuple[int, str]]) -> list[Outcome] | None:
        process: subprocess.Popen[str] | None = getattr(self.mine, "process", None)
        if process is None:
            process = self.mine.process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(chunk) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if line:
            return [Outcome(row, digest, look and Look(*look), why) for row, digest, look, why in json.loads(line)]
        self.mine.process = None
        return None

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "glassnet.data.worker", self.order],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # it finds what we found
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.add(process)
        return process
