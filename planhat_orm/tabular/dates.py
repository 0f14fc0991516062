"""Dates as people write them: a column is read one way, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime

from ..errors import ConfigurationError
from ..fields.scalars import Refused
from ..query.kinds import written_moment
from .cells import Dates

_NUMERIC = re.compile(r"\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[T ,]+(.+))?\s*\Z", re.DOTALL)
_YEAR_FIRST = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})((?:[T ].+)?)\Z", re.DOTALL)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_WANTED = "a date such as 2026-01-31"
_OTHERWISE = "pass dayfirst=True or False, or format='%d/%m/%Y'"


class Ambiguous(ValueError):
    """A column whose dates could be read in two ways, or in none: the message says why, and what to pass."""


def reader(texts: Iterable[str], dayfirst: bool | None = None, format: str | None = None) -> Dates:
    """The way to read a column of dates. ISO 8601 and months by name need no telling.

    Days and months in numbers are read as `dayfirst` says; without it as far as the column leaves no doubt. `format` is
    that of `strptime`. Raises `Ambiguous`.
    """
    if format is not None:
        return _by_format(format)
    numeric = [match for text in texts if (match := _NUMERIC.match(text)) is not None]
    if dayfirst is None and numeric:
        dayfirst = _order(numeric)
    return _by_order(dayfirst)


def _order(numeric: list[re.Match[str]]) -> bool:
    """Whether days come first in dates of two numbers and a year."""
    pairs = [(int(match[1]), int(match[3])) for match in numeric]
    day_first = any(first > 12 for first, _ in pairs)
    month_first = any(second > 12 for _, second in pairs)
    if day_first and month_first:
        raise Ambiguous(f"some of its dates have the day first, others the month: {_OTHERWISE}")
    if not (day_first or month_first or all(first == second for first, second in pairs)):
        raise Ambiguous(f"its dates can be read with the day first and with the month first: {_OTHERWISE}")
    return day_first


def _by_format(format: str) -> Dates:
    try:
        datetime.strptime(datetime(2026, 1, 31).strftime(format), format)
    except (ValueError, TypeError, re.error):
        raise ConfigurationError(f"format must be one of strptime, such as '%d/%m/%Y', not {format!r}.") from None
    timed = any(mark in format for mark in ("%H", "%I", "%X", "%c", "%M", "%S"))

    def read(text: str) -> date:
        try:
            moment = datetime.strptime(text.strip(), format)
        except ValueError:
            raise Refused(f"a date like {format!r}", "other text") from None
        return moment if timed else moment.date()

    return read


def _by_order(dayfirst: bool | None) -> Dates:
    def read(text: str) -> date:
        for iso in _ISO:
            try:
                return iso(text.strip())
            except ValueError:
                continue
        match = _NUMERIC.match(text)
        if match is not None:
            return _numeric(match, bool(dayfirst))
        return _other(text.strip())

    return read


def _other(text: str) -> date:
    """A date with the year first, or with the month by its name: what is left has no one meaning."""
    year_first = _YEAR_FIRST.match(text)
    if year_first is not None:
        text = "-".join(part.rjust(2, "0") for part in year_first.groups()[:3]) + (year_first[4] or "")
    elif not _MONTH.search(text):
        raise Refused(_WANTED, "other text")
    moment = written_moment(text)
    if moment is None:
        raise Refused(_WANTED, "other text")
    return moment if ":" in text else moment.date()


def _numeric(match: re.Match[str], dayfirst: bool) -> date:
    first, second, year, rest = int(match[1]), int(match[3]), int(match[4]), match[5]
    day, month = (first, second) if dayfirst else (second, first)
    try:
        written = f"{date(year, month, day):%Y-%m-%d}".rjust(10, "0")
        return datetime.fromisoformat(f"{written}T{rest.strip()}") if rest else date(year, month, day)
    except ValueError:
        raise Refused(f"{_WANTED}, with the {'day' if dayfirst else 'month'} first", "no such day") from None


_ISO: tuple[Callable[[str], date], ...] = (date.fromisoformat, datetime.fromisoformat)
