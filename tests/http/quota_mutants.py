"""Books and holders with one rule less, or a wrong one: the world must notice each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planhat_orm.http.quota_book import Book, Grant, Holder, Report, Tick
from planhat_orm.http.shared_quota import SharedQuota


class TokenBucket(Book):
    """Bursts of the whole quota, refilled at its rate: nearly twice the quota in a minute."""

    filled_at: float = -1e18

    def _free(self, report: Report, now: float) -> int:
        self.filled_at = max(self.filled_at, now - report.period)
        return int((now - self.filled_at) / report.period * report.limit)

    def _grant(self, holder: Holder, report: Report, now: float, free: int) -> Grant:
        calls = max(0, min(report.want, 20, free))
        self.filled_at += calls * report.period / report.limit
        self._hand_out(holder, calls, now)
        return Grant(calls=calls, wait=0.0 if calls else 0.5, at=now, others=0, holders=1)


class ForgetsTheDead(Book):
    """What a dead holder had is free as soon as it ran out."""

    def _bury(self, name: str, holder: Holder, period: float) -> None:
        holder.open = 0


class BelievesTheClock(Book):
    """A clock that jumps is believed."""

    def _is_odd(self, ran: float, low: float, high: float) -> bool:
        return False


class BelievesNewcomers(Book):
    """A newcomer says what time it is."""

    def _is_trusted(self, holder: Holder, report: Report, now: float, is_odd: bool, tick: Tick) -> bool:
        return True


class TrustsARestart(Book):
    """A database that started anew remembers all that it granted."""

    def _begin_anew(self, now: float, tick: Tick, period: float) -> None:
        self.started = tick.started


class ForgetsTheReturned(Book):
    """Whoever is heard of again has nothing on its way."""

    def _take(self, holder: Holder, report: Report, now: float) -> None:
        super()._take(holder, report, now)
        holder.open = 0


class CountsItselfOnly(Book):
    """The calls of the other holders are taken for those of strangers."""

    def _ours(self, report: Report, since: float) -> int:
        holder = self.holders[report.holder]
        return holder.open + sum(calls for _, calls in holder.got)


class Unfair(Book):
    """Whoever comes first keeps what it has."""

    def _owed(self, holder: Holder, waiting: list[Holder], fair: float) -> int:
        return 0


class CountsFromTheStart(SharedQuota):
    """A call counts from when it was begun, not from when it was answered."""

    def _answered(self, headers: Mapping[str, str] | None, now: float, seconds: float) -> None:
        super()._answered(headers, now, seconds)
        self._unreported[-1] -= seconds


class SpendsForEver(SharedQuota):
    """A part may be spent at any time."""

    def _has_permit(self, now: float) -> bool:
        return self._permits > 0


BAD: dict[str, Any] = {"workers": 8, "crash": 2.0, "cut": 2.0, "slow": 2.0, "minutes": 10}
JUMPS = {**BAD, "jump": 0.5}
OVERSPEND: dict[str, dict[str, Any]] = {
    "token bucket": {**JUMPS, "book": TokenBucket},
    "each machine's own clock": {**JUMPS, "mutants": ("host_clock",), "book": BelievesTheClock},
    "from the start": {**JUMPS, "quota": CountsFromTheStart},
    "the dead are forgotten": {**JUMPS, "book": ForgetsTheDead},
    "the clock is believed": {**JUMPS, "book": BelievesTheClock},
    "newcomers are believed": {**JUMPS, "book": BelievesNewcomers},
    "a restart is trusted": {**BAD, "failover": 1.0, "book": TrustsARestart},
    "the returned have nothing": {**JUMPS, "book": ForgetsTheReturned},
}
"""What each of them is caught with: more than the quota in a minute, in one of a few seeds."""
