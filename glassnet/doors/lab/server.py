"""Runs the lab: uvicorn on one address, bound to this machine unless told, with the limits around the app."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from glassnet.doors.exporting.opened import look_at
from glassnet.doors.lab.address import LOOPBACK
from glassnet.doors.lab.front import Front
from glassnet.doors.lab.limits import LOCAL, MAX_HEADER_BYTES, CarefulProtocol, Limits


class LabServer(uvicorn.Server):
    """uvicorn, which at its end lets go of the pages that follow a training or a check, rather than wait for them."""

    ended_by = 0  # the signal that ended it

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.ended_by = sig
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, Limits)
        opened = app.app.lab if isinstance(app.app, Front) else app.app
        for work in (opened.state.trainings, opened.state.checks) if opened is not None else ():  # type: ignore[attr-defined]  # the lab
            work.end_streams()
        await super().shutdown(sockets)


def server(named: Path | None, hosts: Sequence[str], token: str) -> LabServer:
    """The lab behind its limits. hosts: what it may be called, with the port. named: a model folder or a file."""
    config = uvicorn.Config(
        Limits(_app(named), hosts, token),
        http=CarefulProtocol,
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        backlog=256,
    )
    return LabServer(config)


def serve(bound: socket.socket, host: str, named: Path | None, token: str) -> None:
    """Answers until it is interrupted."""
    port = bound.getsockname()[1]
    names = {host, *LOCAL} if host in LOOPBACK else {host if ":" not in host else f"[{host}]", *LOCAL, *_own_names()}
    hosts = [*(f"{name}:{port}" for name in names), *(names if port == 80 else ())]
    one = server(named, hosts, token)
    one.run(sockets=[bound])
    if one.ended_by == signal.SIGINT:  # also where this process was begun with it ignored, as in the background
        raise KeyboardInterrupt


def _app(named: Path | None) -> ASGIApp:
    """Where an exported file can answer, its front; else the lab, which loads torch."""
    if named is not None and look_at(named)[1] is not None:
        return Front(named)
    from glassnet.doors.lab.app import lab

    return lab(named)


def _own_names() -> set[str]:
    name = socket.gethostname()
    try:
        return {name, *socket.gethostbyname_ex(name)[2]}
    except OSError:
        return {name}
