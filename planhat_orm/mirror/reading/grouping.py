"""Groups of records as one statement: grouped inside; figures of figures, conditions and order of groups outside.

    SELECT values and figures FROM (
        SELECT keys, figures FROM records WHERE ... GROUP BY keys
    ) LEFT JOIN (a figure over related records) ON the keys
    WHERE conditions on groups ORDER BY ... LIMIT ...

Where a list is grouped by its elements, the records are grouped by the whole lists first: most tenants have few
different ones, and only those are taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any as Anything

from sqlalchemy import FromClause, Select, and_, case, literal, select, true

from ...query.query import Query
from ...query.tree import EVERYTHING, Expr, Figure, Item, Trunc
from ...query.walk import figures_in
from ..db.layout import layout_for
from . import expressions, group_names, whole_sums
from .aggregates import Aggregate, Parts
from .figures import Chain, chain, counted, finished, grouped, grouped_by
from .joins import Joins, Sql, Value, columns_of, from_columns, width
from .statements import sliced

if TYPE_CHECKING:
    from .compiler import Compiler


def statement(compiler: Compiler, query: Query) -> Select[Anything]:
    """The statement of a grouped query: the columns of its groups' values, then of its annotations."""
    keys = [expr for _, expr in query.groups or ()]
    wanted = (tuple(expr for _, expr in query.annotations), query.having, tuple(expr for expr, _ in query.order))
    figures = list(dict.fromkeys(figures_in(wanted)))
    opened = any(isinstance(expr, Item) for expr in keys)
    named = {figure: group_names.reference_of(figure, keys, query.resource) for figure in figures}
    plain = [figure for figure in figures if not named[figure] and not _is_apart(figure, opened)]
    source, known = _groups(compiler, query, keys, plain)
    columns = [column for expr in keys for column in columns_of(known[expr])]
    for figure in figures:
        reference = named[figure]
        if reference is not None:
            (cell,) = columns_of(known[reference])
            source, known[figure] = group_names.looked_up(compiler, figure, cell, source)
        elif figure not in known:
            source, known[figure] = _joined(compiler, query, keys, figure, source, columns)
    return _outer(compiler, query, Joins(compiler, source, layout_for(query.resource), known=known))


def _outer(compiler: Compiler, query: Query, joins: Joins) -> Select[Anything]:
    named = (*(query.groups or ()), *query.annotations)
    columns = [column for _, expr in named for column in columns_of(compiler.value(expr, joins))]
    order = compiler.terms((*query.order, *((expr, False) for _, expr in query.groups or ())), joins)
    made = select(*(column.label(f"v{place}") for place, column in enumerate(columns))).select_from(joins.source)
    if query.having != EVERYTHING:
        made = made.where(compiler.where(query.having, joins))
    return sliced(made.order_by(*order), query)


def _is_apart(figure: Figure, opened: bool) -> bool:
    """Whether a figure needs a statement of its own: it goes over relations, or adds up each value once."""
    if figure.hops:
        return True
    return figure.distinct and (figure.function in ("sum", "avg") or (figure.function == "count" and opened))


# --- the groups -----------------------------------------------------------------------------------------


def _groups(
    compiler: Compiler, query: Query, keys: list[Expr], figures: list[Figure]
) -> tuple[FromClause, dict[Expr, Value]]:
    """The groups as a table, and the values of their keys and of the figures over their own records."""
    made, whole = _grouped(compiler, query, keys, figures)
    inner = made.subquery()
    cells = list(inner.c)
    known: dict[Expr, Value] = {}
    for expr in keys:
        known[expr] = _of_group(compiler, expr, inner, [cells.pop(0) for _ in range(width(expr.kind))])
    of_keys = list(inner.c)[: len(inner.c) - len(cells)]
    for figure in figures:
        found = [cells.pop(0) for _ in range(whole.get(figure, width(figure.kind)))]
        if figure in whole:
            exactly, _ = _grouped(compiler, query, keys, [figure], exact=True)
            known[figure] = whole_sums.result(compiler, figure, found, of_keys, exactly)
        else:
            known[figure] = from_columns(figure.kind, found)
    return inner, known


def _grouped(
    compiler: Compiler, query: Query, keys: list[Expr], figures: list[Figure], *, exact: bool = False
) -> tuple[Select[Anything], dict[Figure, int]]:
    """The statement of groups with figures; also of which figures it has whole sums, and how many columns for each."""
    joins, where = compiler.records(query)
    raw = [column for expr in keys for column in _columns_to_group_by(compiler, expr, joins)]
    if query.where != EVERYTHING or any(figure.value is not None or figure.where for figure in figures):
        # An index would give the groups in their order, and each row from another place.
        raw = [compiler.dialect.unindexed(column) for column in raw]
    if any(isinstance(expr, Item) for expr in keys):
        return _taken_apart(compiler, joins, where, raw, keys, figures), {}
    whole: dict[Figure, int] = {}
    results: list[Sql] = []
    for figure in figures:
        columns = None if exact else whole_sums.columns(compiler, figure, joins)
        if columns is not None:
            whole[figure] = len(columns)
        results += columns or _result(compiler, Aggregate(compiler.dialect, figure), joins)
    if not raw and not results:
        # One group of all, of which only figures over relations are asked.
        return select(literal(1)), whole
    shown = compiler.labelled([*raw, *results])
    return grouped_by(select(*shown).select_from(joins.source).where(where), shown[: len(raw)]), whole


def _result(compiler: Compiler, aggregate: Aggregate, joins: Joins) -> tuple[Sql, ...]:
    return columns_of(aggregate.result(_parts(compiler, aggregate, joins)))


def _columns_to_group_by(compiler: Compiler, expr: Expr, joins: Joins) -> Sequence[Sql]:
    """What a key is grouped by: lists as they are, and of truncated moments, where that is quicker, what they share."""
    if isinstance(expr, Item):
        return [compiler.listed(expr, joins)]
    if isinstance(expr, Trunc):
        moment = expressions.single(compiler, expr.of, joins)
        shared = compiler.dialect.shared(expr.of.kind, moment, expr.unit, compiler.zone)
        if shared is not None:
            return [shared]
    return columns_of(compiler.value(expr, joins))


def _of_group(compiler: Compiler, expr: Expr, groups: FromClause, cells: Sequence[Sql]) -> Value:
    """The value of a key or figure, by its columns in the groups."""
    if (
        isinstance(expr, Trunc)
        and compiler.dialect.shared(expr.of.kind, cells[0], expr.unit, compiler.zone) is not None
    ):
        return compiler.dialect.trunc(groups, expr.of.kind, cells[0], expr.unit, compiler.zone)
    return from_columns(expr.kind, cells)


def _parts(compiler: Compiler, aggregate: Aggregate, joins: Joins) -> Parts:
    figure = aggregate.figure
    found = counted(compiler, figure, joins)
    where = figure.where[0] if figure.where else EVERYTHING
    if where == EVERYTHING:
        return aggregate.parts(found)
    holds = compiler.where(where, joins)
    return aggregate.parts(case((holds, literal(1))) if found is None else expressions.chosen(holds, found))


def _taken_apart(
    compiler: Compiler, joins: Joins, where: Sql, raw: Sequence[Sql], keys: list[Expr], figures: list[Figure]
) -> Select[Anything]:
    """Groups by the elements of lists, from groups by whole lists."""
    aggregates = [Aggregate(compiler.dialect, figure) for figure in figures]
    parts = [_parts(compiler, aggregate, joins) for aggregate in aggregates]
    named = compiler.labelled([*raw, *(part for found in parts for part in found.values())])
    lists = grouped_by(select(*named).select_from(joins.source).where(where), named[: len(raw)]).cte()
    source: FromClause = lists
    columns: list[Sql] = []
    cells = list(lists.c)
    for expr in keys:
        if isinstance(expr, Item):
            listed = cells.pop(0)
            items = elements_of(compiler, expr, select(listed).select_from(lists))
            source = source.join(items, items.c.raw == listed, isouter=True)
            columns += _item_columns(expr, items)
        else:
            columns += [cells.pop(0) for _ in range(width(expr.kind))]
    results: list[Sql] = []
    for aggregate, found in zip(aggregates, parts, strict=True):
        merged = aggregate.merged({name: cells.pop(0) for name in found})
        results += columns_of(aggregate.result(merged))
    shown = compiler.labelled([*columns, *results])
    return grouped_by(select(*shown).select_from(source), shown[: len(columns)])


def elements_of(compiler: Compiler, item: Item, raws: Select[Anything]) -> FromClause:
    """The different lists of a statement, with each of their elements once."""
    lists = raws.distinct().cte()
    (raw,) = lists.c
    elements, found = compiler.dialect.elements(raw)
    there = found.rank == 2 if item.kind.name != "any" else found.rank.is_not(None)
    named = [column.label(f"e{place}") for place, column in enumerate(found.columns)]
    made = select(raw.label("raw"), *named).select_from(lists, elements)
    return made.where(there).distinct().cte()


def _item_columns(item: Item, items: FromClause) -> list[Sql]:
    return [items.c.e0, items.c.e1, items.c.e2] if item.kind.name == "any" else [items.c.e2]


# --- figures with a statement of their own --------------------------------------------------------------


def _joined(
    compiler: Compiler, query: Query, keys: list[Expr], figure: Figure, source: FromClause, mine: list[Sql]
) -> tuple[FromClause, Value]:
    """What is selected from with a figure over the same records joined by the keys, and the figure."""
    joins, where = compiler.records(query)
    columns: list[Sql] = []
    for expr in keys:
        if isinstance(expr, Item):
            raw = compiler.listed(expr, joins)
            items = elements_of(compiler, expr, select(raw.label("raw")).select_from(joins.source).where(where))
            joins.join(items, items.c.raw == raw)
            columns += _item_columns(expr, items)
        else:
            columns += columns_of(compiler.value(expr, joins))
    if figure.hops:
        tables = chain(compiler, figure, joins.layout, joins, joins.chosen)
        # A record may be reached from several records of a group.
        tables.repeats = True
    else:
        tables = Chain("_id", joins.column("_id"), joins, [joins])
    tables.conditions += [where, compiler.where(figure.where[0] if figure.where else EVERYTHING, joins)]
    made, size = grouped(compiler, figure, tables, columns)
    derived = made.subquery()
    cells = list(derived.c)
    same = [compiler.dialect.same(left, right) for left, right in zip(mine, cells, strict=False)]
    found = cells[len(mine) : len(mine) + size]
    value = finished(compiler, figure, found, cells[len(mine) + size], true(), True)
    return source.join(derived, and_(true(), *same), isouter=True), value
