"""Figures over related records: a subquery of its own for each, so that two of them never multiply.

Where an index narrows the records down to a few, the subquery is asked for each of them; in SQLite also where it is
needed once for each, as an index leads to its rows. Else it is grouped once by the key of the relation and joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace
from sqlalchemy import FromClause, Integer, Select, and_, case, func, literal, literal_column, null, select, true

from ...query.query import Query
from ...query.tree import EVERYTHING, Expr, Figure, Hop, Node, Target
from ...query.walk import parts_of
from ..db.layout import Layout
from . import expressions, trees
from .aggregates import Aggregate
from .joins import Joins, Mixed, Sql, Value, columns_of, from_columns, width

if TYPE_CHECKING:
    from .compiler import Compiler


@dataclass(eq=False)
class Chain:
    """The tables that hops lead over: what to select from, on which conditions.

    `near` is the record's field, and `key` the column, that connect the two; `rows` is the last table. `repeats` says
    that a record may be reached twice.
    """

    near: str
    key: Sql
    rows: Joins
    joins: list[Joins]
    others: list[FromClause] = field(default_factory=list)
    conditions: list[Sql] = field(default_factory=list)
    repeats: bool = False

    def select(self, columns: Sequence[Sql]) -> Select[tuple[object, ...]]:
        """A statement over the chain."""
        sources = [joins.source for joins in self.joins]
        return select(*columns).select_from(*sources, *self.others).where(and_(true(), *self.conditions))


def chain(
    compiler: Compiler, figure: Figure, layout: Layout, start: Joins | None = None, chosen: Node = EVERYTHING
) -> Chain:
    """The tables of a figure of the records of `layout`; with `start` they begin with those records themselves.

    Only those that satisfy `chosen` are of interest.
    """
    if start is None and figure.hops[0].many_near:
        # The record's own list of ids has to be opened.
        start = Joins(compiler, compiler.alias(layout), layout)
    made = None if start is None else Chain("_id", start.column("_id"), start, [start])
    for level, hop in enumerate(figure.hops):
        far = compiler.far(hop, figure.hidden[level])
        key, conditions = far.joins.column(hop.far), [far.visible]
        others: list[FromClause] = []
        conditions.append(compiler.where(figure.where[level + 1], far.joins))
        from_wire = "_id" if hop.closure else hop.near
        if hop.closure:
            walk, counts = trees.walks(compiler, hop, EVERYTHING if level else chosen)
            others.append(walk)
            conditions += [counts, walk.c.id == far.joins.column("_id")]
            key = walk.c.root
        if hop.many_far:
            elements, key, is_text = compiler.dialect.members(key)
            others.append(elements)
            conditions.append(is_text)
        if made is None:
            made = Chain(from_wire, key, far.joins, [far.joins], others, [*conditions, key.is_not(None)])
        else:
            near = made.rows.column(from_wire)
            if hop.many_near:
                elements, near, is_text = compiler.dialect.members(near)
                others.insert(0, elements)
                conditions.append(is_text)
            made.joins.append(far.joins)
            made.others += others
            made.conditions += [*conditions, key == near]
            made.rows = far.joins
        made.repeats |= hop.many_near or hop.many_far or _meets_again(hop, level)
    assert made is not None
    return made


def _meets_again(hop: Hop, level: int) -> bool:
    """Whether a hop behind others may lead to one record from several; a walk up a tree may even by itself."""
    return (bool(level) and (hop.far == "_id" or hop.closure)) or (hop.closure and hop.near != "_id")


def counted(compiler: Compiler, figure: Figure, rows: Joins) -> Value | None:
    """What a figure adds up of a row: None stands for the row itself."""
    expr = figure.value
    if expr is None:
        return None
    if figure.function == "count" and not figure.distinct and isinstance(expr, Target) and not expr.hops:
        return case((compiler.present(expr, rows), literal(1, Integer())))
    return expressions.value(compiler, expr, rows)


def grouped(
    compiler: Compiler, figure: Figure, chain: Chain, keys: Sequence[Sql]
) -> tuple[Select[tuple[object, ...]], int]:
    """The statement of a figure for each combination of keys: the keys, the figure's columns, and a count of values.

    Also how many columns the figure has.
    """
    aggregate = Aggregate(compiler.dialect, replace(figure, default=None))
    value = counted(compiler, figure, chain.rows)
    columns = [] if value is None else list(columns_of(value))
    twice = figure.distinct and figure.function in ("sum", "avg")
    if chain.repeats or twice:
        # Each record once, or each value.
        once = compiler.labelled([*keys, *([] if twice else [chain.rows.table.c.pk]), *columns])
        inner = chain.select(once).distinct().subquery()
        cells: list[Sql] = list(inner.c)
        keys, columns = cells[: len(keys)], cells[len(once) - len(columns) :]
        statement = select().select_from(inner)
    else:
        statement = chain.select(())
    kind = figure.value.kind if figure.value is not None else None
    again = None if kind is None else columns[0] if len(columns) == 1 else from_columns(kind, columns)
    parts = aggregate.parts(again)
    found = columns_of(aggregate.result(parts))
    needs_count = figure.default is not None and figure.function in ("sum", "avg")
    shown = compiler.labelled([*keys, *found, parts["n"] if needs_count else null()])
    return grouped_by(statement.with_only_columns(*shown), shown[: len(keys)]), len(found)


def grouped_by(statement: Select[tuple[object, ...]], keys: Sequence[Sql]) -> Select[tuple[object, ...]]:
    """The statement with GROUP BY, by the labels: an expression with parameters is another one where it is repeated."""
    return statement.group_by(*(literal_column(str(key.key)) for key in keys))


def of_records(compiler: Compiler, figure: Figure, joins: Joins) -> Value:
    """A figure of each record."""
    if figure not in joins.figures:
        joins.figures[figure] = _of_records(compiler, figure, joins)
    return joins.figures[figure]


def _of_records(compiler: Compiler, figure: Figure, joins: Joins) -> Value:
    tables_over = chain(compiler, figure, joins.layout, chosen=joins.chosen)
    near = joins.column(tables_over.near)
    # What counts each record or value once is a table of its own, which cannot look at the row outside.
    apart = tables_over.repeats or (figure.distinct and figure.function in ("sum", "avg"))
    if not apart and (joins.narrow or (figure in joins.once and _by_index(compiler, figure, tables_over))):
        tables_over.conditions.append(tables_over.key == near)
        statement, width = grouped(compiler, figure, tables_over, ())
        cells: list[Sql] = [
            statement.with_only_columns(column).correlate(joins.table).scalar_subquery()
            for column in statement.selected_columns
        ]
    else:
        statement, width = grouped(compiler, figure, tables_over, (tables_over.key,))
        derived = statement.subquery()
        cells = list(derived.c)
        joins.join(derived, cells.pop(0) == near)
    columns, count = cells[:width], cells[width]
    always = figure.where[0] == EVERYTHING
    if figure.function == "count" and always:
        joins.counts[figure] = columns[0]
    return finished(compiler, figure, columns, count, compiler.where(figure.where[0], joins), always)


def asked_once(query: Query) -> frozenset[Expr]:
    """The annotations that are figures, and are in no condition; a count may be what is sorted by, too."""
    rest = parts_of((query.where, query.distinct, query.order, *(expr for _, expr in query.annotations)))
    uses = Counter(part for part in rest if isinstance(part, Figure))
    sorted_by = Counter(expr for expr, _ in query.order if isinstance(expr, Figure) and expr.function == "count")
    named = [expr for _, expr in query.annotations if isinstance(expr, Figure)]
    return frozenset(figure for figure in named if uses[figure] - sorted_by[figure] == 1)


def _by_index(compiler: Compiler, figure: Figure, chain: Chain) -> bool:
    """Whether an index leads from a record to the rows of a figure, which has one column."""
    if not compiler.dialect.correlates or len(figure.hops) > 1 or figure.default is not None:
        return False
    hop = figure.hops[0]
    is_one = figure.value is None or width(figure.kind) == 1
    indexed = not hop.closure and chain.rows.layout.by_wire[hop.far].indexed
    return is_one and indexed


def finished(compiler: Compiler, figure: Figure, columns: Sequence[Sql], count: Sql, holds: Sql, always: bool) -> Value:
    """A figure that was joined: 0 or its default where there was no row, or where its condition on the record fails."""
    found: Value = Mixed(*columns) if len(columns) == 3 else columns[0]
    if figure.function == "count":
        assert not isinstance(found, Mixed)
        found = func.coalesce(found, 0)
        return found if always else case((holds, found), else_=0)
    if not always:
        found, count = expressions.chosen(holds, found), case((holds, count))
    if figure.function in ("min", "max"):
        return Aggregate(compiler.dialect, figure).defaulted(found)
    return Aggregate(compiler.dialect, figure).defaulted(found, count)
