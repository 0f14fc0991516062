"""The SQL reading of a query tree, in the parts that both databases say the same way.

Truth is two-valued: a comparison with a missing value is NULL in SQL, which AND and OR pass on harmlessly and
every NOT first turns into false. A step over a relation is `near IN (SELECT far ...)`, so any depth works. What
the databases say differently, or not at all, is in `Dialect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any as Anything
from typing import Protocol

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, func, not_, or_, select, true

from ...query.kinds import ANY, BOOLEAN, DATETIME, ID, LISTS, OBJECT, REF, TEXT, Kind
from ...query.query import Query
from ...query.tree import All, Any, Node, Not, Related, Target, Test
from ..db import tables
from ..db.layout import Column, Layout, layout_for

Sql = ColumnElement[Anything]

_DIRECT = {"exact": "__eq__", "gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
_TEXTS = (TEXT, ID, REF, DATETIME)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value inside a JSON column: at `path` of `base`, to be read as `kind`."""

    base: Sql
    path: tuple[str, ...]
    kind: Kind


class Dialect(Protocol):
    """What SQLite and PostgreSQL say differently."""

    def json(self, column: Sql) -> Sql:
        """A JSON column as text, to be selected."""
        ...

    def missing(self, cell: Cell) -> Sql:
        """Whether nothing, or null, is at the cell. Never NULL."""
        ...

    def among(self, value: Sql, operands: Sequence[Anything]) -> Sql:
        """Whether a column is one of many values."""
        ...

    def contains(self, value: Sql, operand: str) -> Sql:
        """Whether a text holds another."""
        ...

    def starts(self, value: Sql, operand: str) -> Sql:
        """Whether a text starts with another."""
        ...

    def ends(self, value: Sql, operand: str) -> Sql:
        """Whether a text ends with another."""
        ...

    def lookup(self, table: FromClause, value: Sql, op: str, operand: Anything) -> Sql:
        """Any other lookup on a column of comparables."""
        ...

    def matches(self, table: FromClause, cell: Cell, op: str, operand: Anything) -> Sql:
        """A lookup on a JSON cell."""
        ...

    def pair(self, table: FromClause, left: Sql | Cell, op: str, right: Sql | Cell) -> Sql:
        """A comparison of two values of a row, one of them at least in JSON."""
        ...

    def members(self, column: Sql) -> tuple[Sql, Sql]:
        """The elements of a JSON list as a column of a FROM of its own, and the condition that one is text."""
        ...

    def raw(self, extra: Sql, column: Sql, wire: str) -> Sql:
        """The JSON of a value that is spread over its column and `_extra`."""
        ...

    def comparable(self, cell: Cell) -> Sql:
        """What a cell compares by."""
        ...


class Compiler:
    """Writes the statements of queries."""

    def __init__(self, dialect: Dialect, *, hidden: bool = False) -> None:
        self.dialect = dialect
        self.hidden = hidden

    def rows(self, query: Query, columns: Sequence[Column]) -> Select[Anything]:
        """The statement that selects `columns` and `_extra` of the records."""
        table, where = self._from(query)
        shown = [
            self.dialect.json(table.c[column.name]) if column.storage == "json" else table.c[column.name]
            for column in columns
        ]
        statement = select(*shown, table.c["_extra"]).where(where).order_by(*self.order(query, table))
        return _sliced(statement, query)

    def count(self, query: Query) -> Select[Anything]:
        """The statement that counts the records, within the query's slice."""
        table, where = self._from(query)
        if not query.is_sliced:
            return select(func.count()).select_from(table).where(where)
        return select(func.count()).select_from(_sliced(select(table.c.pk).where(where), query).subquery())

    def matching(self, query: Query) -> tuple[FromClause, Sql]:
        """The table to aggregate over, and the condition; a sliced query's rows are cut out first."""
        table, where = self._from(query)
        if not query.is_sliced:
            return table, where
        chosen = _sliced(select(table.c.pk).where(where).order_by(*self.order(query, table)), query).subquery()
        return table, table.c.pk.in_(select(chosen.c.pk))

    def order(self, query: Query, table: FromClause) -> list[Sql]:
        """ORDER BY: missing values last either way, `_id` as the last word."""
        terms: list[Sql] = []
        for target, descending in query.order:
            value = self.comparable(target, table, layout_for(query.resource))
            terms += [value.is_(None), value.desc() if descending else value.asc()]
        return [*terms, table.c.id]

    def comparable(self, target: Target, table: FromClause, layout: Layout) -> Sql:
        """What a target compares by, as an expression."""
        value = self.value(target, table, layout)
        return self.dialect.comparable(value) if isinstance(value, Cell) else value

    def present(self, target: Target, table: FromClause, layout: Layout) -> Sql:
        """Whether there is a value at a target, of whatever type."""
        return not_(self._missing(target, table, layout))

    # --- conditions -------------------------------------------------------------------------------------

    def _from(self, query: Query) -> tuple[FromClause, Sql]:
        layout = layout_for(query.resource)
        table: FromClause = tables.records(layout)
        return table, and_(self._belongs(table, layout, hidden=self.hidden), self.where(query.where, table, layout))

    def _belongs(self, table: FromClause, layout: Layout, *, hidden: bool) -> Sql:
        """The rows of a resource in its table that Planhat's own lists would show."""
        conditions: list[Sql] = [true()]
        if layout.only is not None:
            conditions.append(table.c[layout.only[0].name] == layout.only[1])
        param = layout.resource.hidden_by
        if param is not None and not hidden:
            conditions.append(table.c[layout.by_wire[str(param.hides)].name].is_not(true()))
        return and_(*conditions)

    def where(self, node: Node, table: FromClause, layout: Layout) -> Sql:
        """The condition of a tree on the rows of `table`."""
        match node:
            case All(children):
                return and_(true(), *(self.where(child, table, layout) for child in children))
            case Any(children):
                return or_(false(), *(self.where(child, table, layout) for child in children))
            case Not(child):
                return not_(func.coalesce(self.where(child, table, layout), false()))
            case Related():
                return self._related(node, table, layout)
            case Test():
                return self._test(node, table, layout)

    def _related(self, node: Related, table: FromClause, layout: Layout) -> Sql:
        hop = node.hop
        there = layout_for(hop.resource)
        far = tables.records(there).alias()
        inside = and_(self._belongs(far, there, hidden=node.hidden), self.where(node.where, far, there))
        near = table.c[layout.by_wire[hop.near].name]
        key = far.c[there.by_wire[hop.far].name]
        if hop.many_near:
            member, is_text = self.dialect.members(near)
            return select(1).where(is_text, member.in_(select(key).where(inside))).correlate(table).exists()
        if hop.many_far:
            member, is_text = self.dialect.members(key)
            return near.in_(select(member).select_from(far).where(is_text, inside))
        return near.in_(select(key).where(inside))

    def value(self, target: Target, table: FromClause, layout: Layout) -> Sql | Cell:
        """Where a target's value is: a column of comparables, or a cell of JSON."""
        first, *rest = target.keys
        column = layout.by_wire.get(first)
        if column is not None and column.storage == "json":
            return Cell(table.c[column.name], tuple(rest), target.kind)
        if column is None:
            return Cell(table.c["_extra"], target.keys, target.kind)
        if rest or column.kind.comparable is not target.kind.comparable:
            # A class that reads the field in another way than the column does: only the raw value will do.
            raw = self.dialect.raw(table.c["_extra"], table.c[column.name], column.wire)
            return Cell(raw, tuple(rest), target.kind)
        return table.c[column.name]

    def _missing(self, target: Target, table: FromClause, layout: Layout) -> Sql:
        """Absent or null. What did not fit its column is in `_extra`, and not missing."""
        column = layout.by_wire.get(target.keys[0])
        unkept = self.dialect.missing(Cell(table.c["_extra"], target.keys[:1], ANY))
        if column is None or len(target.keys) > 1:
            value = self.value(target, table, layout)
            assert isinstance(value, Cell)
            return self.dialect.missing(value)
        return and_(table.c[column.name].is_(None), unkept)

    def _test(self, test: Test, table: FromClause, layout: Layout) -> Sql:
        target, op, operand = test.target, test.op, test.value
        if op == "isnull":
            missing = self._missing(target, table, layout)
            return missing if operand else not_(missing)
        value = self.value(target, table, layout)
        if isinstance(operand, Target):
            return self._pair(target, value, op, operand, table, layout)
        if isinstance(value, Cell):
            return self.dialect.matches(table, value, op, operand)
        if target.kind in (*LISTS, OBJECT):
            return false()
        return self._direct(table, value, target.kind, op, operand)

    def _direct(self, table: FromClause, value: Sql, kind: Kind, op: str, operand: Anything) -> Sql:
        if op in _DIRECT:
            if kind is BOOLEAN and op != "exact":
                return false()
            return getattr(value, _DIRECT[op])(operand)  # type: ignore[no-any-return]
        if op == "in":
            return self.dialect.among(value, operand) if operand else false()
        if op == "range":
            return and_(value >= operand[0], value <= operand[1])
        if op == "contains":
            return self.dialect.contains(value, operand)
        if op == "startswith":
            return self.dialect.starts(value, operand)
        if op == "endswith":
            return self.dialect.ends(value, operand)
        return self.dialect.lookup(table, value, op, operand)

    def _pair(
        self, target: Target, left: Sql | Cell, op: str, operand: Target, table: FromClause, layout: Layout
    ) -> Sql:
        right = self.value(operand, table, layout)
        if isinstance(left, Cell) or isinstance(right, Cell):
            return self.dialect.pair(table, left, op, right)
        if _family(target.kind) != _family(operand.kind) or (target.kind is BOOLEAN and op != "exact"):
            return false()
        return getattr(left, _DIRECT[op])(right)  # type: ignore[no-any-return]


def _family(kind: Kind) -> str:
    """Which comparables can be compared with each other: text, numbers, booleans."""
    return "text" if kind in _TEXTS else "boolean" if kind is BOOLEAN else "number"


def _sliced(statement: Select[Anything], query: Query) -> Select[Anything]:
    if query.limit is not None:
        statement = statement.limit(query.limit)
    return statement.offset(query.start) if query.start else statement


def touched(query: Query) -> set[str]:
    """The tables that a query reads."""
    found = {layout_for(query.resource).table}

    def visit(node: Node) -> None:
        match node:
            case All(children) | Any(children):
                for child in children:
                    visit(child)
            case Not(child):
                visit(child)
            case Related(_, hop, where):
                found.add(layout_for(hop.resource).table)
                visit(where)

    visit(query.where)
    return found
