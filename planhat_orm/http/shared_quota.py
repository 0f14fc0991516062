"""A holder's side of a quota that several processes share: it leases small parts, and spends them.

The book is a row in a database (`quota_book`), so it is not asked for each call but for a part: as many calls as were
made lately, and twice that. What is not spent is given back, at once when the client is closed, and by a thread while
others share the quota; what a process leaves that is killed comes back after some two minutes.

Without the database each holder keeps to an equal share of the quota by its own count, so that reads and writes go on.
"""

from __future__ import annotations

import atexit
import logging
import random
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from .clock import Clock
from .headers import read_remaining
from .quota import _POLL, Quota
from .quota_book import LASTS, Grant, Report

logger = logging.getLogger("planhat_orm")

_IDLE = LASTS / 4
"""Seconds after the last call in which what is left is kept."""
_LATELY = LASTS / 2
_LOOK = 0.5
_CLOSING = 3.0
"""Seconds of the machine's in which a client that is closed waits for its own threads to end their question."""
_NO_BOOK = 1.0
"""Seconds after which to look again whether there is a mirror."""


class BookUnreachable(Exception):
    """The book cannot be asked now."""


class BookKeeper(Protocol):
    """Whoever has the book."""

    def ask(self, report: Report, now: Callable[[], float]) -> Grant | None:
        """Hand over a report; `now` is the holder's clock. None: there is no book yet. Raises `BookUnreachable`."""
        ...

    def close(self) -> None:
        """Close what is open. Asking again opens it anew."""
        ...


class SharedQuota(Quota):
    """Say when the next call may go, while other processes make calls of the same quota."""

    def __init__(self, calls_per_min: float, clock: Clock, keeper: BookKeeper) -> None:
        super().__init__(calls_per_min, clock)
        self._keeper = keeper
        self._holders = 1
        self._others = 0
        self._is_warned = False
        self._forget()
        _all.add(self)

    def _forget(self) -> None:
        """Be a new holder, which has nothing."""
        self._holder = uuid.uuid4().hex
        self._permits = 0
        self._usable_until = self._ask_at = self._alone_until = float("-inf")
        self._turn: object = None
        self._unreported: list[float] = []
        self._taken: deque[float] = deque()
        self._used_at = 0.0
        self._refused = 0
        self._last: tuple[float, float, float] | None = None
        self._left: tuple[float, float] | None = None
        self._pause: float | None = None
        self._is_blind = self._is_served = self._has_reported = False
        self._thread: threading.Thread | None = None

    def _start_over(self) -> None:
        """A child takes a part of its own; what its parent has is not its."""
        super()._start_over()
        self._forget()

    # --- spending ---------------------------------------------------------------------------------------

    def must_ask(self) -> bool:
        """Whether the book is to be asked before the next call: nothing is left, or the server refused a call."""
        with self._lock:
            now = self.clock.uptime()
            if self._turn is not None or now < self._alone_until:
                return False
            if self._pause is not None or self._is_renewal_due(now):
                return True
            return not self._has_permit(now) and now >= self._ask_at and not self._wait_for_others(self.clock.now())

    def _wait(self, now: float) -> float:
        moment = self.clock.uptime()
        if moment < self._alone_until:
            return super()._wait(now)
        if now < self._blocked_until:
            return self._blocked_until - now
        while self._done and self._done[0] <= now - self.period:
            self._done.popleft()
        if wait := self._wait_for_others(now):
            return wait
        if self._has_permit(moment):
            self._permits -= 1
            self._taken.append(moment)
            self._used_at = moment
            return 0.0
        poll = _POLL * self.clock.speed
        return poll if self._turn is not None else max(poll, self._ask_at - moment)

    def _has_permit(self, now: float) -> bool:
        return self._permits > 0 and now < self._usable_until

    def _limit_now(self) -> int:
        """An equal share, while the book cannot be asked."""
        return max(1, self.limit // self._holders)

    def _answered(self, headers: Mapping[str, str] | None, now: float, seconds: float) -> None:
        moment = self.clock.uptime()
        if self._turn is None and self._unreported and self._unreported[0] <= moment - self.period:
            self._unreported = [at for at in self._unreported if at > moment - self.period]
        self._unreported.append(moment)
        if headers is None:
            return
        if moment < self._alone_until:
            super()._answered(headers, now, seconds)
        left = read_remaining(headers)
        if left is not None:
            self._left = max(0.0, left), moment - seconds * self.clock.speed
        self._is_served = True

    def block(self, seconds: float, *, is_guess: bool = False) -> None:
        """Let no call go for `seconds`, of any process: the server answered 429."""
        super().block(seconds, is_guess=is_guess)
        with self._lock:
            self._pause = max(self._pause or 0.0, min(seconds, self.period))
            self._is_blind, self._is_served = is_guess, False

    def budget(self) -> int:
        """Calls that could go out right now, as far as is known without asking."""
        return max(0, min(super().budget(), self.limit - self._others))

    # --- asking -----------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask the book for a part, unless another thread does."""
        self._exchange(self._wanted)

    def give_back(self) -> None:
        """Give back what is left, report the last answers, and close the book."""
        with self._lock:
            has_something = self._has_reported and bool(self._permits or self._unreported)
        end = time.monotonic() + _CLOSING
        while has_something and not self._exchange(lambda now: 0, gives_back=True) and time.monotonic() < end:
            time.sleep(_POLL)  # another thread asks
        self._keeper.close()

    def tend(self) -> float | None:
        """Renew what is in use, or give back what is idle; return after how many seconds to look again."""
        with self._lock:
            now = self.clock.uptime()
            if now < self._alone_until or not (self._permits or self._in_flight):
                return None
            is_idle = self._permits > 0 and now > self._used_at + _IDLE
            is_due = self._is_renewal_due(now)
        if is_idle or is_due:
            self._exchange(lambda now: 0, gives_back=is_idle)
        return _LOOK

    def _is_renewal_due(self, now: float) -> bool:
        return self._in_flight > 0 and self._has_reported and now > self._usable_until - LASTS / 2

    def _wanted(self, now: float) -> int:
        while self._taken and self._taken[0] <= now - _LATELY:
            self._taken.popleft()
        return max(0, max(1, 2 * len(self._taken), self._refused) - self._permits)

    def _exchange(self, wanted: Callable[[float], int], *, gives_back: bool = False) -> bool:
        """Ask the book once; False where another thread does."""
        turn = object()
        try:
            report = self.begin(wanted, gives_back=gives_back, turn=turn)
            if report is None:
                return False
            self.end(report, self._keeper.ask(report, self.clock.uptime))
        except BookUnreachable as why:
            self._go_alone(str(why))
        finally:
            # Also where Ctrl-C comes; but it may be the turn of another thread by now.
            if self._turn is turn:
                self._turn = None
        return True

    def begin(
        self, wanted: Callable[[float], int] | None = None, *, gives_back: bool = False, turn: object = True
    ) -> Report | None:
        """What to tell the book, or None while another thread asks it."""
        with self._lock:
            if self._turn is not None:
                return None
            self._turn = turn
            now = self.clock.uptime()
            if gives_back or not self._has_permit(now):
                self._permits = 0
            before, after, last = self._last or (now, now, None)
            pause, self._pause = self._pause, None
            left, self._left = self._left, None
            report = Report(
                holder=self._holder,
                limit=self.limit,
                period=self.period,
                open=self._permits + self._in_flight,
                want=(wanted or self._wanted)(now),
                done=[now - at for at in self._unreported],
                sent=now,
                before=before,
                after=after,
                last=last,
                left=None if left is None else left[0],
                left_age=0.0 if left is None else now - left[1],
                pause=pause,
                is_blind=self._is_blind,
                is_served=self._is_served,
            )
            self._is_served = False
            return report

    def end(self, report: Report, grant: Grant | None) -> None:
        """Take what the book grants. Without a book this process has the quota for itself, until there is one."""
        with self._lock:
            now = self.clock.uptime()
            self._turn, self._is_warned = None, False
            if report.holder != self._holder:
                return  # this is a child by now
            if grant is None:
                self._alone_until, self._holders = now + _NO_BOOK, 1
                return
            del self._unreported[: len(report.done)]
            self._has_reported = True
            self._last = report.sent, now, grant.at
            self._permits += grant.calls
            if report.want:
                self._used_at = now
                # Whoever waits for what it needs does not need less afterwards.
                self._refused = 0 if grant.calls else report.want
            self._usable_until = self._lasts_until(report, now)
            self._holders, self._others = max(1, grant.holders), grant.others
            self._ask_at = now + grant.wait + (random.uniform(0, 0.05) if grant.wait else 0.0)
            is_shared = grant.holders > 1 and (self._permits or self._in_flight)
        if is_shared:
            self._be_tended()

    def _lasts_until(self, report: Report, now: float) -> float:
        return report.sent + LASTS

    def _go_alone(self, why: str) -> None:
        with self._lock:
            self._alone_until = self.clock.uptime() + LASTS
            self._permits = 0
            is_news, self._is_warned = not self._is_warned, True
        if is_news:
            logger.warning(
                "The quota that this mirror's processes share cannot be asked for: %s This process keeps to %d calls a "
                "minute by its own count until it can.", why, self._limit_now(),
            )  # fmt: skip

    # --- what is left while nobody calls ----------------------------------------------------------------

    def _be_tended(self) -> None:
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(
                target=_tend, args=(weakref.ref(self), self.clock.speed), name="planhat-quota", daemon=True
            )
        self._thread.start()


def _tend(reference: weakref.ref[SharedQuota], speed: float) -> None:
    """Tend a quota until nothing of it is in hand, or its client is gone."""
    while (quota := reference()) is not None:
        seconds = quota.tend()
        if seconds is None:
            return
        del quota
        time.sleep(max(0.01, seconds / speed))


_all: weakref.WeakSet[SharedQuota] = weakref.WeakSet()


@atexit.register
def _give_all_back() -> None:
    """Leave nothing behind when Python ends."""
    for quota in list(_all):
        quota.give_back()
