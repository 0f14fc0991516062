"""What undoing comes to, as far as the memory tells: what records were before some changes, field by field.

From what a record is now its changes are gone back through, newest first. A field goes back through the chosen ones to
what it was before the oldest of them, and stays where another change lies between. Nothing is asked of a server here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, or_, select

from ...models.reference_fields import referring_fields
from ...models.reversal import Action, Link, Raw, Reversal, Reversals, flat, nested
from ...runtime import TEMPORARY
from ...wire.patches import same
from ..db import clock, state, tables
from ..db.changes import chunks, resets
from ..db.database import Database
from ..db.json_text import read_cell
from ..db.layout import layout_for, layouts
from ..db.store import Store
from .history import Past, memory_begins


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which changes are undone: whose, seen from `since` on and before `until`, of which tables and which write."""

    origin: str
    since: int | None = None
    until: int | None = None
    resources: Collection[str] | None = None
    op: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        log = tables.changes.c
        found: list[ColumnElement[bool]] = [log.rid.is_not(None), log.origin == self.origin]
        found += [log.at >= self.since] if self.since is not None else []
        found += [log.at < self.until] if self.until is not None else []
        found += [log.resource.in_(list(self.resources))] if self.resources is not None else []
        return [*found, log.op == self.op] if self.op is not None else found


def reversals(database: Database, chosen: Chosen) -> Reversals:
    """What undoing the chosen changes comes to."""
    log = tables.changes
    with database.reading() as connection:
        begins = resets(connection)
        picked = {
            row.seq: row.rid
            for row in connection.execute(select(log.c.seq, log.c.rid, log.c.resource).where(*chosen.conditions()))
            if row.seq > begins.get(row.resource, (0, 0))[0]
        }
        rows = _changes_of(connection, picked)
        past, by_rid = Past(connection, database, rows), dict[int, _Trace]()
        for row in rows:
            before, now = past.step(row)
            trace = by_rid.setdefault(row.rid, _Trace(row.resource, past.id(row.rid)))
            trace.step(row.seq in picked, before, now)
        successors = _successors(connection)
        traces = _join_recreated(connection, database, list(by_rid.values()), successors)
        waiting = _waiting(connection, [trace.id for trace in traces])
        items = tuple(item for trace in traces for item in trace.reversal(waiting))
        links = _links(
            connection, database, [item for item in items if item.action == "create"], min(picked, default=0)
        )
        return Reversals(items, links, successors, _late_begins(connection, chosen, begins))


def _changes_of(connection: Connection, picked: Mapping[int, int]) -> list[Any]:
    """Every change of the records of some changes, from the oldest of those on, newest first."""
    log, found = tables.changes, list[Any]()
    for part in chunks(sorted(set(picked.values()))):
        found += connection.execute(select(log).where(log.c.rid.in_(part), log.c.seq >= min(picked)))
    return sorted(found, key=lambda row: -int(row.seq))


def _late_begins(connection: Connection, chosen: Chosen, begins: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """When the memory begins, of each table whose memory does not reach as far back as was asked for."""
    if chosen.since is None:
        return {}
    states = state.load_all(connection)
    wanted = [name for name in states if chosen.resources is None or name in chosen.resources]
    edges = {name: memory_begins(states[name], begins.get(name)) for name in wanted if states[name].complete}
    return {name: clock.moment(edge) for name, edge in sorted(edges.items()) if edge > chosen.since}


# --- one record -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Trace:
    """The way back through the changes of one record.

    `wrote` is the record after the newest chosen change, `target` what it goes back to, and `made`, where its creation
    is undone, what it goes back to before that: each flat, and None for no record. `row` is the record as it is shown.
    """

    resource: str
    id: str
    wrote: Raw | None = None
    target: Raw | None = None
    made: Raw | None = None
    row: Raw = field(default_factory=dict)
    is_begun: bool = False
    is_done: bool = False
    frozen: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    overwritten: set[str] = field(default_factory=set)

    def step(self, chosen: bool, before: Raw | None, now: Raw | None) -> None:
        """Go back over one change."""
        if self.is_done or not (chosen or self.is_begun):
            return
        if not self.is_begun:
            self.is_begun, self.row = True, now or before or {}
            self.wrote = self.target = None if now is None else flat(now)
        if before is None:
            self._go_before_creation(chosen, now or {})
        elif now is None:
            self._go_before_deletion(chosen, before)
        else:
            self._go_before_update(chosen, flat(before), flat(now))

    def _go_before_creation(self, chosen: bool, now: Raw) -> None:
        if chosen:
            self.made, self.target = self.target, None
            self.written |= flat(now).keys()
        self.is_done = True

    def _go_before_deletion(self, chosen: bool, before: Raw) -> None:
        if chosen and self.wrote is None:
            self.target, self.row = flat(before), before
        else:
            self.is_done = True

    def _go_before_update(self, chosen: bool, before: Raw, now: Raw) -> None:
        moved = {name for name in {*before, *now} if not _equal(before, now, name)} - {"_id"}
        if not chosen:
            self.frozen |= moved
            return
        self.written |= moved
        self.overwritten |= moved & self.frozen
        target = dict(self.target or {})
        for name in moved - self.frozen:
            target.pop(name, None)
            target.update({name: before[name]} if name in before else {})
        self.target = target

    def reversal(self, waiting: Collection[tuple[str, str]]) -> Iterable[Reversal]:
        """What the way back comes to; nothing where it leads to what there is."""
        wrote, target = self.wrote, self.target
        if wrote is None and target is None:
            return
        action: Action = "create" if wrote is None else "delete" if target is None else "update"
        fields: dict[str, tuple[Any, Any]] = {}
        if wrote is not None and target is not None:
            names = [name for name in self.written if not _equal(wrote, target, name)]
            fields = {name: (wrote.get(name), target.get(name)) for name in sorted(names)}
        overwritten = tuple(sorted(self.overwritten - fields.keys())) if action == "update" else ()
        if fields or overwritten or action != "update":
            waits = (self.resource, self.id) in waiting
            yield Reversal(action, self.resource, self.id, self.row, nested(target or {}), fields, overwritten, waits)


def _equal(left: Raw, right: Raw, name: str) -> bool:
    return (name in left) == (name in right) and same(left.get(name), right.get(name))


def _waiting(connection: Connection, ids: Iterable[str]) -> set[tuple[str, str]]:
    """The records, by table and id, of which a write is in the outbox."""
    box, found = tables.outbox.c, set[tuple[str, str]]()
    for part in chunks(list(ids)):
        rows = connection.execute(select(box.resource, box.record).where(box.record.in_(part)))
        found.update((layouts()[name].table if name in layouts() else name, record) for name, record in rows)
    return found


# --- records that were made anew before --------------------------------------------------------------------


def _successors(connection: Connection) -> dict[str, str]:
    """The newest id of each record that was made anew, by each id that it had before."""
    names = tables.aliases.c
    rows = connection.execute(select(names.temporary, names.id).where(names.temporary.not_like(f"{TEMPORARY}%")))
    next_id = {row.temporary: row.id for row in rows}
    return {old: _last(old, next_id) for old in next_id}


def _last(id: str, next_id: Mapping[str, str]) -> str:
    seen = set[str]()
    while id in next_id and id not in seen:
        seen.add(id)
        id = next_id[id]
    return id


def _join_recreated(
    connection: Connection, database: Database, traces: list[_Trace], successors: Mapping[str, str]
) -> list[_Trace]:
    """One trace of a record that was deleted and made anew: the new one's, which goes back to what it was made as."""
    gone = [trace for trace in traces if trace.wrote is None and trace.id in successors]
    existing = _existing(connection, database, {(trace.resource, successors[trace.id]) for trace in gone})
    back = {successors[trace.id]: trace for trace in gone if (trace.resource, successors[trace.id]) in existing}
    left = []
    for trace in traces:
        if trace.id in back and trace.target is None and trace.wrote is not None:
            trace.target = trace.made
        elif any(trace is old for old in back.values()):
            continue
        left.append(trace)
    return left


def _existing(connection: Connection, database: Database, places: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of some records, by table and id, that the mirror holds."""
    found = set[tuple[str, str]]()
    for table in {table for table, _ in places}:
        store = Store(connection, layout_for(table), postgres=database.postgres)
        found.update((table, id) for id in store.read([id for name, id in places if name == table]))
    return found


# --- what named a deleted record ---------------------------------------------------------------------------


def _links(connection: Connection, database: Database, deleted: list[Reversal], since: int) -> tuple[Link, ...]:
    """The records that named deleted ones when those were deleted, as far as the mirror holds what they say."""
    found: dict[tuple[str, str, str], Link] = {}
    own = {(item.resource, item.id) for item in deleted}
    complete = {name for name, known in state.load_all(connection).items() if known.complete}
    for resource in sorted({item.resource for item in deleted}):
        ids = {item.id for item in deleted if item.resource == resource}
        for model, fields in referring_fields(resource).items():
            table = model._meta.resource.name
            wires = [item.wire for item in fields if not item.readonly]
            if table in complete and wires and {"update", "bulk_upsert"} & model._meta.resource.operations:
                for link in (*_named_now(connection, database, table, wires, ids),
                             *_named_then(connection, table, wires, ids, since)):  # fmt: skip
                    if (table, link.id) not in own:
                        found.setdefault((table, link.id, link.target), link)
    return tuple(found.values())


def _named_now(
    connection: Connection, database: Database, table: str, wires: list[str], ids: set[str]
) -> Iterable[Link]:
    """Records of the mirror that name some ids."""
    layout, rows = layout_for(table), tables.records(layout_for(table)).c
    store = Store(connection, layout, postgres=database.postgres)
    named = set[str]()
    for part in chunks(sorted(ids)):
        for wire in wires:
            column = layout.by_wire[wire]
            cell = rows[column.name]
            if column.storage != "json":
                named.update(connection.execute(select(rows.id).where(cell.in_(part))).scalars())
                continue
            for few in chunks(part, 50):
                test = or_(*(cast(cell, Text).contains(id) for id in few))
                named.update(connection.execute(select(rows.id).where(test)).scalars())
    for id, row in store.read(sorted(named)).items():
        yield from _links_of(table, id, row, wires, ids)


def _named_then(connection: Connection, table: str, wires: list[str], ids: set[str], since: int) -> Iterable[Link]:
    """Records that named some ids before a change that was seen since."""
    log, names = tables.changes, tables.names
    statement = (
        select(names.c.id, log.c.kind, log.c.origin, log.c.reverse)
        .where(log.c.resource == table, log.c.seq >= since, log.c.reverse.is_not(None))
        .join(names, names.c.rid == log.c.rid)
        .order_by(log.c.seq)
    )
    for id, kind, origin, reverse in connection.execute(statement):
        if not id.startswith(TEMPORARY) and (kind, origin) != ("deleted", "mine"):
            row = read_cell(reverse).get("set", {})
            yield from _links_of(table, id, row, wires, ids, is_gone=kind == "deleted")


def _links_of(
    table: str, id: str, row: Raw, wires: list[str], ids: set[str], *, is_gone: bool = False
) -> Iterable[Link]:
    by_target: dict[str, list[str]] = {}
    for wire in wires:
        value = row.get(wire)
        for target in value if isinstance(value, list) else [value]:
            if isinstance(target, str) and target in ids:
                by_target.setdefault(target, []).append(wire)
    for target, named in by_target.items():
        yield Link(table, id, target, tuple(named), row, is_gone)
