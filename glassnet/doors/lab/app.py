"""The lab's HTTP API and its page. Every answer comes from the same net that the command line asks."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import Field

from glassnet import __version__
from glassnet.doors.folder import is_exported
from glassnet.doors.lab import asking, board, checking, detecting, looking, passes, predicting, trainings
from glassnet.doors.lab.asked import Asked
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.nets import Nets, feature_names
from glassnet.doors.lab.pages import UNFIT, pages, told_errors
from glassnet.errors import GlassnetError


class Drawn(Asked):
    """A drawing and where its knobs stand."""

    shift: float = Field(0.0, ge=-64, le=64, description="pixels")
    scale: float = Field(1.0, ge=0.1, le=4)
    rotate: float = Field(0.0, ge=-360, le=360, description="degrees")
    weight: float = Field(1.0, ge=0.5, le=64, description="pixels")

    def knobs(self) -> dict[str, float]:
        """By name."""
        return {"shift": self.shift, "scale": self.scale, "rotate": self.rotate, "weight": self.weight}


def lab(named: Path | None = None) -> FastAPI:
    """The app. named: the model folder that the pages open on, or an exported file; the slides' net if none."""
    nets, compute = Nets(named), Compute()

    def open_first() -> None:
        if not (named and is_exported(named)) and nets.detector(nets.first) is None:
            passes.warm_up(nets.open(nets.first))

    @asynccontextmanager
    async def open_and_close(_app: FastAPI) -> AsyncIterator[None]:
        await compute(open_first)
        yield
        await checking.close(app)
        await trainings.close(app)
        compute.close()

    app = FastAPI(
        title="glassnet", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        description="The nets of this machine: what they say, and why.", lifespan=open_and_close, responses=UNFIT,
    )  # fmt: skip
    app.state.nets, app.state.compute = nets, compute
    told_errors(app)
    _nets(app, nets, compute)
    _letters(app)
    looking.routes(app, nets, compute)
    checking.routes(app)
    predicting.routes(app, nets.any_of, compute)
    asking.routes(app, nets, compute)
    trainings.routes(app)
    pages(app)
    return app


def _nets(app: FastAPI, nets: Nets, compute: Compute) -> None:
    @app.get("/api/nets", summary="The nets that can be opened")
    async def every_net() -> dict[str, Any]:
        return {"first": nets.first, "nets": ["slides", *nets.folders()], "detectors": nets.detectors()}

    @app.get("/api/nets/{name}", summary="One net: its text, classes and shape")
    async def one_net(name: str) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            detector = nets.detector(name)
            if detector is not None:
                return detecting.described(name, detector)
            return {**passes.described(name, nets.open(name)), "features": feature_names(name)}

        return await compute(work)

    @app.post("/api/nets/{name}/pass", summary="Every map and vote for one example")
    async def one_pass(name: str, asked: Asked) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            model = nets.open(name, asked.hands())
            return passes.one_pass(model, passes.raw(model, asked.x))

        return await compute(work)

    @app.post("/api/nets/{name}/draw", summary="The same for a drawing, moved, scaled, turned and thickened")
    async def drawn(name: str, asked: Drawn) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            model = nets.open(name, asked.hands())
            ink = board.turned(passes.as_ink(passes.raw(model, asked.x)), **asked.knobs())
            x = passes.as_bytes(ink)[None]
            return {
                **passes.one_pass(model, x),
                "x": base64.b64encode(x.tobytes()).decode(),
                "letter": board.letter_of(passes.as_ink(passes.raw(model, asked.x))),
            }

        return await compute(work)

    @app.post("/api/nets/{name}/sweep", summary="What each slider's every position would bring")
    async def sweep(name: str, asked: Drawn) -> dict[str, Any]:
        def work(knob: str) -> dict[str, Any]:
            model = nets.open(name, asked.hands())
            return passes.swept(model, passes.raw(model, asked.x), knob, asked.knobs())

        return {knob: await compute(partial(work, knob)) for knob in board.KNOBS}  # a stroke needn't wait for all four

    @app.get("/api/nets/{name}/example", summary="An example that the net can be tried on")
    async def example(name: str, which: int = 0) -> dict[str, Any]:
        return await compute(lambda: passes.example(nets.open(name), which))


def _letters(app: FastAPI) -> None:
    @app.get("/api/letters/{letter}", summary="A letter of the slides as a drawing")
    async def letter(letter: str, size: Annotated[int, Query(ge=5, le=64)] = 9) -> dict[str, str]:
        from glassnet.data.xo import CLASSES, Knobs, draw

        if letter not in CLASSES:
            raise GlassnetError("letter", expected="X or O", found=letter, fix="Choose one")
        return {"x": base64.b64encode(passes.as_bytes(draw(letter, Knobs(size))).tobytes()).decode()}
