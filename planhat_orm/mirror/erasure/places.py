"""Taking a person out of each place of a mirror's database, in one transaction; each says how much it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, update

from ...errors import MirrorError
from ...json_encoding import rewrite
from ...wire.raw_records import RawRecord
from ..db import guards, state, tables
from ..db.changes import ChangeLog, Note, Raw, chunks, named, write_notes, write_reset
from ..db.codec import RowCodec, of_json
from ..db.database import Database
from ..db.json_text import read_cell
from ..db.layout import Layout, layouts
from ..db.layout import tables as all_layouts
from ..db.row_writer import RowWriter
from ..db.store import Store
from ..outbox.analytics_queue import SEND
from ..outbox.doubles import SENT
from ..outbox.outbox import Entry, Outbox
from ..outbox.overlay import find
from ..sharing import search
from .forgotten import PEOPLE
from .person import Person, holds

KIND = "erased"
"""The kind of a change by which a record lost what it held of a person; nothing undoes it."""


def give_up_writes(connection: Connection, outbox: Outbox, person: Person) -> int:
    """Take back the writes that wait and speak of them."""
    box = tables.outbox.c
    waiting = find(connection, person.condition(box.record, box.patch, box.base, box.below, box.error))
    entries = [entry for entry in waiting if _speaks(person, entry)]
    # An activity in doubt is settled by nothing but a decision, and this is one.
    if any(entry.state in SENT and (entry.op, entry.state) != (SEND, "unknown") for entry in entries):
        raise MirrorError(
            "A write that speaks of this person is being sent, or its answer was lost, so what Planhat holds is not "
            'known: "planhat push" settles it. Then ask again.'
        )
    outbox.withdraw(connection, [entry.seq for entry in entries])
    return len(entries)


def _speaks(person: Person, entry: Entry) -> bool:
    told = rewrite([entry.record, entry.patch, entry.base, entry.below, entry.error])
    return person.speaks(told.decode())


def remove_records(connection: Connection, database: Database, outbox: Outbox, person: Person, name: str) -> int:
    """Take out their own records of one model; pages that were asked for before cannot bring them back."""
    layout, ids = layouts()[name], sorted(person.records[name])
    store = Store(connection, layout, postgres=database.postgres)
    held = sorted(store.read(ids))
    if state.load(connection, name).complete:
        outbox.wrote(connection, name, dict.fromkeys(held), {})
    else:
        store.put([], held)
    guards.put(connection, name, dict.fromkeys(ids, True))
    for part in chunks(ids):
        made = tables.made
        connection.execute(delete(made).where(made.c.resource == name, made.c.id.in_(part)))
    return len(held)


def redact_records(connection: Connection, database: Database, person: Person, layout: Layout, history: bool) -> int:
    """Take them out of the records of others. They count as what Planhat said, so the next sync leaves them so."""
    table = tables.records(layout)
    held = [table.c[column.name] for column in layout.columns if column.storage in ("text", "json")]
    ids = _holding(connection, table, [*held, table.c["_extra"]], person)
    store, codec = Store(connection, layout, postgres=database.postgres), RowCodec(layout, postgres=database.postgres)
    writer, count = RowWriter(connection, codec, postgres=database.postgres), 0
    for part in chunks(ids):
        hashes = store.hashes(part)
        rows = {id: left for id, raw in store.read(part).items() if (left := person.row(raw)) is not raw}
        writer.replace([RawRecord(rewrite(row), row) for row in rows.values()])
        _keep_hashes(connection, table, {id: hashes[id] for id in rows})
        if history:
            write_notes(connection, layout.table, [Note(id, KIND, {}, "mine") for id in rows], ChangeLog())
        count += len(rows)
    if count and not history:
        write_reset(connection, layout.table)
    return count


def _holding(connection: Connection, table: Table, columns: list[Any], person: Person) -> list[str]:
    """The ids of the rows that may speak of them: word by word, as SQLite bounds how long a condition is."""
    ids = set[str]()
    for word in person.words:
        ids.update(connection.execute(select(table.c.id).where(holds(word, *columns))).scalars())
    return sorted(ids)


def _keep_hashes(connection: Connection, table: Table, hashes: dict[str, bytes]) -> None:
    """Let rows count as those that the server gave, and their seals as those of what they hold now."""
    for id, hash in hashes.items():
        written = connection.execute(select(table.c["_hash"]).where(table.c.id == id)).scalar_one()
        connection.execute(
            update(table).where(table.c.id == id).values({"_hash": hash + bytes(written)[len(of_json(written)) :]})
        )


def purge_changes(connection: Connection, person: Person, last: int) -> int:
    """Take them out of the memory. That a record of theirs is gone stays, with its id alone, for those who keep copies.

    Counted are the changes up to the number `last`: later ones are those of this transaction.
    """
    log, count = tables.changes, 0
    for name in PEOPLE:
        numbers = named(connection, name, person.records[name])
        for id, rid in numbers.items():
            count += _purge_record(connection, name, id, rid, last)
    held = connection.execute(select(log.c.seq, log.c.reverse).where(person.condition(log.c.reverse))).all()
    for seq, reverse in held:
        before = read_cell(reverse)
        left = person.row(before)
        if left is not before and _is_about_others(before):
            connection.execute(update(log).where(log.c.seq == seq).values(reverse=rewrite(left).decode()))
            count += seq <= last
    return count


def _is_about_others(reverse: Raw) -> bool:
    """Whether a change's memory holds more than an id."""
    return reverse.keys() != {"set"} or reverse["set"].keys() != {"_id"}


def _purge_record(connection: Connection, name: str, id: str, rid: int, newest: int) -> int:
    log = tables.changes
    own = (log.c.resource == name) & (log.c.rid == rid)
    rows = connection.execute(select(log.c.seq, log.c.kind, log.c.reverse).where(own).order_by(log.c.seq)).all()
    bare = rewrite({"set": {"_id": id}}).decode()
    last = rows[-1] if rows and rows[-1].kind == "deleted" else None
    if last is not None and last.reverse == bare:
        return 0
    connection.execute(delete(log).where(own, *([log.c.seq != last.seq] if last is not None else [])))
    if last is not None:
        connection.execute(update(log).where(log.c.seq == last.seq).values(reverse=bare))
    return sum(row.seq <= newest for row in rows)


def clear_stage(connection: Connection, person: Person) -> int:
    """Take them out of what a sync that was cut off keeps aside."""
    stage, count = tables.stage, 0
    rows = connection.execute(
        select(stage.c.resource, stage.c.record, stage.c.body).where(person.condition(stage.c.record, stage.c.body))
    ).all()
    for resource, record, body in rows:
        at = (stage.c.resource == resource) & (stage.c.record == record)
        if record in person.records.get(resource, ()):
            connection.execute(delete(stage).where(at))
        elif body is not None and person.speaks(body):
            left = rewrite(person.row(read_cell(body))).decode()
            connection.execute(update(stage).where(at).values(body=left))
        else:
            continue
        count += 1
    return count


def clear_reports(connection: Connection, person: Person) -> int:
    """Take them out of the reports of syncs, which may name records."""
    runs, count = tables.runs, 0
    for run, report in connection.execute(
        select(runs.c.run, runs.c.report).where(person.condition(runs.c.report))
    ).all():
        if person.speaks(report):
            left = rewrite(person.row({"report": read_cell(report)})["report"]).decode()
            connection.execute(update(runs).where(runs.c.run == run).values(report=left))
            count += 1
    return count


def drop_indexes(connection: Connection, database: Database) -> int:
    """Drop the search indexes, which keep words of rows that are gone long since; a search makes them anew."""
    if database.postgres:
        return 0  # what is not in a table is not in its index, once that was vacuumed
    held = search.indexed(database, connection)
    search.drop(connection, postgres=False)
    return len(held)


def erase(connection: Connection, database: Database, outbox: Outbox, person: Person, history: bool) -> Counter[Any]:
    """Take a person out of all tables; return how much of what was there, by place."""
    found: Counter[Any] = Counter()
    last = connection.execute(select(func.max(tables.changes.c.seq))).scalar() or 0
    found["waiting writes"] = give_up_writes(connection, outbox, person)
    for name in PEOPLE:
        found["records", name] = remove_records(connection, database, outbox, person, name)
    for layout in all_layouts():
        found["mentions", layout.table] = redact_records(connection, database, person, layout, history)
    found["history"] = purge_changes(connection, person, last)
    found["kept aside by a sync"] = clear_stage(connection, person)
    found["reports of syncs"] = clear_reports(connection, person)
    found["search indexes"] = drop_indexes(connection, database)
    return found
