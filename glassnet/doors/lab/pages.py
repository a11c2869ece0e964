"""The lab's page and its files, and how a refusal reads. Knows no nets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse

from glassnet.doors.lab.limits import Refused
from glassnet.errors import GlassnetError

WEB = Path(__file__).parent / "web"
SHARED = Path(__file__).parents[2] / "explaining" / "pages"  # scripts and style that the self-contained pages have too
VIEWS = ("draw", "look", "learn", "ask", "check")
UNFIT: dict[int | str, dict[str, Any]] = {
    422: {
        "description": "a field is missing or beyond its limits; one line",
        "content": {"application/json": {"example": {"error": "x: field required"}}},
    }
}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def told_errors(app: FastAPI) -> None:
    """Whatever goes wrong, in one line."""

    @app.exception_handler(GlassnetError)
    async def told(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        headers = {"retry-after": "1"} if error.status == 503 else None
        return JSONResponse({"error": error.why}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        return JSONResponse({"error": f"{where}: {first['msg'].lower()}"}, 422)

    @app.exception_handler(Exception)
    async def broken(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"error": "something broke here; the terminal of glassnet serve says what"}, 500)


def pages(app: FastAPI) -> None:
    """The page, whatever view its address names, and its files."""

    @app.get("/", include_in_schema=False)
    @app.get("/{view}", include_in_schema=False)
    async def page(view: str = "draw") -> FileResponse:
        if view not in (*VIEWS, "api"):
            raise Refused(404, "there is no such page")
        return FileResponse(WEB / "index.html", media_type="text/html")

    @app.get("/web/{file}", include_in_schema=False)
    async def asset(file: str) -> FileResponse:
        for folder in (WEB, SHARED):
            path = folder / file
            if path.suffix in TYPES and path.name == file and path.is_file():
                return FileResponse(path, media_type=TYPES[path.suffix])
        raise Refused(404, "there is no such file")
