"""What a net is asked from outside: a file's bytes, words or numbers, read as the command line reads them. No paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from glassnet.data.kind import Unreadable
from glassnet.data.kinds import KINDS
from glassnet.data.listing import usual
from glassnet.doors.answers import Detections, Prediction
from glassnet.doors.card import Card
from glassnet.doors.examples import find_examples
from glassnet.doors.inputs import Input, from_array, read_data
from glassnet.doors.lab import multipart
from glassnet.doors.lab.limits import Refused
from glassnet.errors import GlassnetError
from glassnet.words import clipped

LONGEST_NAME = 200
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"  # what curl -d and --data-binary call anything, unless told


class Answering(Protocol):
    """What is asked: a net, or a file that was exported. As Model has these."""

    @property
    def card(self) -> Card: ...
    @property
    def folder(self) -> str: ...
    @property
    def false_alarms(self) -> float | None: ...
    def answer_inputs(self, inputs: Iterable[Input]) -> Iterator[Prediction]: ...


@runtime_checkable
class Finding(Protocol):
    """The same of detectors. As DetectorModel has these."""

    @property
    def card(self) -> Card: ...
    @property
    def folder(self) -> str: ...
    def answer_bytes(self, name: str, data: bytes) -> Detections: ...


class Words(BaseModel):
    """A question as JSON: one of the three."""

    text: str | None = Field(None, description="a sentence; for nets of series and tables, numbers as in a CSV")
    x: list[Any] | None = Field(None, description="one example as nested lists of numbers, as an array of its shape")
    example: str | None = Field(None, description="the name of one of the model's own examples")


@dataclass(frozen=True)
class Question:
    """One example that was asked about. data: of its file, or its words; empty where it came as numbers."""

    one: Input
    data: bytes = b""


def questions(model: Answering, body: bytes, content_type: str) -> list[Question]:
    """The files of a form; those that can't be read come with an error in their Input. Raises GlassnetError."""
    return [read_file(model, name, data) for name, data in multipart.files_of(body, content_type)]


def question(model: Answering, name: str, body: bytes, content_type: str) -> Question:
    """One example. name: of its file, to be shown and never opened. Raises GlassnetError in one line, and Refused."""
    kind = media(content_type)
    if kind in (FORM, multipart.KIND):
        raise Refused(415, "one file as application/octet-stream, or words and numbers as application/json")
    return _readable(model, _json(model, body) if kind == JSON else read_file(model, name, body))


def read_file(model: Answering, name: str, data: bytes) -> Question:
    """A file's bytes. name: to be shown, without folders. What can't be read comes with an error."""
    card = model.card
    shown = clipped(PurePosixPath(name.replace("\\", "/")).name, LONGEST_NAME) or "the body"
    return Question(read_data(shown, data, card.kind, card.preparation, card.full_scale), data)


def media(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.split(";")[0].strip().lower()


def example_files(model: Answering) -> dict[str, Path]:
    """The model's own examples, by name."""
    return find_examples(model.folder, model.card.data)


def sounds_like(model: Answering, data: bytes) -> bytes:
    """A WAV that a browser plays; empty for what makes no sound."""
    playable = KINDS[model.card.kind].playable
    if playable is None or not data:
        return b""
    try:
        return playable(data)
    except Unreadable:
        return b""


def _readable(model: Answering, asked: Question) -> Question:
    if asked.one.x is not None:
        return asked
    kind = KINDS[model.card.kind]
    takes = f"{kind.name} ({usual(kind.suffixes)})" if kind.suffixes else f"{kind.name} of its columns"
    name = asked.one.name if len(asked.one.name) <= LONGEST_NAME else clipped(asked.one.name)
    raise GlassnetError(name, found=asked.one.error, fix=f"This net is asked about {takes}")


def _json(model: Answering, body: bytes) -> Question:
    try:
        asked = Words.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise GlassnetError(where, found=first["msg"].lower(), fix='Send {"text": ...} or {"x": ...}') from error
    given = [key for key in ("text", "x", "example") if getattr(asked, key) is not None]
    if len(given) != 1:
        raise GlassnetError("the body", expected="text, x or example", found=" and ".join(given) or "none", fix="One")
    if asked.example is not None:
        return _example(model, asked.example)
    if asked.x is not None:
        return _numbers(model, asked.x)
    return _typed(model, asked.text or "")


def _example(model: Answering, name: str) -> Question:
    known = example_files(model)
    if name not in known:
        some = ", ".join(list(known)[:6]) or "none at all"
        raise GlassnetError("example", expected=f"one of {some}", found=clipped(name), fix="Choose one")
    return read_file(model, name, known[name].read_bytes())


def _typed(model: Answering, text: str) -> Question:
    card, kind = model.card, KINDS[model.card.kind]
    if kind.typed is None:
        raise GlassnetError("text", expected=f"a {kind.one}", found="words", fix="Send the bytes of its file")
    data = kind.typed(text, card.preparation)
    name = text if kind.looked_up else kind.one
    return Question(read_data(name, data, card.kind, card.preparation, card.full_scale), data)


def _numbers(model: Answering, x: list[Any]) -> Question:
    if KINDS[model.card.kind].looked_up:
        raise GlassnetError("x", expected="words", found="numbers", fix='Send {"text": ...}')
    try:
        values: NDArray[np.generic] = np.asarray(x)
    except (ValueError, OverflowError) as error:
        raise GlassnetError("x", expected="lists of one length", found="uneven ones", fix="Fill them up") from error
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise GlassnetError("x", expected="finite numbers", found="something else", fix="Leave it out")
    if values.dtype.kind in "bui" and values.size and values.min() >= -1 and values.max() <= 1:
        values = values.astype(np.float64)  # JSON has one kind of number: 1 is 1.0, all ink, and no byte
    with np.errstate(over="ignore"):
        batch = from_array(values, model.card.preparation, model.card.full_scale)
    if len(batch) != 1:
        raise GlassnetError("x", expected="one example", found=f"{len(batch)}", fix="Ask about one at a time")
    if not np.isfinite(batch).all():
        raise GlassnetError("x", expected="numbers that float32 holds", found="larger ones", fix="Scale them down")
    return Question(Input("array[0]", batch[0]))
