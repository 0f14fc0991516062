"""The book of one quota that several processes share: who holds how much of it, and what the server counts by now.

It is kept in a database, one row, and changed in one transaction at a time; this is what such a transaction does. A
holder reports, absolutely, how many calls it may still send or has on their way (`open`), and the ages of the answers
it got; it is granted a few more calls, which it may send for `LASTS` seconds from its request on. Each call counts
from its grant until a period after the server saw it: that is before its answer, or, of a holder that is never heard
of again, before its grant ran out plus `LATEST`. So no minute of the server's holds more than the quota, whoever dies.

Times are seconds of the database's clock. That may jump: what passed for a holder between two transactions bounds what
passed here, and `offset` takes out the rest. Virtual time so never outruns real time.
"""

from __future__ import annotations

from math import ceil

import msgspec

LASTS = 10.0
"""Seconds from the request for a grant on in which its calls may be sent."""
LATEST = 45.0
"""Seconds in which a call that was begun has reached the server."""
BATCH = 20
"""The most calls of one grant, or a tenth of the quota where that is more."""
_REMEMBERED = 15.0
"""Seconds for which charges that ran out are kept, to judge what the server says of an earlier moment."""
_PACE = 0.25
"""Seconds between two questions of holders that wait, all together."""
_GRAIN = 0.25
"""Charges that end within so many seconds of each other are one."""
_TRUSTED = 3.0
"""Headers say nothing of use about a call that was begun longer ago than this."""
_WINDOW = 5.0
"""Seconds of which the highest figure of calls that are not ours counts."""
_WAITING = 3.0
"""Whoever wanted more and got nothing is waiting for so many seconds."""
_LEAST_SHARE = 0.2
_SHOWN = 60.0
_FORGOTTEN = 600.0
_NEVER = -1e18
"""Long ago; JSON has no word for infinity."""


class Report(msgspec.Struct, kw_only=True):
    """What a holder says of itself. `sent`, `before` and `after` are its own clock's, `last` is the book's.

    `done` are the seconds since each answer that it did not report yet. `left` is what the server said last of calls
    that remain, `left_age` the seconds since the call was begun that it said so of. `pause` is for how long the server
    refuses calls, `is_blind` that this is a guess.
    """

    holder: str
    limit: int
    period: float
    open: int
    want: int
    done: list[float]
    sent: float
    before: float = 0.0
    after: float = 0.0
    last: float | None = None
    left: float | None = None
    left_age: float = 0.0
    pause: float | None = None
    is_blind: bool = False
    is_served: bool = False


class Tick(msgspec.Struct, kw_only=True):
    """The database's clock, read in the transaction, and `read`, the holder's own just after.

    `started` tells one start of the database from others, `started_at` is when that was. `is_steady`: the clock never
    jumps while `started` stays the same.
    """

    clock: float
    read: float
    started: str
    started_at: float | None = None
    is_steady: bool = False


class Grant(msgspec.Struct, kw_only=True):
    """So many calls more, or for how long not to ask again. `at` is the book's time, `others` what others hold now."""

    calls: int
    wait: float
    at: float
    others: int
    holders: int


class Holder(msgspec.Struct):
    """One client of one process.

    `open` calls it may still send or has on their way, until `expires`; `want` is what it asked for on top of them. It
    was `seen` last, and `first`, when the book had been asked `checks` times. `got` are its grants of the last period,
    each with its moment. `is_known`: it may say what time it is.
    """

    first: float
    checks: int
    open: int = 0
    expires: float = 0.0
    want: int = 0
    seen: float = _NEVER
    limit: int = 0
    is_known: bool = False
    got: list[tuple[float, int]] = []


class Charge(msgspec.Struct, array_like=True):
    """So many calls that count until a moment. `is_lost`: a holder had them that was not heard of since."""

    until: float
    calls: int
    holder: str
    is_lost: bool = False


class Book(msgspec.Struct):
    """The book as it is kept. `ask` is the one transaction.

    `charges` are calls that nobody has open any more and that count still, `foreign` what the server counted above
    ours, each with its moment. Nothing is granted before `blocked_until`; `is_probing` after a refusal: one call
    at a time until one is served. `share` is the part of the quota that is used, less after each refusal. `offset` is
    what the database's clock jumped by: the book's time is that clock's less it. `seen` is the newest moment that was
    certain, `checks` how often the book was asked, `started` the database's start that it knows.
    """

    holders: dict[str, Holder] = {}
    charges: list[Charge] = []
    foreign: list[tuple[float, float]] = []
    blocked_until: float = _NEVER
    is_probing: bool = False
    offset: float = 0.0
    seen: float = _NEVER
    checks: int = 0
    started: str | None = None
    share: float = 1.0
    raised_at: float = 0.0

    def ask(self, report: Report, tick: Tick) -> Grant:
        """Take a holder's report, and grant it what is free of what it wants."""
        now = tick.clock - self.offset
        ran = 0.0 if report.last is None else now - report.last
        low = 0.0 if report.last is None else report.sent - report.after
        is_odd = report.last is not None and self._is_odd(ran, low, tick.read - report.before)
        holder = self.holders.setdefault(report.holder, Holder(now, self.checks))
        if not holder.is_known and not self._is_trusted(holder, report, now, is_odd, tick):
            return self._ask_unknown(holder, report, now, tick)
        holder.is_known = True
        if is_odd:
            now = self._correct(tick.clock, ran, low, report.period)
        self.seen, self.checks = now, self.checks + 1
        self._clamp(now, report.period)
        if tick.started != self.started:
            self._begin_anew(now, tick, report.period)
        self._forget_ended(now, report.period, asking=report.holder)
        self._take(holder, report, now)
        self._learn(report, now)
        return self._grant(holder, report, now, self._free(report, now))

    def shared_by(self, clock: float | None = None) -> int:
        """How many holders used it within a minute, by the database's clock or when it was asked last."""
        now = self.seen if clock is None else clock - self.offset
        return sum(holder.seen > now - _SHOWN for holder in self.holders.values())

    # --- whose clock is to be believed ------------------------------------------------------------------

    def _is_odd(self, ran: float, low: float, high: float) -> bool:
        """Whether the database's clock jumped since the holder's last question."""
        return not low * 0.999 - 5.0 <= ran <= high * 1.001 + 0.05

    def _is_trusted(self, holder: Holder, report: Report, now: float, is_odd: bool, tick: Tick) -> bool:
        """Whether a newcomer may say what time it is: it cannot tell a jump of the clock from a pause by itself."""
        if tick.is_steady:
            return True
        if is_odd:
            holder.first, holder.checks = now, self.checks
            return False
        if not self._is_in_use():
            return True
        has_waited = now - holder.first >= LASTS / 2 + 1
        return report.last is not None and (self.checks != holder.checks or has_waited)

    def _is_in_use(self) -> bool:
        """Whether anything counted at the last time that was certain."""
        return any(charge.until > self.seen for charge in self.charges) or any(
            holder.open for holder in self.holders.values()
        )

    def _ask_unknown(self, holder: Holder, report: Report, now: float, tick: Tick) -> Grant:
        """Grant a newcomer what would be free if no time had passed since the last that was certain."""
        if self.started is not None and tick.started != self.started:
            return Grant(calls=0, wait=0.5, at=now, others=0, holders=len(self.holders))
        stamp = max(now, self.seen)
        self._take(holder, report, stamp)
        if report.pause is not None:
            self.blocked_until, self.is_probing = max(self.blocked_until, stamp + report.pause), True
        counted = sum(other.open for other in self.holders.values()) + sum(
            charge.calls for charge in self.charges if charge.until > self.seen
        )
        free = int(report.limit * self.share) - counted - ceil(max((calls for _, calls in self.foreign), default=0.0))
        if self.is_probing or stamp < self.blocked_until:
            free = 0
        calls = max(0, min(report.want, self._most_per_grant(report), free))
        self._hand_out(holder, calls, stamp)
        return Grant(calls=calls, wait=0.0 if calls else 0.5, at=now, others=0, holders=len(self.holders))

    def _correct(self, clock: float, ran: float, low: float, period: float) -> float:
        """Take a jump of the clock out of the book's time: exactly the least has passed that can have."""
        self.offset += ran - low
        now = clock - self.offset
        if ran < low:  # it had gone back, so what was noted since would end early
            for charge in self.charges:
                charge.until = max(charge.until, now + period + (LATEST if charge.is_lost else 0.0))
            for holder in self.holders.values():
                holder.expires = now + LASTS
        return now

    def _clamp(self, now: float, period: float) -> None:
        """Let nothing last longer than it can from now on: a newcomer may have noted it by a clock that was ahead."""
        for charge in self.charges:
            charge.until = min(charge.until, now + period + (LASTS + LATEST if charge.is_lost else 0.0))
        for holder in self.holders.values():
            holder.expires = min(holder.expires, now + LASTS)
        self.blocked_until = min(self.blocked_until, now + period + LASTS + LATEST)

    def _begin_anew(self, now: float, tick: Tick, period: float) -> None:
        """The database started: it may have forgotten grants of the time before, so wait until none of them counts."""
        if self.started is not None:
            since = now
            if tick.started_at is not None and tick.started_at - self.offset > self.seen:
                since = min(now, tick.started_at - self.offset)
            self.blocked_until = max(self.blocked_until, since + LASTS + LATEST + period)
        self.started = tick.started

    # --- what counts ------------------------------------------------------------------------------------

    def _forget_ended(self, now: float, period: float, asking: str) -> None:
        for name, holder in list(self.holders.items()):
            if holder.open and now > holder.expires:
                self._bury(name, holder, period)
            if name != asking and not holder.open and now > max(holder.seen, holder.first) + _FORGOTTEN:
                del self.holders[name]
            holder.got = [(at, calls) for at, calls in holder.got if at > now - period]
        self.charges = [charge for charge in self.charges if charge.until > now - _REMEMBERED]

    def _bury(self, name: str, holder: Holder, period: float) -> None:
        """Keep counting what a holder had in hand until the server has forgotten all that it may have sent."""
        self.charges.append(Charge(holder.expires + LATEST + period, holder.open, name, True))
        holder.open = 0

    def _take(self, holder: Holder, report: Report, now: float) -> None:
        """Note what a holder has, and had. Whoever is heard of again knows what became of all that it was granted."""
        self.charges = [charge for charge in self.charges if not (charge.is_lost and charge.holder == report.holder)]
        sums: dict[float, int] = {}
        for age in report.done:
            until = ceil((now - age + report.period) / _GRAIN) * _GRAIN
            sums[until] = sums.get(until, 0) + 1
        self.charges += [Charge(until, calls, report.holder) for until, calls in sums.items()]
        holder.open, holder.want, holder.limit, holder.seen = report.open, report.want, report.limit, now

    def _counted(self, since: float) -> int:
        """How many calls the server may count that were not forgotten by then."""
        return sum(holder.open for holder in self.holders.values()) + sum(
            charge.calls for charge in self.charges if charge.until > since
        )

    def _learn(self, report: Report, now: float) -> None:
        """Believe the server's headers and refusals: another program may use the quota, too."""
        if report.left is not None and report.left_age < _TRUSTED:
            ours = self._ours(report, now - report.left_age)
            self.foreign.append((now, max(0.0, report.limit - report.left - ours)))
        last = self.foreign[-1][0] if self.foreign else now
        self.foreign = [
            (at, calls) for at, calls in self.foreign if at >= last - _WINDOW and last >= now - report.period
        ]
        if report.pause is not None:
            if now >= self.blocked_until and report.is_blind:  # once for each time that it refuses
                self.share, self.raised_at = max(_LEAST_SHARE, self.share * 0.9), now
            self.blocked_until, self.is_probing = max(self.blocked_until, now + report.pause), True
        elif report.is_served:
            self.is_probing = False
        if self.share < 1.0 and now - self.raised_at > report.period:
            self.share, self.raised_at = min(1.0, self.share + 0.1), now

    def _ours(self, report: Report, since: float) -> int:
        return self._counted(since)

    # --- what is granted --------------------------------------------------------------------------------

    def _free(self, report: Report, now: float) -> int:
        """How many calls the server would take now."""
        foreign = ceil(max((calls for _, calls in self.foreign), default=0.0))
        # Under one call a minute there is still one.
        return max(1, int(report.limit * self.share)) - self._counted(now) - foreign

    def _most_per_grant(self, report: Report) -> int:
        return max(BATCH, report.limit // 10)

    def _grant(self, holder: Holder, report: Report, now: float, free: int) -> Grant:
        """Grant what is free of what a holder wants, fairly among those that wait; or say when to ask again."""
        waiting = [other for other in self.holders.values() if other.want and other.seen > now - _WAITING]
        calls, wait = 0, 0.0
        if now < self.blocked_until:
            wait = self.blocked_until - now
        elif report.want:
            if self.is_probing:
                calls = int(free > 0 and not any(other.open for other in self.holders.values()))
            else:
                fair = report.limit / max(1, len(waiting))
                owed = self._owed(holder, waiting, fair)
                calls = min(report.want, self._most_per_grant(report), free - owed, max(1, -(-free // len(waiting))))
            calls = max(0, calls)
            if not calls:
                soonest = min((charge.until for charge in self.charges if charge.until > now), default=now + 1.0)
                wait = min(5.0, max(soonest - now, _PACE * len(waiting)))
        self._hand_out(holder, calls, now)
        others = self._counted(now) - holder.open
        return Grant(calls=calls, wait=wait, at=now, others=others, holders=self.shared_by(now + self.offset))

    def _owed(self, holder: Holder, waiting: list[Holder], fair: float) -> int:
        """What a holder above its equal share leaves to those that wait below theirs."""
        if _granted(holder) < fair:
            return 0
        return sum(min(other.want, max(0, int(fair) - _granted(other))) for other in waiting if other is not holder)

    def _hand_out(self, holder: Holder, calls: int, now: float) -> None:
        holder.open += calls
        holder.expires = now + LASTS
        if calls:
            holder.got.append((now, calls))


def _granted(holder: Holder) -> int:
    """How many calls a holder was granted within the last period."""
    return sum(calls for _, calls in holder.got)
