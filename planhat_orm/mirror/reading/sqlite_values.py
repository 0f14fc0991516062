"""How SQLite works values out: doubles, parts of moments, and sums that are exact to nine decimals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
    Column,
    Connection,
    FromClause,
    Integer,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    select,
    true,
)

from ...query.kinds import DATETIME, DAY, Kind
from ...query.moments import zone_named
from .dialect import Parts
from .joins import Mixed, Sql

_INFINITE = ("9e999", "-9e999")
_UNIT: Sql = literal_column("1000000000")
_SMALL: tuple[Sql, Sql] = (literal_column("-999999999999"), literal_column("999999999999"))
"""Between them a number's whole part is added up as a whole number; larger ones are added up in Python."""

SAMPLE = 1000
"""Rows that tell whether a column's numbers have fractions."""


def _whole(value: Sql) -> Sql:
    return cast(value, Integer)


class SqliteValues:
    """The part of SQLite's dialect that is about values."""

    _connection: Connection | None

    def arithmetic(self, op: str, left: Sql, right: Sql) -> Sql:
        """Of a double and a number: dividing by zero gives NULL by itself, and so does what is no number."""
        return left.op(op, return_type=REAL())(right)

    def finite(self, value: Sql) -> Sql:
        """SQLite calculates on with infinite numbers."""
        for infinite in _INFINITE:
            value = func.nullif(value, literal_column(infinite))
        return value

    def is_finite(self, op: str, value: Sql) -> Sql:
        """Only one of them can compare so."""
        if op == "exact":
            return true()
        return value < literal_column(_INFINITE[0]) if op in ("gt", "gte") else value > literal_column(_INFINITE[1])

    # --- moments and days -------------------------------------------------------------------------------

    def days_between(self, kind: Kind, left: Sql, right: Sql) -> Sql:
        """Moments by their milliseconds."""
        if kind is DAY:
            return cast(left, REAL) - right
        return (_milliseconds(left) - _milliseconds(right)).self_group() / literal_column("86400000.0")

    def days_later(self, kind: Kind, value: Sql, days: Sql) -> Sql:
        """Python counts on the calendar."""
        return func.planhat_days_later(value, days)

    def part(self, source: FromClause, kind: Kind, value: Sql, part: str, zone: str) -> Sql:
        """Parts are digits of the text, week days follow from the number of the day."""
        if part == "hour":
            return _whole(func.substr(_local(value, zone), 12, 2))
        if part == "date" and kind is DAY:
            return value
        if part in _PLACES:
            return _whole(func.substr(_calendar(kind, value, zone), *_PLACES[part]))
        day = _day_text(kind, value, zone)
        match part:
            case "date":
                return _number(day)
            case "week_day":
                return _modulo(_number(day) + 4, 7) + 1
            case "week":
                thursday = func.strftime("%j", day, "-3 days", "weekday 4")
                return (_whole(thursday) - 1).self_group().op("/")(7) + 1
        return (_whole(func.substr(day, 6, 2)) + 2).self_group().op("/")(3)

    def trunc(self, source: FromClause, kind: Kind, value: Sql, unit: str, zone: str) -> Sql:
        """The first days of months and years are texts, those of weeks numbers."""
        if unit == "day":
            return self.part(source, kind, value, "date", zone)
        day = _day_text(kind, value, zone)
        match unit:
            case "week":
                return _number(day) - _modulo(_number(day) + 3, 7)
            case "year":
                first = func.substr(day, 1, 4).op("||")("-01-01")
            case "month":
                first = func.substr(day, 1, 7).op("||")("-01")
            case _:
                month = (_whole(func.substr(day, 6, 2)) - 1).self_group().op("/")(3).self_group() * 3 + 1
                first = func.substr(day, 1, 5).op("||")(func.printf("%02d-01", month))
        return _number(first)

    def shared(self, kind: Kind, value: Sql, unit: str, zone: str) -> Sql | None:
        """The beginning of the text."""
        if kind is not DATETIME or zone != "UTC" or unit not in _OF_THE_SAME:
            return None
        return func.substr(value, literal_column("1"), literal_column(str(_OF_THE_SAME[unit])))

    def distinct_key(self, value: Mixed) -> Sql:
        """A number is written so that it could be read back."""
        number = func.printf("%!.17g", value.number + 0.0)
        return value.rank.op("||")(":").op("||")(func.coalesce(value.text, number))

    # --- sums -------------------------------------------------------------------------------------------

    def whole_sum(self, column: Sql, value: Sql) -> Sql | None:
        """A sum of whole numbers is one here; a large number is made a double, and so is the sum then."""
        if not isinstance(column, Column) or self._has_fractions(column):
            return None
        return func.sum(case((value.between(*_SMALL), value), else_=value * literal_column("1.0")))

    def _has_fractions(self, column: Column[Any]) -> bool:
        """Whether one of the first values has a fraction: then most have, and the exact sum is worked out at once."""
        if self._connection is None:
            return False
        first = select(column.label("value")).select_from(column.table).limit(SAMPLE).subquery()
        fraction = select(literal(1)).select_from(first).where(func.typeof(first.c.value) == "real").limit(1)
        return self._connection.execute(fraction).first() is not None

    def is_inexact(self, whole_sum: Sql) -> Sql:
        """A sum is a double if a value is one."""
        return func.typeof(whole_sum) == "real"

    def sum_parts(self, value: Sql) -> Parts:
        """Whole parts and fractions of small numbers as whole numbers; large numbers go to Python.

        Most numbers have no fraction and are small: each is looked at once for either.
        """
        whole, is_small = _whole(value), value.between(*_SMALL)
        fraction = (value - whole).self_group() * literal_column("1e9") + literal_column("1000000000.5")
        return {
            "n": func.count(value),
            "whole": func.sum(whole).filter(is_small),
            "fractions": func.sum(case((is_small, _whole(fraction) - _UNIT))).filter(value != whole),
            "large": func.planhat_large_sum(value).filter(not_(is_small)),
        }

    def merged_parts(self, parts: Parts) -> Parts:
        """Parts add up as numbers do."""
        return {
            "n": func.coalesce(func.sum(parts["n"]), 0),
            "whole": func.sum(parts["whole"]),
            "fractions": func.sum(parts["fractions"]),
            "large": func.planhat_large_sum(parts["large"]).filter(parts["large"].is_not(None)),
        }

    def total(self, parts: Parts) -> Sql:
        """The whole numbers as doubles; Python puts large ones together. Of no values each part is NULL."""
        whole, large = parts["whole"], parts["large"]
        fractions = func.coalesce(parts["fractions"], literal_column("0"))
        rest = _modulo(fractions, 1_000_000_000)
        carry = (fractions - rest).self_group().op("/")(_UNIT)
        small = cast(whole + carry, REAL) + cast(rest, REAL) / literal_column("1e9")
        mixed = func.planhat_total(func.coalesce(whole, literal_column("0")), fractions, large)
        return case((large.is_(None), small), else_=mixed)


_PLACES = {"year": (1, 4), "month": (6, 2), "day": (9, 2)}
"""Where a moment or day has its parts, as text."""
_OF_THE_SAME = {"year": 4, "month": 7, "day": 10}
"""How many characters all moments share that are truncated alike."""


def _local(value: Sql, zone: str) -> Sql:
    """A moment as the clocks of a zone show it, as text."""
    if zone == "UTC":
        return value
    zone_named(zone)
    return func.planhat_local(value, zone)


def _calendar(kind: Kind, value: Sql, zone: str) -> Sql:
    """A text that begins with the day."""
    return func.date(value + literal_column("2440587.5")) if kind is DAY else _local(value, zone)


def _day_text(kind: Kind, value: Sql, zone: str) -> Sql:
    found = _calendar(kind, value, zone)
    return found if kind is DAY else func.substr(found, 1, 10)


def _number(day: Sql) -> Sql:
    """A day as its number since 1970."""
    return _whole(func.julianday(day) - literal_column("2440587.5"))


def _milliseconds(moment: Sql) -> Sql:
    seconds = _whole(func.strftime("%s", func.substr(moment, 1, 19)))
    return seconds * literal_column("1000") + _whole(func.substr(moment, 21, 3))


def _modulo(value: Sql, by: int) -> Sql:
    """The remainder that is not negative."""
    divisor: Sql = literal_column(str(by))
    return (value.self_group().op("%")(divisor).self_group() + divisor).self_group().op("%")(divisor)
