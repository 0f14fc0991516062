"""The quota: one count for every call of a client, from threads and tasks alike.

A slot is taken before a call and given back a full period after its *answer*, not after its start: a call
reaches the server somewhere between the two, so only this way can no minute of the server's clock hold more
calls than allowed, however long some of them took.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from .. import forks
from .clock import Clock
from .headers import read_remaining

CALLS_PER_MIN = 200
"""Planhat's soft quota (docs/reference/planhat-api.md section 3)."""
_PERIOD = 60.0
_BURST, _BURST_PERIOD = 150, 1.0
MOST_PER_MINUTE = 60 * _BURST
"""What Planhat's hard limit leaves room for, whatever the quota is."""
_PARALLEL = 50
_POLL = 0.01


class Quota:
    """Say when the next call may go.

    It lets calls burst while there is budget, and holds them back once `calls_per_min` went out in a minute.
    What the server says in its rate headers is believed when it leaves less than our own count: another
    process may be using the same quota. It never sleeps: `reserve()` returns what to wait, and asks again.
    """

    def __init__(self, calls_per_min: float = CALLS_PER_MIN, clock: Clock | None = None) -> None:
        self.calls_per_min = calls_per_min
        self.limit = max(1, int(calls_per_min))
        # Under one call a minute there is still one slot; it then takes longer than a minute to come back.
        self.period = _PERIOD * max(1.0, 1.0 / calls_per_min)
        self.clock = clock or Clock()
        self._lock = forks.Lock()
        self._done: deque[float] = deque()
        self._in_flight = 0
        self._blocked_until = float("-inf")
        forks.in_child(self._start_over)

    def must_ask(self) -> bool:
        """Whether `ask()` is due, which may wait for a database: where the quota is shared with other processes."""
        return False

    def ask(self) -> None:
        """Ask for a part of a shared quota."""

    def give_back(self) -> None:
        """Give back what is left of such a part, as no call follows soon."""

    def reserve(self) -> float:
        """Take a slot and return 0.0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self.clock.now()
            wait = self._wait(now)
            if not wait:
                self._in_flight += 1
            return wait

    def release(self, headers: Mapping[str, str] | None = None, seconds: float = 0.0) -> None:
        """Give the slot back after an answer (or its loss) and learn from the answer's rate headers.

        `seconds` is how long the call took, by the machine's clock.
        """
        with self._lock:
            now = self.clock.now()
            self._in_flight -= 1
            self._done.append(now)
            self._answered(headers, now, seconds)

    def block(self, seconds: float, *, is_guess: bool = False) -> None:
        """Let no call go for `seconds`, as the server answered 429; a period at most.

        Its count starts anew within that time (docs/reference/planhat-api.md section 3), whatever it says. `is_guess`:
        it did not say for how long.
        """
        with self._lock:
            self._blocked_until = max(self._blocked_until, self.clock.now() + min(seconds, self.period))

    def budget(self) -> int:
        """Calls that could go out right now."""
        with self._lock:
            now = self.clock.now()
            recent = sum(1 for at in self._done if at > now - self.period)
            return 0 if now < self._blocked_until else max(0, self.limit - self._in_flight - recent)

    def _start_over(self) -> None:
        """Take over the parent's minute, which the server counts, and none of its calls on their way."""
        self._in_flight = 0

    def _wait(self, now: float) -> float:
        """How long until the next call may go; 0.0 for at once."""
        if now < self._blocked_until:
            return self._blocked_until - now
        while self._done and self._done[0] <= now - self.period:
            self._done.popleft()
        if self._in_flight + len(self._done) >= self._limit_now():
            return self._done[0] + self.period - now if self._done else _POLL * self.clock.speed
        return self._wait_for_others(now)

    def _wait_for_others(self, now: float) -> float:
        """How long until fewer calls are on their way, or were made within a second, than the server takes at once."""
        if self._in_flight >= _PARALLEL:
            return _POLL * self.clock.speed
        if self._in_flight + len(self._done) >= _BURST and self._in_last_second(now) >= _BURST:
            return _POLL * self.clock.speed
        return 0.0

    def _limit_now(self) -> int:
        return self.limit

    def _answered(self, headers: Mapping[str, str] | None, now: float, seconds: float) -> None:
        if headers:
            self._learn(headers, now)

    def _in_last_second(self, now: float) -> int:
        recent = self._in_flight
        for at in reversed(self._done):
            if at <= now - _BURST_PERIOD:
                break
            recent += 1
        return recent

    def _learn(self, headers: Mapping[str, str], now: float) -> None:
        left = read_remaining(headers)
        if left is None:
            return
        ours = self.limit - self._in_flight - len(self._done)
        # Calls that are not ours count as ours made now; they come back with the period.
        self._done.extend([now] * max(0, int(ours - max(0.0, left))))
