"""Relations for all records that came together: one load instead of one for each.

Touching `license.company` on one of 5,000 licences loads the companies of all of them. In a running event
loop it raises instead: a blocked loop would be worse than an error that says what to type.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .. import arguments, runtime
from ..errors import FieldError, NotLoaded
from ..fields.hierarchy import Tree
from ..fields.relations import Many, One, Relation
from ..http.effects import Flow
from ..http.flows import collected, tap
from ..models.base import Model
from ..models.state import Origin
from ..names import did_you_mean
from ..query.kinds import LISTS
from ..query.predicate import predicate
from ..query.query import Query
from ..query.tree import EVERYTHING, Target, Test
from ..scopes.tasks import in_a_task
from .relation_lock import relation_lock
from .shared_pages import SharedPages, fetching

if TYPE_CHECKING:
    from ..runtime import Source


def load_related(record: Model, relation: One[Any]) -> None:
    """Load a forward relation of `record` and of all its peers, in the calling thread."""
    if in_a_task():
        raise NotLoaded(
            f"{type(record).__name__}.{relation.name} is not loaded, and loading it here would block the event loop: "
            f"await record.aload({relation.name!r}), or prefetch_related({relation.name!r}) on the queryset."
        )
    client = runtime.client_of(record)
    own = relation_lock(record._origin)
    known = own.failures.get(relation.name)
    with own.turn(), own.loading(relation.name, known), fetching(own):
        client.run(own.noting(load(_group(record), relation, _source(client, record))))


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
    return client.source(name if name in ("api", "mirror") else None, record._origin.scope)


def check(model: type[Model], path: str) -> None:
    """Raise `FieldError` unless `path` names relations, nested by `__`."""
    before = ""
    for part in arguments.name(path, "A relation's name").split("__"):
        relation = model._meta.relations.get(part)
        if relation is None:
            known = model._meta.relations
            raise FieldError(f"{model.__name__} has no relation {part!r}.{did_you_mean(part, known, before)}")
        if isinstance(relation, Tree):
            raise FieldError(
                f"{part!r} walks the tree of one {model.__name__}: call {part}() of it, or take figures of all, "
                f"such as annotate(n=Count({part!r}))."
            )
        before += f"{part}__"
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
    if isinstance(relation, Many):
        return (yield from _load_many(records, relation, source))
    origins = {id(record._origin): record._origin for record in records}
    wanted = {key for record in records for key in referred(record, relation)}
    known: dict[str, Any] = {}
    for origin in origins.values():
        known.update(origin.related.get(relation.name, {}))
    missing = wanted - known.keys()
    if missing:
        known.update(dict.fromkeys(missing))
        known.update((yield from _fetch_ids(records, relation.model, missing, source)))
    for origin in origins.values():
        origin.related.setdefault(relation.name, {}).update(known)
    return [known[key] for key in wanted if known[key] is not None]


def referred(record: Any, relation: Relation[Any]) -> list[str]:
    """The ids that a reference, or a list of them, holds; anything that is none is passed over."""
    value = getattr(record, relation.via)
    return [element for element in (value if isinstance(value, list) else [value]) if isinstance(element, str)]


_MOST = 50_000
"""Of a list that has to be read whole, so many records are kept for the pages that come later and need others."""


class _Enough(Exception):
    """Every id that was sought has come."""


def _fetch_ids(records: list[Any], model: type[Any], ids: set[str], source: Source) -> Flow[dict[str, Any]]:
    """The records of some ids by id, and others that were read on the way."""
    origin = Origin(records[0]._origin.client, source.name, scope=records[0]._origin.scope)
    found: dict[str, Any] = {}
    missing = set(ids)

    def keep(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["_id"] in missing or len(found) < _MOST:
                (found[row["_id"]],) = _made(model, [row], origin)
        missing.difference_update(found)
        if not missing:
            raise _Enough

    # What a reference points to is wanted whether lists hide it or not.
    query = _query(model, "id", ids, hidden=True)
    if _is_full_scan(source, query):
        query = query.changed(where=EVERYTHING)
    with suppress(_Enough):
        yield from tap(source.pages(query), keep)
    origin.add_peers(found.values())
    return found


def _load_many(records: list[Any], relation: Many[Any], source: Source) -> Flow[list[Any]]:
    by_owner = yield from _by_owner(records, relation, source)
    for record in records:
        record._origin.prefetched.setdefault(relation.name, {}).update(by_owner)
    return list({id(other): other for found in by_owner.values() for other in found}.values())


def load_referring(
    record: Model, relation: Many[Any], source: Source, pages: SharedPages | None
) -> Flow[list[Any] | None]:
    """The records behind `company.licenses`, or None where the caller is to ask for those of this one alone.

    The first of its peers that is asked stands alone; the second one loads them for all. What was loaded waits to be
    read once: who asks the same record again wants to see what changed. `pages` are those that it is read for.
    """
    home = record._origin
    own = relation_lock(home, pages)
    known = own.failures.get(relation.name)
    with own.turn(), own.loading(relation.name, known):
        return (yield from own.noting(_taken_or_loaded(home, record, relation, source)))


def _taken_or_loaded(home: Origin, record: Model, relation: Many[Any], source: Source) -> Flow[list[Any] | None]:
    waiting, asked = home.waiting.setdefault(relation.name, {}), home.asked.setdefault(relation.name, set())
    key: Any = record.id
    if len(asked) >= home.size:
        # All were read once: what comes now starts over.
        asked.clear()
        home.whole.pop(relation.name, None)
    if asked and key not in asked and key not in waiting:
        rest = [peer for peer in _group(record) if peer.id not in waiting and peer.id not in asked]
        waiting.update((yield from _by_owner(rest, relation, source)))
    asked.add(key)
    return waiting.pop(key, None)


def _by_owner(records: list[Any], relation: Many[Any], source: Source) -> Flow[dict[str, list[Any]]]:
    """What refers to each of the records, by their ids."""
    ids = {record.id for record in records if record.id is not None}
    by_owner: dict[str, list[Any]] = {id: [] for id in ids}
    for other in (yield from _fetch_referring(records, relation, ids, source)):
        for owner in dict.fromkeys(referred(other, relation)):
            if owner in by_owner:
                by_owner[owner].append(other)
    return by_owner


def _fetch_referring(records: list[Any], relation: Many[Any], ids: set[str], source: Source) -> Flow[list[Any]]:
    """The records that refer to some ids; a list that has to be read whole is read once for all pages."""
    if not ids:
        return []
    model, home = relation.model, records[0]._origin
    query = _query(model, relation.via, ids, hidden=False)
    chosen = predicate(query.where)
    at_hand: list[Any] | None = home.whole.get(relation.name)
    if at_hand is not None:
        return [record for record in at_hand if chosen(record._wire)]
    origin = Origin(home.client, source.name, scope=home.scope)
    found: list[Any] = []
    whole = _is_full_scan(source, query)
    rows = yield from collected(source.pages(query.changed(where=EVERYTHING) if whole else query))
    if whole and len(rows) <= _MOST:
        found = _made(model, rows, origin)
        for record in records:
            record._origin.whole[relation.name] = found
        found = [record for record in found if chosen(record._wire)]
    else:
        found = _made(model, [row for row in rows if chosen(row)], origin)
    origin.add_peers(found)
    return found


def _made(model: type[Any], rows: list[dict[str, Any]], origin: Origin) -> list[Any]:
    """Records of rows; inside a batch the objects that it knows of them."""
    records = [model.from_wire(row, origin) for row in rows]
    client = origin.client
    return records if client is None else client.writer.unify(records)


def _is_full_scan(source: Source, query: Query) -> bool:
    return source.name == "api" and source.explain(query).full_scan


def _query(model: type[Any], name: str, values: set[str], *, hidden: bool) -> Query:
    field = model._meta.fields[name]
    op = "overlap" if field.kind in LISTS else "in"
    test = Test(Target(name, field.keys, field.kind), op, tuple(sorted(values)))
    return Query(model._meta.resource.name, where=test, hidden=hidden)
