"""What lies in a tar file: names, and where their bytes are. Reads headers alone: unpacks nothing, follows no link.

Unlike Python's tarfile, which takes the first damaged header for the end, it looks for the next whole one and says so.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = tarfile.BLOCKSIZE
MOST_RECORDS = 1_000_000  # bytes of a long name, or of a member's records
RECORD = re.compile(rb"(\d{1,7}) ([^=\n]{1,200})=")
SOLARIS = b"X"  # as tarfile.XHDTYPE, of one maker
MAGIC = slice(257, 262)
SORTS = {
    tarfile.LNKTYPE: "a link", tarfile.SYMTYPE: "a link", tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe", tarfile.GNUTYPE_SPARSE: "a file with holes",
}  # fmt: skip
BEFORE = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, SOLARIS})
EMPTY = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})


@dataclass(frozen=True)
class Member:
    """A file in a tar. name: its path there; empty for the tar itself. start, size: where its bytes are.

    reason: why it can't be read, so that it reads after its name; empty if it can.
    """

    name: str
    start: int
    size: int
    reason: str = ""


def walk(path: Path) -> Iterator[Member]:
    """Every file in a tar, in its order, with what can't be read and what is damaged. Raises OSError."""
    with open(path, "rb") as file:
        total = os.fstat(file.fileno()).st_size
        at, ended, said = 0, False, _Said()
        if total < BLOCK:
            yield Member("", 0, 0, "is no tar file" if total else "is empty")
            return
        while at + BLOCK <= total:
            file.seek(at)
            block = file.read(BLOCK)
            info = _header(block)
            if info is None:
                ended = not block.strip(b"\0")
                found = _next_header(file, at + BLOCK, total)
                if not ended:
                    yield Member("", at, 0, _damage(block, at, found, total))
                    ended = found >= total  # which has been said
                at = found
                continue
            ended = False
            start, size = at + BLOCK, _length(info, said.records)
            at = start + (0 if info.type in EMPTY else -(-size // BLOCK) * BLOCK)
            if info.type in BEFORE:
                file.seek(start)
                said.note(info.type, file.read(min(size, MOST_RECORDS)))
                continue
            if info.type == tarfile.GNUTYPE_SPARSE and block[482]:
                at += _map_of_holes(file, start)
            if not info.isdir():
                yield _member(start, size, info, said, total)
            said = _Said()
        if not ended:
            yield Member("", total, 0, "is cut short: it has no end mark, and what may have followed is lost")


class _Said:
    """What was said of the next member before its header: a name too long for that, records."""

    def __init__(self) -> None:
        self.name = ""
        self.records: dict[str, str] = {}

    def note(self, sort: bytes, data: bytes) -> None:
        """Takes down what a header of this sort says."""
        if sort == tarfile.GNUTYPE_LONGNAME:
            self.name = data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        elif sort in (tarfile.XHDTYPE, SOLARIS):
            self.records = _records(data)


def _damage(block: bytes, at: int, found: int, total: int) -> str:
    """What to say of a block that is no header. found: where the next one is."""
    if not at and found >= total:
        packed = block[:2] == b"\x1f\x8b" or block[:4] == b"\x28\xb5\x2f\xfd" or block[:3] == b"BZh"
        return "is compressed: unpack it to a plain .tar" if packed else "is no tar file"
    what = "what follows is not read" if found >= total else f"read on from byte {found:,}"
    return f"is damaged at byte {at:,}: {what}"


def _header(block: bytes) -> tarfile.TarInfo | None:
    """What a block says of the member that follows, if it is a whole header."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return None
    return info if info.size >= 0 else None


def _next_header(file: BinaryIO, at: int, total: int) -> int:
    """The first byte of the next whole header from `at` on, or `total`."""
    file.seek(at)
    while at + BLOCK <= total:
        block = file.read(BLOCK)
        if block[MAGIC] == b"ustar" and _header(block) is not None:
            return at
        at += BLOCK
    return total


def _length(info: tarfile.TarInfo, records: dict[str, str]) -> int:
    given = records.get("size", "")
    return int(given) if given.isdecimal() and len(given) < 19 and info.isreg() else info.size


def _records(data: bytes) -> dict[str, str]:
    """The records before a member: "17 path=cat/1.png" and a line end, each with its own length. POSIX.1-2001, pax."""
    found: dict[str, str] = {}
    at = 0
    while match := RECORD.match(data, at):
        end = at + int(match[1])
        if not match.end() < end <= len(data):
            break
        key = match[2].decode("utf-8", "replace")
        found[key] = data[match.end() : end - 1].decode("utf-8", "surrogateescape")
        at = end
    return found


def _map_of_holes(file: BinaryIO, at: int) -> int:
    """Bytes of the blocks that go on with the map of a file with holes."""
    file.seek(at)
    taken = 0
    while block := file.read(BLOCK):
        taken += BLOCK
        if len(block) < BLOCK or not block[504]:
            break
    return taken


def _member(start: int, size: int, info: tarfile.TarInfo, said: _Said, total: int) -> Member:
    """A member with what speaks against it."""
    path = said.records.get("path") or said.name or info.name
    parts = [part for part in path.split("/") if part not in ("", ".")]
    reason = ""
    if path.startswith("/") or ".." in parts or not parts or "\0" in path:
        reason = "has a path that leads out of its tar"
    elif info.type in SORTS or any(key.startswith("GNU.sparse") for key in said.records):
        reason = f"is {SORTS.get(info.type, 'a file with holes')} in a tar, which is not read"
    elif not info.isreg():
        reason = "is of a sort that is not read"
    elif start + size > total:
        reason = f"is cut short: its tar ends after {max(0, total - start):,} of its {size:,} bytes"
    return Member("/".join(parts) or "a nameless file", start, size, reason)
