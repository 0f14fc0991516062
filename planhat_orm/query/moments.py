"""Relative time: `today()`, `month_start(1)`, `days(-30)`, resolved once when a query runs, in its time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, overload

from msgspec import Struct

from .. import arguments
from ..errors import ValidationError
from ..reprs import OwnRepr
from .kinds import DAY, Kind, iso

_EPOCH = date(1970, 1, 1).toordinal()


_zones: dict[str, tzinfo] = {"UTC": UTC}
"""Time zones by name, as a query names one: those without a name of their own by what they say of themselves."""


def zone_name(zone: tzinfo) -> str:
    """The name that a query gives a time zone."""
    name = getattr(zone, "key", None) or str(zone)
    _zones.setdefault(name, zone)
    return name


def zone_named(name: str) -> tzinfo:
    """The time zone of a name that `zone_name()` gave."""
    return _zones[name]


class Span(OwnRepr, Struct, frozen=True):
    """A length of time: so many months, days and seconds. Alone it means from now: `renewal_date__lte=days(60)`."""

    months: int = 0
    days: int = 0
    seconds: int = 0

    def __neg__(self) -> Span:
        return Span(-self.months, -self.days, -self.seconds)

    def __mul__(self, times: int) -> Span:
        return Span(self.months * times, self.days * times, self.seconds * times)

    __rmul__ = __mul__

    @overload
    def __add__(self, other: Span) -> Span: ...

    @overload
    def __add__(self, other: Moment) -> Moment: ...

    def __add__(self, other: Span | Moment) -> Span | Moment:
        if isinstance(other, Moment):
            return other + self
        if not isinstance(other, Span):
            return NotImplemented
        return Span(self.months + other.months, self.days + other.days, self.seconds + other.seconds)

    def __sub__(self, other: Span) -> Span:
        return self + -other if isinstance(other, Span) else NotImplemented

    def __repr__(self) -> str:
        parts = [f"{name}({count})" for name in ("months", "days", "seconds") if (count := getattr(self, name))]
        return " + ".join(parts) or "days(0)"


class Moment(OwnRepr, Struct, frozen=True):
    """A point in time that is known when a query runs: `now()`, `today() + days(60)`, `quarter_start(1)`.

    `anchor` is where it counts from. Months are clamped: a month after 31 January is the last of February.
    """

    anchor: str
    spans: tuple[Span, ...] = ()

    def __add__(self, span: Span) -> Moment:
        return Moment(self.anchor, (*self.spans, span)) if isinstance(span, Span) else NotImplemented

    __radd__ = __add__

    def __sub__(self, span: Span) -> Moment:
        return self + -span if isinstance(span, Span) else NotImplemented

    def at(self, now: datetime, zone: str = "UTC") -> datetime:
        """The moment, as seen from `now` in a time zone; `ValidationError` where it leaves the calendar."""
        try:
            return self._at(now, zone_named(zone))
        except (ValueError, OverflowError):
            raise ValidationError(f"{self!r} is outside of the years 1 to 9999.") from None

    def _at(self, now: datetime, there: tzinfo) -> datetime:
        local = now.astimezone(there)
        if self.anchor != "now":
            local = _start(local, self.anchor)
        for span in self.spans:
            local = _shifted(local, span)
        return local.astimezone(UTC)

    def __repr__(self) -> str:
        start = f"{self.anchor}()" if self.anchor in ("now", "today") else f"{self.anchor}_start()"
        return " + ".join([start, *map(repr, self.spans)])


def _start(local: datetime, anchor: str) -> datetime:
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match anchor:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day


def _shifted(local: datetime, span: Span) -> datetime:
    if span.months:
        months = local.year * 12 + local.month - 1 + span.months
        year, month = divmod(months, 12)
        last = [31, 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28, 31, 30, 31, 30]
        last += [31, 31, 30, 31, 30, 31]
        local = local.replace(year=year, month=month + 1, day=min(local.day, last[month]))
    local += timedelta(days=span.days)
    if span.seconds:
        # Hours pass as they do on no wall clock: through the change of summer time.
        local = (local.astimezone(UTC) + timedelta(seconds=span.seconds)).astimezone(local.tzinfo)
    return local


class Relative(OwnRepr, Struct, frozen=True):
    """A moment in the place of an operand of `kind`."""

    moment: Moment
    kind: Kind

    def at(self, now: datetime, zone: str) -> Any:
        """The operand: ISO text in UTC, or for a day its number."""
        moment = self.moment.at(now, zone)
        if self.kind is DAY:
            return moment.astimezone(zone_named(zone)).toordinal() - _EPOCH
        return iso(moment)

    def __repr__(self) -> str:
        return repr(self.moment)


def now() -> Moment:
    """The moment at which a query runs: `filter(end_time__lt=now())`."""
    return Moment("now")


def today() -> Moment:
    """The day on which a query runs, from midnight in the client's time zone."""
    return Moment("today")


def week_start(after: int = 0) -> Moment:
    """The Monday of this week, or of so many weeks later."""
    return Moment("week", (weeks(after),) if after else ())


def month_start(after: int = 0) -> Moment:
    """The first day of this month, or of so many months later."""
    return Moment("month", (months(after),) if after else ())


def quarter_start(after: int = 0) -> Moment:
    """The first day of this quarter, or of so many quarters later."""
    return Moment("quarter", (quarters(after),) if after else ())


def year_start(after: int = 0) -> Moment:
    """The first day of this year, or of so many years later."""
    return Moment("year", (years(after),) if after else ())


def minutes(count: int) -> Span:
    """So many minutes."""
    return Span(seconds=60 * _count(count))


def hours(count: int) -> Span:
    """So many hours."""
    return Span(seconds=3600 * _count(count))


def days(count: int) -> Span:
    """So many days: `filter(renewal_date__lte=days(60))` is up to sixty days from now."""
    return Span(days=_count(count))


def weeks(count: int) -> Span:
    """So many weeks."""
    return Span(days=7 * _count(count))


def months(count: int) -> Span:
    """So many months, clamped to the last day of a shorter one."""
    return Span(months=_count(count))


def quarters(count: int) -> Span:
    """So many quarters of a year."""
    return Span(months=3 * _count(count))


def years(count: int) -> Span:
    """So many years."""
    return Span(months=12 * _count(count))


def _count(count: int) -> int:
    return arguments.whole("A span of time", count, -_MOST, _MOST)


_MOST = 10**9
"""More lead out of the calendar in any unit but seconds."""


When = datetime | date | str | Moment | Span
"""A moment as users write it: in full, as ISO text, or relative, as `days(-1)` and `month_start()` are."""
