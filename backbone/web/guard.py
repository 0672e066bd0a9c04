"""What stands before every page: who may ask, who may change something, and what a browser may do with the answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token"  # noqa: S105 - the name of a form's field, not a secret
_LONGEST = 4 << 20  # bytes: a record of the largest size, as a form writes it
_SAFE = frozenset({"GET", "HEAD"})
_HEADERS = {
    # No script and no style but our own files; nothing may frame a page or be sent elsewhere by it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none, a browser calls the origin of our own forms null
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the console answers, and the secret that changes ask for; whoever started it knows it, nobody else."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which this machine's browser may ask."""
        return frozenset(f"{host}:{self.port}" for host in ("127.0.0.1", "localhost", "[::1]"))

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies are shared by the ports of a host, so it has the port in it."""
        return f"backbone-console-{self.port}"

    @property
    def url(self) -> str:
        """The address to open: it hands the token over once."""
        return f"http://127.0.0.1:{self.port}/?{TOKEN}={self.token}"

    def knows(self, given: str | None) -> bool:
        """Tell whether somebody has the token."""
        return secrets.compare_digest((given or "").encode(), self.token.encode())

    def trusts(self, request: Request) -> bool:
        """Tell whether a visitor may be offered changes: he came by the address that the task printed."""
        return self.knows(request.cookies.get(self.cookie))


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware: a foreign Host is answered 421, a foreign Origin 403, a change without the token 403.

    The Host check ends DNS rebinding (RFC 9110, 15.5.20), the Origin check cross-site requests (RFC 6454).
    """

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request, then pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        request = Request(scope, receive)
        if refusal is None and request.url.path == "/" and self.access.knows(request.query_params.get(TOKEN)):
            refusal = RedirectResponse("/", HTTPStatus.SEE_OTHER)
            refusal.set_cookie(self.access.cookie, self.access.token, httponly=True, samesite="strict")
        if refusal is None and scope["method"] not in _SAFE:
            body = await _body(request)
            if body is None:
                refusal = PlainTextResponse("a form is not that long\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            elif not self.access.knows(form(body).get(TOKEN)):
                refusal = PlainTextResponse("a change needs the token of this console\n", HTTPStatus.FORBIDDEN)
            receive = _again(body or b"")
        await (refusal or self.app)(scope, receive, _adding(send))

    def _refusal(self, headers: Headers) -> PlainTextResponse | RedirectResponse | None:
        if headers.get("host") not in self.access.hosts:
            return PlainTextResponse("this is not the host you asked for\n", HTTPStatus.MISDIRECTED_REQUEST)
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self.access.hosts:
            return PlainTextResponse("another site may not ask here\n", HTTPStatus.FORBIDDEN)
        return None


def form(body: bytes) -> dict[str, str]:
    """Return the fields of a form (application/x-www-form-urlencoded); of a name that comes twice the last value."""
    from urllib.parse import parse_qsl  # noqa: PLC0415 - one use

    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _body(request: Request) -> bytes | None:
    """Return the body, None if it is longer than any form of ours."""
    parts, length = [], 0
    async for part in request.stream():
        parts.append(part)
        length += len(part)
        if length > _LONGEST:
            return None
    return b"".join(parts)


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _adding(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
