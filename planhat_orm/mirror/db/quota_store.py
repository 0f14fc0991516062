"""Where the book of a shared quota is kept: a row in PostgreSQL, or in a file of its own beside a SQLite mirror.

A sync holds the lock of the mirror's writers for seconds, and a call must not wait for that: so the book has a lock of
its own, for the milliseconds of one transaction. Its table is made at first use, where there is a mirror.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import msgspec
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from ... import forks
from ...errors import PlanhatError
from ...http.clock import uptime
from ...http.quota_book import LASTS, LATEST, Book, Grant, Report, Tick
from ...http.shared_quota import BookUnreachable
from . import fork_gate, tables
from .database import Database, database_url

_PATIENCE = 2.0
"""Seconds in which others may hold the book; they hold it for milliseconds."""
_CONNECT = "5"
_LOCK = 0x504C414E51
_SETTINGS = (
    f"SET LOCAL lock_timeout = '{_PATIENCE}s'; SET LOCAL statement_timeout = '5s'; "
    # What a server forgets that crashes is of no use: the book waits after each of its starts.
    "SET LOCAL synchronous_commit = off"
)
_CLOCK = text(
    "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision), "
    "CAST(extract(epoch FROM pg_postmaster_start_time()) AS double precision)"
)

metadata = MetaData()
quota = Table(
    "mirror_quota",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("book", Text, nullable=False),
)
"""One row: the book, as JSON. Whoever has the row's lock, or SQLite's, may change it."""
_ROW = quota.c.id == 1


class QuotaStore:
    """Asks the book of one mirror. Times are those of a clock that runs at `speed`."""

    def __init__(self, where: str, speed: float = 1.0) -> None:
        url = database_url(where)
        self._speed = speed
        self._mirror = Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
        if self._mirror is None:
            if "connect_timeout" not in url.query:
                url = url.update_query_dict({"connect_timeout": _CONNECT})
            self._where = url.render_as_string(hide_password=False)
        else:
            self._where = str(_beside(self._mirror))
        self._database: Database | None = None
        self._guard = forks.Lock()

    def __repr__(self) -> str:
        return "<QuotaStore>"

    def ask(self, report: Report, now: Callable[[], float]) -> Grant | None:
        """One transaction of the book; None where no mirror is yet. Raises `BookUnreachable`."""
        # Not while it is closed: a pool that is gone closes nothing that comes back to it.
        with self._guard:
            try:
                database = self._open()
                if database is None:
                    return None
                with self._locked(database) as connection:
                    return self._ask(database, connection, report, now)
            except (PlanhatError, SQLAlchemyError, sqlite3.Error, OSError) as error:
                self._close()
                raise BookUnreachable(_reason(error)) from None

    def close(self) -> None:
        """Close the connections; asking again opens new ones."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _open(self) -> Database | None:
        if self._database is not None and not self._database.is_lost:
            return self._database
        self._close()
        if self._mirror is not None and not self._mirror.exists():
            return None
        database = Database(self._where)
        try:
            is_made = _make_in_postgres(database) if database.postgres else _make_in_file(database)
        except BaseException:
            database.close()
            raise
        if not is_made:
            database.close()
            return None
        self._database = database
        return database

    @contextmanager
    def _locked(self, database: Database) -> Iterator[Connection]:
        if database.postgres:
            # Not as a writer of the mirror: those wait for each other.
            with database.engine.begin() as connection:
                connection.exec_driver_sql(_SETTINGS)
                yield connection
        else:
            with database.writing(patience=_PATIENCE) as connection:
                yield connection

    def _ask(self, database: Database, connection: Connection, report: Report, now: Callable[[], float]) -> Grant:
        statement = select(quota.c.book).where(_ROW)
        kept = connection.execute(statement.with_for_update() if database.postgres else statement).scalar_one_or_none()
        tick = self._tick(database, connection, now)
        book = _read(kept, report, tick)
        grant = book.ask(report, tick)
        values = {"book": msgspec.json.encode(book).decode()}
        if kept is None:
            connection.execute(quota.insert(), [{"id": 1, **values}])
        else:
            connection.execute(quota.update().where(_ROW).values(values))
        return grant

    def _tick(self, database: Database, connection: Connection, now: Callable[[], float]) -> Tick:
        if not database.postgres:
            return Tick(clock=uptime() * self._speed, read=now(), started=_boot(), is_steady=True)
        clock, started = connection.execute(_CLOCK).one()
        return Tick(
            clock=clock * self._speed, read=now(), started=f"{started:.3f}", started_at=started * self._speed
        )  # fmt: skip


def use_of(database: Database) -> tuple[int, int] | None:
    """The calls a minute of a mirror's quota, and how many clients used it within one; None where nobody did yet."""
    if database.path is None:
        with database.reading() as connection:
            if not inspect(connection).has_table(quota.name):
                return None
            kept = connection.execute(select(quota.c.book).where(_ROW)).scalar_one_or_none()
            now: float = connection.execute(_CLOCK).one()[0]
    else:
        path = _beside(database.path)
        if not path.exists():
            return None
        with closing(fork_gate.connect(path)) as connection:
            try:
                kept = (connection.execute("SELECT book FROM mirror_quota").fetchone() or (None,))[0]
            except sqlite3.Error:
                return None  # it is just being made
        now = uptime()
    try:
        book = None if kept is None else msgspec.json.decode(kept, type=Book)
    except msgspec.DecodeError:
        return None
    if book is None or not book.holders:
        return None
    return max(holder.limit for holder in book.holders.values()), book.shared_by(now)


def _beside(mirror: Path) -> Path:
    return mirror.with_name(f"{mirror.name}-quota")


def _make_in_file(database: Database) -> bool:
    if not database.tables():
        database.use_wal()
        with database.writing(patience=_PATIENCE) as connection:
            metadata.create_all(connection)
    return True


def _make_in_postgres(database: Database) -> bool:
    """Make the table and its row; False where the database holds no mirror."""
    existing = database.tables()
    if tables.meta.name not in existing:
        return False
    with database.engine.begin() as connection:
        connection.exec_driver_sql(_SETTINGS)
        if quota.name not in existing:
            # Two at once would both find that there is none.
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            metadata.create_all(connection)
        values = {"id": 1, "book": msgspec.json.encode(Book()).decode()}
        # Only here, as SQLite needs no dialect of PostgreSQL.
        from sqlalchemy.dialects.postgresql import insert

        connection.execute(insert(quota).on_conflict_do_nothing(), [values])
    return True


def _read(kept: str | None, report: Report, tick: Tick) -> Book:
    """The book as it was kept. One that cannot be read, or is of the time before this machine started, says nothing."""
    if kept is None:
        return Book()
    blocked = LASTS + LATEST + report.period
    try:
        book = msgspec.json.decode(kept, type=Book)
    except msgspec.DecodeError:
        return Book(blocked_until=tick.clock + blocked, started=tick.started)
    if tick.is_steady and book.started is not None and (book.started != tick.started or book.seen > tick.clock + 1.0):
        # Its clock counts from the start of the machine.
        return Book(blocked_until=blocked, started=tick.started)
    return book


@cache
def _boot() -> str:
    """What tells this start of the machine from others, where that can be known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _reason(error: Exception) -> str:
    """What went wrong, in one line, without what a database says of its address."""
    if isinstance(error, PlanhatError):
        return str(error)
    original = getattr(error, "orig", None) or error
    return f"the database raised {type(original).__name__}."
