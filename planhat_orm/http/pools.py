"""The pools of connections of a driver: who uses them, when they close, and what a fork or a loop's end does to them.

A pool that is retired closes with the last request that is on its way in it, so that closing a client breaks no answer.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .. import forks
from ..scopes.tasks import running_loop
from .connecting import ConnectionOptions
from .effects import Request

if TYPE_CHECKING:
    import asyncio

    import httpcore


class Pools:
    """The pools of one client for threads, by host."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._pid = os.getpid()
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._users = 0
        self._retired = False
        self._lock = forks.Lock()

    def renewed(self) -> Pools:
        """These pools; in a forked child new ones."""
        if self._pid == os.getpid():
            return self
        forks.keep_aside(self)
        return Pools(self._options)

    @contextmanager
    def pool(self, request: Request, url: str) -> Iterator[httpcore.ConnectionPool]:
        """The pool for a request, which is open for as long as that takes."""
        with self._lock:
            self._users += 1
            if request.host not in self._pools:
                self._pools[request.host] = self._options.pool(url)
            pool = self._pools[request.host]
        try:
            yield pool
        finally:
            with self._lock:
                self._users -= 1
            self._close_unused()

    def retire(self) -> None:
        """Close the connections, now or after the last request."""
        self._retired = True
        self._close_unused()

    def _close_unused(self) -> None:
        with self._lock:
            pools = list(self._pools.values()) if self._retired and not self._users else []
            if pools:
                self._pools = {}
        for pool in pools:
            pool.close()


class LoopPools:
    """The pools of one client in one event loop, by host.

    An async generator that is suspended in the loop keeps them: `asyncio.run` ends it, and so they close before the
    loop does.
    """

    def __init__(self, options: ConnectionOptions, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options
        self.loop = loop
        self.pid = os.getpid()
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}
        self._keeper: AsyncGenerator[None, None] | None = None
        self._users = 0
        self.retired = False

    @asynccontextmanager
    async def pool(self, request: Request, url: str) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        """The pool for a request, which is open for as long as that takes."""
        if request.host not in self._pools:
            self._pools[request.host] = self._options.async_pool(url)
            if len(self._pools) == 1:
                self._keeper = _keep(self._pools)
                await anext(self._keeper)
        self._users += 1
        try:
            yield self._pools[request.host]
        finally:
            self._users -= 1
            if self.retired:
                await self.retire()

    async def retire(self) -> None:
        """Close the connections, now or after the last request."""
        self.retired = True
        if not self._users and self._keeper is not None:
            await self._keeper.aclose()

    def is_lost(self) -> bool:
        """Whether the loop is closed, or a parent process's; its connections are closed, or kept aside."""
        if self.pid != os.getpid():
            forks.keep_aside(self)
            return True
        if not self.loop.is_closed():
            return False
        for transport in self._transports():
            # It has no loop any more to close its socket in.
            socket, transport._sock = transport._sock, None
            if socket is not None:
                with suppress(OSError):
                    socket.close()
        self._pools.clear()
        return True

    def drop(self) -> None:
        """Close the connections as the client is gone, from any thread and without a word to wait for.

        A client that is a variable of the main task goes with the last step of its loop: nothing can be awaited then.
        """
        if self.is_lost():
            return
        in_its_loop = running_loop() is self.loop
        for transport in self._transports():
            with suppress(RuntimeError):  # the loop was closed this moment
                transport.abort() if in_its_loop else self.loop.call_soon_threadsafe(transport.abort)
        self._pools.clear()

    def _transports(self) -> Iterator[Any]:
        """What asyncio has open under the connections, those through TLS as well."""
        for pool in self._pools.values():
            connections: list[Any] = list(pool.connections)
            for connection in connections:
                with suppress(AttributeError):
                    stream = connection._connection._network_stream._inner._stream
                    while hasattr(stream, "transport_stream"):
                        stream = stream.transport_stream
                    yield stream._transport


async def _keep(pools: dict[str, httpcore.AsyncConnectionPool]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        closing = list(pools.values())
        pools.clear()
        for pool in closing:
            await pool.aclose()
