"""Of threads that need what one load brings for all records of a list, one loads, and the others wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .. import forks
from ..http.effects import Flow, Request, RunBlocking, Sleep, Start, Wait
from ..http.flows import intercept
from ..scopes.tasks import in_a_task
from .shared_pages import SharedPages, failure_for_others, is_called_by

if TYPE_CHECKING:
    from ..models.state import Origin

T = TypeVar("T")
WAIT_SECONDS = 120.0
"""Seconds that a load may stand still before others wait for it no more: longer than quota or network keep it."""
_TICK = 1.0

_making = forks.Lock()


class RelationLock:
    """Held to load relations of the records of an origin: `with own.turn(), own.loading(name, known)`."""

    __slots__ = ("_moved", "failures", "lock")

    def __init__(self) -> None:
        self.lock = forks.Lock(reentrant=True)
        self._moved = time.monotonic()
        self.failures: dict[str, Exception] = {}
        """What the last load of each relation met that failed."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the thread that loads.

        A turn that does not come is taken without, and costs its own requests: what the other one calls, a function
        given to `planhat.on()` or a handler of logs, may wait for a lock that this thread holds.
        """
        try:
            while not self.lock.acquire(timeout=min(_TICK, WAIT_SECONDS)):
                if time.monotonic() - self._moved > WAIT_SECONDS:
                    break
            else:
                self._moved = time.monotonic()
            yield
        finally:
            self.lock.release_own()

    def noting(self, flow: Flow[T]) -> Flow[T]:
        """Run `flow`, noting each step: whoever waits sees that it goes on."""

        def step(effect: Any) -> Flow[Any]:
            self._moved = time.monotonic()
            answer = yield effect
            self._moved = time.monotonic()
            return answer

        return (yield from intercept(flow, (Request, Start, Wait, Sleep, RunBlocking), step))

    @contextmanager
    def loading(self, name: str, known: Exception | None) -> Iterator[None]:
        """Note what the load of a relation meets, and raise what that one met that was waited for: so would this one.

        `known` is the failure of this relation that was known before the wait.
        """
        met = self.failures.get(name)
        if met is not None and met is not known:
            raise failure_for_others(met)
        try:
            yield
        except Exception as failure:
            self.failures[name] = failure_for_others(failure)
            raise
        # Who still waits since the one that failed finds what this one brought.
        self.failures.pop(name, None)


def relation_lock(origin: Origin, pages: SharedPages | None = None) -> RelationLock:
    """The lock of the records of an origin, or a new one for whoever must not wait.

    `pages` are those that the load is a part of, if any. What other fetching calls does not wait, as others may wait
    for that; nor does a task, which would keep the one that it waits for from going on.
    """
    if not is_called_by(pages) or in_a_task():
        return RelationLock()
    with _making:
        if origin.relation_lock is None:
            origin.relation_lock = RelationLock()
        found: RelationLock = origin.relation_lock
        return found
