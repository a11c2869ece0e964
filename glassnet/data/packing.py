"""Writes files with classes as shards: tars that WebDataset and `shards` read. The same files give the same bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from glassnet import files
from glassnet.data.dataset import NOT_GIVEN, SPLITS
from glassnet.data.decoding import Reader
from glassnet.data.kind import Unreadable
from glassnet.data.listing import SPLIT_WORDS, Listing
from glassnet.data.reading import Progress
from glassnet.data.tar import BLOCK
from glassnet.data.walking import suffix_of
from glassnet.errors import GlassnetError

UNSPLIT = "data"
CLASSES = "classes.txt"


@dataclass(frozen=True)
class Packed:
    """What was written. shards: paths below the folder. examples: by split, or by "data". skipped: file and reason."""

    shards: tuple[str, ...]
    examples: dict[str, int]
    skipped: tuple[tuple[str, str], ...]


def pack(listing: Listing, out: Path, most_bytes: int) -> Generator[Progress, None, Packed]:
    """Writes the files of a listing, in its order, into out/train-000000.tar and so on, each up to `most_bytes` long.

    Beside `cat/1.png` stands `cat/1.cls` with the number of its class, a line of classes.txt. Yields progress in files.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GlassnetError(str(out), expected="a new or empty folder", found="something there", fix="Choose another")
    skipped: list[tuple[str, str]] = []
    total = len(listing.names)
    with files.new_folder(out) as new, Reader(listing.root) as reader, _Writer(new, most_bytes) as writer:
        for i in range(total):
            name = listing.names[i]
            try:
                data = reader.read(listing.stored.where(i))
            except Unreadable as error:
                skipped.append((name, str(error)))
                continue
            word, member = _place(listing, i)
            writer.add(word, member, data, int(listing.labels[i]))
            if i % 500 == 0:
                yield Progress(i, total)
        writer.close()
        files.write_file(new / CLASSES, "".join(f"{name}\n" for name in listing.classes))
    return Packed(tuple(writer.shards), writer.examples, tuple(skipped))


def _place(listing: Listing, i: int) -> tuple[str, str]:
    """What the shard of a file is called, and its path in it: its class's folder first."""
    name, side = listing.names[i], int(listing.split[i])
    first, _, rest = name.partition("/")
    if listing.table is not None:  # which may name files anywhere
        member = f"{listing.classes[int(listing.labels[i])]}/{i:08}{suffix_of(name)}"
        return UNSPLIT if side == NOT_GIVEN else SPLITS[side], member
    if side != NOT_GIVEN and first.lower() in SPLIT_WORDS:
        return first, rest
    return UNSPLIT, name


class _Writer:
    """Writes members into the newest shard, and begins another when that is long enough."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self.shards: list[str] = []
        self.examples: dict[str, int] = {}
        self._word, self._bytes = "", 0
        self._file: tarfile.TarFile | None = None
        self._numbers: dict[str, int] = {}
        self._keys: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, word: str, member: str, data: bytes, label: int) -> None:
        """One example, with its label before it. word: what its shard's name begins with."""
        length = 3 * BLOCK + -(-len(data) // BLOCK) * BLOCK
        if self._file is None or word != self._word or self._bytes + length > self.most_bytes:
            self._begin(word)
        key, suffix = self._key(member), suffix_of(member)
        self._write(f"{key}.cls", str(label).encode())
        self._write(key + suffix, data)
        self._bytes += length
        self.examples[word] = self.examples.get(word, 0) + 1

    def close(self) -> None:
        """Ends the shard that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, word: str) -> None:
        self.close()
        number = self._numbers.get(word, 0)
        name = f"{word}-{number:06}.tar"
        self._numbers[word], self._word, self._bytes = number + 1, word, 0
        self._keys.clear()
        self.shards.append(name)
        self._file = tarfile.open(self.folder / name, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # by close

    def _key(self, member: str) -> str:
        """A member's path up to its suffix, without dots, for readers take the first for the suffix's; none twice."""
        folder, _, base = member.rpartition("/")
        stem = base.removesuffix(base[len(base) - len(suffix_of(base)) :]) if suffix_of(base) else base
        plain = f"{folder}/{stem.replace('.', '-')}"
        key, more = plain, 2
        while key in self._keys:
            key, more = f"{plain}-{more}", more + 1
        self._keys.add(key)
        return key

    def _write(self, name: str, data: bytes) -> None:
        assert self._file is not None, "a shard was begun"
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._file.addfile(info, io.BytesIO(data))
