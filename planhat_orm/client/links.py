"""The lists behind relations that values and figures need: each is read once, and looked up by key.

A condition over a relation needs no such list (see `relation_filters`): it becomes one on ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..http.effects import Flow
from ..http.flows import collected
from ..query import kinds
from ..query.plan import Step
from ..query.query import Query
from ..query.raw_values import Row, raw_at
from ..query.split import GET_EACH, split
from ..query.tree import DEEPEST, EVERYTHING, All, Figure, Hop, Node, Related, Target, Test, both
from ..query.walk import parts_on_record, wires_in
from ..runtime import Source
from ..wire.references import references
from ..wire.resources import resource


class _List(Struct):
    """What is wanted of one list: which fields, whether hidden records too, on what conditions, and by which hops."""

    wires: set[str] = field(default_factory=lambda: {"_id"})
    hidden: bool = False
    conditions: list[Node] = []
    first: list[Hop | None] = []
    """The hops from the records themselves; None for one from other records over there."""
    rows: list[Row] | None = None


class Links:
    """The related lists of one query. `want()` says what is needed, `load()` reads it, `follow()` looks it up."""

    def __init__(self, items: Iterable[object] = ()) -> None:
        self._lists: dict[str, _List] = {}
        self._indexes: dict[tuple[Hop, bool], Callable[[Row], list[Row]]] = {}
        for item in items:
            self.want(item)

    def want(self, item: object, *, first: bool = True) -> None:
        """Note the lists that a condition or value of a record needs."""
        for part in parts_on_record(item):
            match part:
                case Target(hops=hops, keys=keys) if hops:
                    self._chain(hops, (), (), first)
                    self._lists[hops[-1].resource].wires.add(keys[0])
                case Related(_, hop, where, hidden):
                    self._chain((hop,), (where,), (hidden,), first)
                case Figure(hops=hops) if hops:
                    self._chain(hops, part.where[1:], part.hidden, first)
                    self._want_there(hops[-1].resource, part.value)

    def _chain(self, hops: tuple[Hop, ...], where: tuple[Node, ...], hidden: tuple[bool, ...], first: bool) -> None:
        for level, hop in enumerate(hops):
            wanted = self._lists.setdefault(hop.resource, _List())
            wanted.hidden |= hidden[level] if hidden else True
            wanted.wires |= {hop.near, hop.far} if hop.closure else {hop.far}
            # What leads on in a tree need not satisfy the condition itself.
            wanted.conditions.append(where[level] if where and not hop.closure else EVERYTHING)
            wanted.first.append(hop if first and level == 0 else None)
            self._want_there(hop.resource, where[level] if where else None)
            if level + 1 < len(hops):
                wanted.wires.add(hops[level + 1].near)

    def _want_there(self, name: str, item: object) -> None:
        self._lists[name].wires |= wires_in(item)
        self.want(item, first=False)

    def load(self, source: Source, rows: list[Row] | None = None) -> Flow[None]:
        """Read the lists; where `rows` are few, only what their keys lead to."""
        for name in self._lists:
            yield from self._load(name, source, rows)

    def _load(self, name: str, source: Source, rows: list[Row] | None) -> Flow[None]:
        wanted = self._lists[name]
        where = self._narrow(name, rows)
        query = Query(name, where, select=frozenset(wanted.wires), hidden=wanted.hidden)
        wanted.rows = yield from collected(source.pages(query))

    def _narrow(self, name: str, rows: list[Row] | None) -> Node:
        """The conditions that the API can use to make a list shorter, for all that is wanted of it."""
        wanted, known = self._lists[name], resource(name)
        where: Node = EVERYTHING
        if len(wanted.conditions) == 1:
            where = All(split(wanted.conditions[0], known).served)
        hop = wanted.first[0]
        if rows is not None and hop is not None and not hop.closure and wanted.first == [hop] * len(wanted.first):
            keys = sorted({key for row in rows for key in _near(hop, row)})
            kind = kinds.REFS if hop.many_far else kinds.ID if hop.far == "_id" else kinds.REF
            test = Test(Target(hop.far, (hop.far,), kind), "overlap" if hop.many_far else "in", tuple(keys))
            few = hop.far == "_id" and len(keys) <= GET_EACH
            if not keys or few or split(test, known).served:
                where = both(where, test)
        return where

    def follow(self, hop: Hop, include_hidden: bool) -> Callable[[Row], list[Row]]:
        """How to find the records that a hop leads to from a record."""
        if (hop, include_hidden) not in self._indexes:
            self._indexes[hop, include_hidden] = self._index(hop, include_hidden)
        return self._indexes[hop, include_hidden]

    def _index(self, hop: Hop, include_hidden: bool) -> Callable[[Row], list[Row]]:
        param = resource(hop.resource).hidden_by
        rows = self._lists[hop.resource].rows or ()
        shown = [row for row in rows if include_hidden or param is None or row.get(str(param.hides)) is not True]
        return lookup(hop, shown)

    def steps(self) -> list[Step]:
        """The lists, for a plan."""
        return [
            Step(f"GET /{resource(name).path} for values and figures, worked out here", "whole list")
            for name in self._lists
        ]


def lookup(hop: Hop, rows: Iterable[Row]) -> Callable[[Row], list[Row]]:
    """How to find those of some rows that a hop leads to from a record, each once."""
    if hop.closure:
        return _closure(hop, list(rows))
    far = raw_at((hop.far,))
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        for key in dict.fromkeys(_ids(far(row), hop.many_far)):
            by_key.setdefault(key, []).append(row)

    def find(row: Row) -> list[Row]:
        keys = _near(hop, row)
        if len(keys) == 1:
            return by_key.get(keys[0], [])
        return list({far["_id"]: far for key in keys for far in by_key.get(key, ())}.values())

    return find


def _closure(hop: Hop, rows: list[Row]) -> Callable[[Row], list[Row]]:
    step = lookup(replace(hop, closure=False), rows)
    by_id = {row["_id"]: row for row in rows} if hop.itself else {}

    def find(row: Row) -> list[Row]:
        own = by_id.get(row["_id"])
        return reached([row], step, {} if own is None else {own["_id"]: own})

    return find


def reached(level: list[Row], step: Callable[[Row], list[Row]], found: dict[str, Row]) -> list[Row]:
    """The rows that steps from some rows lead to, and those `found` before."""
    for _ in range(DEEPEST):
        following = {far["_id"]: far for row in level for far in step(row) if far["_id"] not in found}
        if not following:
            break
        found.update(following)
        level = list(following.values())
    return list(found.values())


def _near(hop: Hop, row: Row) -> list[str]:
    return list(dict.fromkeys(_ids(raw_at((hop.near,))(row), hop.many_near)))


def _ids(raw: Any, many: bool) -> list[str]:
    """The ids that a reference, or a list of them, holds."""
    if many:
        return [value for value in references(raw) if isinstance(value, str)] if isinstance(raw, list) else []
    value = kinds.REF.comparable(raw)
    return [value] if isinstance(value, str) else []
