"""The plan of a query to the API: which lists it reads, what they filter, what is done here, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from ..query.plan import Plan, Step, describe
from ..query.query import Query
from ..query.split import field_of
from ..query.tree import EVERYTHING, All, InQuery, Node, Related
from ..query.walk import parts_of
from ..wire import list_page, paths
from ..wire.resources import resource
from .evaluation import links_of, sliced_records
from .relation_filters import is_narrowed, readings
from .strategy import Strategy, selected, strategy

if TYPE_CHECKING:
    from .cache import ListCache

_NOT_ONE_MOMENT = "the lists are read one after the other, so they may be of different moments"


class _Reading(Struct):
    """How the records themselves are read."""

    step: list[Step]
    requests: int | None = None
    cost: str = ""
    select: tuple[str, ...] = ()
    served: list[Node] = []


def explained(query: Query, cache: ListCache) -> Plan:
    """Say what answering a query takes, without a request."""
    if query.groups is not None:
        return _of_groups(query, cache)
    before = [*_queries(query), *_ids(query)]
    way = strategy(query)
    reading = _reading(query, way, cache)
    related = links_of(query).steps()
    here = [describe(test) for test in _tests(query) if test not in reading.served and test != EVERYTHING]
    here += _worked_out(query)
    requests, cost = reading.requests, reading.cost
    if before or related:
        requests, cost = None, cost or "the pages of the related lists, and of this one"
    return Plan(
        source="api",
        resource=way.resource.name,
        steps=(*before, *reading.step, *related),
        select=reading.select,
        served=tuple(map(describe, reading.served)),
        here=tuple(here),
        requests=requests,
        cost=cost,
        full_scan=_scans(query, way, cache) and not reading.served,
        notes=(_NOT_ONE_MOMENT,) if related else (),
    )


def _of_groups(query: Query, cache: ListCache) -> Plan:
    inner = sliced_records(query)
    records = inner or query.changed(groups=None, having=EVERYTHING, order=(), start=0, stop=None)
    named = (*(query.groups or ()), *query.annotations)
    plan = explained(records.changed(annotations=named), cache)
    here = [line for line in plan.here if not line.startswith("annotate ")]
    if query.groups:
        here.append("group by " + ", ".join(expr.name for _, expr in query.groups))
    here += [f"{name}: {expr.name}" for name, expr in query.annotations]
    if query.having != EVERYTHING:
        here.append(f"groups with {describe(query.having)}")
    return replace(plan, here=(*here, *_order(query)))


def _reading(query: Query, way: Strategy, cache: ListCache) -> _Reading:
    known = way.resource
    page, place = known.max_limit, paths.collection(known)
    cost = f"ceil(rows / {page}), and one to prove the end"
    if cache.covers(known.name):
        if not query.fresh and cache.get(known.name) is not None:
            return _Reading([Step(f"the list of {known.path} in memory")], 0)
        return _Reading([Step(f"GET {place}")], None, cost)
    if way.ids is not None:
        served = [test for test in _tests(query) if field_of(test) == "_id"]
        return _Reading([Step(f"GET {place}/<id>", f"{len(way.ids)} times")], len(way.ids), served=served)
    if way.parts.impossible or query.limit == 0:
        return _Reading([Step("nothing can match, so nothing is asked")], 0, served=list(way.parts.served))
    steps = []
    for params in way.parts.lists:
        shown = "&".join(f"{name}={_short(value)}" for name, value in params.items())
        steps.append(Step(f"GET {place}{'?' + shown if shown else ''}", f"{page} a page"))
    select = selected(way, query) or list_page.full_select(known) or ()
    read = _Reading(steps, None, cost, tuple(select), list(way.parts.served))
    if way.whole and not query.order and query.stop is not None and query.stop <= page and len(steps) == 1:
        read.requests, read.cost = 1, ""
    return read


def _queries(query: Query) -> list[Step]:
    """The queries in conditions, which are asked first."""
    parts = (query.where, query.order, query.annotations, query.groups, query.having)
    inner = dict.fromkeys(part for part in parts_of(parts) if isinstance(part, InQuery))
    return [Step(f"GET /{resource(part.query.resource).path} for the ids of: {describe(part)}") for part in inner]


def _ids(query: Query) -> list[Step]:
    """The lists that are read for conditions over relations."""
    return [
        Step(f"GET /{resource(name).path} for the {_sought(over)} of: {'; '.join(map(describe, over))}")
        for name, over in readings(query.where)
    ]


def _sought(over: list[Related]) -> str:
    return "whole tree" if over[0].hop.closure else "ids"


def _worked_out(query: Query) -> list[str]:
    lines = [f"annotate {name}: {expr.name}" for name, expr in query.annotations]
    lines += _order(query)
    if query.distinct:
        lines.append("the first of each " + ", ".join(expr.name for expr in query.distinct))
    return lines


def _order(query: Query) -> list[str]:
    names = [f"{'-' if down else ''}{item.name}" for item, down in query.order]
    return ["order by " + ", ".join(names)] if names else []


def _scans(query: Query, way: Strategy, cache: ListCache) -> bool:
    """Whether there are conditions, and no list can be narrowed down by any of them."""
    if query.where == EVERYTHING or way.ids is not None or cache.covers(query.resource):
        return False
    return not any(isinstance(test, Related) and is_narrowed(test) for test in _tests(query))


def _tests(query: Query) -> tuple[Node, ...]:
    return query.where.children if isinstance(query.where, All) else (query.where,)


def _short(value: str) -> str:
    return value if len(value) <= 30 else f"{value.count(',') + 1} ids"
