"""The pages of one query, which all threads that iterate its results read together."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .. import forks
from ..errors import PlanhatError

_fetching: ContextVar[tuple[object, ...]] = ContextVar("planhat_fetching", default=())
"""What this code is called by the fetching of: functions given to `planhat.on()` are, in threads of ours as well."""


def is_called_by(pages: SharedPages | None) -> bool:
    """Whether this code is called by the fetching of these pages alone; without any, by none."""
    return _fetching.get() == (() if pages is None else (pages,))


@contextmanager
def fetching(what: object) -> Iterator[None]:
    """Mark what is called meanwhile as called by this fetching."""
    token = _fetching.set((*_fetching.get(), what))
    try:
        yield
    finally:
        _fetching.reset(token)


class SharedPages:
    """What was fetched so far, and what fetches more: one thread at a time, while the others wait for its page.

    A fetch that fails breaks the reading for all threads that have it: none of them can tell what the rest would have
    been. Whoever reads then begins a new one.
    """

    __slots__ = ("_failure", "_lock", "_pages", "complete", "pid", "rows")

    def __init__(self, all_rows: list[Any] | None = None) -> None:
        self.pid = os.getpid()
        self.rows: list[Any] = [] if all_rows is None else all_rows
        self.complete = all_rows is not None
        self._pages: Generator[Any, None, Any] | None = None
        self._failure: Exception | None = None
        self._lock = forks.Lock()

    @property
    def is_broken(self) -> bool:
        """Whether these pages will never come to their end: a fetch failed, or they are another process's."""
        return self._failure is not None or self.pid != os.getpid()

    def reach(self, count: int, begin: Callable[[], Generator[Any, None, Any]]) -> bool:
        """Whether there may be more rows than `count`. Fetches one page, which may be empty, where only that can tell.

        `begin` starts the pages. What it raises breaks nothing: the next thread may be one that can begin.
        """
        if len(self.rows) > count:
            return True
        if self.complete:
            return False
        if any(pages is self for pages in _fetching.get()):
            raise PlanhatError("These results are being fetched, and what is called meanwhile asks for them, too.")
        with self._lock:
            self._check_usable()
            if len(self.rows) > count or self.complete:
                return len(self.rows) > count
            with fetching(self):
                if self._pages is None:
                    self._pages = begin()
                self._fetch(self._pages)
            return not self.complete

    def _fetch(self, pages: Generator[Any, None, Any]) -> None:
        try:
            self.rows.extend(next(pages))
        except StopIteration:
            self.complete, self._pages = True, None
        except BaseException as failure:
            self._failure, self._pages = failure_for_others(failure), None
            raise

    def _check_usable(self) -> None:
        if self.pid != os.getpid():
            raise PlanhatError("These results were half read when this process was forked: read them again in it.")
        if self._failure is not None:
            raise copy.copy(self._failure)


def failure_for_others(failure: BaseException) -> Exception:
    """What the other threads get: the error itself is this one's, with the frames that it led through."""
    if isinstance(failure, PlanhatError):
        return copy.copy(failure)
    return PlanhatError(f"Another thread fetched these results and met {type(failure).__name__}: read them again.")
