"""What an ONNX file says of itself beside its graph, read without any package for ONNX; and the seal at its end.

The format is protobuf's: https://onnx.ai/onnx/repo-docs/IR.html, message ModelProto. Knows nothing of models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

PROPS = 14  # ModelProto.metadata_props, of messages StringStringEntryProto: key 1, value 2
SEAL = "sha256"  # the key of the last entry: of all bytes before it
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # protobuf's wire types


def sealed(data: bytes) -> bytes:
    """A file with its checksum at the end, as one more entry of its metadata."""
    entry = _entry(1, SEAL.encode()) + _entry(2, hashlib.sha256(data).hexdigest().encode())
    return data + _entry(PROPS, entry)


def metadata(data: bytes) -> dict[str, str]:
    """A file's metadata by key. Raises ValueError where it is no ONNX file, or one that is cut short."""
    found = {}
    for number, _, value in _fields(memoryview(data)):
        if number == PROPS and value is not None:
            words = {key: text for key, _, text in _fields(value) if text is not None}
            found[str(words.get(1, b""), "utf-8")] = str(words.get(2, b""), "utf-8")
    return found


def is_whole(data: bytes) -> bool:
    """Whether a file is as it was sealed. Raises ValueError as above."""
    last = [start for number, start, _ in _fields(memoryview(data)) if number == PROPS][-1:]
    return bool(last) and sealed(data[: last[0]]) == data


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview | None]]:
    """The number of each field of a message, where it begins, and its bytes if it has such. Raises ValueError."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            _, at = _varint(data, at)
            yield number, start, None
            continue
        size = {EIGHT: 8, FOUR: 4}.get(wire, -1)
        if wire == BYTES:
            size, at = _varint(data, at)
        if not number or size < 0 or at + size > len(data):
            raise ValueError(f"field {number} of wire type {wire} at byte {start}")
        yield number, start, data[at : at + size] if wire == BYTES else None
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends. Raises ValueError."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError(f"a number without an end at byte {at}")


def _entry(number: int, value: bytes) -> bytes:
    """One field of bytes."""
    size, digits = len(value), bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | BYTES, *digits, size]) + value
