"""Relations for all records that came together: one load instead of one for each.

Touching `license.company` on one of 5,000 licences loads the companies of all of them. In a running event
loop it raises instead: a blocked loop would be worse than an error that says what to type.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import runtime
from ..errors import FieldError, NotLoaded
from ..fields.relations import Many, ManyToMany, One, Relation
from ..http.effects import Flow
from ..http.flows import collected
from ..models.base import Model
from ..models.state import Origin
from ..names import did_you_mean
from ..query.query import Query
from ..query.tree import Target, Test

if TYPE_CHECKING:
    from ..runtime import Source


def load_related(record: Model, relation: One[Any]) -> None:
    """Load a forward relation of `record` and of all its peers, in the calling thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise NotLoaded(
            f"{type(record).__name__}.{relation.name} is not loaded, and loading it here would block the event loop: "
            f"await record.aload({relation.name!r}), or prefetch_related({relation.name!r}) on the queryset."
        )
    client = runtime.client_of(record)
    client.run(load(_group(record), relation, _source(client, record)))


def load_named(record: Model, names: Iterable[str]) -> Flow[None]:
    """Load relations of `record` and its peers by name."""
    client = runtime.client_of(record)
    for name in names:
        check(type(record), name)
        yield from load_path(_group(record), name, _source(client, record))


def _group(record: Model) -> list[Model]:
    peers = record._origin.peers()
    return peers if any(peer is record for peer in peers) else [record, *peers]


def _source(client: runtime.Client, record: Model) -> Source:
    name = record._origin.source
    return client.source(name if name in ("api", "mirror") else None)


def check(model: type[Model], path: str) -> None:
    """Raise `FieldError` unless `path` names relations, nested by `__`."""
    for part in path.split("__"):
        relation = model._meta.relations.get(part)
        if relation is None:
            known = model._meta.relations
            raise FieldError(f"{model.__name__} has no relation {part!r}.{did_you_mean(part, known)}")
        model = relation.model


def needed(model: type[Model], paths: tuple[str, ...]) -> frozenset[str]:
    """The wire fields that loading `paths` reads from the records themselves."""
    wires = set()
    for path in paths:
        relation = model._meta.relations[path.split("__")[0]]
        if not isinstance(relation, Many):
            wires.add(model._meta.fields[relation.via].wire)
    return frozenset(wires)


def load_path(records: list[Any], path: str, source: Source) -> Flow[None]:
    """Load a relation of `records`, and those behind it that the path names."""
    if not records:
        return
    head, _, rest = path.partition("__")
    relation = records[0]._meta.relations[head]
    found = yield from load(records, relation, source)
    if rest:
        yield from load_path(found, rest, source)


def load(records: list[Any], relation: Relation[Any], source: Source) -> Flow[list[Any]]:
    """Load one relation of `records` and return the other ends."""
    if isinstance(relation, One):
        return (yield from _load_one(records, relation, source))
    if isinstance(relation, Many):
        return (yield from _load_many(records, relation, source))
    assert isinstance(relation, ManyToMany)
    ids = {one for record in records for one in getattr(record, relation.via) or []}
    return (yield from _fetch(relation.model, "id", ids, source))


def _load_one(records: list[Any], relation: One[Any], source: Source) -> Flow[list[Any]]:
    origins = {id(record._origin): record._origin for record in records}
    wanted = {key for record in records if (key := getattr(record, relation.via)) is not None}
    known: dict[str, Any] = {}
    for origin in origins.values():
        known.update(origin.related.get(relation.name, {}))
    missing = wanted - known.keys()
    if missing:
        found = yield from _fetch(relation.model, "id", missing, source)
        known.update(dict.fromkeys(missing))
        known.update((record.id, record) for record in found)
    for origin in origins.values():
        origin.related.setdefault(relation.name, {}).update(known)
    return [known[key] for key in wanted if known[key] is not None]


def _load_many(records: list[Any], relation: Many[Any], source: Source) -> Flow[list[Any]]:
    ids = {record.id for record in records if record.id is not None}
    found = yield from _fetch(relation.model, relation.via, ids, source)
    by_owner: dict[str, list[Any]] = {one: [] for one in ids}
    for other in found:
        owners = getattr(other, relation.via)
        for owner in owners if isinstance(owners, list) else [owners]:
            if owner in by_owner:
                by_owner[owner].append(other)
    for record in records:
        record._origin.prefetched.setdefault(relation.name, {}).update(by_owner)
    return found


def _fetch(model: type[Any], name: str, values: set[str], source: Source) -> Flow[list[Any]]:
    if not values:
        return []
    field = model._meta.fields[name]
    op = "overlap" if field.kind.name == "list" else "in"
    test = Test(Target(name, field.keys, field.kind), op, tuple(sorted(values)))
    # What a relation points to is wanted whether lists hide it or not.
    query = Query(model._meta.resource.name, where=test, hidden=True)
    rows = yield from collected(source.pages(query))
    client = getattr(source, "client", None)
    origin = Origin(weakref.ref(client) if client is not None else None, source.name)
    found = [model.from_wire(row, origin) for row in rows]
    origin.add_peers(found)
    return found
