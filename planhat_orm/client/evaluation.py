"""What the API cannot do and is worked out here: values, figures and groups, over related lists read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from ..query.groups import Groups
from ..query.predicate import Environment, first_of_each, ordered, predicate, value
from ..query.query import ANNOTATIONS, Query
from ..query.raw_values import Row
from ..query.tree import EVERYTHING, All, InQuery, Node
from ..query.walk import needs_relations, tests_in, wires_in, without_relations
from .links import Links

if TYPE_CHECKING:
    from ..runtime import Source

PAGE = 2000

Rows = list[dict[str, Any]]


def is_linked(query: Query) -> bool:
    """Whether a query looks at other records, by its conditions, its values or its order."""
    return needs_relations(_worked_out(query))


def _worked_out(query: Query) -> tuple[Any, ...]:
    return query.where, query.order, query.annotations, query.distinct, query.groups, query.having


def links_of(query: Query) -> Links:
    """The related lists that a query needs for its values and figures; its conditions over relations become ids."""
    return Links((tuple(tests_in(query.where)), *_worked_out(query)[1:]))


def divided(where: Node) -> tuple[Node, Node]:
    """The conditions that look at the record alone, and those that need related lists."""
    parts = where.children if isinstance(where, All) else (where,)
    return without_relations(where), All(tuple(filter(needs_relations, parts)))


def linked_pages(query: Query, source: Source) -> Flow[None]:
    """Emit the rows of a query that needs related lists: the records, then the lists, each read once."""
    alone, rest = divided(query.where)
    chosen_by = (rest, query.order, query.distinct)
    select = None if query.select is None else query.select | wires_in((*chosen_by, query.annotations))
    plain = Query(query.resource, alone, select=select, hidden=query.hidden, fresh=query.fresh, zone=query.zone)
    rows: list[Any] = yield from collected(source.pages(plain))
    early = needs_relations(chosen_by)
    links = Links((*chosen_by, query.annotations))
    environment = Environment(query.zone, links.follow)
    if early:
        yield from links.load(source, rows)
    chosen = chosen_rows(filter(predicate(rest, environment), rows), query, environment)
    if not early and chosen:
        yield from links.load(source, chosen)
    yield from emitted(annotated(chosen, query, environment))


def chosen_rows(rows: Iterable[Any], query: Query, environment: Environment) -> list[Any]:
    """Rows in the order of a query, the first of each value, within its slice."""
    found: list[Any] = ordered(rows, query.order, environment)
    if query.distinct:
        found = list(first_of_each(found, query.distinct, environment))
    return found[query.start : query.stop]


def annotator(query: Query, environment: Environment) -> Callable[[list[Any]], Rows]:
    """How to give rows the values of their annotations."""
    readers = [(name, value(expr, environment)) for name, expr in query.annotations]

    def annotate(rows: list[Any]) -> Rows:
        return [{**row, ANNOTATIONS: {name: read(row) for name, read in readers}} for row in rows]

    return annotate


def annotated(rows: list[Any], query: Query, environment: Environment) -> Rows:
    """The rows with the values of their annotations."""
    return annotator(query, environment)(rows) if query.annotations else rows


def emitted(rows: Rows) -> Flow[None]:
    """Emit rows in pages."""
    for start in range(0, len(rows), PAGE):
        yield Emit(rows[start : start + PAGE])


def grouped_rows(query: Query, source: Source) -> Flow[Rows]:
    """The groups of a query: the records stream through, related lists are read before."""
    records, rest = _records(query)
    links = links_of(query.changed(where=rest))
    environment = Environment(query.zone, links.follow)
    yield from links.load(source)
    groups, holds = Groups(query, environment), predicate(rest, environment)

    def add(rows: list[Row]) -> Flow[None]:
        for row in rows:
            if holds(row):
                groups.add(row)
        return
        yield

    yield from mapped(source.pages(records), add)
    return groups.rows()


def _records(query: Query) -> tuple[Query, Node]:
    """The query of the records that are grouped, with the fields that tell, and what is checked here."""
    needed = frozenset({"_id", *wires_in(_worked_out(query))})
    inner = sliced_records(query)
    if inner is not None:
        return inner.changed(select=needed, annotations=(), fresh=query.fresh), EVERYTHING
    alone, rest = divided(query.where)
    plain = Query(query.resource, alone, select=needed, hidden=query.hidden, fresh=query.fresh, zone=query.zone)
    return plain, rest


def sliced_records(query: Query) -> Query | None:
    """The query whose very records are grouped: `queryset[:10].aggregate(...)`."""
    where = query.where
    if isinstance(where, InQuery) and where.target.keys == where.value.keys == ("_id",):
        return where.query if where.query.resource == query.resource else None
    return None
