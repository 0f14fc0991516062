"""Turns: two writes of one new key wait for each other, so that neither makes what the other is making.

Between looking for a key and creating its record, another thread or task of this process may do the same, and
Planhat's POST would make a second record. What other processes do meanwhile is theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, TypeVar

from ..http.effects import Flow, Sleep
from .resources import Resource

T = TypeVar("T")

_PAUSE = 0.02
_held: set[tuple[str, str, str]] = set()
_lock = threading.Lock()


def hold_keys(resource: Resource, keys: Iterable[tuple[str, Any]], flow: Flow[T]) -> Flow[T]:
    """Run `flow` while no other flow of this process writes one of `keys`, which are names and values.

    All of them are taken at once, so that no two flows can wait for each other.
    """
    names = frozenset((resource.path, wire, str(value)) for wire, value in keys)
    while not _take(names):
        yield Sleep(_PAUSE)
    try:
        return (yield from flow)
    finally:
        with _lock:
            _held.difference_update(names)


def _take(names: frozenset[tuple[str, str, str]]) -> bool:
    with _lock:
        if not _held.isdisjoint(names):
            return False
        _held.update(names)
        return True
