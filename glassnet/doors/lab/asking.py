"""Ask: what a net says of a file, of words or of numbers, and why. The HTTP API of a model, and what the page draws."""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from numpy.typing import NDArray

from glassnet.doors.lab import detecting, hearing
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.nets import Nets
from glassnet.doors.lab.predicting import NAME, NET, ONE, SOUND, TOLD, answered
from glassnet.doors.lab.questions import Question, example_files, question, sounds_like
from glassnet.doors.lab.reasons import reasons
from glassnet.doors.model import Model
from glassnet.doors.why import explain_input, scene_of
from glassnet.explaining.detections import ExplainedBoxes
from glassnet.explaining.explanation import Explanation
from glassnet.explaining.numbers import packed
from glassnet.explaining.saliency import occlusion_steps
from glassnet.nets.network import BothWays

AT_ONCE = 8  # pieces that are covered before others get their turn


def routes(app: FastAPI, nets: Nets, compute: Compute) -> None:
    """POST /api/explain, /api/explain.html, /api/covered, /api/heard; GET the examples of a net."""
    _answers(app, _Asking(nets, compute))
    _pieces(app, nets, compute)

    @app.get("/api/nets/{name}/examples", summary="The examples that lie in a model's folder")
    async def examples(name: str) -> dict[str, list[str]]:
        def work() -> list[str]:
            detector = nets.detector(name)
            return detecting.examples(detector) if detector else list(example_files(nets.open(name)))

        return {"examples": await compute(work)}


def _answers(app: FastAPI, asking: _Asking) -> None:
    @app.post("/api/explain", summary="Why a net says what it says of one example", openapi_extra=ONE, responses=TOLD)
    async def why(request: Request, net: str = NET, name: str = NAME, covered: bool = True) -> dict[str, Any]:
        """As `glassnet explain --json`, with what the page draws. covered: also what it hangs on, which takes long."""
        boxes = await asking.boxes(request, net, name)
        if boxes is not None:
            return boxes.as_json()
        model, asked, found = await asking.explained(request, net, name)
        if covered:
            found = await asking.cover(request, found)
        return await asking.compute(lambda: {**reasons(model, asked, found), "prediction": answered(model, asked.one)})

    @app.post("/api/explain.html", summary="The same as a page that stands alone", openapi_extra=ONE, responses=TOLD)
    async def page(request: Request, net: str = NET, name: str = NAME) -> HTMLResponse:
        boxes = await asking.boxes(request, net, name)
        if boxes is not None:
            return HTMLResponse(await asking.compute(boxes.html), headers={"content-disposition": "attachment"})
        _, _, found = await asking.explained(request, net, name)
        found = await asking.cover(request, found)
        return HTMLResponse(await asking.compute(found.html), headers={"content-disposition": "attachment"})

    @app.post(
        "/api/covered", summary="What the answer hangs on, covered piece by piece", openapi_extra=ONE, responses=TOLD
    )
    async def covered(request: Request, net: str = NET, name: str = NAME) -> dict[str, Any]:
        _, _, found = await asking.explained(request, net, name)
        found = await asking.cover(request, found)
        return {
            "occluded": {"shape": list(found.occluded.shape), "values": packed(found.occluded)},
            "hangs_on": list(found.hangs_on()),
        }


class _Asking:
    """What the routes ask of a net, off the thread that answers."""

    def __init__(self, nets: Nets, compute: Compute) -> None:
        self.nets, self.compute = nets, compute

    async def boxes(self, request: Request, net: str, name: str) -> ExplainedBoxes | None:
        """Why a detector finds what it finds; None where the net is none."""
        body, kind = await request.body(), request.headers.get("content-type", "")

        def work() -> ExplainedBoxes | None:
            detector = self.nets.detector(net or self.nets.first)
            return detecting.explained(detector, name, body, kind) if detector else None

        return await self.compute(work)

    async def explained(self, request: Request, net: str, name: str) -> tuple[Model, Question, Explanation]:
        body, kind = await request.body(), request.headers.get("content-type", "")

        def work() -> tuple[Model, Question, Explanation]:
            model = self.nets.open(net or self.nets.first)
            asked = question(model, name, body, kind)
            return model, asked, explained(model, asked)

        return await self.compute(work)

    async def cover(self, request: Request, found: Explanation) -> Explanation:
        """Covers some pieces at a time, so that others are answered in between; ends when nobody waits any more."""
        net = BothWays(found.net) if len(found.views) > 1 else found.net
        steps = occlusion_steps(net, found.x, found.answer, found.scene.piece, batch=AT_ONCE)
        while not await request.is_disconnected():
            occluded = await self.compute(lambda: _next(steps))
            if occluded is not None:
                return replace(found, occluded=occluded)
        steps.close()
        return found


def _pieces(app: FastAPI, nets: Nets, compute: Compute) -> None:
    @app.post(
        "/api/heard",
        summary="A sound of which only some pieces are left, and what a net says of it",
        openapi_extra=SOUND,
        responses=TOLD,
    )
    async def heard(
        request: Request,
        net: str = NET,
        name: str = NAME,
        pieces: str = Query(
            description="bands and moments, from 0, as 0-13:14-28, several with commas", examples=["0-13:14-28"]
        ),
    ) -> dict[str, Any]:
        body = await request.body()

        def work() -> dict[str, Any]:
            model = nets.open(net or nets.first)
            asked = question(model, name, body, "")
            kept = hearing.only(model, asked, hearing.spans(model, pieces))
            one = question(model, "pieces.wav", kept, "").one
            return {"sound": data_uri(kept, "audio/wav"), "prediction": answered(model, one)}

        return await compute(work)


def explained(model: Model, asked: Question) -> Explanation:
    """Why a net answers as it does, nothing covered yet. Its name is shown and opens no file."""
    one = asked.one
    wav = sounds_like(model, asked.data)
    scene = replace(scene_of(model, replace(one, name="")), sound=data_uri(wav, "audio/wav") if wav else "")
    return explain_input(model, one, scene=scene, covered=False)


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _next(steps: Generator[tuple[int, int], None, NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """One more step; what came of them all after the last."""
    try:
        next(steps)
    except StopIteration as end:
        found: NDArray[np.float64] = end.value
        return found
    return None
