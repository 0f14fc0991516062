"""Keys in hand: two processes that share a mirror do not make one key at the same moment.

Planhat checks no key on a POST, and between looking for a key and making its record another process may do the same. So
who is about to make a record takes its keys first. They are his until his entry is settled, or his process is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from ...wire.keys import comparable_keys
from ..db import tables
from ..db.changes import chunks
from ..db.layout import layouts

if TYPE_CHECKING:
    from .overlay import Entry

Place = tuple[str, str, str]
"""A table, the wire name of a key, and its value."""


def take(connection: Connection, entries: Sequence[Entry], holder_is_gone: Callable[[str | None], bool]) -> set[int]:
    """Note that entries are about to make records with their keys; nothing where others have one of them in hand.

    Returns the numbers of the entries that have to wait.
    """
    wanted = {place: entry.seq for entry in entries for place in _places(entry)}
    blocked: set[int] = set()
    gone: dict[str | None, bool] = {}
    for place, owner, holder in _held(connection, wanted):
        if owner == wanted[place]:
            continue
        if holder not in gone:
            gone[holder] = holder_is_gone(holder)
        if not gone[holder]:
            blocked.add(wanted[place])
    if blocked:
        return blocked
    _put(connection, wanted)
    return set()


def _places(entry: Entry) -> list[Place]:
    layout = layouts().get(entry.resource)
    if layout is None:
        return []
    return [(layout.table, *key) for key in comparable_keys(layout.resource, entry.patch) if key[0] != "_id"]


def _held(connection: Connection, wanted: dict[Place, int]) -> Iterable[tuple[Place, int, str | None]]:
    """The claims on some keys, with the entry, and who has that in hand; None where it is there no longer."""
    claims, box = tables.claims, tables.outbox
    owners = claims.outerjoin(box, box.c.seq == claims.c.entry)
    for part in chunks(list({value for _, _, value in wanted})):
        rows = connection.execute(
            select(claims.c.resource, claims.c.wire, claims.c.value, claims.c.entry, box.c.holder)
            .select_from(owners)
            .where(claims.c.value.in_(part))
        )
        for resource, wire, value, entry, holder in rows:
            if (resource, wire, value) in wanted:
                yield (resource, wire, value), entry, holder


def _put(connection: Connection, wanted: dict[Place, int]) -> None:
    claims = tables.claims
    by_key: dict[tuple[str, str], list[str]] = {}
    for resource, wire, value in wanted:
        by_key.setdefault((resource, wire), []).append(value)
    for (resource, wire), values in by_key.items():
        for part in chunks(values):
            mine = (claims.c.resource == resource) & (claims.c.wire == wire) & claims.c.value.in_(part)
            connection.execute(delete(claims).where(mine))
    rows = [{"resource": place[0], "wire": place[1], "value": place[2], "entry": seq} for place, seq in wanted.items()]
    if rows:
        connection.execute(insert(claims), rows)


def drop(connection: Connection, seqs: Iterable[int]) -> None:
    """Let go of the keys of entries that are settled."""
    for part in chunks(list(seqs)):
        connection.execute(delete(tables.claims).where(tables.claims.c.entry.in_(part)))
