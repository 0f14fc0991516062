"""What waits, over what the server said: the rows of the mirror under writes that are not acknowledged.

A record's row is what the server said of it (the bottom) with its open entries over it, in the order in which they
were made. Each entry keeps what its patch covers (`below`), so a stack can be taken apart again: to put a newer
bottom under it, to take an entry out, or to settle one. Everything is read at once, changed in memory and written
at once, however many records are concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, or_, select, update

from ...runtime import TEMPORARY, WriteIntent
from ...wire.new_records import merge_new
from ...wire.patches import Clash, merged, remove_patch, renamed, same, texts, three_way, under
from ...wire.resources import resource
from ..db import tables
from ..db.changes import ChangeLog, Own, Raw, chunks, flat_names, write_reset
from ..db.json_text import json_text, read_cell
from ..db.layout import layouts
from ..db.state import load_all
from ..db.store import Counts, Store
from . import claims
from .doubles import doubles

Place = tuple[str, str]
"""A table and the id of a record in it."""


@dataclass(slots=True)
class Entry:
    """One write that waits. `patch` is what it sends, `base` what the server said of those fields when it was made.

    A field that was never read is not in `base`. `state` is pending (never sent), inflight (being sent), unknown
    (its answer was lost), conflict or failed.
    """

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
    below: Raw | None = field(default=None, repr=False)
    holder: str | None = field(default=None, repr=False)
    job: str | None = field(default=None, repr=False)
    floor_id: str | None = field(default=None, repr=False)

    @property
    def makes(self) -> bool:
        """Whether it makes a record."""
        return self.op in ("create", "upsert")

    @property
    def clashes(self) -> list[Clash]:
        """The values that the server's record was seen to have changed too."""
        if self.state != "conflict":
            return []
        if self.makes:
            return merge_new(resource(self.resource), self.patch, self.below or {}).clashes
        return three_way(self.base, self.patch, self.below or {}).clashes

    def over(self, row: Raw | None) -> Raw | None:
        """The row with this entry on top; remembers what is below it."""
        if self.op == "delete":
            self.below = row
            return None
        if row is None:
            if not (self.makes and self.state == "conflict"):  # then it is what the record with its key holds
                self.below = None
            layout = layouts()[self.resource].resource
            return {"_id": self.record, **layout.implied, **self.patch} if self.makes else None
        self.below = under(row, self.patch)
        return merged(row, self.patch)

    @property
    def own(self) -> Own:
        """What of its record's row is ours by this entry: its fields, or the whole where it makes or deletes."""
        whole = self.makes or self.op == "delete"
        return Own(flat_names(self.patch), whole, self.seq or None, self.job)

    def off(self, row: Raw | None) -> Raw | None:
        """The row without this entry."""
        if self.op == "delete":
            return self.below if row is None else row
        if self.makes and self.record.startswith(TEMPORARY):
            return None
        return row if row is None or self.below is None else remove_patch(row, self.patch, self.below)


def read(row: RowMapping) -> Entry:
    """An entry of its row in the outbox."""
    values = {name: row[name] for name in Entry.__dataclass_fields__}
    for name in ("patch", "base", "below"):
        values[name] = None if values[name] is None else read_cell(values[name])
    return Entry(**{**values, "error": values["error"] or ""})


def find(connection: Connection, *conditions: Any) -> list[Entry]:
    """Entries by condition, in the order in which they were made."""
    box = tables.outbox
    return [read(row) for row in connection.execute(select(box).where(*conditions).order_by(box.c.seq)).mappings()]


def find_all(connection: Connection, column: Any, values: Iterable[Any]) -> list[Entry]:
    """The entries whose `column` is one of many values, in the order in which they were made."""
    found = [record for part in chunks(list(values)) for record in find(connection, column.in_(part))]
    return sorted(found, key=lambda one: one.seq)


class PendingOverlay:
    """Some records' open entries, in one transaction. Change them, and `write()`."""

    def __init__(
        self, connection: Connection, *, postgres: bool, log: ChangeLog | None, complete: Iterable[str] = ()
    ) -> None:
        self.connection = connection
        self._postgres = postgres
        self._log = log
        self._complete = {name for name, found in load_all(connection).items() if found.complete} | set(complete)
        self._bottoms: dict[Place, Raw | None] = {}
        self._before: dict[int, Entry] = {}
        self._new: list[tuple[Entry, dict[str, Any]]] = []
        self._own: dict[Place, Own] = {}
        self._renamed: dict[Place, str] = {}
        self._settled: set[int] = set()
        self.entries: dict[Place, list[Entry]] = {}

    def place(self, resource: str, record: str) -> Place:
        """Where a record is kept."""
        layout = layouts().get(resource)
        return (layout.table if layout is not None else resource, record)

    def load(self, places: Iterable[Place]) -> None:
        """Read the rows and entries of some records, as far as they were not read yet."""
        wanted: dict[str, list[str]] = {}
        for table, record in dict.fromkeys(places):
            if (table, record) not in self.entries:
                wanted.setdefault(table, []).append(record)
                self.entries[table, record] = []
        if not wanted:
            return
        records = dict.fromkeys(record for ids in wanted.values() for record in ids)
        loaded = {(table, record) for table, ids in wanted.items() for record in ids}
        for entry in find_all(self.connection, tables.outbox.c.record, records):
            place = self.place(entry.resource, entry.record)
            if place in loaded:
                self._before[entry.seq] = replace(entry)
                self.entries[place].append(entry)
        for table, ids in wanted.items():
            if table not in self._complete:
                continue
            rows = self._store(table).read(ids)
            for record in ids:
                row = rows.get(record)
                for entry in reversed(self.entries[table, record]):
                    row = entry.off(row)
                self._bottoms[table, record] = row

    def load_about(self, items: Iterable[Entry | WriteIntent]) -> None:
        """Read the rows and entries of the records that entries or intents are about."""
        self.load([self.place(item.resource, item.record) for item in items if item.record is not None])

    def load_naming(self, temporaries: Iterable[str]) -> list[Entry]:
        """Read the entries that name records by temporary ids, and return them."""
        names = set(temporaries)
        if not names:
            return []
        box = tables.outbox
        about = or_(box.c.patch.contains(TEMPORARY), box.c.record.startswith(TEMPORARY))
        naming = [
            record
            for record in find(self.connection, about)
            if names.intersection((record.record, *texts(record.patch)))
        ]
        self.load_about(naming)
        seqs = {record.seq for record in naming}
        return [write for stack in self.entries.values() for write in stack if write.seq in seqs]

    def rows(self, places: Iterable[Place]) -> dict[str, Raw]:
        """The rows of some records of one table as they are stored."""
        found: dict[str, Raw] = {}
        for table in dict.fromkeys(table for table, _ in places):
            found.update(self._store(table).read([id for layout, id in places if layout == table]))
        return found

    def bottom(self, place: Place) -> Raw | None:
        """What the server said of a record, as far as the mirror knows; None where it has none."""
        return self._bottoms.get(place)

    def put(self, place: Place, row: Raw | None) -> None:
        """Note what the server says of a record now; None that it has none."""
        if place[0] in self._complete:
            self._bottoms[place] = row

    def claim(self, place: Place, own: Own) -> None:
        """Say what of a record's change in this transaction is ours."""
        self._own[place] = self._own.get(place, Own()).and_also(own)

    def settle(self, place: Place, entry: Entry, *, is_new: bool = True) -> None:
        """Say that an entry reached the server, as the record of `place`, which may have got another id by it.

        A record that was there before is another one than the row that stood for it, and not of our making.
        """
        own = entry.own
        if entry.makes:
            old = self.place(entry.resource, entry.record)
            # The record is there by now; what is ours of it now is what we sent, and that it has this id.
            self.claim(place, replace(own, fields=own.fields | {"_id"}, whole=False))
            if place != old:
                if is_new:
                    self._renamed[place] = entry.record
                self.claim(old, own)
        else:
            self.claim(place, own)
        self._settled.add(entry.seq)

    def add(self, entry: Entry, facts: dict[str, Any]) -> None:
        """Put a new entry on a record's stack; it gets its number when all is written."""
        self.entries.setdefault(self.place(entry.resource, entry.record), []).append(entry)
        self._new.append((entry, facts))

    def take_out(self, entry: Entry) -> None:
        """Take an entry off its record's stack."""
        stack = self.entries[self.place(entry.resource, entry.record)]
        stack[:] = [write for write in stack if write is not entry and (not entry.seq or write.seq != entry.seq)]
        self._new = [pair for pair in self._new if pair[0] is not entry]

    def rename(self, entries: Iterable[Entry], names: Mapping[Place, str]) -> None:
        """Replace temporary ids by real ones in entries."""
        ids = {temporary: id for (_, temporary), id in names.items()}
        for entry in entries:
            entry.patch = renamed(entry.patch, ids)
            if entry.record in ids:
                old = self.place(entry.resource, entry.record)
                self.entries[old] = [item for item in self.entries[old] if item is not entry]
                entry.record = ids[entry.record]
                stack = self.entries.setdefault(self.place(entry.resource, entry.record), [])
                stack.append(entry)
                stack.sort(key=lambda one: one.seq)
        if not names:
            return
        self.connection.execute(
            insert(tables.aliases), [{"temporary": temporary, "id": id} for temporary, id in ids.items()]
        )

    def covers(self, place: Place, row: Raw) -> bool:
        """Whether what the server told of a record is all that the mirror holds of it."""
        before = self._bottoms.get(place)
        return before is not None and before.keys() <= row.keys()

    # --- writing ----------------------------------------------------------------------------------------

    def write(self) -> Counts:
        """Write the rows as they now show, and the entries that changed; return what became of the rows."""
        counts, shown = Counts(), self._shown()
        for table, rows in shown.items():
            rows.update(dict.fromkeys(self._doubles(table, rows)))
        self._write_entries()
        self._claim_changed()
        for table, rows in shown.items():
            counts.add(self._write_rows(table, rows))
        return counts

    def _shown(self) -> dict[str, dict[str, Raw | None]]:
        """The rows of all records with what waits for them, by table and id."""
        shown: dict[str, dict[str, Raw | None]] = {}
        for place, stack in self.entries.items():
            if place[0] not in self._complete:
                continue
            row = self._bottoms.get(place)
            for entry in stack:
                row = entry.over(row)
            shown.setdefault(place[0], {})[place[1]] = row
        return shown

    def _doubles(self, table: str, rows: Mapping[str, Raw | None]) -> dict[str, str]:
        new = {record: stack[0] for (name, record), stack in self.entries.items()
               if name == table and record.startswith(TEMPORARY) and stack and stack[0].makes}  # fmt: skip
        return doubles(self._store(table), new, rows, postgres=self._postgres) if new else {}

    def load_new(self, table: str) -> None:
        """Read the entries of a table's new records."""
        box = tables.outbox
        names = [name for name, layout in layouts().items() if layout.table == table]
        ours = (box.c.resource.in_(names), box.c.record >= TEMPORARY, box.c.record < f"{TEMPORARY}~")
        self.load((table, record) for record in self.connection.execute(select(box.c.record).where(*ours)).scalars())

    def taken(self, table: str) -> list[tuple[Entry, Raw]]:
        """The entries of new records of which the mirror has one with their key, or their content, and what it says."""
        shown = self._shown().get(table, {})
        found = self._doubles(table, shown)
        rows = {**self._store(table).read(list(found.values())), **shown}
        held = {record: rows.get(id) for record, id in found.items()}
        return [(self.entries[table, record][0], row) for record, row in held.items() if row is not None]

    def _write_rows(self, table: str, rows: Mapping[str, Raw | None]) -> Counts:
        renamed = {id: old for (layout, id), old in self._renamed.items() if layout == table}
        left = set(renamed.values())
        counts = self._store(table).put(
            [row for row in rows.values() if row is not None],
            [id for id, row in rows.items() if row is None and id not in left],
            log=self._log,
            own={id: own for (layout, id), own in self._own.items() if layout == table},
            renamed=renamed,
        )
        if self._log is None and (counts.new or counts.changed or counts.deleted):
            write_reset(self.connection, table)
        return counts

    def _claim_changed(self) -> None:
        """Claim what entries set that are new, gone, or say something else than before."""
        for entry, _ in self._new:
            self.claim(self.place(entry.resource, entry.record), entry.own)
        held = {write.seq: write for stack in self.entries.values() for write in stack if write.seq}
        for seq, before in self._before.items():
            now = held.get(seq)
            if now is None:
                if seq not in self._settled:
                    self.claim(self.place(before.resource, before.record), before.own)
            elif now.op != before.op or not same(now.patch, before.patch):
                # A waiting create that is edited was made before.
                own = replace(before.own.and_also(now.own), whole=now.op != before.op)
                self.claim(self.place(now.resource, now.record), own)

    def _write_entries(self) -> None:
        box = tables.outbox
        held = {write.seq: write for stack in self.entries.values() for write in stack if write.seq}
        gone = [seq for seq in self._before if seq not in held]
        for part in chunks(gone):
            self.connection.execute(delete(box).where(box.c.seq.in_(part)))
        claims.drop(self.connection, gone)
        changed = [
            {"key": seq, **{name: value for name, value in _values(entry).items() if name != "seq"}}
            for seq, entry in held.items()
            if seq in self._before and not _equal(entry, self._before[seq])
        ]
        if changed:
            names = [name for name in changed[0] if name != "key"]
            statement = update(box).where(box.c.seq == bindparam("key"))
            self.connection.execute(statement.values({name: bindparam(name) for name in names}), changed)
        if self._new:
            values = [{**_values(entry), **facts} for entry, facts in self._new]
            for item in values:
                del item["seq"]
            statement = insert(box).returning(box.c.seq, sort_by_parameter_order=True)  # type: ignore[assignment]
            seqs = self.connection.execute(statement, values).scalars().all()
            for (entry, _), seq in zip(self._new, seqs, strict=True):
                entry.seq = seq

    def _store(self, table: str) -> Store:
        return Store(self.connection, layouts()[table], postgres=self._postgres)


def _values(entry: Entry) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    for name in ("patch", "base", "below"):
        values[name] = None if values[name] is None else json_text(values[name])
    return values


def _equal(left: Entry, right: Entry) -> bool:
    return all(same(getattr(left, name), getattr(right, name)) for name in Entry.__dataclass_fields__)
