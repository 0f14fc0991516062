"""Which part of the quota webhooks may use, so that a storm of them leaves room for the program's own requests."""

from __future__ import annotations

from collections.abc import Callable

SHARE = 0.25


class Pace:
    """A bucket of requests: full at first, filled up evenly, and allowed to be overdrawn by one step of work."""

    def __init__(self, calls_per_min: float, now: Callable[[], float]) -> None:
        self._most = max(1.0, calls_per_min * SHARE)
        self._left = self._most
        self._now = now
        self._at = now()

    def available(self) -> int:
        """How many requests may be made now."""
        now = self._now()
        self._left = min(self._most, self._left + (now - self._at) * self._most / 60.0)
        self._at = now
        return max(0, int(self._left))

    def wait(self) -> float:
        """How many seconds until one may be made."""
        return 0.0 if self.available() else (1.0 - self._left) * 60.0 / self._most

    def spend(self, requests: int) -> None:
        """Count requests that were made."""
        self._left -= requests
