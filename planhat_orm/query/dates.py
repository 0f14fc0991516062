"""Moments and days as comparables: their parts, the first day of their month, and arithmetic with them.

A moment's comparable is UTC text with milliseconds, a day's the number of days since 1970. What leaves the years
1 to 9999 is None.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from .kinds import iso
from .moments import zone_named

_EPOCH = date(1970, 1, 1).toordinal()
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000

PARTS = ("year", "quarter", "month", "week", "day", "week_day", "hour", "date")
"""What is asked of a moment. Weeks are those of ISO 8601; Sunday is week day 1, as in Django."""


def part_of(value: str | int, part: str, zone: str = "UTC") -> int | None:
    """A part of a moment, in a time zone, or of a day; its `date` is a day."""
    if isinstance(value, str):
        local = local_time(value, zone)
        if local is None:
            return None
        if part == "hour":
            return local.hour
        day = local.date()
    else:
        day = date.fromordinal(int(value) + _EPOCH)
    match part:
        case "date":
            return day.toordinal() - _EPOCH
        case "week_day":
            return day.isoweekday() % 7 + 1
        case "week":
            return day.isocalendar().week
        case "quarter":
            return (day.month + 2) // 3
    return getattr(day, part)  # type: ignore[no-any-return]


def truncated(value: str | int, unit: str, zone: str = "UTC") -> int | None:
    """The first day of the unit that a moment, in a time zone, or a day is in."""
    number = part_of(value, "date", zone)
    if number is None:
        return None
    day = date.fromordinal(number + _EPOCH)
    match unit:
        case "year":
            day = day.replace(month=1, day=1)
        case "quarter":
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            day = day.replace(day=1)
        case "week":
            day -= timedelta(days=day.weekday())
    return day.toordinal() - _EPOCH


@lru_cache(maxsize=4096)
def local_time(text: str, zone: str) -> datetime | None:
    """A moment as the clocks of a time zone show it."""
    moment = datetime.fromisoformat(text)
    if zone == "UTC":
        return moment
    try:
        return moment.astimezone(zone_named(zone))
    except OverflowError:
        return None


def milliseconds(text: str) -> int:
    """A moment as milliseconds since 1970."""
    return (datetime.fromisoformat(text) - _START) // _MILLISECOND


def transitions(zone: str, first: datetime, last_year: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """When the clocks of a zone change, in seconds since 1970, and by how many seconds they are ahead before and after.

    There is one offset more than changes: the first one is that of what comes before.
    """
    there = zone_named(zone)
    moment = first.replace(tzinfo=UTC)
    end = datetime(min(last_year, 9998), 12, 31, tzinfo=UTC)
    offsets, starts = [_offset(moment, there)], []
    while moment < end:
        later = min(moment + timedelta(days=7), end)
        if _offset(later, there) != offsets[-1]:
            change = _change(moment, later, there)
            starts.append(int((change - _START).total_seconds()))
            offsets.append(_offset(change, there))
            later = change
        moment = later
    return tuple(starts), tuple(offsets)


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second between two moments at which the clocks show something else than before."""
    offset = _offset(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
        before, after = (middle, after) if _offset(middle, zone) == offset else (before, middle)
    return after


def _offset(moment: datetime, zone: tzinfo) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())


def days_between(left: str | int, right: str | int) -> float:
    """The days from `right` to `left`: two moments, or two days."""
    if isinstance(left, str) and isinstance(right, str):
        return (milliseconds(left) - milliseconds(right)) / DAY_MS
    return float(int(left) - int(right))


def days_later(value: str | int, days: float) -> str | int | None:
    """A moment, to the millisecond, or a day so many days later; a day counts whole days only."""
    try:
        if isinstance(value, str):
            return iso(_START + timedelta(milliseconds=milliseconds(value) + math.floor(days * DAY_MS + 0.5)))
        later = int(value) + math.floor(days)
        date.fromordinal(later + _EPOCH)
    except (OverflowError, ValueError):
        return None
    return later
