"""Aggregates of one figure: its parts, their merger where groups are grouped once more, and the figure itself.

The parts are what a database can add up in any order. A count is `n`; a sum has the parts of `query.tally`; the least
and the greatest are themselves. Of values of any type the least is the least of the lowest rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Boolean, Integer, case, cast, func

from ...query.kinds import BOOLEAN, Kind
from ...query.tree import Figure
from .dialect import Dialect
from .expressions import constant
from .joins import Mixed, Sql, Value, columns_of

Parts = Mapping[str, Sql]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A figure as SQL aggregates. `counted` is what is added up: None stands for the rows themselves."""

    dialect: Dialect
    figure: Figure

    def parts(self, counted: Value | None) -> Parts:
        """The aggregates over rows."""
        figure = self.figure
        if counted is None:
            return {"n": func.count()}
        if figure.function == "count":
            return {"n": self._count(counted)}
        if figure.function in ("sum", "avg"):
            return self.dialect.sum_parts(columns_of(counted)[0])
        return _extreme(figure.function, counted, _kind(figure))

    def _count(self, counted: Value) -> Sql:
        if not self.figure.distinct:
            return func.count(columns_of(counted)[0])
        if isinstance(counted, Mixed):
            return func.count(case((counted.rank.is_not(None), self.dialect.distinct_key(counted))).distinct())
        return func.count(counted.distinct())

    def merged(self, parts: Parts) -> Parts:
        """The same over such parts of smaller groups."""
        figure = self.figure
        if figure.function == "count":
            return {"n": func.coalesce(func.sum(parts["n"]), 0)}
        if figure.function in ("sum", "avg"):
            return self.dialect.merged_parts(parts)
        return _extreme(figure.function, _from_parts(parts), _kind(figure))

    def result(self, parts: Parts) -> Value:
        """The figure."""
        figure = self.figure
        if figure.function == "count":
            return parts["n"]
        if figure.function in ("min", "max"):
            return self.defaulted(_from_parts(parts))
        total = self.dialect.total(parts)
        found = total if figure.function == "sum" else total / (parts["n"] * 1.0)
        return self.defaulted(found, parts["n"])

    def defaulted(self, found: Value, count: Sql | None = None) -> Value:
        """The figure with its default where there was nothing to add up."""
        default = self.figure.default
        if default is None:
            return found
        otherwise = columns_of(constant(default))
        columns = columns_of(found)
        nothing = columns[0].is_(None) if count is None else func.coalesce(count, 0) == 0
        chosen = [case((nothing, other), else_=column) for column, other in zip(columns, otherwise, strict=True)]
        return Mixed(*chosen) if isinstance(found, Mixed) else chosen[0]


def _kind(figure: Figure) -> Kind | None:
    return figure.value.kind if figure.value is not None else None


def _extreme(function: str, counted: Value, kind: Kind | None) -> Parts:
    take: Callable[[Sql], Sql] = func.min if function == "min" else func.max
    if not isinstance(counted, Mixed):
        # PostgreSQL has no least truth.
        return {"value": cast(take(cast(counted, Integer)), Boolean()) if kind is BOOLEAN else take(counted)}
    rank = take(counted.rank)
    numbers = {of: take(case((counted.rank == of, counted.number))) for of in (0, 1)}
    return {
        "rank": rank,
        "number": case((rank == 0, numbers[0]), (rank == 1, numbers[1])),
        "text": case((rank == 2, take(counted.text))),
    }


def _from_parts(parts: Parts) -> Value:
    if "value" in parts:
        return parts["value"]
    return Mixed(parts["rank"], parts["number"], parts["text"])
