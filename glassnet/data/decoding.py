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
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from glassnet.data.dataset import Array, Preparation, Skipped
from glassnet.data.kind import Kind, Look, Unreadable
from glassnet.data.stored import WHOLE, Stored, Where

MAX_BYTES = 256_000_000
CHUNK = 128  # files a message to a worker
WORTH_WORKERS_S = 1.0  # work below which starting processes costs more than it saves
AHEAD = 4  # chunks a worker that are handed out before the first of them is back

Chunk = Sequence[tuple[int, Where]]


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
            raise _too_long(size)
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror or error}") from error


def _too_long(size: int) -> Unreadable:
    return Unreadable(f"is {size / 1e6:,.0f} MB long, over the limit of {MAX_BYTES / 1e6:.0f} MB")


class Reader:
    """Reads files, and stretches of shards, below a root. The newest shard stays open: most often the next follows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shard: tuple[str, BinaryIO] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shard is not None:
            self._shard[1].close()

    def read(self, where: Where) -> bytes:
        """The bytes of one example. Raises Unreadable."""
        path, start, size = where
        if size == WHOLE:
            return read_bytes(self.root / path)
        if size > MAX_BYTES:
            raise _too_long(size)
        try:
            if self._shard is None or self._shard[0] != path:
                self.__exit__()
                self._shard = path, open(self.root / path, "rb")  # noqa: SIM115  # closed on leaving
            file = self._shard[1]
            file.seek(start)
            data = file.read(size)
        except OSError as error:
            raise Unreadable(f"can't be read: {error.strerror or error}") from error
        if len(data) < size:
            raise Unreadable(f"is cut short: {len(data):,} of {size:,} bytes are there")
        return data


def look_at(kind: Kind, stored: Stored, most: int) -> tuple[list[Look], list[Skipped]]:
    """Looks at up to `most` files, spread evenly. Returns what was seen, and which can't be read."""
    looks: list[Look] = []
    skipped: list[Skipped] = []
    with Reader(stored.root) as reader:
        for i in _spread(len(stored), most):
            try:
                looks.append(kind.look(reader.read(stored.where(i))))
            except Unreadable as error:
                skipped.append(Skipped(stored.names[i], str(error)))
    return looks, skipped


def seconds_each(kind: Kind, stored: Stored, preparation: Preparation, timed: int) -> float:
    """How long a file takes to decode: the median of a few, spread evenly, for the first may load a library."""
    took = [0.0]
    with Reader(stored.root) as reader:
        for i in _spread(len(stored), timed):
            begun = time.perf_counter()
            try:
                kind.decode(reader.read(stored.where(i)), preparation)
            except Unreadable:
                continue
            took.append(time.perf_counter() - begun)
    return statistics.median(took)


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` numbers below `count`, spread evenly."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))]


def decode_rows(kind: Kind, root: Path, rows: Chunk, preparation: Preparation, target: Array) -> list[Outcome]:
    """Decodes files into rows of `target`. rows: (row, where it lies). Raises for no file: its outcome says why."""
    outcomes = []
    with Reader(root) as reader:
        for row, where in rows:
            try:
                x, look = kind.decode(reader.read(where), preparation)
            except Unreadable as error:
                outcomes.append(Outcome(row, 0, None, str(error)))
                continue
            target[row] = x
            digest = int.from_bytes(blake2b(x.data, digest_size=8).digest(), "little")
            outcomes.append(Outcome(row, digest, look))
    return outcomes


def decode_all(
    kind: Kind, stored: Stored, preparation: Preparation, file: Path, seconds: float
) -> Iterator[list[Outcome]]:
    """Decodes every file into the array at `file`, (N, C, *S); yields outcomes a chunk at a time, in any order.

    seconds: about how long that takes one process; decides whether more help.
    """
    dtype = np.float32 if preparation.settings.get("floats") else np.uint8
    target = new_array(file, (len(stored), *preparation.shape), dtype)
    order = stored.order()
    chunks = (
        [(int(row), stored.where(int(row))) for row in order[start : start + CHUNK]]
        for start in range(0, len(stored), CHUNK)
    )
    workers = min(_cores(), -(-len(stored) // CHUNK))
    if workers < 2 or seconds < WORTH_WORKERS_S:
        for chunk in chunks:
            yield decode_rows(kind, stored.root, chunk, preparation, target)
    else:
        with _Workers(workers, kind, stored.root, preparation, file) as pool:
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

    def decode(self, chunks: Iterable[Chunk]) -> Iterator[list[Outcome]]:
        """Outcomes of the chunks, in order. Few are handed out ahead, so that they take little memory."""
        with ThreadPoolExecutor(self.count) as threads:
            waiting: deque[Future[list[Outcome]]] = deque()
            try:
                for chunk in chunks:
                    waiting.append(threads.submit(self._hand_out, chunk))
                    if len(waiting) > AHEAD * self.count:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _hand_out(self, chunk: Chunk) -> list[Outcome]:
        answer = self._ask(chunk)
        if answer is not None:
            return answer
        if len(chunk) == 1:
            return [Outcome(chunk[0][0], 0, None, "is damaged: it stops the decoder")]
        return [outcome for row in chunk for outcome in self._hand_out([row])]

    def _ask(self, chunk: Chunk) -> list[Outcome] | None:
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
