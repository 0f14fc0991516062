"""Writing records into their table: only those that differ, and remembering what they were before.

A record whose JSON is, byte for byte, what was stored is the same; any other is compared value by value. One that
is gone leaves the table; the memory keeps it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Integer,
    Select,
    delete,
    func,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from ...gc_pause import gc_paused
from ...json_encoding import rewrite
from ...query.kinds import DATETIME
from ...runtime import TEMPORARY
from ...wire.patches import same
from ...wire.raw_records import RawRecord, values_of
from . import state, tables
from .changes import (
    NOT_OURS,
    ChangeLog,
    Note,
    Own,
    Raw,
    chunks,
    moved,
    named,
    notes_of,
    rename,
    write_notes,
)
from .codec import RowCodec, digest, of_json
from .layout import Layout
from .row_writer import PACKED, RowWriter

_BEHIND_TEMPORARY = TEMPORARY[:-1] + chr(ord(TEMPORARY[-1]) + 1)
_LOOKED_AT = 200
"""So many rows are held against their seals at once: with what is made of them they fit into a processor's cache."""
_NOBODY: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True)
class Counts:
    """What became of the records that were looked at; `settled` waited for it to be known whether they were made."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    silent: int = 0
    missed: int = 0
    settled: int = 0
    fields: dict[str, int] = field(default_factory=dict)

    def count(self, before: Raw | None, after: Raw | None) -> None:
        """Count one record in, by what it was and what it is."""
        self.new += before is None and after is not None
        self.deleted += before is not None and after is None
        if before is not None and after is not None:
            self.changed += not same(before, after)
            self.unchanged += same(before, after)

    def add(self, other: Counts) -> None:
        """Count others in."""
        self.new += other.new
        self.changed += other.changed
        self.deleted += other.deleted
        self.unchanged += other.unchanged
        self.silent += other.silent
        self.missed += other.missed
        self.settled += other.settled
        for name, count in other.fields.items():
            self.fields[name] = self.fields.get(name, 0) + count


class Store:
    """The records of one resource, within the transaction of `connection`."""

    def __init__(self, connection: Connection, layout: Layout, *, postgres: bool = False) -> None:
        self.connection = connection
        self.layout = layout
        self.rows = RowCodec(layout, postgres=postgres)
        self.table = tables.records(layout)
        self._postgres = postgres
        self._writer = RowWriter(connection, self.rows, postgres=postgres)

    def hashes(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The hashes of the records of some ids that are stored."""
        found: dict[str, bytes] = {}
        for part in chunks(ids):
            statement = select(self.table.c.id, self.table.c["_hash"]).where(self.table.c.id.in_(part))
            found.update(self._hashes(statement))
        return found

    def between(self, after: str, last: str | None) -> dict[str, bytes]:
        """The hashes of all records whose id is above `after` and, unless None, up to `last`.

        Records that Planhat does not know yet are left out: their temporary ids are none of the list's.
        """
        statement = select(self.table.c.id, self.table.c["_hash"]).where(self.table.c.id > after)
        statement = statement.where(self._known())
        if last is not None:
            statement = statement.where(self.table.c.id <= last)
        return self._hashes(statement)

    def _hashes(self, statement: Select[Any]) -> dict[str, bytes]:
        with gc_paused():
            return {id: of_json(hash) for id, hash in self.connection.execute(statement).all()}

    def any_id(self) -> str | None:
        """The id of a record that Planhat knows; None where there is none."""
        return self.connection.execute(select(self.table.c.id).where(self._known()).limit(1)).scalar()

    def count_ids(self) -> int:
        """How many records there are that Planhat knows."""
        # SQLite counts all at no cost, and looks at each where a condition says which.
        id = self.table.c.id
        unknown = select(func.count(id)).where(id >= TEMPORARY, id < _BEHIND_TEMPORARY)
        return state.live_rows(self.connection, self.layout) - int(self.connection.execute(unknown).scalar_one())

    def ids(self, *, last: int | None = None) -> list[str]:
        """The ids of the records that Planhat knows, or the `last` of them, in no order."""
        statement = select(self.table.c.id).where(self._known())
        if last is not None:
            statement = statement.order_by(self.table.c.id.desc()).limit(last)
        return list(self.connection.execute(statement).scalars())

    def ids_of(self, keys: Sequence[str]) -> list[str]:
        """The ids of records that are named as addresses name them: by an id, or a key after `extid-` or `srcid-`."""
        resource, ids = self.layout.resource, list[str]()
        for key in keys:
            form = next((form for form in resource.id_forms if form != "_id" and key.startswith(form)), "_id")
            column = self.layout.by_wire.get(resource.field_for(form) or "_id")
            if form == "_id" or column is None:
                ids.append(key)
            else:
                named = self.table.c[column.name] == key.removeprefix(form)
                ids += self.connection.execute(select(self.table.c.id).where(named)).scalars()
        return ids

    def newer(self, stamp: str, than: str, among: Container[str], *, hidden: bool | None, most: int) -> list[str]:
        """The records, `most` at the most, with a later stamp that are not `among` these.

        `stamp` is a wire name; `hidden` says which records: hidden ones, others, or (None) all.
        """
        statement = select(self.table.c.id).where(
            tables.value_of(self.layout, stamp, self._postgres) > than, self._known()
        )
        by = self.layout.resource.hidden_by
        if hidden is not None and by is not None:
            flag = self.table.c[self.layout.by_wire[str(by.hides)].name]
            statement = statement.where(flag.is_(true()) if hidden else flag.is_not(true()))
        found = (id for id in self.connection.execute(statement).scalars() if id not in among)
        return list(islice(found, most))

    def stamps(self, stamp: str, first: str, last: str) -> dict[str, Any]:
        """The stamps of the stored records from one id to another; `stamp` is a wire name."""
        id, value = self.table.c.id, tables.value_of(self.layout, stamp, self._postgres)
        # Not BETWEEN: PostgreSQL takes no collation in it.
        statement = select(id, value).where(id >= first, id <= last)
        found = self.connection.execute(statement).all()
        # A column of moments holds nothing else.
        is_comparable = stamp in self.layout.by_wire
        return dict(map(tuple, found)) if is_comparable else {id: DATETIME.comparable(text) for id, text in found}

    def count_from(self, stamp: str, moment: str, most: int) -> int:
        """How many records, `most` at the most, have a stamp of that moment or later; `stamp` is a wire name."""
        value = tables.value_of(self.layout, stamp, self._postgres)
        found = select(self.table.c.pk).where(value >= moment).limit(most).subquery()
        return int(self.connection.execute(select(func.count()).select_from(found)).scalar_one())

    def newest(self, stamp: str) -> str | None:
        """The newest stamp of the stored records; None where none has any."""
        value = tables.value_of(self.layout, stamp, self._postgres)
        found: str | None = DATETIME.comparable(self.connection.execute(select(func.max(value))).scalar())
        return found

    def _known(self) -> ColumnElement[bool]:
        """Not a temporary id, in words that are cheap."""
        return or_(self.table.c.id < TEMPORARY, self.table.c.id >= _BEHIND_TEMPORARY)

    def shown(self, ids: Sequence[str], hides: str, hidden: bool) -> list[str]:
        """Those of some ids whose record is hidden by the field `hides`, or is not."""
        flag = self.table.c[self.layout.by_wire[hides].name]
        wanted = flag.is_(true()) if hidden else flag.is_not(true())
        found: list[str] = []
        for part in chunks(ids):
            found += self.connection.execute(select(self.table.c.id).where(self.table.c.id.in_(part), wanted)).scalars()
        return found

    def read(self, ids: Sequence[str]) -> dict[str, Raw]:
        """The stored records of some ids."""
        shown = self._shown()
        found: dict[str, Raw] = {}
        for part in chunks(ids):
            statement = select(*shown, self.table.c["_extra"]).where(self.table.c.id.in_(part))
            for raw in self.rows.decode_rows(self.layout.columns, self.connection.execute(statement)):
                found[raw["_id"]] = raw
        return found

    def sealed_rows(self, *conditions: ColumnElement[bool]) -> Iterator[Sequence[Sequence[Any]]]:
        """Rows, a hundred at a time and in the order of ids: their columns, `_extra`, and their hashes."""
        # Flags as the numbers that SQLite keeps: they are made of them by column.
        shown = [
            type_coerce(column, Integer()) if column.type is tables.TYPES["boolean"] else column
            for column in self._shown()
        ]
        statement = select(*shown, self.table.c["_extra"], self.table.c["_hash"])
        statement = statement.where(*conditions).order_by(self.table.c.id)
        with self.connection.execute(statement, execution_options={"stream_results": True}) as result:
            while True:
                with gc_paused():
                    part = result.fetchmany(PACKED)
                if not part:
                    return
                yield part

    def unproved(self) -> dict[str, bool]:
        """The rows that are not known to hold what was written, and whether they are known to hold something else.

        Those are left out that the next list which shows their record writes anew.
        """
        place, found = self.rows.names.index("id"), dict[str, bool]()
        for rows in self.sealed_rows() if self._postgres else self._looked_at_twice():
            for row, is_sealed in zip(rows, self.rows.are_sealed(rows), strict=True):
                if not is_sealed and row[-1]:
                    found[row[place]] = self.rows.has_seal(row[-1])
        return found

    def _looked_at_twice(self) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows that SQLite does not show as their seals say: Python may show numbers and characters otherwise."""
        with self.connection.exec_driver_sql(self._shown_by_sqlite()) as result:
            while (doubtful := self._doubtful(result)) is not None:
                for some in chunks(doubtful):
                    yield from self.sealed_rows(self.table.c.id.in_(some))

    @gc_paused()
    def _doubtful(self, shown: CursorResult[Any]) -> list[str] | None:
        """The ids of some more rows that are not shown as their seals say; None where there are no more rows."""
        part = shown.fetchmany(_LOOKED_AT)
        if not part:
            return None
        ids, hashes, others, *numbers = zip(*part, strict=True)
        seals = self.rows.seals([line or b"" for line in others], numbers)
        return [id for id, hash, seal in zip(ids, hashes, seals, strict=True) if not hash.endswith(seal)]

    def _shown_by_sqlite(self) -> str:
        """The statement that shows what seals are made of; NULL of a row with bytes, of which SQLite makes no JSON."""
        quote = self.connection.dialect.identifier_preparer.quote
        others = [quote(name) for name in self.rows.others]
        is_odd = " OR ".join(f"{name} >= x''" for name in others)
        array = f"json_array({', '.join(others)})"  # a function takes a hundred arguments: no table has so many
        shown = ["id", "_hash", f"CASE WHEN {is_odd} THEN NULL ELSE CAST({array} AS BLOB) END"]
        return f"SELECT {', '.join([*shown, *map(quote, self.rows.numbers)])} FROM {quote(self.layout.table)}"

    def forget_hashes(self, ids: Sequence[str]) -> None:
        """Have the next list that shows the records of some ids write their rows anew."""
        for part in chunks(ids):
            self.connection.execute(update(self.table).where(self.table.c.id.in_(part)).values({"_hash": b""}))

    def _shown(self) -> list[Any]:
        return [
            tables.as_text(self.table.c[column.name], self._postgres)
            if column.storage == "json"
            else self.table.c[column.name]
            for column in (*self.layout.columns, *self.layout.derived)
        ]

    def put(
        self,
        records: Iterable[Raw | RawRecord],
        gone: Iterable[str] = (),
        *,
        log: ChangeLog | None = None,
        own: Mapping[str, Own] = _NOBODY,
        renamed: Mapping[str, str] = _NOBODY,
        hashes: Mapping[str, bytes] | None = None,
        stamp: tuple[str, str] | None = None,
    ) -> Counts:
        """Make the table show these records, and none of the ids in `gone`: the one way in.

        What changes is noted in `log`, None for no memory; `own` says what of a record is ours. `renamed` are ids that
        take the place of others, `{new: old}`: one record, unless another is or was known by the new id.

        `stamp` is the wire name of the time of change and a moment up to which all changes ought to be known: a
        record that differs though its stamp did not move has changed silently, one whose stamp moved to before
        that moment was missed.
        """
        raw_records = [
            record if isinstance(record, RawRecord) else RawRecord(rewrite(record), record) for record in records
        ]
        slices = dict(zip(values_of(raw_records, "_id"), raw_records, strict=True))
        known = self.hashes(list(slices)) if hashes is None else hashes
        new: list[RawRecord] = []
        changed: list[RawRecord] = []
        for id, raw_record in slices.items():
            hash = known.get(id)
            if hash is None:
                new.append(raw_record)
            elif hash != digest(raw_record.json):
                changed.append(raw_record)
        counts = Counts(new=len(new), changed=len(changed), unchanged=len(slices) - len(new) - len(changed))
        gone = list(gone)
        notes = self._changes([record.read() for record in changed], counts, own, stamp)
        if log is not None:
            notes += self._comings_and_goings(new, gone, own, renamed)
            write_notes(self.connection, self.layout.table, notes, log)
        self._remove(list(renamed.values()))
        counts.deleted = self._remove(gone)
        self._writer.insert(new)
        self._writer.replace(changed)
        return counts

    def _changes(
        self, changed: list[Raw], counts: Counts, own: Mapping[str, Own], stamp: tuple[str, str] | None
    ) -> list[Note]:
        """The notes of records that are stored in another form; counts those that are silent, missed, or the same."""
        before = self.read([raw["_id"] for raw in changed]) if changed else {}
        notes: list[Note] = []
        for raw in changed:
            id = raw["_id"]
            found = list(notes_of(id, before[id], raw, own.get(id, NOT_OURS)))
            if not found:
                counts.changed -= 1
                counts.unchanged += 1
            elif stamp is not None and isinstance(raw.get(stamp[0]), str):
                found = [self._stamped(note, raw[stamp[0]], stamp, counts) for note in found]
            notes += found
        return notes

    @staticmethod
    def _stamped(note: Note, value: str, stamp: tuple[str, str], counts: Counts) -> Note:
        """The note of a record with a time of change: `silent` where that did not move."""
        names = moved(note.reverse or {})
        if stamp[0] in names:
            counts.missed += value <= stamp[1]
            return note
        counts.silent += 1
        for name in names:
            counts.fields[name] = counts.fields.get(name, 0) + 1
        return replace(note, kind="silent")

    def _comings_and_goings(
        self, new: list[RawRecord], gone: list[str], own: Mapping[str, Own], renamed: Mapping[str, str]
    ) -> list[Note]:
        """The notes of records that the table does not hold yet, and of those that it holds no longer."""
        ids, table = {record["_id"] for record in new}, self.layout.table
        before = self.read([*gone, *renamed.values()])
        others = named(self.connection, table, renamed)
        moving = {id: old for id, old in renamed.items() if id in ids and id not in others and old in before}
        rename(self.connection, table, moving)
        notes: list[Note] = []
        for record in new:
            id = record["_id"]
            whose = own.get(id, NOT_OURS)
            if id in moving:
                notes += notes_of(id, before[moving[id]], record.read(), whose)
            else:
                notes.append(Note(id, "created", None, "mine" if whose.whole else "theirs", whose))
        for id in [key for key in before if key not in set(moving.values())]:
            notes += notes_of(id, before[id], None, own.get(id, NOT_OURS))
        return notes

    def _remove(self, ids: Sequence[str]) -> int:
        """Take records out of the table; return how many there were."""
        count = 0
        for part in chunks(ids):
            count += self.connection.execute(delete(self.table).where(self.table.c.id.in_(part))).rowcount
        return count
