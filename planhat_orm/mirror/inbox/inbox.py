"""The inbox: events of webhooks, on disk before they are acknowledged, until the mirror has what they speak of.

A SQLite mirror has its inbox in a file of its own, since a sync may hold the mirror's lock for seconds and a webhook
wants its answer at once. In PostgreSQL it is a table, written outside of the lock of the mirror's writers.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..db import lease
from ..db.database import Database
from ..db.json_text import read_cell
from ..db.lease import HeldByAnother, Lease
from ..db.life import Holder
from . import tables

MOST_TRIES = 8
"""How often a record or a change is tried before it is parked."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 600.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a record. `body` is the record as the event tells it, if it does."""

    resource: str
    record: str
    deleted: bool = False
    body: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A record that has to be read again."""

    resource: str
    record: str
    generation: int
    deleted: bool
    tries: int
    body: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """A change that a handler failed on, `tries` times so far."""

    seq: int
    record: str
    tries: int
    not_before: float


class Inbox:
    """The events that wait, and the places of the handlers. Any process may write; one at a time works."""

    def __init__(self, mirror: Database) -> None:
        self._mirror = mirror
        self._has_own_file = mirror.path is not None
        self._database = Database(f"{mirror.path}-inbox") if self._has_own_file else mirror
        self._database.use_wal()
        with self._database.writing() as connection:
            tables.metadata.create_all(connection)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A write transaction. In PostgreSQL it is not one of the mirror's, which waits for those who write there."""
        if self._has_own_file:
            with self._database.writing(durable=True) as connection:
                yield connection
        else:
            with self._database.engine.begin() as connection:
                yield connection

    def close(self) -> None:
        """Close the connections of a file of its own."""
        if self._has_own_file:
            self._database.close()

    # --- whose turn it is -------------------------------------------------------------------------------

    def acquire(self) -> Lease | None:
        """The right to work on what waits, or None while another process has it."""
        holder = Holder(self._mirror)
        try:
            return lease.acquire(holder, "inbox")
        except HeldByAnother:
            holder.end()
            return None
        except BaseException:
            holder.end()
            raise

    def release(self, held: Lease) -> None:
        """Give the right back."""
        try:
            held.release()
        finally:
            held.holder.end()

    # --- events -----------------------------------------------------------------------------------------

    def add(self, events: Iterable[Event]) -> None:
        """Write events down, in one transaction that survives a power cut. A parked record is tried again."""
        rows = _rows(events)
        if not rows:
            return
        box = tables.inbox
        insert: Any = (sqlite if self._has_own_file else postgresql).insert(box)
        new = insert.excluded
        statement = insert.on_conflict_do_update(
            index_elements=[box.c.resource, box.c.record],
            set_={
                "generation": box.c.generation + 1,
                "last_at": new.last_at,
                "deleted": or_(box.c.deleted, new.deleted),
                "body": new.body,
                "tries": 0,
                "not_before": 0,
                "error": None,
            },
        )
        with self._writing() as connection:
            connection.execute(statement, rows)

    def due(self, most: int, resources: Iterable[str]) -> list[PendingRecord]:
        """The records of some resources whose turn it is, at most so many, those that waited longest first."""
        box = tables.inbox
        turn = and_(box.c.resource.in_(list(resources)), *_turn(box))
        statement = select(box).where(turn).order_by(box.c.first_at, box.c.record).limit(most)
        with self._database.reading() as connection:
            return [
                PendingRecord(row.resource, row.record, row.generation, row.deleted, row.tries, _body(row.body))
                for row in connection.execute(statement)
            ]

    def done(self, waiting: Iterable[PendingRecord]) -> None:
        """Take out what was dealt with; a record that was spoken of again meanwhile stays."""
        with self._writing() as connection:
            for item in waiting:
                connection.execute(delete(tables.inbox).where(*_same(item)))

    def postpone(self, waiting: Iterable[PendingRecord], error: str, *, counted: bool) -> None:
        """Try again later; `counted` tries make the pauses longer, and the last of them parks the record."""
        with self._writing() as connection:
            for item in waiting:
                tries = item.tries + counted
                later = {"tries": tries, "not_before": time.time() + pause(tries), "error": error}
                connection.execute(update(tables.inbox).where(*_same(item)).values(**later))

    def has_work(self, resources: Iterable[str], names: Iterable[str], newest: int) -> bool:
        """Whether the turn of a record of some resources has come, or of a change for one of the handlers `names`."""
        box, again, row = tables.inbox, tables.retries, tables.handlers
        chosen = list(names)
        questions = (
            select(box.c.record).where(box.c.resource.in_(list(resources)), *_turn(box)),
            select(again.c.record).where(again.c.name.in_(chosen), *_turn(again)),
            select(row.c.name).where(row.c.name.in_(chosen), row.c.seq != newest),
        )
        with self._database.reading() as connection:
            return any(connection.execute(question.limit(1)).first() is not None for question in questions)

    def resources(self) -> list[str]:
        """The names of the resources that something waits for."""
        with self._database.reading() as connection:
            return list(connection.execute(select(tables.inbox.c.resource).distinct()).scalars())

    def erase(
        self, records: Mapping[str, Collection[str]], speaks: Callable[[str | None], bool], *, apply: bool
    ) -> int:
        """Forget the events of some records, by resource, and what others say in which something `speaks` of them.

        Returns how many there are; without `apply` they stay.
        """
        ids = {id for known in records.values() for id in known}
        with self._writing() as connection:
            statements = [*_erase_events(connection, records, speaks), *_erase_retries(connection, ids, speaks)]
            for statement in statements if apply else ():
                connection.execute(statement)
        return len(statements)

    def scrub(self) -> None:
        """Write the files anew, so that nothing is left in them of what was deleted."""
        if self._has_own_file:
            self._database.scrub()

    def counts(self) -> tuple[int, int]:
        """How many records wait, and how many are parked."""
        box = tables.inbox
        with self._database.reading() as connection:
            total = connection.execute(select(func.count()).select_from(box)).scalar_one()
            parked = connection.execute(
                select(func.count()).select_from(box).where(box.c.tries >= MOST_TRIES)
            ).scalar_one()
        return total - parked, parked

    def parked(self) -> list[tuple[str, str, str]]:
        """What was tried too often: the record's (or the handler's) name, the record, the error."""
        box, again = tables.inbox, tables.retries
        with self._database.reading() as connection:
            records = connection.execute(
                select(box.c.resource, box.c.record, box.c.error).where(box.c.tries >= MOST_TRIES)
            )
            changes = connection.execute(
                select(again.c.name, again.c.record, again.c.error).where(again.c.tries >= MOST_TRIES)
            )
            return [(row[0], row[1], row[2] or "") for row in (*records, *changes)]

    def unpark(self) -> int:
        """Let everything that is parked be tried again; return how much it is."""
        with self._writing() as connection:
            return sum(
                connection.execute(
                    update(table).where(table.c.tries >= MOST_TRIES).values(tries=0, not_before=0)
                ).rowcount
                for table in (tables.inbox, tables.retries)
            )

    # --- handlers ---------------------------------------------------------------------------------------

    def place(self, name: str, newest: int) -> tuple[str, int]:
        """The feed and the number of the last change that a handler has had; a new one starts at the newest.

        Numbers that begin anew, as those of another or a restored mirror do, are another feed.
        """
        row = tables.handlers
        with self._database.reading() as connection:
            found = connection.execute(select(row).where(row.c.name == name)).first()
        if found is not None and found.seq <= newest:
            return found.feed, found.seq
        with self._writing() as connection:
            feed = uuid.uuid4().hex[:12]
            connection.execute(delete(row).where(row.c.name == name))
            connection.execute(row.insert().values(name=name, feed=feed, seq=newest))
            connection.execute(delete(tables.retries).where(tables.retries.c.name == name))
            return feed, newest

    def advance(self, name: str, seq: int) -> None:
        """Remember that a handler has had all changes up to one."""
        with self._writing() as connection:
            connection.execute(update(tables.handlers).where(tables.handlers.c.name == name).values(seq=seq))

    def retries(self, name: str) -> list[Retry]:
        """The changes that a handler still has to be called for, oldest first, without the parked ones."""
        again = tables.retries
        with self._database.reading() as connection:
            due = select(again).where(again.c.name == name, again.c.tries < MOST_TRIES)
            rows = connection.execute(due.order_by(again.c.seq))
            return [Retry(row.seq, row.record, row.tries, row.not_before) for row in rows]

    def keep(self, name: str, retry: Retry, error: str) -> None:
        """Have a handler called for a change again, later."""
        with self._writing() as connection:
            self._forget(connection, name, retry.seq)
            values = {"seq": retry.seq, "record": retry.record, "tries": retry.tries, "not_before": retry.not_before}
            connection.execute(tables.retries.insert().values(name=name, error=error, **values))

    def forget(self, name: str, seq: int) -> None:
        """Take out a change that a handler was called for at last."""
        with self._writing() as connection:
            self._forget(connection, name, seq)

    def _forget(self, connection: Connection, name: str, seq: int) -> None:
        again = tables.retries
        connection.execute(delete(again).where(again.c.name == name, again.c.seq == seq))


def pause(tries: int) -> float:
    """How many seconds to wait after so many failures."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** max(0, tries - 1))


def _rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    """One row for each record, in one order for all processes, so that none waits for another in a circle."""
    now, found = time.time(), dict[tuple[str, str], dict[str, Any]]()
    for event in events:
        key = (event.resource, event.record)
        before = found.get(key)
        found[key] = {
            "resource": event.resource,
            "record": event.record,
            "generation": 1,
            "first_at": now,
            "last_at": now,
            "deleted": event.deleted or (before is not None and before["deleted"]),
            "body": None if event.body is None else msgspec.json.encode(event.body).decode(),
            "tries": 0,
            "not_before": 0.0,
        }
    return [found[key] for key in sorted(found)]


def _erase_events(
    connection: Connection, records: Mapping[str, Collection[str]], speaks: Callable[[str | None], bool]
) -> Iterator[Any]:
    box = tables.inbox
    for row in connection.execute(select(box)).all():
        same = (box.c.resource == row.resource) & (box.c.record == row.record)
        if row.record in records.get(row.resource, ()):
            yield delete(box).where(same)
        elif speaks(row.body) or speaks(row.error):
            yield update(box).where(same).values(body=None, error=None)


def _erase_retries(connection: Connection, ids: Collection[str], speaks: Callable[[str | None], bool]) -> Iterator[Any]:
    again = tables.retries
    for row in connection.execute(select(again)).all():
        same = (again.c.name == row.name) & (again.c.seq == row.seq)
        if row.record in ids:
            yield delete(again).where(same)
        elif speaks(row.error):
            yield update(again).where(same).values(error=None)


def _turn(table: Table) -> tuple[Any, ...]:
    return table.c.tries < MOST_TRIES, table.c.not_before <= time.time()


def _same(item: PendingRecord) -> tuple[Any, ...]:
    box = tables.inbox
    return (
        box.c.resource == item.resource,
        box.c.record == item.record,
        box.c.generation == item.generation,
    )


def _body(text: str | None) -> dict[str, Any] | None:
    return None if text is None else read_cell(text)
