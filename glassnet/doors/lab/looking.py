"""Look: one pass of any net, whole enough to open every sum; sums that have no room are asked for one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, Field

from glassnet.data.kinds import KINDS
from glassnet.doors.inputs import Input, read_one
from glassnet.doors.lab import passes
from glassnet.doors.lab.asked import AN_X, Asked
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.known import SLIDES
from glassnet.doors.lab.nets import Nets, feature_names
from glassnet.doors.model import Model
from glassnet.doors.why import scene_of
from glassnet.errors import GlassnetError
from glassnet.explaining.arithmetic import thread
from glassnet.explaining.numbers import Shown, fits, pass_numbers, written_out
from glassnet.explaining.trace import Step, trace
from glassnet.explaining.votes import votes


class LookedAt(Asked):
    """An example to look at: a picture, or one of those that lie in the model's folder."""

    x: str = Field(
        "", description="base64 of its values, (C, *S); left out for an example of the model's own", examples=[AN_X]
    )
    example: int = Field(0, ge=0, description="which of the examples in the model's folder, where x is left out")


class Opened(LookedAt):
    """One value of a pass."""

    step: str = Field(description="the layer's name, as in the net's weights", examples=["conv1"])
    at: list[int] = Field(min_length=1, max_length=5, description="(feature, *place), from 0", examples=[[0, 4, 4]])


class Sum(BaseModel):
    """A sum by its strongest channels, the others in one figure."""

    at: list[int]
    channels: list[dict[str, Any]]
    others: list[float]
    count: int
    bias: float
    total: float
    net: float


def routes(app: FastAPI, nets: Nets, compute: Compute) -> None:
    """POST /api/nets/NAME/look and /sum."""

    @app.post("/api/nets/{name}/look", summary="One pass as the Look page draws it: every layer, every value that fits")
    async def look(name: str, asked: LookedAt) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            model = nets.open(name, asked.hands())
            return {**looked(model, _example(model, asked)), "features": feature_names(name), "divides": name == SLIDES}

        return await compute(work)

    @app.post("/api/nets/{name}/sum", summary="One value of a convolution written out")
    async def one_sum(name: str, asked: Opened) -> Sum:
        def work() -> Sum:
            model = nets.open(name, asked.hands())
            step = _step(trace(model.net, model.look(_raw(_example(model, asked))[None])), asked)
            return Sum.model_validate(written_out(step, tuple(asked.at)))

        return await compute(work)


def looked(model: Model, one: Input) -> dict[str, Any]:
    """One pass of an example that was read, with its name and what its class scores are."""
    x = model.look(_raw(one)[None])
    steps = trace(model.net, x)
    cast = votes(steps)
    logits = model.logits(_raw(one)[None])[0]
    answer = int(logits.argmax())
    f = int(cast.strongest(answer)[0])
    way = thread(steps, cast.made_by, cast.place(f)) if cast.made_by >= 0 else []
    shown = Shown(model.net, steps, x, scene_of(model, one), model.classes, logits.tolist(), answer)
    numbers = pass_numbers(shown, way, fits(model.net, steps))
    return {**numbers, "whole": fits(model.net, steps), "name": one.name.rsplit("/", 1)[-1]}


def _example(model: Model, asked: LookedAt) -> Input:
    card = model.card
    if asked.x:
        return Input("drawing" if passes.can_be_drawn(model) else KINDS[card.kind].one, passes.raw(model, asked.x))
    path = passes.example_file(model, asked.example)
    return read_one(str(path), card.kind, card.preparation, card.full_scale)


def _raw(one: Input) -> np.ndarray[Any, np.dtype[Any]]:
    assert one.x is not None, "read_one raises where it can't"
    return one.x


def _step(steps: list[Step], asked: Opened) -> Step:
    """Raises GlassnetError for a step or a place that isn't there, or one that is no convolution's."""
    sums = {step.name: step for step in steps if step.layer.__class__.__name__.startswith(("Conv", "Phrases"))}
    step = sums.get(asked.step)
    if step is None:
        raise GlassnetError("step", expected=f"one of {', '.join(list(sums)[:8])}", found=asked.step, fix="Name one")
    shape = step.output.shape[1:]
    if len(asked.at) != len(shape) or any(not 0 <= i < n for i, n in zip(asked.at, shape, strict=True)):
        size = "x".join(map(str, shape))
        raise GlassnetError("at", expected=f"a place in {size}", found=str(asked.at), fix="Choose one inside")
    return step
