"""The ASGI application: quota, weather and log around the API, and the emulator's own pages beside it."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http.clock import Clock
from . import page
from .analytics import MAX_BODY_BYTES
from .api import Answer, Api, Incoming, is_analytics, text
from .faults import Fault, Faults
from .local_only import FOR_PAGES, LocalOnly
from .log import Call, Log
from .quota import Quota

_log = logging.getLogger("planhat_orm.emulator")
_LINGER_NONE = struct.pack("ii", 1, 0)
_TICK = 0.02
_HTML = b"<!doctype html><html><head><title>One moment</title></head><body><h1>One moment, please</h1></body></html>"


class Weather:
    """The open connections, by the client's address, so that a fault can close one without an answer."""

    def __init__(self) -> None:
        self.connections: dict[Any, asyncio.Transport] = {}
        self.stopping = False

    def cut(self, scope: Scope) -> None:
        """Reset the connection a request came on: the client sees no answer, and no orderly end."""
        transport = self.connections.get(tuple(scope["client"]))
        if transport is None:
            return  # the client was quicker
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()

    def hang_up(self, scope: Scope) -> None:
        """Close the connection after what was sent so far."""
        transport = self.connections.get(tuple(scope["client"]))
        if transport is not None:
            transport.close()


class Front:
    """Meets every API call: counts it, lets the weather at it, logs it."""

    def __init__(
        self, api: Api, quota: Quota, faults: Faults, log: Log, clock: Clock, weather: Weather, retry_after: bool
    ) -> None:
        self._api = api
        self._quota = quota
        self._faults = faults
        self._log = log
        self._clock = clock
        self._weather = weather
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, as ASGI has it."""
        request = await _read(scope, receive)
        now = self._clock.now()
        limited = not is_analytics(request)
        fault: Fault | None = None
        if limited and not self._quota.admit(now):
            answer = self._too_many(now)
        else:
            fault = self._faults.take(request.method, request.path, now)
            if fault is not None and fault.kind == "late":
                await self._hold(fault.delay)
            answer = self._work(request) if fault is None or fault.does_the_work else Answer()
        if fault is not None:
            answer = _spoil(answer, fault)
        if limited:
            answer.headers.update(self._quota.headers(now))
        silent = fault is not None and fault.kind in ("reset_before", "reset_after")
        self._log.add(
            Call(
                request.method,
                request.path,
                request.query,
                status=0 if silent else answer.status,
                at=now,
                rows=answer.rows,
                bytes=0 if silent else len(answer.body),
                fault=fault.kind if fault else None,
            )
        )
        await self._deliver(answer, fault, scope, receive, send)

    def _work(self, request: Incoming) -> Answer:
        try:
            return self._api.answer(request)
        except Exception:
            _log.exception("The emulator failed on %s %s", request.method, request.path)
            return text(500, "Internal Server Error")

    def _too_many(self, now: float) -> Answer:
        answer = text(429, "Too many requests")
        if self._retry_after:
            answer.headers["Retry-After"] = str(self._quota.seconds_to_wait(now))
        return answer

    async def _deliver(self, answer: Answer, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        kind = fault.kind if fault else None
        if kind in ("reset_before", "reset_after"):
            self._weather.cut(scope)
            await _until_gone(receive)
            return
        if fault is not None and kind in ("slow", "timeout_after") and not await self._wait(fault.delay, receive):
            return
        body = answer.body
        store = self._api.store
        date = store.moments.now() + timedelta(seconds=store.switches.date_offset)
        answer.headers["Date"] = format_datetime(date, usegmt=True)
        headers = {"content-type": answer.media, "content-length": str(len(body)), **answer.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        if kind == "truncated":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            self._weather.hang_up(scope)
            await _until_gone(receive)
            return
        await send({"type": "http.response.body", "body": body})

    async def _hold(self, seconds: float) -> None:
        """Do nothing for a while, unless the emulator stops."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._weather.stopping:
            await asyncio.sleep(min(_TICK, max(0.0, end - time.monotonic())))

    async def _wait(self, seconds: float, receive: Receive) -> bool:
        """Hold an answer back; tell whether the client is still there to take it."""
        gone = asyncio.ensure_future(_until_gone(receive))
        held = asyncio.ensure_future(self._hold(seconds))
        await asyncio.wait((gone, held), return_when=asyncio.FIRST_COMPLETED)
        left = gone.done()
        gone.cancel()
        held.cancel()
        return not left


def build(front: ASGIApp, pages: page.Pages) -> Starlette:
    """Put the API and the pages under one application."""
    bare = Route("/__emulator__", lambda request: RedirectResponse("/__emulator__/"))
    # Browsers ask for it beside every page, which is no call of the API.
    icon = Route("/favicon.ico", lambda request: Response(status_code=204))
    for_people = LocalOnly(Router(pages.routes()), headers=FOR_PAGES)
    api = _LeadsToThePages(LocalOnly(front, headers={}))
    return Starlette(routes=[bare, icon, Mount("/__emulator__", app=for_people), Mount("/", app=api)])


class _LeadsToThePages:
    """Sends a browser that asks for `/` to the pages; everything else is a call of the API."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepts = dict(scope.get("headers", ())).get(b"accept", b"")
        if scope.get("method") == "GET" and scope.get("path") == "/" and b"text/html" in accepts:
            await RedirectResponse("/__emulator__/")(scope, receive, send)
        else:
            await self._api(scope, receive, send)


def _spoil(answer: Answer, fault: Fault) -> Answer:
    """Change an answer as the fault has it."""
    if fault.kind in ("status", "rate_limit"):
        status = 429 if fault.kind == "rate_limit" else fault.status
        spoilt = text(status, "Too many requests" if status == 429 else f"Emulated error {status}")
        if fault.retry_after is not None:
            spoilt.headers["Retry-After"] = f"{fault.retry_after:g}"
        return spoilt
    if fault.kind == "html":
        return Answer(200, _HTML, "text/html; charset=utf-8")
    if fault.kind == "wrong_shape":
        return Answer(200, b'{"message":"ok"}' if answer.body[:1] == b"[" else b'["ok"]')
    if fault.kind == "empty":
        return Answer(answer.status, b"", answer.media, answer.headers, answer.rows)
    if fault.kind == "cut_json":
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.media, answer.headers, answer.rows)
    return answer


async def _read(scope: Scope, receive: Receive) -> Incoming:
    """Read a request to its end. Of a body above the limit only so much is kept as shows that it is."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        size += len(chunk)
        more = message.get("more_body", False)
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization")
    return Incoming(
        method=scope["method"],
        path=unquote(scope.get("raw_path", scope["path"].encode()).decode("latin-1")),
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        authorization=authorization.decode("latin-1") if authorization else None,
        body=b"".join(chunks),
    )


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
