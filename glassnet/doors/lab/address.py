"""Where the lab listens, and who needs a token to come in. Needs no torch: a port that is taken is told at once."""

from __future__ import annotations

import secrets
import socket

from glassnet.errors import GlassnetError

WAITING = 128  # visitors
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens: who comes before the lab is ready waits for it, and isn't turned away.

    port 0: any that is free. Raises GlassnetError when the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(WAITING)
    except OSError as error:
        bound.close()
        fix = "Choose another --port" if port else "Choose another --host"
        why = (error.strerror or str(error)).lower()
        raise GlassnetError(f"{host}:{port}", found=why, fix=fix) from error
    return bound


def new_token(host: str) -> str:
    """What visitors from other machines must show; none where only this machine can come."""
    return "" if host in LOOPBACK else secrets.token_urlsafe(16)
