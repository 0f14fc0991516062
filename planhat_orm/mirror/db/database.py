"""The database behind a mirror: connecting to it, reading and writing in it.

Readers take a snapshot and are never blocked (WAL); writers announce themselves with BEGIN IMMEDIATE. Which tables
are in it is not looked at here: `upkeep.migrate.open_database` does that, and brings them up to date.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, func, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ... import forks
from ...errors import ConfigurationError, MirrorError, ReadOnlyError
from . import clock, explain, fork_gate, sqlite_functions, state
from .connector import Connector
from .files import OpenedFile, open_file, resolved
from .json_text import unreadable
from .transactions import BUSY_SECONDS, OpenWrites, roll_back, turn_of

_PAGE_BYTES = 16384
_LOCK = 0x504C414E484154


_UNREADABLE = ("malformed JSON", "user-defined function raised exception")
"""What SQLite says of a cell that holds no JSON, or JSON that is nested too deeply for our functions."""


class Database:
    """One mirror's database, as it is. `upgraded` is the version that its tables had before they were upgraded."""

    def __init__(self, where: str | os.PathLike[str]) -> None:
        self.url = database_url(where)
        self.dialect = self.url.get_backend_name()
        if self.dialect not in ("sqlite", "postgresql"):
            raise ConfigurationError(f"A mirror lives in SQLite or PostgreSQL, not in {self.dialect}.")
        self.postgres = self.dialect == "postgresql"
        self.path = None if self.postgres else Path(str(self.url.database))
        self.file: OpenedFile | None = None
        if self.path is not None:
            self.file = open_file(self.path)
        self.engine = self._engine()
        self._turn = turn_of(None if self.file is None else self.file.identity)
        self._open_writes = OpenWrites(self._turn)
        self._readers: Engine | None = None
        self.upgraded: str | None = None
        forks.in_child(self._start_over)

    def _start_over(self) -> None:
        """Open connections of this process's own."""
        forks.keep_aside(self.engine)
        if self._readers is not None:
            forks.keep_aside(self._readers)
        self.engine, self._readers = self._engine(), None

    @property
    def readers(self) -> Engine:
        """An engine that reads only, for statements of other people's: what writes raises `ReadOnlyError`."""
        if self._readers is None:
            if self.postgres:
                readers: Engine = self.engine.execution_options(postgresql_readonly=True)
            else:
                readers = self._engine(read_only=True)
            self._readers = readers
        return self._readers

    @property
    def is_writable(self) -> bool:
        """Whether its file and its folder may be written."""
        return self.file is None or self.file.is_writable

    @property
    def is_lost(self) -> bool:
        """Whether its file was deleted or replaced since it was opened."""
        return self.file is not None and self.file.is_lost

    def _engine(self, *, read_only: bool = False) -> Engine:
        if self.postgres:
            connector = Connector(self.url)
            engine = create_engine(
                self.url, hide_parameters=True, enable_from_linting=False, pool_pre_ping=True, creator=connector
            )
            connector.dialect = engine.dialect
            event.listen(engine, "handle_error", self._explain_postgres)
            return engine
        assert self.file is not None
        engine = create_engine(
            self.url if self.file.is_writable else _as_it_is(self.file.path),
            hide_parameters=True,
            # Elements of a list are joined to their table by what they are opened from, which the linter does not see.
            enable_from_linting=False,
            poolclass=fork_gate.GatedPool,
            pool_size=8,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS, "isolation_level": None},
        )
        event.listen(engine, "connect", self._prepare)
        if read_only:
            event.listen(engine, "connect", _read_only)
            event.listen(engine, "handle_error", _refuse_writes)
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "close", _end)
        event.listen(engine, "handle_error", self._explain)
        return engine

    def _explain(self, context: ExceptionContext) -> None:
        """Turn what SQLite says of a damaged or full disk into what to do about it."""
        error = context.original_exception
        if (told := explain.of_sqlite(self.path, error)) is not None:
            raise told from None
        if (cut_off := sqlite_functions.interrupted()) is not None:
            raise cut_off from None
        if any(words in str(error) for words in _UNREADABLE):
            raise unreadable(error) from None
        if str(error).startswith("Could not decode to UTF-8") or isinstance(error, UnicodeDecodeError):
            raise self._garbled() from None

    def _explain_postgres(self, context: ExceptionContext) -> None:
        if context.is_pre_ping:
            return  # it connects anew
        connection = context.connection
        if connection is not None and connection.get_execution_options().get("postgresql_readonly"):
            _refuse_writes(context)  # the server would let others write
        where = f"{self.url.host or 'this machine'}, database {self.url.database}"
        if (told := explain.of_postgres(where, context.original_exception)) is not None:
            raise told from None

    def _garbled(self) -> MirrorError:
        # What SQLite says would show the whole text.
        return MirrorError(f"The mirror {self.path}: a text is not UTF-8. {explain.DAMAGED}")

    def _prepare(self, connection: sqlite3.Connection, _: Any) -> None:
        # Before anything reads the schema: SQLite marks what in it calls a function only where it knows the function.
        sqlite_functions.register(connection)
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA synchronous=NORMAL")
        except UnicodeDecodeError:
            # SQLite quotes a damaged schema in its message, and Python cannot read that.
            raise self._garbled() from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the mirror."""
        with self.engine.connect() as connection:
            if self.postgres:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, *, durable: bool = False, patience: float | None = None) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing. A durable one survives a power cut, too.

        `patience` is for how many seconds it waits for other writers.
        """
        options = {"planhat_writes": True, "planhat_durable": durable, "planhat_patience": patience}
        self._open_writes.end()
        with self.engine.connect().execution_options(**options) as connection:
            self._open_writes.begin(connection)
            try:
                with connection.begin():
                    if self.postgres:
                        if patience is not None:
                            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{patience}s'")
                        # One writer at a time, as in SQLite.
                        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                    clock.begin(connection)
                    state.forget(connection)
                    yield connection
            finally:
                self._open_writes.end()

    def _begin(self, connection: Connection) -> None:
        assert self.file is not None
        self.file.check()
        options = connection.get_execution_options()
        writes = options.get("planhat_writes")
        if writes:
            if not self.file.is_writable:
                raise MirrorError(
                    f"The mirror {self.path} can only be read: the file or its folder cannot be written. Copy it to a "
                    f"folder of yours, or change the rights."
                )
            # NORMAL may lose the last commits in a power cut, which a mirror can fetch again and an outbox cannot.
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get('planhat_durable') else 'NORMAL'}")
            self._begin_writing(connection, options.get("planhat_patience") or BUSY_SECONDS)
        else:
            connection.exec_driver_sql("BEGIN")

    def _begin_writing(self, connection: Connection, patience: float) -> None:
        driver: Any = connection.connection.driver_connection
        try:
            self._turn.begin(driver, patience)
        except sqlite3.Error as error:
            raise explain.of_sqlite(self.path, error) or error from None

    def checkpoint(self) -> None:
        """Move what waits in SQLite's log into the file, so that the file alone is the mirror. Waits for nobody."""
        if self.file is None or not self.file.is_writable or not self.file.is_there or fork_gate.is_torn():
            return
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout=0")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        except sqlite3.OperationalError:
            # Somebody reads or writes: what is left is moved after the next sync.
            connection.invalidate()
        finally:
            connection.close()

    def use_wal(self) -> None:
        """Make SQLite write ahead, so that readers and the writer do not wait for each other. The file remembers."""
        if not self.postgres:
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.Error as error:
                raise explain.of_sqlite(self.path, error) or error from None
            finally:
                connection.close()

    def tables(self) -> set[str]:
        """The names of the tables that are there."""
        return set(inspect(self.engine).get_table_names())

    def indexes(self) -> set[str]:
        """The names of the indexes that are there."""
        catalogue = (
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
            if self.postgres
            else "SELECT name FROM sqlite_master"
        )
        with self.reading() as connection:
            return set(connection.exec_driver_sql(catalogue).scalars())

    def close(self) -> None:
        """Close the connections. Using the database again opens new ones."""
        with fork_gate.in_use():
            if self._readers is not None:
                self._readers.dispose()
            self.engine.dispose()


def database_url(where: str | os.PathLike[str]) -> URL:
    """The URL of a mirror that is named by a path or a URL."""
    text = resolved(where)
    if not text or text == ":memory:":
        raise ConfigurationError("A mirror needs a file or a database URL, such as 'planhat.db'.")
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text itself may hold a password.
        raise ConfigurationError("The mirror's database URL cannot be read.") from None
    if url.get_backend_name() == "sqlite" and not url.database:
        raise ConfigurationError("A mirror needs a file: sqlite:///planhat.db.")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url


def _end(connection: sqlite3.Connection, _: Any) -> None:
    # SQLite keeps the locks of a connection that is closed while a cursor is read: SQLAlchemy does so on Ctrl-C.
    roll_back(connection)


def _as_it_is(path: Path) -> URL:
    """The URL of a file that cannot be written, nor anything beside it: nobody here changes it, so it needs no lock."""
    log = path.with_name(path.name + "-wal")
    query = {"uri": "true", "mode": "ro"}
    if not log.exists() or not log.stat().st_size:
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _read_only(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute("PRAGMA query_only=ON")


def _refuse_writes(context: ExceptionContext) -> None:
    error = context.original_exception
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_READONLY or getattr(error, "sqlstate", None) == "25006":
        raise ReadOnlyError(
            "mirror.engine reads only: the mirror's rows are copies of what Planhat holds. Change records and save() "
            "them, and keep tables of your own in another database."
        ) from None
