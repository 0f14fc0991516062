"""The rate limit: so many calls in the last sixty seconds of the clock, and the headers that tell."""

from __future__ import annotations

from collections import deque
from math import ceil

from .switches import Switches

_WINDOW = 60.0
_MINUTES = 3
_PER_SECOND = 150
"""The hard limit (docs/reference/planhat-api.md section 3)."""


class Quota:
    """Counts calls of the main host. Without `calls_per_min` it lets everything pass and sends no headers."""

    def __init__(self, calls_per_min: int | None, switches: Switches) -> None:
        self.calls_per_min = calls_per_min
        self._switches = switches
        self._calls: deque[float] = deque()
        self._all: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count a call and tell whether it is within the quota; a refused one does not count."""
        if self.calls_per_min is None:
            return True
        since = self._start(now)
        while self._all and self._all[0] <= now - _MINUTES * _WINDOW:
            self._all.popleft()
        while self._calls and self._calls[0] <= since:
            self._calls.popleft()
        if self._too_many() or (len(self._calls) >= _PER_SECOND and self._calls[-_PER_SECOND] > now - 1.0):
            return False
        self._calls.append(now)
        self._all.append(now)
        return True

    def _too_many(self) -> bool:
        limit = self.calls_per_min or 0
        match self._switches.over_quota:
            case "refuse":
                return len(self._calls) >= limit
            case "sustained":
                return len(self._calls) >= limit and len(self._all) >= _MINUTES * limit
            case _:
                return False

    def _start(self, now: float) -> float:
        """The moment since which calls count."""
        reset = self._switches.quota_reset
        return now - now % reset if reset else now - _WINDOW

    def headers(self, now: float) -> dict[str, str]:
        """Return what every answer of the main host says of the quota."""
        if self.calls_per_min is None or self._switches.header_style == "none":
            return {}
        limit, remaining = str(self.calls_per_min), str(max(0, self.calls_per_min - len(self._calls)))
        if self._switches.header_style == "x-rate-limit":
            return {"X-Rate-Limit-Limit": limit, "X-Rate-Limit-Remaining": remaining}
        reset = str(self.seconds_to_wait(now))
        return {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}

    def seconds_to_wait(self, now: float) -> int:
        """Return the clock's seconds until the oldest counted call leaves the window, or the counter starts anew."""
        if self._switches.quota_reset:
            return max(1, ceil(self._start(now) + self._switches.quota_reset - now))
        return max(1, ceil(self._calls[0] + _WINDOW - now)) if self._calls else 0
