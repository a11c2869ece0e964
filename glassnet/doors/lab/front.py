"""The lab's front: what an exported file can answer is answered at once; for all else the lab is opened behind it.

So a server is there in a blink, and loads torch only when somebody wants to see why. With a file alone the page opens
and asks it, without torch too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from glassnet.doors.exporting.answering import OnnxDetector, OnnxModel, open_for
from glassnet.doors.exporting.opened import look_at
from glassnet.doors.exporting.taken import takes_prepared
from glassnet.doors.folder import CONFIG
from glassnet.doors.lab import predicting
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.known import file_routes, name_of
from glassnet.doors.lab.pages import UNFIT, pages, told_errors
from glassnet.doors.lab.questions import JSON, media
from glassnet.errors import GlassnetError

PREDICT, NETS = "/api/predict", "/api/nets"


class Answerer:
    """What answers for a model folder or an exported file, opened anew when that changed. place: where it lies."""

    def __init__(self, place: Path) -> None:
        self.place, self.name = place, name_of(place)
        self._watched = place / CONFIG if place.is_dir() else place
        self._lock, self._known = threading.Lock(), _Known(-1, None)

    def __call__(self) -> OnnxModel | OnnxDetector | None:
        """None where a folder's net must answer itself. Raises GlassnetError for a file that was damaged."""
        try:
            stamp = self._watched.stat().st_mtime_ns
        except OSError:
            return None
        with self._lock:
            if self._known.stamp != stamp:
                self._known = _Known(stamp, self._opened())
            return self._known.model

    def _opened(self) -> OnnxModel | OnnxDetector | None:
        return open_for(self.place, look_at(self.place)[1])


@dataclass(frozen=True)
class _Known:
    stamp: int
    model: OnnxModel | OnnxDetector | None


class Front:
    """ASGI before the lab. lab: the app behind it, once somebody asked for what only it has."""

    def __init__(self, place: Path) -> None:
        self.lab: FastAPI | None = None
        self._answerer, self._compute = Answerer(place), Compute()
        self._own = {NETS, f"{NETS}/{self._answerer.name}", f"{NETS}/{self._answerer.name}/examples"}
        self._opening = asyncio.Lock()
        self._life: AbstractAsyncContextManager[object] | None = None
        self._quick = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._live, responses=UNFIT)
        told_errors(self._quick)
        predicting.routes(self._quick, self._answering, self._compute)
        self._is_file = not place.is_dir()
        if self._is_file:
            file_routes(self._quick, place, self._answering, self._compute)
        pages(self._quick)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or await self._is_quick(scope):
            await self._quick(scope, receive, send)
        else:
            await (await self._opened_lab())(scope, receive, send)

    @asynccontextmanager
    async def _live(self, _app: FastAPI) -> AsyncIterator[None]:
        await self._compute(self._answerer)
        yield
        if self._life is not None:
            await self._life.__aexit__(None, None, None)
        self._compute.close()

    def _answering(self, _net: str) -> OnnxModel | OnnxDetector:
        model = self._answerer()
        if model is None:  # it was there a moment ago
            raise GlassnetError(self._answerer.name, found="it is being changed", fix="Ask again")
        return model

    async def _is_quick(self, scope: Scope) -> bool:
        """Whether a request is for the page's own files, or for what the exported file can answer or is."""
        path, method = scope["path"], scope["method"]
        if method == "GET" and (not path.startswith("/api/") or (self._is_file and path in self._own)):
            return True
        net = parse_qs(scope["query_string"].decode("latin-1")).get("net", [""])[0]
        if (method, path) != ("POST", PREDICT) or net not in ("", self._answerer.name):
            return False
        try:
            model = await self._compute(self._answerer)
        except GlassnetError:
            return not self._answerer.place.is_dir()  # the line is told there
        kinds = [value for name, value in scope["headers"] if name == b"content-type"]
        is_json = any(media(kind.decode("latin-1")) == JSON for kind in kinds)
        return model is not None and (takes_prepared(model.card) or not is_json or not model.folder)

    async def _opened_lab(self) -> FastAPI:
        """The lab, opened when it is first wanted."""
        async with self._opening:
            if self.lab is None:
                opened = await asyncio.to_thread(_lab, self._answerer.place)
                self._life = opened.router.lifespan_context(opened)
                await self._life.__aenter__()
                self.lab = opened
            return self.lab


def _lab(place: Path) -> FastAPI:
    from glassnet.doors.lab.app import lab  # torch, which takes a second

    return lab(place)
