"""Which changes still lead back from what the mirror holds: after an upgrade from a release that kept them in another
form, and after a rescue that could not read them all.

A record's changes are gone through newest first. Where one does not fit what is left of the record, this and the
older ones of that record are dropped, and the past of its table is known from there on only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, inspect, select, text, update

from ..db import clock, state, tables
from ..db.changes import Raw, chunks, difference, ids_of, rids, undo
from ..db.json_text import json_text, read_cell
from ..db.layout import layouts
from ..db.store import Store

OLD = "mirror_change_0002"
"""Where migration 0003 leaves the changes of earlier releases."""
_PART = 2000


@dataclass(slots=True)
class Replay:
    """Goes back through the changes of one table's records. `edge`: from when on its past is known, None for always."""

    records: dict[int, Raw | None]
    edge: int | None = None
    broken: set[int] = field(default_factory=set)

    def step(self, rid: int, kind: str, reverse: str | None, at: int) -> tuple[Raw | None, Raw | None] | None:
        """The record before a change and after it; None where the change does not lead there."""
        if rid in self.broken:
            return None
        now = self.records.get(rid)
        try:
            before = _back(now, kind, reverse)
        except (LookupError, TypeError, ValueError, AttributeError):
            self.broken.add(rid)
            self.edge = max(at, self.edge or 0)
            return None
        self.records[rid] = before
        return before, now


def _back(now: Raw | None, kind: str, reverse: str | None) -> Raw | None:
    """Undo a change; an error of Python's where it is not one of this record."""
    if (kind == "deleted") is not (now is None):
        raise ValueError("there, and should not be, or the other way round")
    if reverse is None:
        if kind != "created":
            raise ValueError("nothing is known of it")
        return None
    note = read_cell(reverse)
    bare = now or {}
    if any(key not in bare for key in note.get("unset", ())):
        raise LookupError("it lacks what the change brought")
    return undo(bare, note)


def take_over(connection: Connection, *, postgres: bool) -> None:
    """Bring the changes of earlier releases into the form of this one, as far as they lead back from the present."""
    if OLD not in inspect(connection).get_table_names():
        return
    names = connection.execute(text(f"SELECT DISTINCT resource FROM {OLD}")).scalars().all()
    times = _times(connection)
    for name in sorted(set(names) & layouts().keys()):
        edge = _take_over_table(connection, name, times, postgres)
        _begin_memory(connection, name, edge)
    connection.execute(text(f"DROP TABLE {OLD}"))
    set_clock(connection)


def _times(connection: Connection) -> dict[int, int]:
    """When changes were seen, by number: never before an earlier one, whatever was written down."""
    times: dict[int, int] = {}
    last = 0
    for seq, seen_at in connection.execute(text(f"SELECT seq, seen_at FROM {OLD} ORDER BY seq")):
        last = times[seq] = max(last, clock.micros(state.moment(seen_at)))
    return times


def _take_over_table(connection: Connection, name: str, times: Mapping[int, int], postgres: bool) -> int | None:
    statement = text(
        f"SELECT seq, run, record, kind, reverse, origin FROM {OLD} WHERE resource = :name ORDER BY seq DESC"
    )
    rows = connection.execute(statement, {"name": name}).all()
    aliases = dict(row for row in connection.execute(select(tables.aliases.c.temporary, tables.aliases.c.id)))
    numbers = rids(connection, name, {aliases.get(row.record, row.record) for row in rows})
    _name_temporaries(connection, name, aliases, numbers)
    replay = Replay(_present(connection, name, numbers, postgres))
    kept: list[dict[str, Any]] = []
    for row in rows:
        rid, at = numbers[aliases.get(row.record, row.record)], times[row.seq]
        step = replay.step(rid, row.kind, row.reverse, at)
        values = None if step is None else _note(row, *step)
        if values is not None:
            kept.append(
                {**values, "resource": name, "rid": rid, "at": at, "n": row.seq, "seq": row.seq, "run": row.run}
            )
    for part in chunks(kept, _PART):
        connection.execute(tables.changes.insert(), list(part))
    return replay.edge


def _note(row: Any, before: Raw | None, now: Raw | None) -> dict[str, Any] | None:
    if row.kind not in ("updated", "silent"):
        reverse = None if before is None else {"set": before}
    else:
        reverse = difference(now or {}, before or {})
        if reverse is None:
            return None
    return {"kind": row.kind, "origin": row.origin, "reverse": None if reverse is None else json_text(reverse)}


def _name_temporaries(
    connection: Connection, name: str, aliases: Mapping[str, str], numbers: Mapping[str, int]
) -> None:
    values = [
        {"resource": name, "id": temporary, "rid": numbers[id]}
        for temporary, id in aliases.items()
        if id in numbers and temporary not in numbers
    ]
    if values:
        connection.execute(tables.names.insert(), values)


def _present(connection: Connection, name: str, numbers: Mapping[str, int], postgres: bool) -> dict[int, Raw | None]:
    store = Store(connection, layouts()[name], postgres=postgres)
    return {numbers[id]: raw for id, raw in store.read(list(numbers)).items()}


def _begin_memory(connection: Connection, name: str, edge: int | None) -> None:
    """Let the past of a table be known from `edge` on."""
    found = state.load(connection, name)
    since = found.traits.memory_from
    if edge is not None and found.complete and (not since or clock.micros(state.moment(since)) < edge):
        found.traits.memory_from = clock.moment(edge).isoformat()
        state.save(connection, found)


def check(connection: Connection, *, postgres: bool) -> int:
    """Drop the changes that do not lead back from the present, and return how many."""
    log, dropped = tables.changes, 0
    for name in connection.execute(select(log.c.resource).where(log.c.rid.is_not(None)).distinct()).scalars().all():
        rows = connection.execute(
            select(log).where(log.c.resource == name, log.c.rid.is_not(None)).order_by(log.c.seq.desc())
        ).all()
        known = ids_of(connection, {row.rid for row in rows})
        numbers = {id: rid for rid, ids in known.items() for id in ids}
        replay = Replay(_present(connection, name, numbers, postgres))
        replay.broken = {row.rid for row in rows} - known.keys()
        replay.edge = max((row.at for row in rows if row.rid in replay.broken), default=None)
        lost = [row.seq for row in rows if replay.step(row.rid, row.kind, row.reverse, row.at) is None]
        for part in chunks(lost):
            connection.execute(delete(log).where(log.c.seq.in_(part)))
        _begin_memory(connection, name, replay.edge)
        dropped += len(lost)
    set_clock(connection)
    return dropped


def set_clock(connection: Connection) -> None:
    """Let the clock be behind no change."""
    log = tables.changes.c
    n, at, seq = connection.execute(select(func.max(log.n), func.max(log.at), func.max(log.seq))).one()
    before = clock.read(connection)
    values = {"n": max(n or 0, before.n), "at": max(at or 0, before.at, clock.wall())}
    connection.execute(update(tables.clock).values(values))
    if connection.dialect.name == "postgresql" and seq is not None:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('mirror_change', 'seq'), :seq)"), {"seq": seq})
