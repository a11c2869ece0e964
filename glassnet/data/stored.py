"""Where the bytes of examples lie: in files of their own, or in stretches of shards. Opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data.columns import Rows

WHOLE = -1

Where = tuple[str, int, int]  # a path below a root, the first byte, how many: WHOLE for all of a file


@dataclass(frozen=True)
class Stored:
    """Examples to be read, by number. names: N; paths below root, where each is a file of its own.

    shards: paths below root, if they lie in such. spans: (N, 3) int64 which shard, the first byte, how many.
    """

    root: Path
    names: Sequence[str]
    shards: Sequence[str] = ()
    spans: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def where(self, i: int) -> Where:
        """Where the bytes of example i lie."""
        if self.spans is None:
            return self.names[i], 0, WHOLE
        shard, start, size = self.spans[i].tolist()
        return self.shards[shard], start, size

    def some(self, rows: Sequence[int]) -> Stored:
        """Some of them."""
        chosen = np.array(rows, np.int64)
        return Stored(
            self.root, Chosen(self.names, chosen), self.shards, None if self.spans is None else self.spans[chosen]
        )

    def order(self) -> Sequence[int]:
        """All numbers, so that each shard is read once, from its beginning to its end."""
        if self.spans is None or not len(self):
            return range(len(self))
        shard, start = self.spans[:, 0], self.spans[:, 1]
        step = np.diff(shard)
        if bool(((step > 0) | ((step == 0) & (np.diff(start) > 0))).all()):
            return range(len(self))
        return np.lexsort((start, shard))  # type: ignore[return-value]  # an array of whole numbers is a sequence of them


@dataclass(frozen=True)
class PackedNames(Sequence[str]):
    """Names one behind the other in one array, each made when asked for. text: bytes. ends: (N,) int64.

    shard: (N,) which of the shards each lies in, whose path stands before it.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    spans: NDArray[np.int64]
    shards: Sequence[str]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # names are asked for one by one
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return f"{self.shards[int(self.spans[i, 0])]}/{self.inside(i % len(self))}"

    def inside(self, i: int) -> str:
        """The name of the i-th in its shard."""
        return self.bytes_of(i).decode("utf-8", "surrogateescape")

    def bytes_of(self, i: int) -> bytes:
        """The same as bytes."""
        start = int(self.ends[i - 1]) if i else 0
        return self.text[start : int(self.ends[i])].tobytes()


@dataclass(frozen=True)
class Chosen(Sequence[str]):
    """Some of many names. rows: (n,) which."""

    names: Sequence[str]
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # names are asked for one by one
        return self.names[int(self.rows[i])]
