"""How PostgreSQL works values out: doubles that never raise, parts of moments, and sums exact to nine decimals."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Double,
    FromClause,
    Integer,
    Numeric,
    Text,
    case,
    cast,
    extract,
    false,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ...query.dates import transitions
from ...query.kinds import DAY, EXACT, Kind
from .dialect import Parts
from .joins import Mixed, Sql

_SAFE: tuple[Sql, Sql] = (literal_column("-744::float8"), literal_column("709.7::float8"))
"""The natural logarithms between which a number is a double, and not 0."""
_HALF: Sql = literal_column("8e307::float8")
"""The sum of two smaller numbers is a double."""
_OF_LOGARITHMS = {"*": "+", "/": "-"}
_MOST: Sql = literal_column(f"{2**1024 - 2**970}::numeric")
"""From here on a number is no double."""
_LEAST: Sql = literal_column("2.5e-324::numeric")
_EPOCH: Sql = literal_column("date '1970-01-01'")
_DAY_MS: Sql = literal_column("86400000.0::float8")
_SMALL: Sql = literal_column("1e12::float8")
_UNIT: Sql = literal_column("1000000000")
_FIRST: Sql = literal_column("timestamp '0001-01-01'")
_LAST: Sql = literal_column("timestamp '9999-12-31 23:59:59.999'")


def _exact(value: Sql) -> Sql:
    """A double as a `numeric`, by the digits that tell it from its neighbours."""
    return cast(cast(value, Text), Numeric(asdecimal=False))


def _double(value: Sql) -> Sql:
    """A `numeric` as a double; NULL where it is none, 0 where it is nearly that."""
    return case((func.abs(value) >= _MOST, null()), (func.abs(value) < _LEAST, 0.0), else_=cast(value, Double()))


class PostgresValues:
    """The part of PostgreSQL's dialect that is about values."""

    _connection: Connection | None

    def arithmetic(self, op: str, left: Sql, right: Sql) -> Sql:
        """An operation of two numbers, NULL where its result is no double.

        PostgreSQL raises where doubles overflow or underflow. Near that it calculates with `numeric`, which it makes of
        the digits that a double is written with: elsewhere the last bit would be another one than the doubles' own.
        """
        left, right = cast(left, Double()), cast(right, Double())
        plain: Sql = left.op(op, return_type=Double())(right)
        if op == "/":
            plain = left.op(op, return_type=Double())(func.nullif(right, 0))
        first, second = _exact(left), _exact(right)
        if op == "/":
            # So many digits that none is lost.
            first = (first + literal_column("0." + "0" * 400)).self_group()
            second = func.nullif(second, 0)
        return case(
            (_is_safe(op, left, right), plain),
            else_=_double(first.op(op, return_type=Numeric(asdecimal=False))(second)),
        )

    def finite(self, value: Sql) -> Sql:
        """Nothing is infinite here."""
        return value

    def is_finite(self, op: str, value: Sql) -> Sql:
        """Nothing is infinite here."""
        return true()

    # --- moments and days -------------------------------------------------------------------------------

    def days_between(self, kind: Kind, left: Sql, right: Sql) -> Sql:
        """Moments by their milliseconds."""
        if kind is DAY:
            return cast(left, Double()) - right
        return cast(_milliseconds(left) - _milliseconds(right), Double()) / _DAY_MS

    def days_later(self, kind: Kind, value: Sql, days: Sql) -> Sql:
        """Days on the calendar, and milliseconds; NULL where that leaves it."""
        if kind is DAY:
            later: Sql = cast(value, Double()) + func.floor(days)
            return case((later.between(-719162, 2932896), cast(later, Integer)))
        later = cast(_milliseconds(value), Double()) + func.floor(days * _DAY_MS + 0.5)
        moment: Sql = literal_column("timestamp '1970-01-01'") + later * literal_column("interval '1 millisecond'")
        text = func.to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"').collate("C")
        return case((later.between(-62135596800000, 253402300799999), text))

    def part(self, source: FromClause, kind: Kind, value: Sql, part: str, zone: str) -> Sql:
        """Parts of a timestamp without a zone."""
        if part == "date" and kind is DAY:
            return value
        moment = self._moment(source, kind, value, zone)
        match part:
            case "date":
                return _number(moment)
            case "week_day":
                return cast(extract("dow", moment), Integer) + 1
        return cast(extract(part, moment), Integer)

    def trunc(self, source: FromClause, kind: Kind, value: Sql, unit: str, zone: str) -> Sql:
        """The first day as a number; weeks start on Monday here too."""
        moment = self._moment(source, kind, value, zone)
        return _number(func.date_trunc(unit, moment, type_=DateTime()))

    def _moment(self, source: FromClause, kind: Kind, value: Sql, zone: str) -> Sql:
        if kind is DAY:
            return cast(_EPOCH + value, DateTime())
        moment = _timestamp(value)
        if zone == "UTC":
            return moment
        local = moment + self._offset(source, value, moment, zone) * literal_column("interval '1 second'")
        return case((local.between(_FIRST, _LAST), local))

    def _offset(self, source: FromClause, value: Sql, moment: Sql, zone: str) -> Sql:
        """How many seconds the clocks of a zone are ahead, by a table from Python: a database has zones of its own."""
        first, last = self._years(source, value)
        starts, offsets = _table(zone, first, last)
        seconds = cast(extract("epoch", moment), BigInteger)
        place = func.width_bucket(seconds, _array(starts, "bigint")) if starts else literal(0)
        return _array(offsets, "int")[place + 1]

    def _years(self, source: FromClause, value: Sql) -> tuple[int, int]:
        """The years between which the values lie."""
        if self._connection is None:
            return 1970, 2040
        found = self._connection.execute(select(func.min(value), func.max(value)).select_from(source)).one()
        years = [int(text[:4]) for text in found if text is not None] or [1970]
        return min(*years, 1970), max(*years, 2040)

    def shared(self, kind: Kind, value: Sql, unit: str, zone: str) -> Sql | None:
        """Numbers are made of moments quickly here."""
        return None

    def distinct_key(self, value: Mixed) -> Sql:
        """A number is written so that it could be read back."""
        number = cast(value.number + 0.0, Text)
        return cast(value.rank, Text).op("||")(":").op("||")(func.coalesce(value.text, number)).collate("C")

    # --- sums -------------------------------------------------------------------------------------------

    def whole_sum(self, column: Sql, value: Sql) -> Sql | None:
        """A sum of doubles does not say what was added up."""
        return None

    def is_inexact(self, whole_sum: Sql) -> Sql:
        """No sum is given that may be."""
        return false()

    def sum_parts(self, value: Sql) -> Parts:
        """Whole parts and fractions as whole numbers, large numbers without bounds."""
        value = cast(value, Double())
        size, whole = func.abs(value), func.trunc(value)
        small = size < _SMALL
        billion: Sql = literal_column("1e9::float8")
        fraction = func.trunc((value - whole) * billion + literal_column("1000000000.5::float8"))
        exact = case((size >= literal_column(f"{EXACT}::float8"), _exact(value)), else_=_exact(whole))
        return {
            "n": func.count(value),
            "whole": func.coalesce(func.sum(case((small, cast(whole, BigInteger)))), 0),
            "fractions": func.coalesce(func.sum(cast(fraction, BigInteger) - _UNIT), 0),
            "large": func.coalesce(func.sum(case((size >= _SMALL, exact))), 0),
        }

    def merged_parts(self, parts: Parts) -> Parts:
        """Parts add up as numbers do."""
        return {name: func.coalesce(func.sum(part), 0) for name, part in parts.items()}

    def total(self, parts: Parts) -> Sql:
        """The whole numbers as one double, and the rest as another."""
        exact = Numeric(asdecimal=False)
        fractions = cast(parts["fractions"], exact)
        carry = func.floor(fractions / _UNIT)
        rest = fractions - carry * _UNIT
        whole = cast(parts["whole"], exact) + cast(parts["large"], exact) + carry
        return case((parts["n"] > 0, _double(whole) + cast(rest, Double()) / literal_column("1e9::float8")))


def _array(numbers: tuple[int, ...], of: str) -> ColumnElement[Any]:
    return literal_column(f"(ARRAY[{','.join(map(str, numbers))}]::{of}[])", ARRAY(BigInteger))


def _is_safe(op: str, left: Sql, right: Sql) -> Sql:
    """Whether the result is sure to be a double, by its magnitude."""
    if op in "+-":
        return func.greatest(func.abs(left), func.abs(right)) < _HALF
    magnitude = _logarithm(left).op(_OF_LOGARITHMS[op])(_logarithm(right)).self_group()
    return func.coalesce(magnitude.between(*_SAFE), true())


def _logarithm(value: Sql) -> Sql:
    """NULL of 0, with which no result is too large or too small."""
    return func.ln(func.nullif(func.abs(value), literal_column("0")))


def _timestamp(moment: Sql) -> Sql:
    return cast(func.left(moment, 23), DateTime())


def _number(moment: Sql) -> Sql:
    """A day as its number since 1970."""
    return cast(moment, Date()).op("-", return_type=Integer())(_EPOCH)


def _milliseconds(moment: Sql) -> Sql:
    return cast(func.round(extract("epoch", _timestamp(moment)) * 1000), BigInteger)


@lru_cache(maxsize=32)
def _table(zone: str, first: int, last: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    starts, offsets = transitions(zone, datetime(max(first, 2), 1, 1), last)
    return starts, offsets
