"""How a query without relations is asked of the API: record by record, or as lists with parameters."""

from __future__ import annotations

from msgspec import Struct

from ..errors import PlanhatError
from ..query import kinds
from ..query.query import Query
from ..query.raw_values import on_the_wire
from ..query.split import GET_EACH, Split, split
from ..query.tree import All, Node, Target, Test, both
from ..query.walk import wires_in
from ..wire import paths
from ..wire.aliases import spellings_of
from ..wire.resources import Resource, resource


class Strategy(Struct, frozen=True):
    """How a query without relations is answered: by `ids`, which are asked for one by one, or by lists."""

    resource: Resource
    ids: tuple[str, ...] | None
    parts: Split
    test: Node

    @property
    def whole(self) -> bool:
        """Whether every condition is expressed by ids or parameters, so that no row is fetched in vain."""
        tests = self.test.children if isinstance(self.test, All) else (self.test,)
        served = len(self.parts.served) + (self.ids is not None)
        return len(tests) == served and self.resource.hidden_by is None


def strategy(query: Query) -> Strategy:
    """Choose how to ask for a query whose relations were resolved."""
    where = query.where
    known = resource(query.resource)
    if "list" not in known.operations:
        raise PlanhatError(f"Planhat's API lists no {known.name} records: it takes them in and gives none back.")
    implied = known.implied
    test = where
    for wire, value in implied.items():
        test = both(test, Test(Target(wire, (wire,), kinds.TEXT), "exact", value))
    parts = split(where, known)
    ids = parts.ids
    if ids is not None:
        ids = tuple(id for id in ids if paths.may_be_id(id))
        if not known.is_readable or len(ids) > GET_EACH:
            ids = None
    return Strategy(known, ids, parts, test)


def selected(way: Strategy, query: Query) -> tuple[str, ...] | None:
    """The fields to name: those wanted, and those looked at here."""
    if query.select is None:
        return None
    needed = wires_in((way.test, query.order, query.distinct, query.annotations))
    hidden = way.resource.hidden_by
    if hidden is not None and hidden.hides:
        needed.add(hidden.hides)
    return ("_id", *sorted(spellings_of(way.resource, on_the_wire(query.select | needed)) - {"_id"}))
