"""Turns: two writes of one new key wait for each other, so that neither makes what the other is making.

Between looking for a key and creating its record, another thread or task of this process may do the same, and
Planhat's POST would make a second record. All clients of an account take turns; two accounts may have the same key,
and never wait for each other. What other processes do meanwhile is theirs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

from .. import forks
from ..http.effects import CurrentAccount, Flow, Sleep
from .resources import Resource

T = TypeVar("T")

_PAUSE = 0.02
Name = tuple[Hashable, str, str, str]
"""An account, a resource's path, a key and its value."""
Names = frozenset[Name]


class _Held:
    """The keys that flows of this process are writing. A forked child runs none of its parent's."""

    def __init__(self) -> None:
        self._names: set[Name] = set()
        self._lock = forks.Lock()
        forks.in_child(self._start_over)

    def take(self, names: Names) -> bool:
        """Take all of them, or none and return False."""
        with self._lock:
            if not self._names.isdisjoint(names):
                return False
            self._names.update(names)
            return True

    def _start_over(self) -> None:
        self._names.clear()

    def drop(self, names: Names) -> None:
        """Let go of them."""
        with self._lock:
            self._names.difference_update(names)


_held = _Held()


def hold_keys(resource: Resource, keys: Iterable[tuple[str, Any]], flow: Flow[T]) -> Flow[T]:
    """Run `flow` while no other flow of this process writes one of `keys`, which are names and values, in its account.

    All of them are taken at once, so that no two flows can wait for each other.
    """
    held = list(keys)
    if not held:
        return (yield from flow)
    account: Hashable = yield CurrentAccount()
    names = frozenset((account, resource.path, wire, str(value)) for wire, value in held)
    while not _held.take(names):
        yield Sleep(_PAUSE)
    try:
        return (yield from flow)
    finally:
        _held.drop(names)
