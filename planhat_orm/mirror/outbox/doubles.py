"""New records that the mirror has from the server already: what waits is not shown beside them.

A create whose answer was lost, or that another writer came before, is in the server's list under an id of its own. By
its key it is told for certain; without one it is whatever was made since and says what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from ...runtime import TEMPORARY
from ...wire.content_match import pair, places
from ...wire.keys import Key, comparable_keys, has_key
from ...wire.newest import made_above
from ..db import tables
from ..db.changes import Raw, chunks
from ..db.layout import layouts
from ..db.store import Store

if TYPE_CHECKING:
    from .overlay import Entry

SENT = ("inflight", "unknown")
"""The states of entries that may have been carried out."""
_MOST = 1000
"""So many records that are new since are compared with what was sent without a key."""


def doubles(
    store: Store, new: Mapping[str, Entry], shown: Mapping[str, Raw | None], *, postgres: bool
) -> dict[str, str]:
    """The ids under which records are there whose making waits, by their temporary ids.

    `shown` are rows that are about to be written: of those the table's do not count.
    """
    keyed = {key: id for id, entry in new.items() for key in _keys(entry)}
    found: dict[str, str] = {}
    for id, key in (*_in_rows(store, shown), *_in_table(store, keyed, shown, postgres)):
        if key in keyed:
            found.setdefault(keyed[key], id)
    return {**found, **_by_content(store, {id: entry for id, entry in new.items() if _is_keyless(entry)}, shown)}


def _keys(entry: Entry) -> list[Key]:
    return [key for key in comparable_keys(layouts()[entry.resource].resource, entry.patch) if key[0] != "_id"]


def _is_keyless(entry: Entry) -> bool:
    return entry.state in SENT and not has_key(layouts()[entry.resource].resource, entry.patch)


def _in_rows(store: Store, shown: Mapping[str, Raw | None]) -> Iterable[tuple[str, Key]]:
    for id, row in shown.items():
        if row is not None and not id.startswith(TEMPORARY):
            yield from ((id, key) for key in comparable_keys(store.layout.resource, row))


def _in_table(
    store: Store, keyed: Mapping[Key, str], shown: Mapping[str, Raw | None], postgres: bool
) -> Iterable[tuple[str, Key]]:
    table = tables.records(store.layout)
    for wire in {wire for wire, _ in keyed}:
        value: Any = tables.value_of(store.layout, wire, postgres)
        value = func.lower(value) if wire == "email" else value
        for part in chunks([value for key, value in keyed if key == wire]):
            for id, text in store.connection.execute(select(table.c.id, value).where(value.in_(part))):
                if id not in shown and not id.startswith(TEMPORARY):
                    yield id, (wire, text)


def _by_content(store: Store, new: Mapping[str, Entry], shown: Mapping[str, Raw | None]) -> dict[str, str]:
    """Records without a key that say what was sent, of those that are new since and were not made otherwise here.

    What looks like two of them is left out: nobody can tell which one it is.
    """
    found: dict[str, str] = {}
    for floor in {entry.floor_id for entry in new.values() if entry.floor_id is not None}:
        entries = {id: entry for id, entry in new.items() if entry.floor_id == floor}
        rows = {**store.read(_since(store.connection, store, floor)), **shown}
        candidates = [
            row for id, row in rows.items() if row is not None and not id.startswith(TEMPORARY) and id > floor
        ]
        resource, sent = store.layout.resource, [entry.patch for entry in entries.values()]
        pairs = pair(candidates, sent, resource)
        left = [row for row in candidates if row["_id"] not in pairs.values()]
        doubtful = {place for fitting in places(left, sent, resource) for place in fitting}
        found.update((id, pairs[place]) for place, id in enumerate(entries) if place in pairs and place not in doubtful)
    return found


def _since(connection: Connection, store: Store, floor: str) -> list[str]:
    table, made = tables.records(store.layout), tables.made.c
    ours = select(made.id).where(made.resource == store.layout.table)
    lowest = f"{max(0, int(made_above(floor))):08x}"
    newer = select(table.c.id).where(table.c.id >= lowest, table.c.id < TEMPORARY, table.c.id.not_in(ours))
    return list(connection.execute(newer.limit(_MOST)).scalars())
