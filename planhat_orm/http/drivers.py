"""The two drivers: the only code that waits, one for threads and one for tasks.

Both step a flow the same way; what differs is `await`. An error that an effect meets is thrown into the
flow, so that retry and recovery are ordinary `try` blocks in it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

import httpcore

from .. import forks
from ..errors import interrupt_behind
from .answers import TooLong
from .background import BackgroundRequest
from .blocking import warn_in_a_task
from .delivery import deliver_with_token
from .effects import Attempt, CurrentAccount, Emit, Flow, Request, Response, RunBlocking, Sleep, Start, Wait
from .exchange import Exchange, has_surplus
from .failures import FAILURES, strip_frames
from .pools import LoopPools, Pools
from .session import Head, Session

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
        self._pools = Pools(session.connection)
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        forks.in_child(self._start_over)

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
        waits = False
        handled = sys.exc_info()[1]
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
                if not waits:
                    warn_in_a_task()
                    waits = True
                try:
                    answer = self._perform(effect)
                except Exception as failure:
                    if (interrupt := interrupt_behind(failure, handled)) is not None:
                        raise interrupt from None
                    error = failure
                if isinstance(effect, Start):
                    begun = [*(future for future in begun if not future.done()), answer]
        finally:
            flow.close()
            for future in begun:
                future.cancel()

    def close(self) -> None:
        """Close the connections, after the requests that are on their way. A driver that is used opens new ones."""
        pools, self._pools = self._pools.renewed(), Pools(self.session.connection)
        pools.retire()

    def _start_over(self) -> None:
        """Take over nothing from the parent process."""
        self._pools = self._pools.renewed()
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def _perform(self, effect: Any) -> Any:
        session = self.session
        match effect:
            case Request():
                return self.run(deliver_with_token(effect, session))
            case Attempt():
                return self._send(effect)
            case Sleep():
                for seconds in session.ticks(effect):
                    session.clock.sleep(seconds)
                return session.clock.now()
            case RunBlocking(call):
                return call()
            case Start(request):
                return BackgroundRequest(self.run, lambda: deliver_with_token(request, session), self._slots)
            case Wait(begun):
                return begun.result()
            case CurrentAccount():
                return session.account or session
        raise TypeError(f"A flow yielded {effect!r}, which is no effect.")

    def _send(self, attempt: Attempt) -> Response:
        session, request = self.session, attempt.request
        exchange = session.begin(attempt)
        head = lost = None
        handled = sys.exc_info()[1]
        try:
            head, is_whole = self._exchange(request, exchange)
        except FAILURES as failure:
            lost = exchange.failure or session.lost(request, failure, exchange)
        except BaseException as failure:
            interrupt = interrupt_behind(failure, handled) if isinstance(failure, Exception) else failure
            if interrupt is not None:
                self.close()  # what is torn out of a connection's code leaves it half way between two states
            raise (exchange.failure or strip_frames(interrupt or failure)) from None
        finally:
            if request.metered:
                session.quota.release(head.headers if head else None, exchange.seconds)
        if head is None:
            assert lost is not None
            # Not in the handler: the frames of httpcore, kept with its error, hold the tokens.
            raise session.no_answer(request, lost, exchange)
        return session.incoming(request, head, exchange, is_whole=is_whole)

    def _exchange(self, request: Request, exchange: Exchange) -> tuple[Head, bool]:
        """Send a request and read the answer, all of it if it is not too long."""
        session = self.session
        with (
            self._pools.pool(request, session.url_of(request)) as pool,
            exchange,
            pool.stream(**session.outgoing(request)) as answer,
        ):
            head = session.head(exchange, request, answer.status, answer.headers)
            if head.body is not None:
                try:
                    for data in answer.iter_stream():
                        head.body.add(data)
                    head.body.end()
                except (TooLong, httpcore.RemoteProtocolError) as failure:
                    if not exchange.is_over and not isinstance(failure, TooLong):
                        raise
                    return head, False
            if has_surplus(answer):
                answer.extensions["network_stream"].close()
        return head, True


class AsyncDriver:
    """Run flows in tasks. Connections belong to an event loop, so there is one pool for each loop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._loops: dict[int, LoopPools] = {}

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
        """Close the connections of the running loop, after the requests that are on their way."""
        pools = self._loops.pop(id(asyncio.get_running_loop()), None)
        if pools is not None:
            await pools.retire()

    def drop(self) -> None:
        """Close the connections of all loops, as the client is gone."""
        for pools in self._loops.values():
            pools.drop()
        self._loops.clear()

    async def _perform(self, effect: Any) -> Any:
        session = self.session
        match effect:
            case Request():
                return await self.run(deliver_with_token(effect, session))
            case Attempt():
                return await self._send(effect)
            case Sleep():
                for seconds in session.ticks(effect):
                    await session.clock.asleep(seconds)
                return session.clock.now()
            case RunBlocking(call):
                return await _in_thread(call)
            case Start(request):
                task = asyncio.ensure_future(self._perform(request))
                # Its error is for whoever awaits it; when nobody does, it is nobody's.
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                return task
            case Wait(begun):
                return await begun
            case CurrentAccount():
                return session.account or session
        raise TypeError(f"A flow yielded {effect!r}, which is no effect.")

    async def _send(self, attempt: Attempt) -> Response:
        session, request = self.session, attempt.request
        exchange = session.begin(attempt)
        head = lost = None
        try:
            head, is_whole = await self._exchange(request, exchange)
        except FAILURES as failure:
            lost = exchange.failure or session.lost(request, failure, exchange)
        except BaseException as failure:
            raise (exchange.failure or strip_frames(failure)) from None
        finally:
            if request.metered:
                session.quota.release(head.headers if head else None, exchange.seconds)
        if head is None:
            assert lost is not None
            # Not in the handler: the frames of httpcore, kept with its error, hold the tokens.
            raise session.no_answer(request, lost, exchange)
        return session.incoming(request, head, exchange, is_whole=is_whole)

    async def _exchange(self, request: Request, exchange: Exchange) -> tuple[Head, bool]:
        """Send a request and read the answer, all of it if it is not too long."""
        session = self.session
        async with self._open().pool(request, session.url_of(request)) as pool:
            with exchange:
                async with pool.stream(**session.outgoing(request)) as answer:
                    head = session.head(exchange, request, answer.status, answer.headers)
                    if head.body is not None:
                        try:
                            async for data in answer.aiter_stream():
                                head.body.add(data)
                            head.body.end()
                        except (TooLong, httpcore.RemoteProtocolError) as failure:
                            if not exchange.is_over and not isinstance(failure, TooLong):
                                raise
                            return head, False
                    if has_surplus(answer):
                        await answer.extensions["network_stream"].aclose()
        return head, True

    def _open(self) -> LoopPools:
        loop = asyncio.get_running_loop()
        pools = self._loops.get(id(loop))
        if pools is None or pools.pid != os.getpid():
            self._sweep()
            pools = self._loops[id(loop)] = LoopPools(self.session.connection, loop)
        return pools

    def _sweep(self) -> None:
        """Forget the pools of loops that were closed, and of a parent process."""
        for key, pools in list(self._loops.items()):
            if pools.is_lost():
                self._loops.pop(key, None)


async def _in_thread(call: Callable[[], T]) -> T:
    """Do local work in a thread, and all of it when the task is cancelled: it would go on behind its flow's back."""
    work = asyncio.get_running_loop().run_in_executor(None, copy_context().run, call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        work.cancelled() or work.exception()
        raise


async def _give_up(begun: list[asyncio.Future[Any]]) -> None:
    """End what a flow began and did not wait for."""
    for future in begun:
        future.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
