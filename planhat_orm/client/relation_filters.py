"""Conditions over relations, answered by the API in two steps: the ids over there, then the records here.

Conditions that lead to the same resource are answered from one reading of it, except those that its list can
narrow down by itself. A query in a condition (`company__in=queryset`) is asked first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any as Anything

from ..http.effects import Flow
from ..http.flows import collected
from ..query import kinds
from ..query.predicate import Environment, predicate
from ..query.query import Query
from ..query.raw_values import Row, raw_at
from ..query.split import ids_in, split
from ..query.tree import EVERYTHING, All, Any, Hop, InQuery, Node, Not, Related, Target, Test
from ..query.walk import needs_relations, parts_of, related_in, replaced, wires_in
from ..runtime import Source
from ..wire.references import references
from ..wire.resources import resource
from .links import lookup, reached

Reading = tuple[str, list[Related]]


def without_relations(query: Query, source: Source) -> Flow[Query]:
    """The query with every condition over a relation, and every query in it, replaced by one on ids.

    Costs the pages of each reading. What values and figures look at over relations stays.
    """
    parts = (query.where, query.order, query.annotations, query.distinct, query.groups, query.having)
    parts = yield from _without_queries(parts, source)
    where, order, annotations, distinct, groups, having = parts
    where = yield from _without_related(where, source, query.zone)
    return query.changed(
        where=where, order=order, annotations=annotations, distinct=distinct, groups=groups, having=having
    )


def _without_queries(item: Anything, source: Source) -> Flow[Anything]:
    answers: dict[int, Test] = {}
    for part in parts_of(item):
        if isinstance(part, InQuery):
            inner = part.query.changed(select=frozenset({part.value.keys[0], "_id"}), annotations=())
            rows = yield from collected(source.pages(inner))
            op = "overlap" if part.target.kind in kinds.LISTS else "in"
            answers[id(part)] = Test(part.target, op, _ids(rows, part.value.keys))
    return replaced(item, lambda part: answers.get(id(part), part)) if answers else item


def _without_related(where: Node, source: Source, zone: str) -> Flow[Node]:
    answers: dict[int, Test] = {}
    for name, conditions in readings(where):
        # Over there the conditions may go on over relations of their own.
        there: list[Node] = []
        for item in conditions:
            there.append((yield from _without_related(item.where, source, zone)))
        ends = [wire for item in conditions for wire in (item.hop.far, *([item.hop.near] if item.hop.closure else ()))]
        select = frozenset({"_id", *wires_in(tuple(there)), *ends})
        condition = Any(tuple(there)) if len(there) > 1 else there[0]
        query = Query(name, where=condition, hidden=conditions[0].hidden, select=select, zone=zone)
        if conditions[0].hop.closure:
            answers.update((yield from _on_tree(query, conditions, there, source)))
            continue
        rows = yield from collected(source.pages(query))
        for item, test in zip(conditions, there, strict=True):
            chosen = filter(predicate(test, Environment(zone)), rows) if len(there) > 1 else rows
            answers[id(item)] = _on_ids(item, chosen)
    return _replaced(where, answers)


def _on_tree(query: Query, conditions: list[Related], there: list[Node], source: Source) -> Flow[dict[int, Test]]:
    """Conditions over relations that follow a tree, as ones on ids: the tree is read whole, and once."""
    tree: list[Row] = yield from collected(source.pages(query.changed(where=EVERYTHING)))
    answers: dict[int, Test] = {}
    for item, test in zip(conditions, there, strict=True):
        if needs_relations(test):
            chosen = yield from collected(source.pages(query.changed(where=test)))
        else:
            chosen = list(filter(predicate(test, Environment(query.zone)), tree))
        hop = item.hop
        back = lookup(Hop(hop.resource, hop.far, hop.near), tree)
        near = reached(chosen, back, {row["_id"]: row for row in chosen} if hop.itself else {})
        answers[id(item)] = Test(Target(item.name, ("_id",), kinds.ID), "in", tuple(row["_id"] for row in near))
    return answers


def readings(where: Node) -> list[Reading]:
    """The lists that have to be read for the conditions over relations: a resource, and what it answers."""
    found: list[Reading] = []
    shared: dict[tuple[str, bool, bool], list[Related]] = {}
    for node in related_in(where):
        name, closure = node.hop.resource, node.hop.closure
        key = (name, node.hidden, closure)
        if not closure and (is_narrowed(node) or _reads_values(node.where)):
            found.append((name, [node]))
        elif key in shared:
            shared[key].append(node)
        else:
            shared[key] = [node]
            found.append((name, shared[key]))
    return found


def _reads_values(where: Node) -> bool:
    """Whether a condition compares values of other records, which only its own reading works out."""
    match where:
        case All(children) | Any(children):
            return any(map(_reads_values, children))
        case Not(child):
            return _reads_values(child)
        case Related():
            return False
    return needs_relations(where)


def is_narrowed(node: Related) -> bool:
    """Whether the list behind a relation can filter by itself what is asked of it; a tree is read whole."""
    if node.hop.closure:
        return False
    parts = node.where.children if isinstance(node.where, All) else (node.where,)
    if any(isinstance(part, Related) and is_narrowed(part) for part in parts):
        return True
    return bool(split(node.where, resource(node.hop.resource)).served) or ids_in(node.where) is not None


def _on_ids(node: Related, rows: Iterable[Row]) -> Test:
    """The condition as one on the ids that the records over there have, or refer to."""
    hop = node.hop
    kind = kinds.REFS if hop.many_near else kinds.REF
    return Test(Target(node.name, (hop.near,), kind), "overlap" if hop.many_near else "in", _ids(rows, (hop.far,)))


def _ids(rows: Iterable[Row], keys: tuple[str, ...]) -> tuple[str, ...]:
    """The ids that a field of some records holds."""
    ids: dict[str, None] = {}
    read = raw_at(keys)
    for row in rows:
        raw = read(row)
        for reference in references(raw) if isinstance(raw, list) else [kinds.REF.comparable(raw)]:
            if isinstance(reference, str):
                ids[reference] = None
    return tuple(ids)


def _replaced(where: Node, answers: dict[int, Test]) -> Node:
    match where:
        case All(children):
            return All(tuple(_replaced(child, answers) for child in children))
        case Any(children):
            return Any(tuple(_replaced(child, answers) for child in children))
        case Not(child):
            return Not(_replaced(child, answers))
    return answers.get(id(where), where)
