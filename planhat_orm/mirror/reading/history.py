"""The memory: what changed, when it was seen, whose change it was; and the mirror as it was.

A change is kept as what undoes it, about eighty bytes. So the past is the present with the later changes undone,
newest first, and keeping a memory costs nothing where nothing changes. How fine it is, is how often you sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, text

from ... import runtime
from ...errors import MirrorIncomplete, ValidationError
from ...fields.gate import in_zone
from ...fields.scalars import refusal
from ...json_encoding import rewrite
from ...query.kinds import iso
from ...query.query import Query
from ..db import state, tables
from ..db.codec import RowCodec
from ..db.database import Database
from ..db.layout import Layout, layout_for, layouts
from ..db.store import Raw, Store, moved, undo
from .compiler import touched
from .source import MirrorSource


@dataclass(frozen=True, slots=True)
class Change:
    """One record's change. `fields` holds old and new by Python name, `custom.Label` for custom fields.

    `kind` is created, updated, deleted, or silent: a change that moved no stamp. `origin` is "mine" for what
    this library wrote. `at` is when the change was seen here, `seq` its number: a later one has a greater one.
    """

    model: str
    id: str
    kind: str
    at: datetime
    origin: str
    fields: dict[str, tuple[Any, Any]] = field(repr=False)
    seq: int = 0


def moment_of(when: datetime | date | str) -> str:
    """A moment as the memory writes it; `ValidationError` for what is none."""
    try:
        return iso(in_zone(when, runtime.zone()))
    except ValueError as wrong:
        raise ValidationError(refusal("A moment", wrong, when)) from None


def changes(
    database: Database,
    *,
    since: str | None = None,
    until: str | None = None,
    resources: Iterable[str] | None = None,
    record: str | None = None,
    origin: str | None = None,
    after: int | None = None,
) -> list[Change]:
    """The changes seen from `since` on and before `until`, with a number above `after`, oldest first."""
    log = tables.changes
    statement = select(log).order_by(log.c.seq.desc())
    if since is not None:
        statement = statement.where(log.c.seen_at >= since)
    if after is not None:
        statement = statement.where(log.c.seq > after)
    if resources is not None:
        statement = statement.where(log.c.resource.in_(list(resources)))
    if record is not None:
        statement = statement.where(log.c.record == record)
    found: list[Change] = []
    with database.reading() as connection:
        rows = connection.execute(statement).all()
        present = _present(connection, database, {(row.resource, row.record) for row in rows})
        for row in rows:
            key = (row.resource, row.record)
            now = present[key]
            before = present[key] = _before(now, row)
            if (until is None or row.seen_at < until) and (origin is None or row.origin == origin):
                fields = _fields(layout_for(row.resource), row, before, now)
                seen = state.moment(row.seen_at)
                found.append(Change(row.resource, row.record, row.kind, seen, row.origin, fields, row.seq))
    return found[::-1]


def newest(database: Database) -> int:
    """The number of the last change, 0 where there is none."""
    with database.reading() as connection:
        return int(connection.execute(select(func.max(tables.changes.c.seq))).scalar() or 0)


def prune(database: Database, older_than: timedelta) -> int:
    """Forget changes seen longer ago; return how many. The mirror then knows the past from there on only."""
    edge = iso(datetime.now().astimezone() - older_than)
    with database.writing() as connection:
        count = connection.execute(delete(tables.changes).where(tables.changes.c.seen_at <= edge)).rowcount
        for found in state.load_all(connection).values():
            if found.complete:
                found.traits.memory_from = max(edge, found.traits.memory_from)
                state.save(connection, found)
    return count


def _present(
    connection: Connection, database: Database, keys: set[tuple[str, str]]
) -> dict[tuple[str, str], Raw | None]:
    present: dict[tuple[str, str], Raw | None] = dict.fromkeys(keys)
    for resource in {resource for resource, _ in keys}:
        store = Store(connection, layout_for(resource), postgres=database.postgres)
        ids = sorted(id for name, id in keys if name == resource)
        present.update({(resource, id): raw for id, raw in store.read(ids).items()})
    return present


def _before(now: Raw | None, row: Any) -> Raw | None:
    if row.kind == "created":
        return None
    return undo(now or {}, msgspec.json.decode(row.reverse))


def _fields(layout: Layout, row: Any, before: Raw | None, now: Raw | None) -> dict[str, tuple[Any, Any]]:
    reverse = {"unset": list(now or {})} if row.kind == "created" else msgspec.json.decode(row.reverse)
    fields: dict[str, tuple[Any, Any]] = {}
    for wire in moved(reverse):
        head, _, label = wire.partition(".")
        column = layout.by_wire.get(head)
        if label and head == "custom":
            fields[wire] = (_custom(before, label), _custom(now, label))
        else:
            name = column.name if column is not None else wire
            fields[name] = ((before or {}).get(wire), (now or {}).get(wire))
    return fields


def _custom(raw: Raw | None, label: str) -> Any:
    custom = (raw or {}).get("custom")
    return custom.get(label) if isinstance(custom, dict) else None


class PastSource(MirrorSource):
    """The mirror as it was at a moment, as a source of queries."""

    def __init__(self, database: Database, moment: str) -> None:
        super().__init__(database)
        self.moment = moment

    def check(self, connection: Connection, query: Query) -> None:
        """Raise unless the mirror remembers that moment, for every table that the query reads."""
        super().check(connection, query.changed(max_age=None))
        states = state.load_all(connection)
        for name in sorted(touched(query)):
            begin = max(str(states[name].first_as_of), states[name].traits.memory_from)
            if self.moment < begin:
                raise MirrorIncomplete(f"The mirror remembers {name} from {begin} on, not at {self.moment}.")

    def synced_at(self, resource: str) -> datetime | None:
        """The moment."""
        return state.moment(self.moment)

    @contextmanager
    def _open(self, query: Query) -> Iterator[Connection]:
        """A connection on which the tables of the query are what they were; all undone at its end."""
        with self.database.reading() as connection:
            transaction = connection.get_transaction()
            assert transaction is not None
            try:
                for name in touched(query):
                    self._put_back(connection, layouts()[name])
                yield connection
            finally:
                # What was put aside is nobody else's, and must not outlast the query.
                transaction.rollback()

    def _put_back(self, connection: Connection, layout: Layout) -> None:
        log = tables.changes
        later = (
            select(log).where(log.c.resource == layout.table, log.c.seen_at > self.moment).order_by(log.c.seq.desc())
        )
        rows = connection.execute(later).all()
        if not rows:
            return
        past = _present(connection, self.database, {(row.resource, row.record) for row in rows})
        for row in rows:
            key = (row.resource, row.record)
            past[key] = _before(past[key], row)
        quote = connection.dialect.identifier_preparer.quote
        schema = connection.execute(text("SELECT current_schema()")).scalar() if self.database.postgres else "main"
        table, real = quote(layout.table), f"{quote(str(schema))}.{quote(layout.table)}"
        packer = RowCodec(layout, postgres=self.database.postgres)
        names = ["pk", *packer.names]
        listed = ", ".join(map(quote, names))
        connection.exec_driver_sql(f"CREATE TEMP TABLE past_rows_{layout.table} AS SELECT {listed} FROM {real} LIMIT 0")
        connection.exec_driver_sql(f"CREATE TEMP TABLE past_ids_{layout.table} (id TEXT)")
        mark = "%s" if self.database.postgres else "?"
        marks = ", ".join([mark] * len(names))
        packed = [(-n, *packer.encode_row(rewrite(raw))) for n, raw in enumerate(past.values(), 1) if raw is not None]
        if packed:
            connection.exec_driver_sql(f"INSERT INTO past_rows_{layout.table} ({listed}) VALUES ({marks})", packed)
        ids = [(id,) for _, id in past]
        connection.exec_driver_sql(f"INSERT INTO past_ids_{layout.table} VALUES ({mark})", ids)
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW {table} AS SELECT {listed} FROM {real} "
            f"WHERE id NOT IN (SELECT id FROM past_ids_{layout.table}) "
            f"UNION ALL SELECT {listed} FROM past_rows_{layout.table}"
        )
