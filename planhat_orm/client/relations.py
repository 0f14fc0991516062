"""Conditions over relations, answered by the API in two steps: the ids over there, then the records here."""

from __future__ import annotations

from typing import Any as Anything

from ..http.effects import Flow
from ..http.flows import collected
from ..query import kinds
from ..query.predicate import fetch
from ..query.query import Query
from ..query.tree import All, Any, Node, Not, Target, Test
from ..runtime import Source


def without_hops(where: Node, source: Source) -> Flow[Node]:
    """Replace every test over a relation by one on the ids that satisfy it.

    Costs the pages of the related resource, narrowed by what its list can filter.
    """
    match where:
        case All(children):
            return All(tuple((yield from _each(children, source))))
        case Any(children):
            return Any(tuple((yield from _each(children, source))))
        case Not(child):
            return Not((yield from without_hops(child, source)))
        case Test() if where.target.hops:
            return (yield from _two_steps(where, source))
    return where


def _each(children: tuple[Node, ...], source: Source) -> Flow[list[Node]]:
    found = []
    for child in children:
        found.append((yield from without_hops(child, source)))
    return found


def _two_steps(test: Test, source: Source) -> Flow[Node]:
    hop, *rest = test.target.hops
    inner = Test(Target(test.target.name, test.target.keys, test.target.kind, tuple(rest)), test.op, test.value)
    query = Query(hop.resource, where=inner, hidden=True, select=_select(hop.far, inner))
    rows = yield from collected(source.pages(query))
    ids: dict[str, None] = {}
    for row in rows:
        raw = fetch(row, (hop.far,))
        for one in raw if isinstance(raw, list) else [kinds.REF.comparable(raw)]:
            if isinstance(one, str):
                ids[one] = None
    kind = kinds.LIST if hop.many_near else kinds.REF
    return Test(Target(test.target.name, (hop.near,), kind), "overlap" if hop.many_near else "in", tuple(ids))


def _select(far: str, inner: Test) -> frozenset[str] | None:
    if inner.target.hops:
        return frozenset({"_id", far, inner.target.hops[0].near})
    return frozenset({"_id", far, inner.target.keys[0]})


def wires(where: Node) -> set[str]:
    """The wire fields that a tree looks at."""
    match where:
        case All(children) | Any(children):
            return {wire for child in children for wire in wires(child)}
        case Not(child):
            return wires(child)
        case Test(target, _, value):
            other: Anything = {value.keys[0]} if isinstance(value, Target) else set()
            return {target.hops[0].near if target.hops else target.keys[0], *other}
