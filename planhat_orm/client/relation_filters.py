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
from ..query.tree import All, Any, Node, Not, Target, Test, tests_in
from ..runtime import Source
from ..wire.references import references
from ..wire.resources import resource


def without_hops(where: Node, source: Source) -> Flow[Node]:
    """Replace every test over a relation by one on the ids that satisfy it.

    Costs the pages of each reading.
    """
    answers: dict[int, Test] = {}
    for name, tests in readings(where):
        # Over there the tests may go on over relations of their own.
        there: Anything = yield from without_hops(All(tuple(map(over_there, tests))), source)
        condition = Any(there.children) if len(tests) > 1 else there.children[0]
        select = frozenset({"_id", *wires(there), *(test.target.hops[0].far for test in tests)})
        rows = yield from collected(source.pages(Query(name, where=condition, hidden=True, select=select)))
        for test, item in zip(tests, there.children, strict=True):
            answers[id(test)] = _on_ids(test, filter(predicate(item), rows))
    return _replaced(where, answers)


def readings(where: Node) -> list[tuple[str, list[Test]]]:
    """The lists that have to be read for the tests over relations: a resource, and the tests that it answers."""
    found: list[tuple[str, list[Test]]] = []
    shared: dict[str, list[Test]] = {}
    for test in tests_in(where):
        if not test.target.hops:
            continue
        name = test.target.hops[0].resource
        if is_narrowed(test):
            found.append((name, [test]))
        elif name in shared:
            shared[name].append(test)
        else:
            shared[name] = [test]
            found.append((name, shared[name]))
    return found


def over_there(test: Test) -> Test:
    """The test as the records behind the first relation see it."""
    target = test.target
    return Test(Target(target.name, target.keys, target.kind, target.hops[1:]), test.op, test.value)


def is_narrowed(test: Test) -> bool:
    """Whether the list behind the first relation can filter by itself what a test asks of it."""
    inner = over_there(test)
    if inner.target.hops:
        return is_narrowed(inner)
    parts = split(inner, resource(test.target.hops[0].resource))
    return bool(parts.served) or ids_in(inner) is not None


def _on_ids(test: Test, rows: Iterable[Row]) -> Test:
    """The test as one on the ids that the records over there have, or refer to."""
    hop = test.target.hops[0]
    ids: dict[str, None] = {}
    for row in rows:
        raw = fetch(row, (hop.far,))
        for reference in references(raw) if isinstance(raw, list) else [kinds.REF.comparable(raw)]:
            if isinstance(reference, str):
                ids[reference] = None
    kind = kinds.REFS if hop.many_near else kinds.REF
    return Test(Target(test.target.name, (hop.near,), kind), "overlap" if hop.many_near else "in", tuple(ids))


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
        case Test(target, _, value):
            other: Anything = {value.keys[0]} if isinstance(value, Target) else set()
            return {target.hops[0].near if target.hops else target.keys[0], *other}
