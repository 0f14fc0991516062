"""The API reading of a tree: the part that a list endpoint can filter by itself.

Only top-level AND conditions are looked at: a parameter narrows the list, so anything under OR or NOT would
lose records. The whole tree is still checked here afterwards, so a server that ignores a parameter costs
requests, never wrong rows.
"""

from __future__ import annotations

from msgspec import Struct

from ..wire.resources import Resource
from .kinds import LISTS
from .tree import NOTHING, All, Node, Target, Test

MAX_VALUE_LENGTH = 2000
"""Longest list of ids in one URL, in characters (docs/reference/planhat-api.md section 3)."""
GET_EACH = 5
"""Up to so many records are fetched one by one by their id; beyond that, a list is fewer requests."""
MAX_LISTS = 5
"""Up to so many lists are asked for a condition on many ids; beyond that, one list of everything is fewer."""
MAX_LISTS_BY_ID = 2
"""The same for the records' own ids: companies come 5,000 a page, and the list stops when all were found."""


class Split(Struct, frozen=True):
    """What the server filters: one dict of parameters for each list to be asked (their results are disjoint).

    `served` are the conditions those parameters express, for `explain()`; `impossible` says that no record
    can match, so nothing need be asked. `ids` are those that a condition asks for; None where none does.
    """

    lists: tuple[dict[str, str], ...] = ({},)
    served: tuple[Test, ...] = ()
    impossible: bool = False
    ids: tuple[str, ...] | None = None


def split(where: Node, resource: Resource) -> Split:
    """Find the list parameters that express conditions of `where`."""
    if where == NOTHING:
        return Split((), (), impossible=True)
    lists: list[dict[str, str]] = [{}]
    served: list[Test] = []
    for test in where.children if isinstance(where, All) else (where,):
        wire = field_of(test)
        if not isinstance(test, Test) or wire is None:
            continue
        param = next((p for p in resource.params.values() if p.field == wire), None)
        values = _values(test)
        if param is None or values is None or any(param.name in params for params in lists):
            continue
        if not values:
            return Split((), (test,), impossible=True, ids=ids_in(where))
        groups = _groups(values) if param.many else [[value] for value in values]
        if len(groups) * len(lists) > (MAX_LISTS_BY_ID if param.field == "_id" else MAX_LISTS):
            continue
        lists = [{**params, param.name: ",".join(group)} for params in lists for group in groups]
        served.append(test)
    return Split(tuple(lists), tuple(served), ids=ids_in(where))


def ids_in(where: Node) -> tuple[str, ...] | None:
    """The ids that a top-level condition asks for; None when there is no such condition."""
    for test in where.children if isinstance(where, All) else (where,):
        if isinstance(test, Test) and field_of(test) == "_id":
            if test.op == "exact" and isinstance(test.value, str):
                return (test.value,)
            if test.op == "in":
                return tuple(value for value in test.value if isinstance(value, str))
    return None


def field_of(node: Node) -> str | None:
    """The wire field of the record itself that a test looks at; None for any other condition."""
    if not isinstance(node, Test) or not isinstance(node.target, Target) or node.target.hops:
        return None
    return node.target.keys[0] if len(node.target.keys) == 1 else None


def _values(test: Test) -> tuple[str, ...] | None:
    """The texts one of which a test asks a field to equal or, for a list of ids, to contain; None for other tests."""
    if test.op in ("exact", "contains") and isinstance(test.value, str):
        if test.op == "contains" and test.target.kind not in LISTS:
            return None
        return None if "," in test.value or not test.value else (test.value,)
    many = test.op == "in" or (test.op == "overlap" and test.target.kind in LISTS)
    if many and all(isinstance(value, str) and value and "," not in value for value in test.value):
        return tuple(dict.fromkeys(test.value))
    return None


def _groups(values: tuple[str, ...]) -> list[list[str]]:
    groups: list[list[str]] = []
    length = MAX_VALUE_LENGTH + 1
    for value in values:
        if length + len(value) + 1 > MAX_VALUE_LENGTH:
            groups.append([])
            length = 0
        groups[-1].append(value)
        length += len(value) + 1
    return groups
