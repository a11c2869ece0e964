"""Ask with a detector: what is on a picture, where, and why each box; as JSON for programs and for the page."""

from __future__ import annotations

import base64
import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from glassnet.data.boxes.store import whole
from glassnet.data.kind import Unreadable
from glassnet.doors.examples import find_examples
from glassnet.doors.lab import multipart
from glassnet.doors.lab.limits import Refused
from glassnet.doors.lab.questions import FORM, JSON, LONGEST_NAME, Finding, Words, media
from glassnet.errors import GlassnetError
from glassnet.steps import finish
from glassnet.words import clipped

if TYPE_CHECKING:
    from glassnet.doors.detection.model import DetectorModel
    from glassnet.explaining.detections import ExplainedBoxes

SHOWN = 1200  # pixels of the longer side of a picture that is sent back
NAMED = 20  # examples


def described(name: str, model: DetectorModel) -> dict[str, Any]:
    """What a list of nets says of a detector."""
    card, test = model.card, model.metrics.get("test")
    tested = ""
    if isinstance(test, dict) and test.get("map50") is not None:
        tested = f"On {test['pictures']} test pictures this detector has mAP50 {test['map50'] * 100:.1f} %."
    return {
        "name": name,
        "kind": card.kind,
        "engine": model.engine,
        "net": card.net,
        "classes": list(card.classes),
        "thresholds": list(model.thresholds),
        "shape": list(card.preparation.shape),
        "parameters": sum(one.numel() for one in model.net.parameters()),
        "drawable": False,
        "typed": False,
        "tested": tested,
        "learnt_from": str(card.data.get("source") or card.data.get("name") or ""),
        "features": {},
    }


def examples(model: DetectorModel) -> list[str]:
    """Test pictures that it can be tried on, by name."""
    return list(find_examples(model.folder, model.card.data))[:NAMED]


def predicted(
    model: Finding,
    name: str,
    body: bytes,
    content_type: str,
    top: int | None = None,
    picture: bool = False,
) -> dict[str, Any]:
    """As `glassnet predict --json`, and the picture's size; of a form an answer for each file. Raises GlassnetError."""
    if media(content_type) == multipart.KIND:
        files = multipart.files_of(body, content_type)
        return {"answers": [_answer(model, _shown(file), data, top) for file, data in files]}
    called, data = _one(model, name, body, content_type)
    answer = _answer(model, called, data, top)
    if "error" in answer:
        fix = "A detector is asked about pictures"
        raise GlassnetError(called, found=str(answer["error"]), fix=fix)
    return answer | ({"picture": _picture(data)} if picture else {})


def explained(model: DetectorModel, name: str, body: bytes, content_type: str) -> ExplainedBoxes:
    """Why each box. No file is opened by the name that comes with the bytes. Raises GlassnetError."""
    from glassnet.doors.detection.explained import explained_steps  # torch, which an exported file answers without

    called, data = _one(model, name, body, content_type)
    try:
        return finish(explained_steps(model, called, data, truth=False))
    except Unreadable as error:
        raise GlassnetError(called, found=str(error), fix="A detector is asked about pictures") from error


def _answer(model: Finding, name: str, data: bytes, top: int | None) -> dict[str, Any]:
    found = model.answer_bytes(name, data)
    return found.as_json(top) | ({} if found.error else {"size": list(found.size)})


def _one(model: Finding, name: str, body: bytes, content_type: str) -> tuple[str, bytes]:
    """What to call a picture, and its bytes: a file's, or an example's by its name."""
    kind = media(content_type)
    if kind in (FORM, multipart.KIND):
        raise Refused(415, "one file as application/octet-stream, or an example's name as application/json")
    if kind != JSON:
        return _shown(name), body
    try:
        asked = Words.model_validate_json(body)
    except ValidationError as error:
        found = error.errors()[0]["msg"].lower()
        raise GlassnetError("the body", found=found, fix='Send a file, or {"example": ...}') from error
    known = find_examples(model.folder, model.card.data)
    if asked.example not in known:
        some = ", ".join(list(known)[:6]) or "none at all"
        found = clipped(asked.example) if asked.example else "none"
        raise GlassnetError("example", expected=f"one of {some}", found=found, fix="Choose one, or send a picture")
    return asked.example, known[asked.example].read_bytes()


def _shown(name: str) -> str:
    """A file's name without folders, so that none is opened by it."""
    return clipped(PurePosixPath(name.replace("\\", "/")).name, LONGEST_NAME) or "the body"


def _picture(data: bytes) -> str:
    """The picture, upright, as a data URI no larger than a screen needs."""
    image = Image.fromarray(np.ascontiguousarray(whole(data).transpose(1, 2, 0), np.uint8))
    image.thumbnail((SHOWN, SHOWN))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
