"""Learn: trainings started, watched and led from pages. Each is a process of its own that goes on without a page."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from glassnet.config import Training as Settings
from glassnet.data.kinds import KINDS
from glassnet.data.split import refuse_one_class
from glassnet.doors.lab.asked_data import AskedData
from glassnet.doors.lab.keeping import Training, Trainings
from glassnet.doors.lab.limits import Refused
from glassnet.doors.lab.looks import Looks
from glassnet.doors.lab.net_knobs import LONGEST, AskedNet, checked
from glassnet.errors import GlassnetError
from glassnet.nets import text, zoo
from glassnet.training.evaluate import softmax

ORDERS = ("pause", "go", "step", "stop")
MOST_ROWS = 8  # of an error table
Facts = dict[str, Any]


class AskedTraining(AskedData):
    """What to train: the data, and whatever of the settings isn't left to glassnet."""

    net: str | None = Field(None, max_length=LONGEST)
    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    seed: int = 0
    paused: bool = Field(False, description="whether it waits before its first step")

    def settings(self) -> Settings:
        """As the command line has them. Raises GlassnetError."""
        return Settings(
            net=self.net or None, epochs=self.epochs, minutes=self.minutes,
            learning_rate=self.learning_rate, seed=self.seed,
        )  # fmt: skip


class Place(BaseModel):
    """A pixel of a drawn feature."""

    feature: int = Field(ge=0, le=100_000)
    place: list[int] = Field(min_length=2, max_length=2, description="row and column, from 0")


class Weight(BaseModel):
    """A weight and the value that it shall have."""

    key: str = Field(max_length=200)
    index: list[int] = Field(min_length=1, max_length=6)
    value: float = Field(allow_inf_nan=False, ge=-1e6, le=1e6)


def routes(app: FastAPI) -> None:
    """Everything below /api/trainings, POST /api/data and POST /api/net. app.state.trainings ends them."""
    trainings, looks = Trainings(), Looks()
    app.state.trainings, app.state.looks = trainings, looks
    _before(app, looks)
    _lists(app, trainings)
    _leads(app, trainings)
    _shows(app, trainings)


async def close(app: FastAPI) -> None:
    """Lets every training save a checkpoint and end."""
    app.state.looks.close()
    await app.state.trainings.close()


def _before(app: FastAPI, looks: Looks) -> None:
    @app.post("/api/data", summary="What is in the data that is named: asked again until it is read")
    async def data(asked: AskedData, seed: Annotated[int, Query(ge=0, lt=2**32)] = 0) -> Facts:
        asked.reading()
        return looks.look(asked, seed)

    @app.post("/api/net", summary="A net's sizes and parameters, or why it can't be and what can")
    async def net(asked: AskedNet) -> Facts:
        return await asyncio.to_thread(checked, asked)


def _lists(app: FastAPI, trainings: Trainings) -> None:
    @app.get("/api/trainings", summary="Every training, the newest first")
    async def every() -> Facts:
        return {"trainings": [trainings.facts(one) for one in trainings.every()]}

    @app.post("/api/trainings", summary="Start a training, or put it in line", status_code=201)
    async def start(asked: AskedTraining) -> Facts:
        settings = asked.settings()
        title = await asyncio.to_thread(_refused_early, asked, settings)
        data = asked.model_dump(include={"data", "size", "kind", "xo"})
        chosen = asked.model_dump(include={"epochs", "minutes", "learning_rate", "seed"})
        return trainings.facts(trainings.start(title, data, {**chosen, "net": settings.net}, asked.paused))

    @app.get("/api/trainings/{name}", summary="One training")
    async def one(name: str) -> Facts:
        return trainings.facts(trainings.find(name))


def _leads(app: FastAPI, trainings: Trainings) -> None:
    @app.post("/api/trainings/{name}/measure", summary="How the error changes with one weight of the first layer")
    async def measure(name: str, asked: Place) -> Facts:
        return await trainings.ask(trainings.find(name), {"do": "measure", **asked.model_dump()})

    @app.post("/api/trainings/{name}/weight", summary="Give one weight another value while it trains")
    async def weight(name: str, asked: Weight) -> Facts:
        return await trainings.ask(trainings.find(name), {"do": "set", **asked.model_dump()})

    @app.post("/api/trainings/{name}/discard", summary="Throw an unfinished training away")
    async def discard(name: str) -> Facts:
        await trainings.discard(trainings.find(name))
        return {"id": name}

    @app.post("/api/trainings/{name}/again", summary="Go on with a training that was stopped")
    async def again(name: str) -> Facts:
        one = trainings.find(name)
        trainings.go_on(one)
        return trainings.facts(one)

    @app.post("/api/trainings/{name}/{order}", summary="pause, go, step, or stop and keep what is there")
    async def lead(name: str, order: str) -> Facts:
        if order not in ORDERS:
            raise Refused(404, f"a training takes {', '.join(ORDERS)}, discard or again")
        one = trainings.find(name)
        trainings.order(one, order)
        return trainings.facts(one)


def _shows(app: FastAPI, trainings: Trainings) -> None:
    @app.get("/api/trainings/{name}/events", summary="All that happened and happens, as server-sent events")
    async def events(
        name: str, request: Request, first: Annotated[int, Query(alias="from", ge=0)] = 0
    ) -> StreamingResponse:
        seen = request.headers.get("last-event-id", "")
        start = int(seen) + 1 if seen.isdecimal() and len(seen) < 10 else first
        return StreamingResponse(trainings.stream(trainings.find(name), start), media_type="text/event-stream")

    @app.get("/api/trainings/{name}/error", summary="Right, actual and error of a held-out example at a moment")
    async def error(name: str, moment: str, place: Annotated[int, Query(ge=0)]) -> Facts:
        return error_table(trainings.find(name), moment, place)


def error_table(one: Training, moment: str, place: int) -> Facts:
    """The slides' error table of one kept held-out example, and the loss that was really descended.

    place: among the kept ones. Raises GlassnetError where the moment or the example isn't kept.
    """
    prepared = one.record.of("prepared")
    logits = one.record.logits(moment)
    example = next((facts for facts in one.record.all_of("example") if facts["place"] == place), None)
    if prepared is None or example is None or place >= len(logits):
        raise GlassnetError("place", expected="an example that was shown", found=str(place), fix="Choose another")
    actual, right = softmax(logits[place][None])[0], int(example["right"])
    target = np.eye(len(actual))[right]
    errors = np.abs(target - actual)
    order = np.argsort(-errors, kind="stable")
    shown = sorted({right, *order[: MOST_ROWS - 1].tolist()}) if len(order) > MOST_ROWS else list(range(len(order)))
    smoothing = float(prepared["smoothing"])
    smooth = target * (1 - smoothing) + smoothing / len(actual)
    weight = np.array(prepared["weight"] or [1.0] * len(actual))
    logs = -np.log(np.maximum(actual, 1e-12))
    return {
        "rows": [
            {"class": k, "right": int(k == right), "actual": float(actual[k]), "error": float(errors[k])} for k in shown
        ],
        "others": len(order) - len(shown), "others_error": float(errors.sum() - errors[shown].sum()),
        "total": float(errors.sum()), "loss": float((smooth * weight * logs).sum()), "smoothing": smoothing,
        "place": place, "moment": moment,
    }  # fmt: skip


def _refused_early(asked: AskedTraining, settings: Settings) -> str:
    """What the model is named after. Raises GlassnetError for what can be known not to work before all is read."""
    if settings.net:
        zoo.find(settings.net)  # a text that can't be is refused before anything is looked for
    source = asked.source()
    if source.classes:
        refuse_one_class(source.name, source.classes)
    if settings.net and not KINDS[source.kind].fit:
        text.measure(zoo.suited(settings.net, source.shape), source.shape, max(len(source.classes), 2))
    return source.name
