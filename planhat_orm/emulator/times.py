"""Moments as Planhat writes them: ISO 8601 in UTC with milliseconds, and days since 1970.

All stored moments have that one form, so they compare as strings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..http.clock import Clock

EPOCH = date(1970, 1, 1)
TODAY = date(2026, 6, 1)
"""The day on which a seeded tenant starts, so that the same seed gives the same tenant on any day."""


def iso(moment: datetime) -> str:
    """Write an aware moment as `2026-06-01T09:00:00.000Z`."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def moment(value: Any) -> datetime | None:
    """Read ISO text with or without time and zone, or epoch milliseconds; None when it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            return None
    try:
        read = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def day_number(text: str) -> int:
    """Return the epoch day of an ISO moment."""
    return (date.fromisoformat(text[:10]) - EPOCH).days


def day_start(day: date) -> str:
    """Write a calendar day as the moment it starts."""
    return f"{day:%Y-%m-%d}T00:00:00.000Z"


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last one of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    last = (date(day.year + years + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(day.year + years, month + 1, min(day.day, last))


def full_months(start: str, end: str) -> int:
    """Count the completed months between two ISO moments."""
    months = (int(end[:4]) - int(start[:4])) * 12 + int(end[5:7]) - int(start[5:7])
    return max(0, months - (end[8:] < start[8:]))


def length_in_months(start: str, end: str, *, included: bool) -> float:
    """Return the months of a licence period, days as thirtieths; 12 for a calendar year."""
    first, last = date.fromisoformat(start[:10]), date.fromisoformat(end[:10])
    if included:
        last += timedelta(days=1)
    if last <= first or last.year == 9999:
        return 0
    months = full_months(day_start(first), day_start(last))
    rest = (last - add_months(first, months)).days
    return tidy(months + rest / 30)


def tidy(number: float) -> float:
    """Round to cents, and write whole numbers as whole numbers."""
    rounded = round(number, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def time_bucket(text: str) -> list[str]:
    """Return the year, quarter, month and week keys of a conversation's date."""
    day = date.fromisoformat(text[:10])
    year, week, _ = day.isocalendar()
    return [str(day.year), f"{day.year}-Q{(day.month + 2) // 3}", f"{day.year}-{day.month}", f"{year}-W{week}"]


class Moments:
    """The emulated time: stands at a moment, or at nine on a day, until `run()`, then passes as fast as the clock."""

    def __init__(self, clock: Clock, start: date | datetime) -> None:
        self._clock = clock
        moment = start if isinstance(start, datetime) else datetime(start.year, start.month, start.day, 9, tzinfo=UTC)
        self._start = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        self._zero: float | None = None
        self._held: int | None = None
        self._cached = (-1, "")
        self.stamp_offset = timedelta(0)

    def run(self) -> None:
        """Let the time pass from here on."""
        if self._zero is None:
            self._zero = self._clock.now()

    def now(self) -> datetime:
        """Return the present of the emulated server."""
        return self._start + timedelta(milliseconds=self._elapsed())

    def iso(self) -> str:
        """Return the present as it goes into a record."""
        elapsed = self._elapsed()
        if elapsed != self._cached[0]:
            self._cached = (elapsed, iso(self._start + timedelta(milliseconds=elapsed) + self.stamp_offset))
        return self._cached[1]

    def day(self) -> int:
        """Return the present as an epoch day."""
        return (self.now().date() - EPOCH).days

    @property
    def first_day(self) -> date:
        """The day on which the time began."""
        return self._start.date()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let one moment last for a whole request, so that all its stamps agree."""
        self._held = self._elapsed()
        try:
            yield
        finally:
            self._held = None

    def _elapsed(self) -> int:
        if self._held is not None:
            return self._held
        return 0 if self._zero is None else int((self._clock.now() - self._zero) * 1000)
