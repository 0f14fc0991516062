"""The driver for tasks: it steps a flow as the one for threads does, and awaits. It is imported by who has a loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from .delivery import deliver_with_token
from .drivers import Finished, advance, sending
from .effects import Attempt, CurrentAccount, Emit, Flow, Request, Response, RunBlocking, Sleep, Start, Wait
from .pools import LoopPools
from .session import Session

T = TypeVar("T")


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
                    effect = advance(flow, answer, error)
                except Finished as finished:
                    value: T = finished.value
                    return value
                if isinstance(effect, Emit):
                    answer = error = None
                    continue
                answer, error = await self._answer(effect, begun)
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
                    effect = advance(flow, answer, error)
                except Finished:
                    return
                if isinstance(effect, Emit):
                    answer = error = None
                    yield effect.item
                    continue
                answer, error = await self._answer(effect, begun)
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

    async def _answer(self, effect: Any, begun: list[asyncio.Future[Any]]) -> tuple[Any, Exception | None]:
        """What an effect is answered with, or the error that its flow meets; what it began joins `begun`."""
        try:
            answer = await self._perform(effect)
        except Exception as failure:
            return None, failure
        if isinstance(effect, Start):
            begun[:] = [*(future for future in begun if not future.done()), answer]
        return answer, None

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
        response: Response = await sending().send_in_task(attempt, self.session, self._open())
        return response

    def _open(self) -> LoopPools:
        loop = asyncio.get_running_loop()
        pools = self._loops.get(id(loop))
        if pools is None or pools.pid != os.getpid():
            self._forget_lost_loops()
            pools = self._loops[id(loop)] = LoopPools(self.session.connection, loop)
        return pools

    def _forget_lost_loops(self) -> None:
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
