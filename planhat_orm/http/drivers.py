"""The two drivers: the only code that waits, one for threads and one for tasks.

Both step a flow the same way; what differs is `await`. An error that an effect meets is thrown into the
flow, so that retry and recovery are ordinary `try` blocks in it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar

import httpx

from .background import BackgroundRequest
from .effects import Attempt, Emit, Flow, Request, Response, RunBlocking, Sleep, Start, Wait
from .retry import deliver
from .session import LIMITS, Session
from .transport import AsyncSecretTransport, SecretTransport, proxy_for

T = TypeVar("T")

AT_ONCE = 8
"""Requests in flight that flows began and do not wait for yet, of one driver in threads or one flow in tasks."""


class _Finished(Exception):
    """A flow returned."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _advance(flow: Flow[Any], answer: Any, error: Exception | None) -> Any:
    """Send the answer of the last effect into the flow and return the next effect."""
    try:
        return flow.throw(error) if error is not None else flow.send(answer)
    except StopIteration as stop:
        raise _Finished(stop.value) from None


class Driver:
    """Run flows in the calling thread."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._client: httpx.Client | None = None
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()

    def run(self, flow: Flow[T]) -> T:
        """Run `flow` to its end and return what it returns."""
        steps = self.iterate(flow)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                value: T = stop.value
                return value

    def iterate(self, flow: Flow[T]) -> Generator[Any, None, T]:
        """Run `flow`, yielding what it emits, as far as the caller iterates."""
        answer: Any = None
        error: Exception | None = None
        begun: list[BackgroundRequest] = []
        try:
            while True:
                try:
                    effect = _advance(flow, answer, error)
                except _Finished as finished:
                    value: T = finished.value
                    return value
                answer = error = None
                if isinstance(effect, Emit):
                    yield effect.item
                    continue
                try:
                    answer = self._perform(effect)
                except Exception as failure:
                    error = failure
                if isinstance(effect, Start):
                    begun = [*(future for future in begun if not future.done()), answer]
        finally:
            flow.close()
            for future in begun:
                future.cancel()

    def close(self) -> None:
        """Close the connections. The driver opens new ones when it is used again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _perform(self, effect: Any) -> Any:
        session = self.session
        match effect:
            case Request():
                return self.run(self._deliver(effect))
            case Attempt(request):
                return self._send(request)
            case Sleep(seconds):
                session.clock.sleep(seconds)
                return session.clock.now()
            case RunBlocking(call):
                return call()
            case Start(request):
                return BackgroundRequest(self.run, self._deliver(request), self._slots)
            case Wait(begun):
                return begun.result()
        raise TypeError(f"A flow yielded {effect!r}, which is no effect.")

    def _deliver(self, request: Request) -> Flow[Response]:
        session = self.session
        return deliver(request, session.retry, session.quota, session.clock)

    def _send(self, request: Request) -> Response:
        session = self.session
        response = None
        try:
            client = self._open()
            response = session.incoming(request, client.send(client.build_request(**session.outgoing(request))))
        except (httpx.TransportError, httpx.DecodingError) as failure:
            lost = session.lost(request, failure)
        finally:
            if request.metered:
                session.quota.release(response.headers if response else None)
        if response is None:
            raise lost  # not in the handler: the frames of httpx, kept with its error, hold the tokens
        return response

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                inner = httpx.HTTPTransport(limits=LIMITS, proxy=proxy_for(self.session.main_url))
                self._client = httpx.Client(
                    transport=SecretTransport(self.session.secrets, inner), timeout=self.session.timeout
                )
            return self._client


class AsyncDriver:
    """Run flows in tasks. Connections belong to an event loop, so there is one pool for each loop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient]
        self._clients = weakref.WeakKeyDictionary()

    async def run(self, flow: Flow[T]) -> T:
        """Run `flow` to its end and return what it returns."""
        answer: Any = None
        error: Exception | None = None
        begun: list[asyncio.Future[Any]] = []
        try:
            while True:
                try:
                    effect = _advance(flow, answer, error)
                except _Finished as finished:
                    value: T = finished.value
                    return value
                answer = error = None
                if isinstance(effect, Emit):
                    continue
                try:
                    answer = await self._perform(effect)
                except Exception as failure:
                    error = failure
                if isinstance(effect, Start):
                    begun = [*(future for future in begun if not future.done()), answer]
        finally:
            flow.close()
            await _give_up(begun)

    async def iterate(self, flow: Flow[Any]) -> AsyncGenerator[Any, None]:
        """Run `flow`, yielding what it emits, as far as the caller iterates."""
        answer: Any = None
        error: Exception | None = None
        begun: list[asyncio.Future[Any]] = []
        try:
            while True:
                try:
                    effect = _advance(flow, answer, error)
                except _Finished:
                    return
                answer = error = None
                if isinstance(effect, Emit):
                    yield effect.item
                    continue
                try:
                    answer = await self._perform(effect)
                except Exception as failure:
                    error = failure
                if isinstance(effect, Start):
                    begun = [*(future for future in begun if not future.done()), answer]
        finally:
            flow.close()
            await _give_up(begun)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _perform(self, effect: Any) -> Any:
        session = self.session
        match effect:
            case Request():
                return await self.run(deliver(effect, session.retry, session.quota, session.clock))
            case Attempt(request):
                return await self._send(request)
            case Sleep(seconds):
                await session.clock.asleep(seconds)
                return session.clock.now()
            case RunBlocking(call):
                return await asyncio.to_thread(call)
            case Start(request):
                task = asyncio.ensure_future(self._perform(request))
                # Its error is for whoever awaits it; when nobody does, it is nobody's.
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                return task
            case Wait(begun):
                return await begun
        raise TypeError(f"A flow yielded {effect!r}, which is no effect.")

    async def _send(self, request: Request) -> Response:
        session = self.session
        response = None
        try:
            client = self._open()
            response = session.incoming(request, await client.send(client.build_request(**session.outgoing(request))))
        except (httpx.TransportError, httpx.DecodingError) as failure:
            lost = session.lost(request, failure)
        finally:
            if request.metered:
                session.quota.release(response.headers if response else None)
        if response is None:
            raise lost  # not in the handler: the frames of httpx, kept with its error, hold the tokens
        return response

    def _open(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            inner = httpx.AsyncHTTPTransport(limits=LIMITS, proxy=proxy_for(self.session.main_url))
            client = httpx.AsyncClient(
                transport=AsyncSecretTransport(self.session.secrets, inner), timeout=self.session.timeout
            )
            self._clients[loop] = client
        return client


async def _give_up(begun: list[asyncio.Future[Any]]) -> None:
    """End what a flow began and did not wait for."""
    for future in begun:
        future.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
