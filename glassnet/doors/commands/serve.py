"""glassnet serve: the lab in the browser, and the HTTP API behind it."""

from __future__ import annotations

from pathlib import Path

from glassnet.doors.commands import print_json, say
from glassnet.doors.exporting.opened import look_at
from glassnet.doors.lab.address import new_token, open_socket


def serve(model: Path | None, host: str, port: int, json: bool) -> None:
    """Says where it is, then answers until Ctrl-C."""
    if model is not None:
        look_at(model)
    bound, token = open_socket(host, port), new_token(host)
    from glassnet.doors.lab import server

    with bound:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{bound.getsockname()[1]}/" + (f"?token={token}" if token else "")
        if json:
            print_json({"address": address})
        else:
            say("lab", address)
            say("api", f"{address.split('?')[0]}api")
            say("", "Ctrl-C ends it.")
        server.serve(bound, host, model, token)
