"""Signals at chosen instants: after so many calls and returns of Python's and C's functions, in the main thread."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

NEVER = 10**12


class Instant:
    """Runs a piece of work and raises a signal after `at` events of it; `passed` counts them."""

    def __init__(self, at: int = NEVER, how: signal.Signals = signal.SIGINT) -> None:
        self._at = at
        self._how = how
        self.passed = 0

    def run(self, work: Callable[[], Any]) -> Any:
        sys.setprofile(self._event)
        try:
            return work()
        finally:
            # Python takes the function out itself when it raises.
            sys.setprofile(None)

    def _event(self, frame: object, event: str, argument: object) -> None:
        # Between the end of a block and the C function that leaves it Python handles no signal, so a lock is let go of.
        if event == "c_call" and getattr(argument, "__name__", "") == "__exit__":
            return
        self.passed += 1
        if self.passed == self._at:
            signal.raise_signal(self._how)


def events_of(work: Callable[[], Any]) -> int:
    """How many events a piece of work has when nothing disturbs it."""
    counted = Instant()
    with suppress(KeyboardInterrupt):
        counted.run(work)
    return counted.passed
