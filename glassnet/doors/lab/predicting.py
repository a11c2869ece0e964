"""What a model says over HTTP: POST /api/predict. Needs no torch where a file answers that was exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Query, Request

from glassnet.data.kinds import KINDS
from glassnet.doors.answers import Prediction
from glassnet.doors.inputs import Input
from glassnet.doors.lab import detecting, multipart
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.multipart import MOST_FILES
from glassnet.doors.lab.questions import JSON, Answering, Finding, Words, media, question, questions
from glassnet.errors import GlassnetError
from glassnet.explaining import images

AN_X = [[1 if 0 < i < 8 and j in (i, 8 - i) else -1 for j in range(9)] for i in range(9)]
NET = Query("", max_length=200, description="which net; the one that the server was started with if left out")
NAME = Query("", max_length=1000, description="the file's name, to be given back; no file is opened by it")
TOP = Query(None, ge=1, description="only the strongest classes, so many")
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
BYTES = {"schema": BINARY, "description": "the bytes of one file"}
WORDS = {
    "schema": Words.model_json_schema(),
    "examples": {
        "a sentence": {"value": {"text": "a gripping, beautiful film"}},
        "numbers": {"value": {"x": AN_X}},
    },
}
FILES = {"type": "array", "items": BINARY, "maxItems": MOST_FILES, "description": "files, each answered for itself"}
FORM = {"schema": {"type": "object", "properties": {"file": FILES}}}
ONE = {"requestBody": {"required": True, "content": {"application/octet-stream": BYTES, JSON: WORDS}}}
SOUND = {"requestBody": {"required": True, "content": {"application/octet-stream": BYTES}}}
SOME = {"requestBody": {"required": True, "content": {**ONE["requestBody"]["content"], multipart.KIND: FORM}}}  # type: ignore[dict-item]
ANSWER = {
    "input": "one.png", "class": "cat", "score": 0.98, "votes": {"cat": 0.98, "dog": 0.02},
    "none_of_these": False, "strangeness": 0.41, "false_alarms": 0.012,
}  # fmt: skip
UNREADABLE = {"input": "torn.png", "error": "is damaged: image file is truncated"}
REFUSED = {"error": "notes.txt: is in no picture format that glassnet reads, or damaged. This net is asked about ..."}
TOLD: dict[int | str, dict[str, Any]] = {
    400: {"description": "what was asked can't be read; one line", "content": {JSON: {"example": REFUSED}}},
    413: {"description": "a body over 10,000,000 bytes"},
    415: {"description": "a body of a kind that isn't taken"},
    503: {"description": "too many wait; retry-after says how long"},
    504: {"description": "it took over 60 seconds"},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **TOLD,
    200: {
        "description": "an answer; of a form, {answers: [...]} in the files' order, each with its own error if any",
        "content": {
            JSON: {
                "examples": {
                    "one": {"value": ANSWER},
                    "a form": {"value": {"answers": [ANSWER, UNREADABLE]}},
                }
            }
        },
    },
}


def routes(app: FastAPI, opened: Callable[[str], Answering | Finding], compute: Compute) -> None:
    """POST /api/predict. opened: what answers by a net's name; by none, what the server was started with."""

    @app.post(
        "/api/predict",
        summary="What a net says of a file, of words or of numbers",
        openapi_extra=SOME,
        responses=ANSWERS,
    )
    async def predict(
        request: Request, net: str = NET, name: str = NAME, top: int | None = TOP, picture: bool = False
    ) -> dict[str, Any]:
        """As `glassnet predict --json`: input, class, score, votes. picture: a small one comes too, as a data URI."""
        body, kind = await request.body(), request.headers.get("content-type", "")

        def work() -> dict[str, Any]:
            model = opened(net)
            if isinstance(model, Finding):
                return detecting.predicted(model, name, body, kind, top, picture)
            if media(kind) == multipart.KIND:
                given = [asked.one for asked in questions(model, body, kind)]
                return {"answers": [told(model, said, top) for said in model.answer_inputs(given)]}
            asked = question(model, name, body, kind)
            drawn = {"picture": _thumbnail(model, asked.one)} if picture else {}
            return {**answered(model, asked.one, top), **drawn}

        return await compute(work)


def answered(model: Answering, one: Input, top: int | None = None) -> dict[str, Any]:
    """What a net says of one example. Raises GlassnetError where it can't be asked about it."""
    said = next(model.answer_inputs([one]))
    if said.votes is None:
        raise GlassnetError(said.input, found=said.error, fix="Send the file itself")
    return told(model, said, top)


def told(model: Answering, said: Prediction, top: int | None = None) -> dict[str, Any]:
    """As `glassnet predict --json` prints it. false_alarms: the share of real examples that are refused, if known."""
    known = {} if said.strangeness is None else {"false_alarms": model.false_alarms}
    return said.as_json(top) | known


def _thumbnail(model: Answering, one: Input) -> str:
    card = model.card
    assert one.x is not None, "question raises where it can't be read"
    ink = bool(card.preparation.settings.get("ink"))
    return images.picture(KINDS[card.kind].thumbnail(one.x, card.preparation), ink)
