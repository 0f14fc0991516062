"""Scopes, and the chain of them around a piece of code."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Literal

from .places import caller
from .tasks import current_task

if TYPE_CHECKING:
    from ..runtime import Client

Kind = Literal["client", "batch", "dry run", "offline block", "detached"]


class Scope:
    """One `with`: a client, or a block of it that holds writes, and the scope around it.

    All contexts that a scope reaches see this one object, so all of them see it end. One that ended drops its batch
    and does not keep its client alive.
    """

    def __init__(self, client: Client | None, kind: Kind, outer: Scope | None, batch: Any = None) -> None:
        self.kind = kind
        self.holds = kind in ("batch", "dry run", "offline block")
        """Whether this is a block."""
        self.outer = outer
        self.account = client.account if client is not None else None
        self.batch = batch
        self.ended = False
        self.pid = os.getpid()
        self.place = caller() if self.holds else ""
        self._client: Client | None = client
        self._weak_client = weakref.ref(client) if client is not None else None
        self._thread = weakref.ref(threading.current_thread())
        task = current_task()
        self._task = weakref.ref(task) if task is not None else None
        # It is reset in the context that entered, and in no copy of that: see `is_over`.
        self._context_token: Token[None] | None = _context_probe.set(None)

    @property
    def client(self) -> Client | None:
        """The client, unless the scope ended and the client is gone."""
        return self._client or (self._weak_client() if self._weak_client is not None else None)

    @property
    def is_over(self) -> bool:
        """Whether this ended, and ended for the code that asks: it was entered in this very context.

        A copy of that context, of a task or a thread that outlived the `with`, is late instead. A token resets a
        context variable in its own context only, which tells the two apart.
        """
        return self.ended and self._is_of_this_context()

    def _is_of_this_context(self) -> bool:
        if self._context_token is None:
            return False
        try:
            _context_probe.reset(self._context_token)
        except (ValueError, RuntimeError):
            return False
        self._context_token = _context_probe.set(None)
        return True

    def is_home(self) -> bool:
        """Whether this is the thread that entered the scope and, between tasks, the task."""
        if self._thread() is not threading.current_thread():
            return False
        task = current_task()
        return task is None or self._task is None or self._task() is task

    def close(self) -> bool:
        """End the scope, and return whether this is the context that it was entered in."""
        here = self._is_of_this_context()
        self.ended = True
        self._client = self.batch = None
        if here and innermost() is not self and all(step is not self for step in chain(innermost())):
            self._context_token = None  # it would keep the whole context in memory
        return here

    def __repr__(self) -> str:
        return f"<Scope {self.kind} of {self.account}{', ended' if self.ended else ''}>"


_scope: ContextVar[Scope | None] = ContextVar("planhat_scope", default=None)
_context_probe: ContextVar[None] = ContextVar("planhat_probe", default=None)


def enter(client: Client | None, kind: Kind, batch: Any = None) -> Scope:
    """Open a scope in this context."""
    scope = Scope(client, kind, innermost(), batch)
    _scope.set(scope)
    return scope


def innermost() -> Scope | None:
    """The innermost scope of this context. Those that are over are dropped."""
    scope = _scope.get()
    if scope is None or not scope.ended:
        return scope
    while scope is not None and scope.is_over:
        scope = scope.outer
    _scope.set(scope)
    return scope


def chain(scope: Scope | None) -> Iterator[Scope]:
    """A scope and those around it."""
    while scope is not None:
        yield scope
        scope = scope.outer
