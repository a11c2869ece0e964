"""Check: whether a ConvNet is right for data that a page names. Each check is a process that goes on without a page."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import Field

from glassnet.doors.lab.asked_data import AskedData
from glassnet.doors.lab.checks import Checks

Facts = dict[str, Any]


class AskedCheck(AskedData):
    """What to check. Without `check` it is only looked at, once unless `anew`, and what is known of it is shown."""

    seed: int = Field(0, ge=0, lt=2**32)
    check: bool = False
    anew: bool = False

    @property
    def key(self) -> str:
        """The same for the same question."""
        asked = self.model_dump_json(exclude={"check", "anew", "data"}) + self.path
        return hashlib.blake2b(asked.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()

    def order(self) -> Facts:
        """As the process of a check takes it."""
        data = {**self.model_dump(include={"size", "kind", "xo"}), "data": self.path}
        return {"data": data, "named": self.named, "seed": self.seed}


def routes(app: FastAPI) -> None:
    """Everything below /api/checks. app.state.checks runs them."""
    checks = app.state.checks = Checks()

    @app.get("/api/checks", summary="What was looked at and checked since the server began, the newest first")
    async def every() -> Facts:
        return {"checks": [one.listed() for one in checks.every()]}

    @app.post("/api/checks", summary="Look at data, or check it")
    async def begin(asked: AskedCheck) -> Facts:
        await asyncio.to_thread(asked.source)  # a mistake is told at once, where it was made
        key, order = asked.key, asked.order()
        return (checks.check(key, order) if asked.check else checks.look(key, order, asked.anew)).listed()

    @app.get("/api/checks/{key}", summary="All that is known of one")
    async def known(key: str) -> Facts:
        return checks.find(key).facts

    @app.post("/api/checks/{key}/stop", summary="Stop it; what it found so far stays")
    async def stop(key: str) -> Facts:
        one = checks.find(key)
        await checks.stop(one)
        return one.listed()

    @app.get("/api/checks/{key}/events", summary="All that is known, then what changes, until it is over: SSE")
    async def events(key: str) -> StreamingResponse:
        return StreamingResponse(checks.stream(checks.find(key)), media_type="text/event-stream")


async def close(app: FastAPI) -> None:
    """Ends every check."""
    await app.state.checks.close()
