"""The SQL reading of a query tree, in the parts that both databases say the same way.

Truth is two-valued: a comparison with a missing value is NULL in SQL, which AND and OR pass on harmlessly and
every NOT first turns into false. A condition over a relation is `near IN (SELECT far ...)`, so any depth works; a
value over one is a LEFT JOIN. What the databases say differently, or not at all, is in `Dialect`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any as Anything

from sqlalchemy import (
    FromClause,
    Select,
    and_,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
)

from ...query.kinds import ANY
from ...query.lookups import COMPARE
from ...query.query import Query
from ...query.tree import All, Any, Expr, Figure, Hop, InQuery, Item, Node, Not, Related, Target, Test
from ...query.walk import parts_of, without_relations
from ..db import tables
from ..db.layout import Column, Layout, layout_for
from . import days, expressions, figures, grouping, trees
from .dialect import Dialect
from .joins import Cell, Joins, Sql, Value, columns_of
from .statements import joined, sliced


class Compiler:
    """Writes the statements of queries."""

    def __init__(
        self, dialect: Dialect, *, hidden: bool = False, zone: str = "UTC", aliases: Counter[str] | None = None
    ) -> None:
        self.dialect = dialect
        self.hidden = hidden
        self.zone = zone
        self._labels = count()
        self._aliases: Counter[str] = Counter() if aliases is None else aliases

    def alias(self, layout: Layout) -> FromClause:
        """The table of a resource under a name that nothing else in the statement has."""
        self._aliases[layout.table] += 1
        return tables.alias(layout.table, self._aliases[layout.table])

    def labelled(self, columns: Sequence[Sql]) -> list[Sql]:
        """Columns under names that nothing else in the statement has, so that GROUP BY can use them."""
        return [column.label(f"c{next(self._labels)}") for column in columns]

    # --- statements -------------------------------------------------------------------------------------

    def rows(self, query: Query, columns: Sequence[Column]) -> Select[Anything]:
        """The statement that selects `columns`, `_extra`, and the columns of the annotations, of the records."""
        joins, where = self.records(query)
        joins.once = figures.asked_once(query)
        table = joins.table
        shown = [
            self.dialect.json(table.c[column.name]) if column.storage == "json" else table.c[column.name]
            for column in columns
        ]
        values: list[Sql] = []
        for _, expr in query.annotations:
            named = columns_of(self.value(expr, joins))
            values += [column.label(f"v{len(values) + place}") for place, column in enumerate(named)]
            if expr in joins.once:
                joins.figures[expr] = values[-1]
        order = self.order(query, joins)
        # An id is never spilt into `_extra`, so that an index alone may answer.
        extra = null() if query.select is not None and query.select <= {"_id"} else table.c["_extra"]
        chosen = (*shown, extra, *values)
        if query.distinct:
            where = and_(where, table.c.pk.in_(self._first_of_each(query)))
        return sliced(select(*chosen).select_from(joins.source).where(where).order_by(*order), query)

    def keys(self, query: Query) -> Select[Anything]:
        """The statement that selects the primary keys of the records, within the query's slice."""
        joins, where = self.records(query)
        order = self.order(query, joins) if query.is_sliced else ()
        if query.distinct:
            where = and_(where, joins.table.c.pk.in_(self._first_of_each(query)))
        return sliced(select(joins.table.c.pk).select_from(joins.source).where(where).order_by(*order), query)

    def count(self, query: Query) -> Select[Anything]:
        """The statement that counts the records, or groups, within the query's slice."""
        if query.groups is not None:
            return select(func.count()).select_from(self.groups(query).subquery())
        if query.picks:
            return select(func.count()).select_from(self.keys(query).subquery())
        joins, where = self.records(query)
        return select(func.count()).select_from(joins.source).where(where)

    def groups(self, query: Query) -> Select[Anything]:
        """The statement that selects the values and figures of groups."""
        return grouping.statement(self, query)

    def records(self, query: Query) -> tuple[Joins, Sql]:
        """The table of the records, and the condition that chooses them; a slice is not taken yet."""
        layout = layout_for(query.resource)
        narrow, alone = _is_narrow(query.where, layout), without_relations(query.where)
        joins = Joins(self, tables.records(layout), layout, narrow=narrow, chosen=alone)
        visible = self.belongs(joins.table, layout, hidden=query.hidden)
        return joins, and_(visible, self._joined(query.where, joins))

    def _joined(self, node: Node, joins: Joins) -> Sql:
        """The condition on the rows of a table, with the record joined that a relation to one leads to.

        A database may then begin with those records, and find the rows by an index.
        """
        parts: list[Sql] = []
        for part in _cheap_first(node.children) if isinstance(node, All) else (node,):
            if isinstance(part, Related) and part.hop.to_one:
                far = self.far(part.hop, part.hidden)
                inside = self._joined(part.where, far.joins)
                near, key = joins.column(part.hop.near), far.joins.column(part.hop.far)
                joins.join(far.joins.source, near == key, inner=True)
                parts += [far.visible, inside]
            else:
                parts.append(self.where(part, joins))
        return joined(and_, true(), parts)

    def _first_of_each(self, query: Query) -> Select[Anything]:
        """The primary keys of the first record of each combination of values."""
        joins, where = self.records(query)
        values = [column for expr in query.distinct for column in columns_of(self.value(expr, joins))]
        place = func.row_number().over(partition_by=values, order_by=self.order(query, joins)).label("place")
        numbered = select(joins.table.c.pk, place).select_from(joins.source).where(where).subquery()
        return select(numbered.c.pk).where(numbered.c.place == 1)

    def order(self, query: Query, joins: Joins) -> list[Sql]:
        """ORDER BY: missing values last either way, `_id` as the last word."""
        return [*self.terms(query.order, joins), joins.table.c.id]

    def terms(self, order: tuple[tuple[Expr, bool], ...], joins: Joins) -> list[Sql]:
        """The terms of ORDER BY for some values."""
        terms: list[Sql] = []
        for expr, descending in order:
            columns = columns_of(self.value(expr, joins))
            if not (isinstance(expr, Figure) and expr.function == "count"):
                terms.append(columns[0].is_(None))
            terms += [column.desc() if descending else column.asc() for column in columns]
        return terms

    # --- values -----------------------------------------------------------------------------------------

    def value(self, expr: Expr, joins: Joins) -> Value:
        """What an expression compares by."""
        return expressions.value(self, expr, joins)

    def figure(self, figure: Figure, joins: Joins) -> Value:
        """A figure of each record over the records that are related to it."""
        return figures.of_records(self, figure, joins)

    def comparable(self, target: Target, joins: Joins, source: FromClause | None = None) -> Value:
        """What a field compares by; `source` is what the statement selects from, where that is more than the table."""
        found = self.place(target, joins)
        if isinstance(found, Cell):
            return self.dialect.comparable(joins.source if source is None else source, found)
        return found

    def place(self, target: Target, joins: Joins) -> Sql | Cell:
        """Where a field's value is: a column of comparables, or a cell of JSON."""
        table, layout = joins.table, joins.layout
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

    def listed(self, item: Item, joins: Joins) -> Sql:
        """The JSON of a list that is grouped by its elements."""
        found = self.place(item.of, joins)
        assert isinstance(found, Cell)
        return self.dialect.document(found)

    def present(self, target: Target, joins: Joins) -> Sql:
        """Whether there is a value at a field, of whatever type."""
        return not_(self._missing(target, joins.over(target.hops) if target.hops else joins))

    def _missing(self, target: Target, joins: Joins) -> Sql:
        """Absent or null. What did not fit its column is in `_extra`, and not missing."""
        column = joins.layout.by_wire.get(target.keys[0])
        if column is not None and column in joins.layout.derived:
            return joins.table.c[column.name].is_(None)
        unkept = self.dialect.missing(Cell(joins.table.c["_extra"], target.keys[:1], ANY))
        if column is None or len(target.keys) > 1:
            found = self.place(target, joins)
            assert isinstance(found, Cell)
            return self.dialect.missing(found)
        return and_(joins.table.c[column.name].is_(None), unkept)

    # --- conditions -------------------------------------------------------------------------------------

    def belongs(self, table: FromClause, layout: Layout, *, hidden: bool) -> Sql:
        """The rows of a resource in its table that Planhat's own lists would show."""
        conditions: list[Sql] = [true()]
        if layout.only is not None:
            conditions.append(table.c[layout.only[0].name] == layout.only[1])
        param = layout.resource.hidden_by
        if param is not None and not hidden:
            conditions.append(table.c[layout.by_wire[str(param.hides)].name].is_not(true()))
        return and_(*conditions)

    def where(self, node: Node, joins: Joins) -> Sql:
        """The condition of a tree on the rows of a table."""
        match node:
            case All(children):
                return joined(and_, true(), [self.where(child, joins) for child in _cheap_first(children)])
            case Any(children):
                return joined(or_, false(), [self.where(child, joins) for child in children])
            case Not(child):
                return not_(func.coalesce(self.where(child, joins), false()))
            case Related():
                return self._related(node, joins)
            case InQuery():
                return self._in_query(node, joins)
            case Test():
                return self._test(node, joins)

    def _related(self, node: Related, joins: Joins) -> Sql:
        hop = node.hop
        if hop.closure:
            return joins.column("_id").in_(trees.near_ids(self, hop, node.where, node.hidden))
        far = self.far(hop, node.hidden)
        inside = and_(far.visible, self.where(node.where, far.joins))
        source = far.joins.source
        near, key = joins.column(hop.near), far.joins.column(hop.far)
        if hop.many_near:
            elements, member, is_text = self.dialect.members(near)
            keys = select(key).select_from(source).where(inside)
            return select(1).select_from(elements).where(is_text, member.in_(keys)).correlate(joins.table).exists()
        if hop.many_far:
            elements, member, is_text = self.dialect.members(key)
            return near.in_(select(member).select_from(source, elements).where(is_text, inside))
        return near.in_(select(key).select_from(source).where(inside))

    def far(self, hop: Hop, hidden: bool) -> Far:
        """The records that a hop leads to, as a table of their own."""
        layout = layout_for(hop.resource)
        joins = Joins(self, self.alias(layout), layout)
        return Far(joins, self.belongs(joins.table, layout, hidden=hidden))

    def _in_query(self, node: InQuery, joins: Joins) -> Sql:
        inner = Compiler(self.dialect, hidden=node.query.hidden, zone=node.query.zone, aliases=self._aliases)
        found, where = inner.records(node.query)
        if node.query.distinct:
            where = and_(where, found.table.c.pk.in_(inner._first_of_each(node.query)))
        order = inner.order(node.query, found) if node.query.is_sliced else ()
        column = columns_of(inner.comparable(node.value, found))[0]
        chosen = select(column).select_from(found.source).where(where).order_by(*order)
        # Not correlated: the outer statement may be about the same table.
        values = sliced(chosen, node.query).correlate(None)
        left = self.place(node.target, joins)
        if isinstance(left, Cell) and left.kind.column == "json":
            elements, member, is_text = self.dialect.members(left.base)
            return select(1).select_from(elements).where(is_text, member.in_(values)).correlate(joins.table).exists()
        return columns_of(self.value(node.target, joins))[0].in_(values)

    def _test(self, test: Test, joins: Joins) -> Sql:
        target, op, operand = test.target, test.op, test.value
        if isinstance(target, Target) and not target.hops and target not in joins.known:
            if op == "isnull":
                missing = self._missing(target, joins)
                return missing if operand else not_(missing)
            if not isinstance(operand, Expr):
                found = self.place(target, joins)
                if isinstance(found, Cell):
                    return self.dialect.matches(joins.source, found, op, operand)
                return expressions.worked_out(self, joins.source, found, target.kind, op, operand)
        if expressions.is_result(target, op, operand, joins):
            return expressions.result_compared(self, target, joins, op, operand)
        bounded = days.bounded(self, target, op, operand, joins)
        if bounded is not None:
            return bounded
        left = self.value(target, joins)
        if op == "isnull":
            nothing = columns_of(left)[0]
            return nothing.is_(None) if operand else nothing.is_not(None)
        if isinstance(operand, Expr):
            return expressions.compared(op, left, target.kind, self.value(operand, joins), operand.kind)
        if isinstance(target, Figure) and op in COMPARE and not COMPARE[op](0, operand):
            # What is true of no count of nothing needs none: the database may begin with the counts.
            left = joins.counts.get(target, left)
        return expressions.worked_out(self, joins.source, left, target.kind, op, operand)


class Far:
    """The records behind a hop: their table, and the condition that their list shows them."""

    __slots__ = ("joins", "visible")

    def __init__(self, joins: Joins, visible: Sql) -> None:
        self.joins = joins
        self.visible = visible


def _cheap_first(nodes: Sequence[Node]) -> list[Node]:
    """Conditions in an order that spares work: whether a value is missing takes a look at `_extra`, too."""
    return sorted(nodes, key=lambda node: isinstance(node, Test) and node.op == "isnull")


def _is_narrow(where: Node, layout: Layout) -> bool:
    """Whether an index leads to the few rows that a condition chooses: one value of an indexed column."""
    for test in where.children if isinstance(where, All) else (where,):
        if isinstance(test, Test) and isinstance(test.target, Target) and not test.target.hops and test.op == "exact":
            column = layout.by_wire.get(test.target.keys[0])
            if column is not None and len(test.target.keys) == 1 and (column.indexed or column.wire == "_id"):
                return True
    return False


def touched(query: Query) -> set[str]:
    """The tables that a query reads."""
    found = {layout_for(query.resource).table}
    parts = (query.where, query.order, query.annotations, query.distinct, query.groups, query.having)
    for part in parts_of(parts):
        match part:
            case InQuery(_, inner):
                found |= touched(inner)
            case Hop(resource=name):
                found.add(layout_for(name).table)
    return found
