"""The emulator is for this machine: other sites cannot read its pages and records, nor send forms and writes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost", "::1")
FOR_PAGES = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
"""What tells a browser to run no script of a page, and to show it nowhere else."""


class LocalOnly:
    """Refuses a request by another name than this machine's (DNS rebinding), and one that another site sends."""

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str]) -> None:
        """`headers` are added to every answer."""
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin")
        fetched_from = headers.get("sec-fetch-site", "none")
        if _name(f"//{host}") not in _NAMES:
            await _refused("Ask for it as 127.0.0.1 or localhost.")(scope, receive, send)
        elif (origin is not None and _host(origin) != host) or fetched_from in ("cross-site", "same-site"):
            await _refused("Another site asked for it.")(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, self._headers))


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _host(origin: str) -> str:
    """The host and port of an origin; empty for "null" and for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _refused(why: str) -> Response:
    return Response(f"This is for this machine only. {why}\n", 403, FOR_PAGES, "text/plain")


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return sending
