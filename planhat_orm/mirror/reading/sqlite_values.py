"""How SQLite works values out: doubles, parts of moments, and sums that are exact to nine decimals."""

from __future__ import annotations

from sqlalchemy import REAL, FromClause, Integer, case, cast, func, literal_column, null

from ...query.kinds import DAY, Kind
from ...query.moments import zone_named
from .dialect import Parts
from .joins import Mixed, Sql

_INFINITE = ("9e999", "-9e999")
_UNIT: Sql = literal_column("1000000000")
_SMALL: Sql = literal_column("1e12")
"""Below it a number's whole part is added up as a whole number; larger ones are added up in Python."""


def _whole(value: Sql) -> Sql:
    return cast(value, Integer)


class SqliteValues:
    """The part of SQLite's dialect that is about values."""

    def arithmetic(self, op: str, left: Sql, right: Sql) -> Sql:
        """Doubles; dividing by zero gives NULL by itself, and so does what is no number."""
        found: Sql = cast(left, REAL).op(op, return_type=REAL())(cast(right, REAL))
        for infinite in _INFINITE:
            found = func.nullif(found, literal_column(infinite))
        return found

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
        day = _day_text(kind, value, zone)
        match part:
            case "date":
                return _number(day)
            case "week_day":
                return _modulo(_number(day) + 4, 7) + 1
            case "week":
                thursday = func.strftime("%j", day, "-3 days", "weekday 4")
                return (_whole(thursday) - 1).self_group().op("/")(7) + 1
            case "quarter":
                return (_whole(func.substr(day, 6, 2)) + 2).self_group().op("/")(3)
        start, length = {"year": (1, 4), "month": (6, 2), "day": (9, 2)}[part]
        return _whole(func.substr(day, start, length))

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
                first = func.substr(day, 1, 8).op("||")("01")
            case _:
                month = (_whole(func.substr(day, 6, 2)) - 1).self_group().op("/")(3).self_group() * 3 + 1
                first = func.substr(day, 1, 5).op("||")(func.printf("%02d-01", month))
        return _number(first)

    def distinct_key(self, value: Mixed) -> Sql:
        """A number is written so that it could be read back."""
        number = func.printf("%!.17g", value.number + 0.0)
        return value.rank.op("||")(":").op("||")(func.coalesce(value.text, number))

    # --- sums -------------------------------------------------------------------------------------------

    def sum_parts(self, value: Sql) -> Parts:
        """Whole parts and fractions of small numbers as whole numbers; large numbers go to Python."""
        size = func.abs(value)
        fraction = (value - _whole(value)).self_group() * literal_column("1e9") + literal_column("1000000000.5")
        small = size < _SMALL
        count = func.count(value)
        return {
            "n": count,
            "whole": func.coalesce(func.sum(case((small, _whole(value)))), 0),
            "fractions": func.coalesce(func.sum(case((small, _whole(fraction) - _UNIT))), 0),
            "large": func.planhat_large_sum(value).filter(size >= _SMALL),
        }

    def merged_parts(self, parts: Parts) -> Parts:
        """Parts add up as numbers do."""
        return {
            "n": func.coalesce(func.sum(parts["n"]), 0),
            "whole": func.coalesce(func.sum(parts["whole"]), 0),
            "fractions": func.coalesce(func.sum(parts["fractions"]), 0),
            "large": func.planhat_large_sum(parts["large"]).filter(parts["large"].is_not(None)),
        }

    def total(self, parts: Parts) -> Sql:
        """The whole numbers as doubles; Python puts large ones together."""
        whole, fractions, large = parts["whole"], parts["fractions"], parts["large"]
        rest = _modulo(fractions, 1_000_000_000)
        carry = (fractions - rest).self_group().op("/")(_UNIT)
        small = cast(whole + carry, REAL) + cast(rest, REAL) / literal_column("1e9")
        return case(
            (parts["n"] == 0, null()),
            (large.is_(None), small),
            else_=func.planhat_total(whole, fractions, large),
        )


def _local(value: Sql, zone: str) -> Sql:
    """A moment as the clocks of a zone show it, as text."""
    if zone == "UTC":
        return value
    zone_named(zone)
    return func.planhat_local(value, zone)


def _day_text(kind: Kind, value: Sql, zone: str) -> Sql:
    if kind is DAY:
        return func.date(value + literal_column("2440587.5"))
    return func.substr(_local(value, zone), 1, 10)


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
