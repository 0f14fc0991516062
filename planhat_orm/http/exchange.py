"""One request on the wire: how long it may take, how much may come back, and who is told of the waiting.

A timeout of httpcore bounds one read, so an answer that comes a byte at a time, or a server that says "103" for ever,
never meets it. Here every read is bounded by what is left of the whole exchange, and counted. The exchange under way
is in a context variable, as each thread and each task has one of its own and the connections are shared.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

import httpcore

TICK = 1.0
"""Whoever asked to be told of waiting is told this often, in seconds."""
HEAD = 256_000
"""Bytes that may come before the body: a hundred times what a server has to say there."""
_PIECE = 65_536

_current: ContextVar[Exchange | None] = ContextVar("planhat_exchange", default=None)


class Exchange:
    """What one request may still take. `with exchange:` makes it the one that the connections look at.

    `tell` is called once a second while nothing comes, with the seconds that are left. What it raises ends the
    exchange and is kept in `failure`: what httpcore makes of it would lead to frames that hold tokens.
    """

    def __init__(self, seconds: float, tell: Callable[[float], None], strike: Callable[[str], str]) -> None:
        self.began = time.monotonic()
        self.ends = self.began + seconds
        self.room = HEAD
        self.is_late = False
        self.failure: BaseException | None = None
        self.strike = strike
        self._tell = tell
        self._token: Token[Exchange | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)

    @property
    def is_over(self) -> bool:
        """Whether more came than may come."""
        return self.room < 0

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.began

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """The seconds that one operation may take; `late` when there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            self.is_late = True
            raise late("the whole exchange took too long")
        return left if timeout is None else min(timeout, left)

    def waits(self, timeout: float | None) -> Iterator[float]:
        """Cut the wait for something to read into ticks, telling of each, until the time is up."""
        stop = time.monotonic() + self.left(timeout, httpcore.ReadTimeout)
        while (left := stop - time.monotonic()) > 0:
            yield min(left, TICK)
            self._say(stop - time.monotonic())
        self.left(timeout, httpcore.ReadTimeout)
        raise httpcore.ReadTimeout("nothing came")

    def came(self, data: bytes) -> bytes:
        """Count what came; `RemoteProtocolError` when it is more than may come."""
        self.room -= len(data)
        if self.is_over:
            raise httpcore.RemoteProtocolError("more came than may come")
        return data

    def _say(self, left: float) -> None:
        if left <= 0:
            return
        try:
            self._tell(left)
        except BaseException as failure:
            self.failure = failure
            raise httpcore.ReadError("a listener raised") from None


# --- connections that ask the exchange ------------------------------------------------------------------


class DeadlineBackend(httpcore.NetworkBackend):
    """A network whose connections keep to the exchange under way."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, within the time that is left."""
        within = _within(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._inner.connect_tcp(host, port, within, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._inner.sleep(seconds)


class DeadlineStream(httpcore.NetworkStream):
    """A connection that keeps to the exchange under way."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        exchange = _current.get()
        if exchange is None:
            return self._inner.read(max_bytes, timeout)
        for seconds in exchange.waits(timeout):
            try:
                return exchange.came(self._inner.read(max_bytes, seconds))
            except httpcore.ReadTimeout:
                continue
        raise AssertionError("waits() raises when the time is up")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, piece by piece, so that a server that reads slowly is noticed."""
        for start in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[start : start + _PIECE], _within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Speak TLS from here on."""
        within = _within(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, within))

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)


class AsyncDeadlineBackend(httpcore.AsyncNetworkBackend):
    """The same for tasks."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, within the time that is left."""
        within = _within(timeout, httpcore.ConnectTimeout)
        return AsyncDeadlineStream(await self._inner.connect_tcp(host, port, within, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


class AsyncDeadlineStream(httpcore.AsyncNetworkStream):
    """The same for tasks."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        exchange = _current.get()
        if exchange is None:
            return await self._inner.read(max_bytes, timeout)
        for seconds in exchange.waits(timeout):
            try:
                return exchange.came(await self._inner.read(max_bytes, seconds))
            except httpcore.ReadTimeout:
                continue
        raise AssertionError("waits() raises when the time is up")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, piece by piece, so that a server that reads slowly is noticed."""
        for start in range(0, len(buffer), _PIECE):
            await self._inner.write(buffer[start : start + _PIECE], _within(timeout, httpcore.WriteTimeout))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS from here on."""
        within = _within(timeout, httpcore.ConnectTimeout)
        return AsyncDeadlineStream(await self._inner.start_tls(ssl_context, server_hostname, within))

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)


def _within(timeout: float | None, late: type[Exception]) -> float | None:
    exchange = _current.get()
    return timeout if exchange is None else exchange.left(timeout, late)


def has_surplus(answer: httpcore.Response) -> bool:
    """Whether more has come than an answer has by its own account.

    Those bytes would be taken for the answer to the next request on the connection, so it must not have one. httpcore
    has no public word for it: a test notices when it calls its own things differently.
    """
    connection = getattr(getattr(answer.stream, "_stream", None), "_connection", None)
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


# --- what httpcore logs ---------------------------------------------------------------------------------


class _RedactingFilter(logging.Filter):
    """Takes headers and tokens out of what httpcore logs of an exchange of ours; all else passes as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        exchange = _current.get()
        if exchange is not None:
            text = record.getMessage()
            name, _, rest = text.partition(" ")
            # Headers of an answer may name a record, or hold a token that a redirect repeats.
            record.msg = name if name.endswith("response_headers.complete") else exchange.strike(f"{name} {rest}")
            record.args = ()
        return True


for _name in ("connection", "http11", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_RedactingFilter())
