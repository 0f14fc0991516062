"""Conditions on the day or year of a moment, as bounds of the moment itself: they are compared as they are stored.

A moment is UTC text with milliseconds, so in UTC those of a day begin with its text and a T.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_

from ...query.kinds import DATETIME
from ...query.tree import Expr, Part
from . import expressions
from .joins import Joins, Sql

if TYPE_CHECKING:
    from .compiler import Compiler

_EPOCH = date(1970, 1, 1).toordinal()
_BEHIND = "U"
"""Behind a day or year, it is behind all moments that begin with that: they go on with a T or a minus."""


def bounded(compiler: Compiler, expr: Expr, op: str, operand: Any, joins: Joins) -> Sql | None:
    """A condition on the day or year of a moment; None for other conditions."""
    if not isinstance(expr, Part) or expr.part not in _TEXTS or expr.of.kind is not DATETIME:
        return None
    if compiler.zone != "UTC" or expr in joins.known or op not in _BOUNDS:
        return None
    texts = [_TEXTS[expr.part](end) for end in (operand if op == "range" else (operand,))]
    if None in texts:
        return None
    moment = expressions.single(compiler, expr.of, joins)
    bounds = [(lookup, f"{texts[end]}{behind}") for lookup, end, behind in _BOUNDS[op]]
    return and_(*(expressions.direct(compiler, joins.source, moment, DATETIME, *bound) for bound in bounds))


_BOUNDS = {
    "exact": [("gte", 0, ""), ("lt", 0, _BEHIND)],
    "gt": [("gte", 0, _BEHIND)],
    "gte": [("gte", 0, "")],
    "lt": [("lt", 0, "")],
    "lte": [("lt", 0, _BEHIND)],
    "range": [("gte", 0, ""), ("lt", -1, _BEHIND)],
}


def _day(number: Any) -> str | None:
    if isinstance(number, int) and 0 < number + _EPOCH <= date.max.toordinal():
        return date.fromordinal(number + _EPOCH).isoformat()
    return None


def _year(number: Any) -> str | None:
    is_year = isinstance(number, (int, float)) and 0 < number < 10_000 and number == int(number)
    return f"{int(number):04d}" if is_year else None


_TEXTS = {"date": _day, "year": _year}
