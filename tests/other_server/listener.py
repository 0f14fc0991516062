"""The event loop in its thread: connections, keep-alive, framing, faults."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from typing import Protocol

from tests.other_server.behaviour import Behaviour
from tests.other_server.faults import Fault
from tests.other_server.http1 import HEAD_LIMIT, Answer, Malformed, Request, encode, read_request
from tests.other_server.log import Entry


class Application(Protocol):
    """What the listener asks."""

    @property
    def behaviour(self) -> Behaviour: ...
    def receive(self, request: Request, parallel: int) -> tuple[Entry, Fault | None]: ...
    def process(self, request: Request, entry: Entry) -> Answer: ...
    def dressed(self, answer: Answer) -> Answer: ...


class Listener:
    """Listens on a port of the loopback; may be stopped and started again."""

    def __init__(self, application: Application, port: int) -> None:
        self.port = port
        self._application = application
        self._thread: threading.Thread | None = None
        self._numbers = itertools.count(1)
        self._parallel = 0

    def start(self) -> None:
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="other-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except OSError as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _listen(self) -> None:
        self._loop, self._ending, self._tasks = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[None]]()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=HEAD_LIMIT, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ending.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer, next(self._numbers))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Answer one request after the other until one of the sides ends it."""
        goes_on = True
        while goes_on:
            try:
                request = await read_request(reader, writer)
            except Malformed as wrong:
                writer.write(Answer(wrong.status, headers={"Content-Length": "0", "Connection": "close"}).head())
                return
            if request is None:
                return
            request.connection = number
            self._parallel += 1
            try:
                goes_on = await self._answer(request, writer)
            finally:
                self._parallel -= 1

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection goes on."""
        application = self._application
        entry, fault = application.receive(request, self._parallel)
        processed = fault is None or fault.processed
        answer = application.process(request, entry) if processed else application.dressed(Answer())
        if fault and fault.reply:
            replied = fault.reply(answer)
            answer = Answer(replied.status, replied.body, {**application.dressed(Answer()).headers, **replied.headers})
        entry.status = answer.status
        if fault and fault.play:
            await fault.play(writer, request, answer)
            return False
        behaviour = application.behaviour
        close = not (behaviour.keep_alive and request.keeps_alive)
        writer.write(encode(answer, request, chunked=behaviour.chunked, compress=behaviour.gzip, close=close))
        await writer.drain()
        return not close
