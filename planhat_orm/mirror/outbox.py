"""The outbox: every write on paper before it travels.

An entry and the row that shows it are one transaction, so a crash at any point leaves either nothing, or an
entry that says what was meant: `pending` was never sent, `inflight` may have been. The mirror's row shows
the wish; `before` holds what the server said, so that discarding an entry undoes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from ..errors import MirrorError
from ..html import table as html_table
from ..runtime import Wish
from . import tables
from .database import Database
from .layout import layout, layouts
from .sqlite import json_text
from .state import load, now
from .store import TEMPORARY, Memory, Raw, Store

OPEN = ("pending", "inflight", "unknown", "conflict", "failed")


@dataclass(slots=True)
class Entry:
    """One write that waits. `patch` is what it sends, `base` what the server said of those fields before."""

    seq: int
    op: str
    resource: str
    record: str
    patch: Raw = field(repr=False)
    base: Raw = field(repr=False)
    state: str
    error: str = field(default="", repr=False)
    created_at: str = ""
    sent_at: str | None = None


class Outbox:
    """The writes of one mirror that have not been acknowledged."""

    def __init__(self, database: Database, *, history: bool) -> None:
        self._database = database
        self._history = history

    # --- looking ----------------------------------------------------------------------------------------

    def entries(self, *states: str) -> list[Entry]:
        """The entries in the order of the writes, all of them or those in some states."""
        box = tables.outbox
        statement = select(box).order_by(box.c.seq)
        if states:
            statement = statement.where(box.c.state.in_(states))
        with self._database.reading() as connection:
            return [_entry(row) for row in connection.execute(statement).mappings()]

    def counts(self) -> dict[str, int]:
        """How many writes wait, by resource."""
        box = tables.outbox
        with self._database.reading() as connection:
            rows = connection.execute(select(box.c.resource, func.count()).group_by(box.c.resource))
            return {row[0]: row[1] for row in rows}

    def alias(self, temporary: str) -> str | None:
        """The id that Planhat gave to a record that was created offline, once it has."""
        names = tables.aliases
        with self._database.reading() as connection:
            return connection.execute(select(names.c.id).where(names.c.temporary == temporary)).scalar()

    def __len__(self) -> int:
        return sum(self.counts().values())

    def __iter__(self) -> Any:
        return iter(self.entries())

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for entry in self.entries():
            counts[entry.state] = counts.get(entry.state, 0) + 1
        told = ", ".join(f"{state} {count}" for state, count in counts.items()) or "empty"
        return f"<Outbox {told}>"

    def _repr_html_(self) -> str:
        rows = [
            (one.seq, one.op, one.resource, one.record, ", ".join(one.patch), one.state, one.created_at)
            for one in self.entries()[:20]
        ]
        return html_table(("seq", "op", "resource", "record", "fields", "state", "since"), rows, repr(self))

    # --- recording --------------------------------------------------------------------------------------

    def record(self, wishes: Iterable[Wish], state: str) -> list[tuple[int | None, str]]:
        """Write wishes down and show them in the mirror, in one transaction that survives a power cut.

        Returns the entry's number and the record's id (a temporary one for a new record) for each. A wish
        about a record whose earlier one still waits becomes part of that; the number is None when both
        cancel out.
        """
        found = []
        with self._database.writing(durable=True) as connection:
            for wish in wishes:
                found.append(self._record(connection, wish, state))
        return found

    def _record(self, connection: Connection, wish: Wish, state: str) -> tuple[int | None, str]:
        box = tables.outbox
        record = wish.record or f"{TEMPORARY}{uuid.uuid4().hex}"
        if wish.record is not None and state == "pending":
            earlier = connection.execute(
                select(box).where(
                    box.c.resource == wish.resource, box.c.record == record, box.c.state == "pending"
                )
            ).mappings().first()  # fmt: skip
            if earlier is not None:
                return self._coalesce(connection, _entry(earlier), wish), record
        self._show(connection, wish.op, wish.resource, record, wish.patch)
        values = {
            "op_id": uuid.uuid4().hex,
            "op": wish.op,
            "resource": wish.resource,
            "record": record,
            "patch": json_text(wish.patch),
            "base": json_text(wish.base),
            "state": state,
            "created_at": now(),
            "sent_at": now() if state == "inflight" else None,
        }
        result = connection.execute(insert(box).values(values).returning(box.c.seq))
        return int(result.scalar_one()), record

    def _coalesce(self, connection: Connection, earlier: Entry, wish: Wish) -> int | None:
        """Join a wish with one on the same record that was not sent yet."""
        box = tables.outbox
        mine = box.c.seq == earlier.seq
        if wish.op == "delete":
            self._show(connection, "delete", wish.resource, earlier.record, {})
            if earlier.op == "create":
                connection.execute(delete(box).where(mine))
                return None
            connection.execute(update(box).where(mine).values(op="delete", patch="{}"))
            return earlier.seq
        self._show(connection, "update", wish.resource, earlier.record, wish.patch)
        patch = merged(earlier.patch, wish.patch)
        base = merged(wish.base, earlier.base)
        connection.execute(update(box).where(mine).values(patch=json_text(patch), base=json_text(base)))
        return earlier.seq

    # --- sending ----------------------------------------------------------------------------------------

    def mark(self, seqs: Sequence[int], state: str, errors: Mapping[int, str] | None = None) -> None:
        """Note how far entries are."""
        box = tables.outbox
        with self._database.writing(durable=True) as connection:
            for start in range(0, len(seqs), 500):
                values: dict[str, Any] = {"state": state}
                if state == "inflight":
                    values["sent_at"] = now()
                connection.execute(update(box).where(box.c.seq.in_(seqs[start : start + 500])).values(**values))
            for seq, error in (errors or {}).items():
                connection.execute(update(box).where(box.c.seq == seq).values(error=error))

    def done(self, finished: Iterable[tuple[int, str | None, Raw | None]]) -> None:
        """Forget acknowledged entries: `(seq, id, row)` with the id Planhat gave, and what the record now is.

        A temporary id gives way to the real one in the mirror's rows and in what still waits.
        """
        box = tables.outbox
        with self._database.writing(durable=True) as connection:
            for seq, id, row in finished:
                found = connection.execute(select(box).where(box.c.seq == seq)).mappings().first()
                if found is None:
                    continue
                entry = _entry(found)
                connection.execute(delete(box).where(box.c.seq == seq))
                if id is not None and entry.record.startswith(TEMPORARY):
                    self._rename(connection, entry, id)
                if entry.op != "delete" and (id or entry.record):
                    self._settle(connection, entry, id or entry.record, row)

    def cancel(self, seqs: Sequence[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        box = tables.outbox
        with self._database.writing(durable=True) as connection:
            for seq in seqs:
                found = connection.execute(select(box).where(box.c.seq == seq)).mappings().first()
                if found is not None:
                    connection.execute(delete(box).where(box.c.seq == seq))
                    self._undo(connection, _entry(found))

    def discard(self, *seqs: int) -> int:
        """Give up entries by number (all that wait, when none is given); the mirror shows the server's values again.

        Returns how many. Entries in flight are left alone: they may have been carried out.
        """
        given = [one for one in self.entries() if one.state != "inflight" and (not seqs or one.seq in seqs)]
        missing = set(seqs) - {one.seq for one in given}
        if missing:
            raise MirrorError(f"No waiting entry has the number {min(missing)}: `planhat outbox` lists them.")
        self.cancel([one.seq for one in given])
        return len(given)

    def retry(self, *seqs: int) -> int:
        """Let failed and conflicting entries (all, or some by number) be sent by the next push."""
        again = [one.seq for one in self.entries("failed", "conflict") if not seqs or one.seq in seqs]
        self.mark(again, "pending", dict.fromkeys(again, ""))
        return len(again)

    # --- the mirror's rows ------------------------------------------------------------------------------

    def reapply(self, connection: Connection, resource: str) -> None:
        """Put what waits over rows that a sync just replaced: the server's values below, the wishes on top."""
        box = tables.outbox
        rows = connection.execute(select(box).where(box.c.state.in_(OPEN)).order_by(box.c.seq)).mappings()
        for entry in map(_entry, rows):
            if layouts()[entry.resource].table == resource:
                self._show(connection, entry.op, entry.resource, entry.record, entry.patch, note=False)

    def _store(self, connection: Connection, resource: str) -> Store:
        return Store(connection, layout(resource), postgres=self._database.postgres)

    def _memory(self) -> Memory | None:
        return Memory(None, now(), "mine") if self._history else None

    def _show(
        self, connection: Connection, op: str, resource: str, record: str, patch: Raw, *, note: bool = True
    ) -> None:
        if resource not in layouts() or not load(connection, layout(resource).table).complete:
            return
        store = self._store(connection, resource)
        memory = self._memory() if note else None
        if op == "delete":
            store.remove([record], memory)
            return
        before = store.read([record]).get(record)
        if before is None and op == "update":
            return
        row = merged(before or {"_id": record, **layout(resource).resource.implied}, patch)
        store.write([row], memory=memory)

    def _settle(self, connection: Connection, entry: Entry, id: str, row: Raw | None) -> None:
        if row is None or entry.resource not in layouts():
            return
        if not load(connection, layout(entry.resource).table).complete:
            return
        store = self._store(connection, entry.resource)
        before = store.read([id]).get(id) or {}
        store.write([{**merged(before, row), "_id": id}], memory=self._memory())

    def _undo(self, connection: Connection, entry: Entry) -> None:
        if entry.resource not in layouts() or not load(connection, layout(entry.resource).table).complete:
            return
        store = self._store(connection, entry.resource)
        if entry.op == "create":
            store.remove([entry.record])
            return
        before = store.read([entry.record]).get(entry.record)
        if entry.op == "delete":
            if entry.base:
                store.write([entry.base], memory=self._memory())
            return
        if before is not None:
            store.write([restored(before, entry)], memory=self._memory())

    def _rename(self, connection: Connection, entry: Entry, id: str) -> None:
        """Replace a temporary id by the real one, wherever it was written."""
        connection.execute(insert(tables.aliases).values(temporary=entry.record, id=id))
        box = tables.outbox
        if entry.resource in layouts():
            store = self._store(connection, entry.resource)
            shown = store.read([entry.record]).get(entry.record)
            if shown is not None:
                store.remove([entry.record])
                store.write([{**shown, "_id": id}])
        rows = connection.execute(
            select(box).where(box.c.patch.contains(entry.record) | (box.c.record == entry.record))
        )
        for other in [_entry(row) for row in rows.mappings().all()]:
            patch = replaced(other.patch, entry.record, id)
            record = id if other.record == entry.record else other.record
            connection.execute(update(box).where(box.c.seq == other.seq).values(patch=json_text(patch), record=record))
            if other.resource in layouts() and load(connection, layout(other.resource).table).complete:
                store = self._store(connection, other.resource)
                shown = store.read([record]).get(record)
                if shown is not None:
                    store.write([{**replaced(shown, entry.record, id), "_id": record}])


def merged(below: Raw, above: Raw) -> Raw:
    """One record over another; `custom` key by key."""
    both = {**below, **above}
    if isinstance(below.get("custom"), dict) and isinstance(above.get("custom"), dict):
        both["custom"] = {**below["custom"], **above["custom"]}
    return both


def restored(shown: Raw, entry: Entry) -> Raw:
    """A row with the base values back in the fields that an entry changed."""
    row = dict(shown)
    for name, value in entry.patch.items():
        if name == "custom" and isinstance(value, dict):
            custom = dict(row.get("custom") or {})
            before = entry.base.get("custom") or {}
            for label in value:
                custom.pop(label, None)
                if label in before:
                    custom[label] = before[label]
            row["custom"] = custom
        elif name in entry.base:
            row[name] = entry.base[name]
        else:
            row.pop(name, None)
    return row


def replaced(value: Any, old: str, new: str) -> Any:
    """A JSON value with one text replaced by another, wherever it stands alone."""
    if isinstance(value, dict):
        return {key: replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, old, new) for one in value]
    return new if value == old else value


def _entry(row: Any) -> Entry:
    return Entry(
        seq=row["seq"],
        op=row["op"],
        resource=row["resource"],
        record=row["record"],
        patch=msgspec.json.decode(row["patch"]),
        base=msgspec.json.decode(row["base"]),
        state=row["state"],
        error=row["error"] or "",
        created_at=row["created_at"],
        sent_at=row["sent_at"],
    )
