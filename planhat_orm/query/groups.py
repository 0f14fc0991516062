"""The Python reading of groups: records sorted into groups, their figures, and which groups are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from .predicate import Environment, Reader, figure_value, items, ordered, predicate, records_over, value
from .query import Query
from .raw_values import Row
from .tally import Tally, order_key
from .tree import EVERYTHING, Expr, Figure, Item
from .walk import figures_in

Key = tuple[Any, ...]


class Groups:
    """Takes records in, one at a time, and gives the rows of a grouped query."""

    def __init__(self, query: Query, environment: Environment) -> None:
        assert query.groups is not None
        self._query = query
        self._environment = environment
        self._keys = [_key(expr, environment) for _, expr in query.groups]
        wanted = (tuple(expr for _, expr in query.annotations), query.having, tuple(expr for expr, _ in query.order))
        self._figures = list(dict.fromkeys(figures_in(wanted)))
        self._adders = [_adder(figure, environment) for figure in self._figures]
        self._groups: dict[Key, tuple[Key, list[_Sum]]] = {}
        if not query.groups:
            self._group(())

    def add(self, row: Row) -> None:
        """Count one record in, in every group that it is in."""
        for values in product(*(key(row) for key in self._keys)):
            for total, adder in zip(self._group(values), self._adders, strict=True):
                adder(total, row)

    def _group(self, values: Key) -> list[_Sum]:
        key = tuple(None if found is None else order_key(found) for found in values)
        if key not in self._groups:
            self._groups[key] = (values, [_Sum(figure) for figure in self._figures])
        return self._groups[key][1]

    def rows(self) -> list[dict[str, Any]]:
        """The groups that are wanted, in their order: their values and figures by name."""
        query = self._query
        assert query.groups is not None
        known: dict[Expr, Reader] = {
            expr: _at(place) for place, expr in enumerate([*(expr for _, expr in query.groups), *self._figures])
        }
        environment = Environment(self._environment.zone, known=known)
        found = [
            dict(enumerate([*values, *(total.tally.result() for total in totals)]))
            for values, totals in self._groups.values()
        ]
        if query.having != EVERYTHING:
            found = list(filter(predicate(query.having, environment), found))  # type: ignore[arg-type]
        order = (*query.order, *((expr, False) for _, expr in query.groups))
        rows = ordered(found, order, environment)[query.start : query.stop]  # type: ignore[arg-type]
        readers = [(name, value(expr, environment)) for name, expr in (*query.groups, *query.annotations)]
        return [{name: read(row) for name, read in readers} for row in rows]


class _Sum:
    """A figure under way in one group, and the related records that it has counted."""

    __slots__ = ("seen", "tally")

    def __init__(self, figure: Figure) -> None:
        self.tally = Tally(figure)
        self.seen: set[Any] = set()


def _at(place: int) -> Reader:
    return lambda row: row.get(place)  # type: ignore[call-overload]


def _key(expr: Expr, environment: Environment) -> Callable[[Row], list[Any]]:
    if isinstance(expr, Item):
        return items(expr)
    read = value(expr, environment)
    return lambda row: [read(row)]


def _adder(figure: Figure, environment: Environment) -> Callable[[_Sum, Row], None]:
    read = figure_value(figure, environment)
    holds = predicate(figure.where[0], environment) if figure.where else None
    if not figure.hops:

        def add(total: _Sum, row: Row) -> None:
            if holds is None or holds(row):
                total.tally.add(read(row))

        return add
    follow = records_over(figure.hops, environment, figure.where, figure.hidden)

    def add_related(total: _Sum, row: Row) -> None:
        for far in follow(row) if holds is None or holds(row) else ():
            if far["_id"] not in total.seen:
                total.seen.add(far["_id"])
                total.tally.add(read(far))

    return add_related


def grouped(query: Query, rows: Iterable[Row], environment: Environment) -> list[dict[str, Any]]:
    """The rows of a grouped query over records."""
    groups = Groups(query, environment)
    for row in rows:
        groups.add(row)
    return groups.rows()
