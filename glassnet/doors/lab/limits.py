"""What the server takes from outside, and what it refuses: hosts, origins, tokens, sizes and times. Knows no nets."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

import h11
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_BODY = 10_000_000
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_000
HEADER_S = 10.0  # for a request's head to arrive
IDLE_S = 30.0  # between two pieces of a body
COOKIE = "glassnet-token"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
SAFE = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"media-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

Headers = Iterable[tuple[bytes, bytes]]


class Refused(Exception):
    """A request that is not answered. status: of HTTP. why: for a person."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Limits:
    """ASGI around the app. hosts: what a Host header may say, with the port or without. token: empty on loopback."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], token: str = "") -> None:  # none on loopback
        self.app, self.hosts, self.token = app, frozenset(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, body = False, _Body(receive)

        async def safely(message: Message) -> None:
            nonlocal started
            if body.refused is not None and not started:
                return  # what the app makes of a body that broke off is not what broke it off
            if message["type"] == "http.response.start":
                started = True
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in SAFE if one[0] not in given)]
            await send(message)

        try:
            self._look_at_head(scope)
            if self.token and not self._is_known(scope):
                await self._greet(scope, receive, safely)
                return
            await self.app(scope, body.more, safely)
            if body.refused is not None:
                raise body.refused
        except Refused as refused:
            body.refused = None
            if not started:
                reply = JSONResponse({"error": refused.why}, refused.status, {"connection": "close"})
                await reply(scope, receive, safely)

    def _look_at_head(self, scope: Scope) -> None:
        """Raises Refused for a head that no browser on this page sends."""
        headers: Headers = scope["headers"]
        if len(list(headers)) > MAX_HEADERS or sum(len(a) + len(b) for a, b in headers) > MAX_HEADER_BYTES:
            raise Refused(431, f"too many headers: up to {MAX_HEADERS}, of {MAX_HEADER_BYTES:,} bytes in all")
        hosts, origins = _every(headers, b"host"), _every(headers, b"origin")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            raise Refused(421, "this server answers under its own address only")
        if origins and (len(origins) > 1 or origins[0] not in {f"{scope['scheme']}://{host}" for host in self.hosts}):
            raise Refused(403, "this server answers its own page only")
        for length in _every(headers, b"content-length"):
            if not length.isdigit() or int(length) > MAX_BODY:
                raise Refused(413, f"at most {MAX_BODY:,} bytes")

    def _is_known(self, scope: Scope) -> bool:
        headers: Headers = scope["headers"]
        given = [words[7:] for words in _every(headers, b"authorization") if words.startswith("Bearer ")]
        for words in _every(headers, b"cookie"):
            try:
                given += [one.value for name, one in SimpleCookie(words).items() if name == COOKIE]
            except CookieError:
                continue
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given)

    async def _greet(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The link that was printed opens the page once and leaves a cookie; all else is refused."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] != "GET" or not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refused(401, "a token is needed: open the link that glassnet serve printed")
        reply = RedirectResponse(scope["path"], 303)
        reply.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        await reply(scope, receive, send)


def _every(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


class _Body:
    """A request's body, refused when it grows too large or stalls; what comes after it may take as long as it likes."""

    def __init__(self, receive: Receive) -> None:
        self.refused: Refused | None = None
        self._receive, self._taken, self._ended = receive, 0, False

    async def more(self) -> Message:
        """The next piece. Raises Refused."""
        if self._ended:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), IDLE_S)
        except TimeoutError as stalled:
            self.refused = Refused(408, f"nothing came for {IDLE_S:.0f} seconds")
            raise self.refused from stalled
        self._taken += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self._taken > MAX_BODY:
            self.refused = Refused(413, f"at most {MAX_BODY:,} bytes")
            raise self.refused
        return message


class CarefulProtocol(H11Protocol):
    """uvicorn's HTTP, hanging up on whoever doesn't finish a request's head in time."""

    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait(self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(False)
        super().connection_lost(exc)

    def _wait(self, for_head: bool) -> None:
        """Starts the clock where a head is under way, unless it runs already; stops it where none is."""
        if for_head and self.waiting is None:
            self.waiting = self.loop.call_later(HEADER_S, self.transport.close)
        elif not for_head and self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None
