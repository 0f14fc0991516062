"""What a forked child must not take over from its parent: locks that other threads held, and state that was theirs.

Only the thread that forks lives on in the child, so a lock that another one held is never released there. Locks of this
library are made anew. Those of Python's own, of a module that another thread imports, cannot be: a fork waits for them.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

WAIT_SECONDS = 10.0
"""Seconds that a fork waits for what other threads are in the middle of."""
TICK = 0.001

_held: dict[int, weakref.ref[Any]] = {}
_calls: dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]] = {}
_gone: deque[weakref.ref[Any]] = deque()
"""References whose things are gone: what they name in the dicts above is dropped when the next one is made."""
_kept_aside: list[Any] = []


class Lock:
    """A lock that is free in a forked child, whoever held it in the parent.

    `with` and `acquire` are those of Python's own lock, in slots, so that they are called in C: between a function in
    Python and the block, Ctrl-C would leave the lock held.
    """

    __slots__ = ("__enter__", "__exit__", "__weakref__", "_inner", "_kind", "_pid", "acquire")

    __enter__: Any
    __exit__: Any
    acquire: Any
    """As that of `threading.Lock`."""

    def __init__(self, *, reentrant: bool = False) -> None:
        self._kind: Any = threading.RLock if reentrant else threading.Lock
        self._pid = os.getpid()
        self.renew()
        reference = _weak(self)
        _held[id(reference)] = reference

    def release(self) -> None:
        """Let go of a lock that was taken. In a forked child it is free already."""
        try:
            self._inner.release()
        except RuntimeError:
            if self._pid == os.getpid():
                raise

    def release_own(self) -> None:
        """Let go of a reentrant lock if this thread holds it."""
        with suppress(RuntimeError):
            self._inner.release()

    def renew(self) -> None:
        """Be free."""
        self._inner: Any = self._kind()
        self.__enter__, self.__exit__, self.acquire = self._inner.__enter__, self._inner.__exit__, self._inner.acquire


def in_child(method: Callable[[], None]) -> None:
    """Have a method called in every forked child, for as long as its object lives."""
    bound: Any = method
    reference = _weak(bound.__self__)
    _calls[id(reference)] = reference, bound.__func__


def keep_aside(thing: Any) -> None:
    """Neither close nor collect what a parent process has open: that could end it there, too."""
    _kept_aside.append(thing)


def _weak(thing: Any) -> weakref.ref[Any]:
    """A reference that is noted when the thing is gone.

    In C: Ctrl-C within a function in Python that is called as an object is collected would be lost without a word.
    """
    with suppress(IndexError):
        while True:
            gone = id(_gone.popleft())
            _held.pop(gone, None)
            _calls.pop(gone, None)
    return weakref.ref(thing, _gone.append)


def _renew() -> None:
    for reference in list(_held.values()):
        lock = reference()
        if lock is not None:
            lock.renew()
    for owner, method in list(_calls.values()):
        thing = owner()
        if thing is not None:
            method(thing)


# Python has no public word for the modules that are being imported. Without this one a fork does not wait.
_module_locks: dict[str, Any] = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})


def _is_importing() -> bool:
    """Whether another thread is importing a module."""
    locks = [reference() for reference in list(_module_locks.values())]
    return any(getattr(lock, "owner", None) not in (None, threading.get_ident()) for lock in locks)


def _wait_for_imports() -> None:
    end = time.monotonic() + WAIT_SECONDS
    while _is_importing() and time.monotonic() < end:
        time.sleep(TICK)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_renew)
