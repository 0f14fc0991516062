"""The driver for threads: with that for tasks (`async_driver`) the only code that waits.

Both step a flow the same way; what differs is `await`. An error that an effect meets is thrown into the
flow, so that retry and recovery are ordinary `try` blocks in it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from .. import forks
from ..errors import interrupt_behind
from .blocking import warn_in_a_task
from .delivery import deliver_with_token
from .effects import Attempt, CurrentAccount, Emit, Flow, Request, Response, RunBlocking, Sleep, Start, Wait
from .pools import Pools
from .session import Session

if TYPE_CHECKING:
    from .background import BackgroundRequest

T = TypeVar("T")

AT_ONCE = 14
"""Requests in flight that flows began and do not wait for yet, of one driver in threads: the pages that a sync asks for
ahead, and the first requests of the next models. Planhat takes fifty at a time."""


class Finished(Exception):
    """A flow returned."""

    def __init__(self, value: Any) -> None:
        self.value = value


def advance(flow: Flow[Any], answer: Any, error: Exception | None) -> Any:
    """Send the answer of the last effect into the flow and return the next effect."""
    try:
        return flow.throw(error) if error is not None else flow.send(answer)
    except StopIteration as stop:
        raise Finished(stop.value) from None


def sending() -> ModuleType:
    """The module that sends. It is imported with the first request, as httpcore takes long to load."""
    from . import sending

    return sending


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
                    effect = advance(flow, answer, error)
                except Finished as finished:
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
                sending()  # before the request holds a slot of the quota, which Ctrl-C in an import would not give back
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
                from .background import BackgroundRequest  # it needs concurrent.futures

                return BackgroundRequest(self.run, lambda: deliver_with_token(request, session), self._slots)
            case Wait(begun):
                return begun.result()
            case CurrentAccount():
                return session.account or session
        raise TypeError(f"A flow yielded {effect!r}, which is no effect.")

    def _send(self, attempt: Attempt) -> Response:
        response: Response = sending().send(attempt, self.session, self._pools, self.close)
        return response
