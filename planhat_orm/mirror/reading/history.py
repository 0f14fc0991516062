"""The memory: what changed, when it was seen, whose change it was; and the mirror as it was.

A change is kept as what undoes it, about eighty bytes. So the past is the present with the later changes undone,
newest first, and keeping a memory costs nothing where nothing changes. How fine it is, is how often you sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, text

from ... import runtime
from ...errors import MirrorIncomplete, ValidationError
from ...fields.gate import in_zone
from ...fields.scalars import refusal
from ...json_encoding import rewrite
from ...query.moments import Moment, Span, When, now, zone_name
from ...query.query import Query
from ..db import clock, state, tables
from ..db.changes import Raw, before_change, ids_of, moved, note_pruned, resets
from ..db.codec import RowCodec
from ..db.database import Database
from ..db.json_text import read_cell
from ..db.layout import Layout, layout_for, layouts
from ..db.state import State
from ..db.store import Store
from .compiler import touched
from .source import MirrorSource


@dataclass(frozen=True, slots=True)
class Change:
    """One record's change. `fields` holds old and new by Python name, `custom.Label` for custom fields.

    `kind` is created, updated, deleted, silent: a change that moved no stamp, or erased: `forget()` took a person out
    of it, which nothing undoes. `origin` is "mine" for what
    this library wrote. `at` is when the change was seen here, `seq` its number: a later one has a greater one. `op` is
    the save, batch or deletion of yours that it belongs to: `mirror.revert(op=change.op)` undoes that.
    """

    model: str
    id: str
    kind: str
    at: datetime
    origin: str
    fields: dict[str, tuple[Any, Any]] = field(repr=False)
    seq: int = 0
    op: str | None = None


def moment_of(when: When) -> int:
    """A moment in the mirror's measure, microseconds since 1970; `ValidationError` for what is none."""
    if isinstance(when, (Moment, Span)):
        relative = when if isinstance(when, Moment) else now() + when
        return clock.micros(relative.at(datetime.now(UTC), zone_name(runtime.zone())))
    try:
        return clock.micros(in_zone(when, runtime.zone()))
    except ValueError as wrong:
        raise ValidationError(refusal("A moment", wrong, when)) from None


def changes(
    database: Database,
    *,
    since: int | None = None,
    until: int | None = None,
    resources: Iterable[str] | None = None,
    record: str | None = None,
    origin: str | None = None,
    after: int | None = None,
) -> list[Change]:
    """The changes seen from `since` on and before `until`, with a number above `after`, oldest first.

    Of one `record`, where its id is given.
    """
    log = tables.changes
    statement = select(log).where(log.c.rid.is_not(None)).order_by(log.c.seq.desc())
    if since is not None:
        statement = statement.where(log.c.at >= since)
    if after is not None:
        statement = statement.where(log.c.seq > after)
    if resources is not None:
        statement = statement.where(log.c.resource.in_(list(resources)))
    found: list[Change] = []
    with database.reading() as connection:
        if record is not None:
            numbers = select(tables.names.c.rid).where(tables.names.c.id == record)
            statement = statement.where(log.c.rid.in_(numbers))
        begins = resets(connection)
        # What was before a reset cannot be told from what is now.
        rows = [row for row in connection.execute(statement) if row.seq > begins.get(row.resource, (0, 0))[0]]
        past = Past(connection, database, rows)
        for row in rows:
            before, now = past.step(row)
            if (until is None or row.at < until) and (origin is None or row.origin == origin):
                fields, at = _fields(layout_for(row.resource), row.reverse, before, now), clock.moment(row.at)
                found.append(Change(row.resource, past.id(row.rid), row.kind, at, row.origin, fields, row.seq, row.op))
    return found[::-1]


def newest(database: Database) -> int:
    """The number of the last change, 0 where there is none."""
    with database.reading() as connection:
        return int(connection.execute(select(func.max(tables.changes.c.seq))).scalar() or 0)


def prune(database: Database, older_than: timedelta) -> int:
    """Forget changes seen longer ago; return how many. The mirror then knows the past from there on only."""
    log, names = tables.changes, tables.names
    with database.writing() as connection:
        edge = max(clock.wall(), clock.read(connection).at) - older_than // timedelta(microseconds=1)
        old = (log.c.at <= edge) & log.c.rid.is_not(None)
        last = connection.execute(select(log.c.seq, log.c.at).where(old).order_by(log.c.seq.desc()).limit(1)).first()
        count = connection.execute(delete(log).where(old)).rowcount
        if last is not None:
            note_pruned(connection, last.seq, last.at)
            connection.execute(delete(names).where(names.c.rid.not_in(select(log.c.rid).where(log.c.rid.is_not(None)))))
        for found in state.load_all(connection).values():
            if found.complete and edge > memory_begins(found, None):
                found.traits.memory_from = clock.moment(edge).isoformat()
                state.save(connection, found)
    return count


def memory_begins(found: State, reset: tuple[int, int] | None) -> int:
    """From when on the past of a table is known: since it was last written without a memory, or since it was pruned."""
    kept = [text for text in (found.traits.memory_from, None if reset else found.first_as_of) if text]
    return max([*(clock.micros(state.moment(text)) for text in kept), reset[1] if reset else 0])


class Past:
    """The records that some changes are about, put back change by change from what they are now; newest first."""

    def __init__(self, connection: Connection, database: Database, rows: Iterable[Any]) -> None:
        wanted: dict[str, set[int]] = {}
        for row in rows:
            wanted.setdefault(row.resource, set()).add(row.rid)
        self.ids: dict[int, list[str]] = ids_of(connection, {rid for numbers in wanted.values() for rid in numbers})
        self.records: dict[int, Raw | None] = {}
        for resource, numbers in wanted.items():
            store = Store(connection, layout_for(resource), postgres=database.postgres)
            of = {id: rid for rid in sorted(numbers) for id in self.ids[rid]}
            self.records.update(dict.fromkeys(numbers))
            self.records.update((of[id], raw) for id, raw in store.read(list(of)).items())

    def step(self, row: Any) -> tuple[Raw | None, Raw | None]:
        """The record before a change and after it."""
        now = self.records[row.rid]
        before = self.records[row.rid] = before_change(now, row.reverse)
        return before, now

    def id(self, rid: int) -> str:
        """The id of a record: Planhat's, where it has one."""
        return self.ids[rid][-1]


def _fields(layout: Layout, text: str | None, before: Raw | None, now: Raw | None) -> dict[str, tuple[Any, Any]]:
    """The fields that a change touched, by Python name, with what they were and what they became."""
    reverse = {"unset": list(now or {})} if text is None else read_cell(text)
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

    is_present = False

    def __init__(self, database: Database, moment: int) -> None:
        super().__init__(database)
        self.moment = moment

    def check(self, connection: Connection, query: Query) -> None:
        """Raise unless the mirror remembers that moment, for every table that the query reads."""
        super().check(connection, query.changed(max_age=None))
        states, begins = state.load_all(connection), resets(connection)
        for name in sorted(touched(query)):
            begin = memory_begins(states[name], begins.get(name))
            if self.moment < begin:
                since, asked = clock.moment(begin).isoformat(), clock.moment(self.moment).isoformat()
                raise MirrorIncomplete(f"The mirror remembers {name} from {since} on, not at {asked}.")

    def synced_at(self, resource: str) -> datetime | None:
        """The moment."""
        return clock.moment(self.moment)

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
        later = (log.c.resource == layout.table) & (log.c.at > self.moment) & log.c.rid.is_not(None)
        rows = connection.execute(select(log).where(later).order_by(log.c.seq.desc())).all()
        if not rows:
            return
        past = Past(connection, self.database, rows)
        for row in rows:
            past.step(row)
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
        then = [raw for raw in past.records.values() if raw is not None]
        packed = [(-n, *packer.encode_row(rewrite(raw))) for n, raw in enumerate(then, 1)]
        if packed:
            connection.exec_driver_sql(f"INSERT INTO past_rows_{layout.table} ({listed}) VALUES ({marks})", packed)
        ids = [(id,) for known in past.ids.values() for id in known]
        connection.exec_driver_sql(f"INSERT INTO past_ids_{layout.table} VALUES ({mark})", ids)
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW {table} AS SELECT {listed} FROM {real} "
            f"WHERE id NOT IN (SELECT id FROM past_ids_{layout.table}) "
            f"UNION ALL SELECT {listed} FROM past_rows_{layout.table}"
        )
