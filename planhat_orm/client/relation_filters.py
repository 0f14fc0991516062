"""Conditions over relations, answered by the API in two steps: the ids over there, then the records here.

Conditions that lead to the same resource are answered from one reading of it, except those that its list can
narrow down by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any as Anything

from ..http.effects import Flow
from ..http.flows import collected
from ..query import kinds
from ..query.predicate import Row, fetch, predicate
from ..query.query import Query
from ..query.split import ids_in, split
from ..query.tree import All, Any, Node, Not, Related, Target, Test, related_in
from ..runtime import Source
from ..wire.references import references
from ..wire.resources import resource

Reading = tuple[str, list[Related]]


def without_hops(where: Node, source: Source) -> Flow[Node]:
    """Replace every condition over a relation by one on the ids that satisfy it.

    Costs the pages of each reading.
    """
    answers: dict[int, Test] = {}
    for name, conditions in readings(where):
        # Over there the conditions may go on over relations of their own.
        there: Anything = yield from without_hops(All(tuple(item.where for item in conditions)), source)
        condition = Any(there.children) if len(conditions) > 1 else there.children[0]
        select = frozenset({"_id", *wires(there), *(item.hop.far for item in conditions)})
        query = Query(name, where=condition, hidden=conditions[0].hidden, select=select)
        rows = yield from collected(source.pages(query))
        for item, test in zip(conditions, there.children, strict=True):
            answers[id(item)] = _on_ids(item, filter(predicate(test), rows))
    return _replaced(where, answers)


def readings(where: Node) -> list[Reading]:
    """The lists that have to be read for the conditions over relations: a resource, and what it answers."""
    found: list[Reading] = []
    shared: dict[tuple[str, bool], list[Related]] = {}
    for node in related_in(where):
        name = node.hop.resource
        if is_narrowed(node):
            found.append((name, [node]))
        elif (name, node.hidden) in shared:
            shared[name, node.hidden].append(node)
        else:
            shared[name, node.hidden] = [node]
            found.append((name, shared[name, node.hidden]))
    return found


def is_narrowed(node: Related) -> bool:
    """Whether the list behind a relation can filter by itself what is asked of it."""
    parts = node.where.children if isinstance(node.where, All) else (node.where,)
    if any(isinstance(part, Related) and is_narrowed(part) for part in parts):
        return True
    return bool(split(node.where, resource(node.hop.resource)).served) or ids_in(node.where) is not None


def _on_ids(node: Related, rows: Iterable[Row]) -> Test:
    """The condition as one on the ids that the records over there have, or refer to."""
    hop = node.hop
    ids: dict[str, None] = {}
    for row in rows:
        raw = fetch(row, (hop.far,))
        for reference in references(raw) if isinstance(raw, list) else [kinds.REF.comparable(raw)]:
            if isinstance(reference, str):
                ids[reference] = None
    kind = kinds.REFS if hop.many_near else kinds.REF
    return Test(Target(node.name, (hop.near,), kind), "overlap" if hop.many_near else "in", tuple(ids))


def _replaced(where: Node, answers: dict[int, Test]) -> Node:
    match where:
        case All(children):
            return All(tuple(_replaced(child, answers) for child in children))
        case Any(children):
            return Any(tuple(_replaced(child, answers) for child in children))
        case Not(child):
            return Not(_replaced(child, answers))
    return answers.get(id(where), where)


def wires(where: Node) -> set[str]:
    """The wire fields that a tree looks at."""
    match where:
        case All(children) | Any(children):
            return {wire for child in children for wire in wires(child)}
        case Not(child):
            return wires(child)
        case Related(_, hop):
            return {hop.near}
        case Test(target, _, value):
            other: Anything = {value.keys[0]} if isinstance(value, Target) else set()
            return {target.keys[0], *other}
