"""What a forked child must not take over from its parent: locks that other threads held, and state that was theirs.

Only the thread that forks lives on in the child, so a lock that another one held is never released there.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

_held: dict[int, weakref.ref[Any]] = {}
_calls: dict[int, weakref.WeakMethod[Callable[[], None]]] = {}


class Lock:
    """A lock that is free in a forked child, whoever held it in the parent."""

    __slots__ = ("__weakref__", "_inner", "_kind")

    def __init__(self, *, reentrant: bool = False) -> None:
        self._kind: Any = threading.RLock if reentrant else threading.Lock
        self._inner: Any = self._kind()
        _remember(_held, self, weakref.ref)

    def __enter__(self) -> None:
        self._inner.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.release()

    def renew(self) -> None:
        """Be free."""
        self._inner = self._kind()


def in_child(method: Callable[[], None]) -> None:
    """Have a method called in every forked child, for as long as its object lives."""
    _remember(_calls, method, weakref.WeakMethod)


def _remember(where: dict[int, Any], thing: Any, refer: Any) -> None:
    def forget(gone: Any) -> None:
        where.pop(id(gone), None)

    reference = refer(thing, forget)
    where[id(reference)] = reference


def _renew() -> None:
    for reference in list(_held.values()):
        lock = reference()
        if lock is not None:
            lock.renew()
    for call in list(_calls.values()):
        method = call()
        if method is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
