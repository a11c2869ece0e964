"""Files of a multipart/form-data body, as browsers and curl send them (RFC 7578). Knows no nets and opens no files."""

from __future__ import annotations

from email.message import Message
from email.parser import HeaderParser

from glassnet.errors import GlassnetError

KIND = "multipart/form-data"
MOST_FILES = 200


def files_of(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """(name, bytes) of every file, in order. Fields without a file's name are left out. Raises GlassnetError."""
    boundary = _parameter("content-type", content_type, "boundary").encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary) if boundary else []
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise GlassnetError("the body", expected=KIND, found="one that is cut short", fix="Send it again")
    found = []
    for piece in pieces[1:-1]:
        head, parted, data = piece.partition(b"\r\n\r\n")
        if not parted:
            raise GlassnetError("the body", expected="a head and a file in each part", found="no head", fix="Mend it")
        name = (
            HeaderParser()
            .parsestr(head.decode("utf-8", "replace").lstrip())
            .get_param("filename", None, "content-disposition")
        )
        if name is not None:
            found.append((name if isinstance(name, str) else name[2], data))
    if not 0 < len(found) <= MOST_FILES:
        raise GlassnetError("the body", expected=f"1 to {MOST_FILES} files", found=str(len(found)), fix="Send others")
    return found


def _parameter(header: str, value: str, name: str) -> str:
    message = Message()
    message[header] = value
    found = message.get_param(name, "", header)
    return found if isinstance(found, str) else ""
