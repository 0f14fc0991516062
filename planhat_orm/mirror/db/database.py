"""The database behind a mirror: connecting to it, reading and writing in it.

Readers take a snapshot and are never blocked (WAL); writers announce themselves with BEGIN IMMEDIATE. Which tables
are in it is not looked at here: `upkeep.migrate.open_database` does that, and brings them up to date.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, PoolProxiedConnection, func, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...errors import ConfigurationError, MirrorError, interrupt_behind
from . import clock, explain, fork_gate, state
from .engines import Engines
from .files import open_file, resolved
from .transactions import BUSY_SECONDS

_LOCK = 0x504C414E484154
SCRUB_SECONDS = 5.0
"""Seconds in which others may end what they read before the files are written anew."""
_IN_USE = (
    "Others use the mirror, so its files still hold what was deleted: end the programs that read it, and do this again."
)


class Database:
    """One mirror's database, as it is. `upgraded` is the version that its tables had before they were upgraded."""

    def __init__(self, where: str | os.PathLike[str]) -> None:
        self.url = database_url(where)
        self.dialect = self.url.get_backend_name()
        if self.dialect not in ("sqlite", "postgresql"):
            raise ConfigurationError(f"A mirror lives in SQLite or PostgreSQL, not in {self.dialect}.")
        self.postgres = self.dialect == "postgresql"
        self.path = None if self.postgres else Path(str(self.url.database))
        self.file = None if self.path is None else open_file(self.path)
        self._engines = Engines(self.url, self.file)
        self.upgraded: str | None = None
        weakref.finalize(self, self._engines.close)

    @property
    def engine(self) -> Engine:
        """The engine that reads and writes."""
        return self._engines.engine

    @property
    def readers(self) -> Engine:
        """An engine that reads only, for statements of other people's: what writes raises `ReadOnlyError`."""
        return self._engines.readers

    @property
    def is_writable(self) -> bool:
        """Whether its file and its folder may be written."""
        return self.file is None or self.file.is_writable

    @property
    def is_lost(self) -> bool:
        """Whether its file was deleted or replaced since it was opened."""
        return self.file is not None and self.file.is_lost

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the mirror."""
        with self.engine.connect() as connection:
            if self.postgres:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def reading_sqlite(self) -> Iterator[PoolProxiedConnection]:
        """What `reading()` is in SQLite, as a connection of the driver's: for one statement SQLAlchemy costs most."""
        connection = self.engine.raw_connection()
        try:
            assert self.file is not None
            self.file.check()
            with self.explaining():
                connection.cursor().execute("BEGIN")
                yield connection
        finally:
            connection.close()  # which rolls back

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn what SQLite's driver says of a damaged or full disk into what to do about it, as the engine does."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            told = self._engines.explained(error)
            if told is None:
                raise
            raise told from None

    @contextmanager
    def writing(self, *, durable: bool = False, patience: float | None = None) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing. A durable one survives a power cut, too.

        `patience` is for how many seconds it waits for other writers.
        """
        open_writes = self._engines.open_writes
        options = {"planhat_writes": True, "planhat_durable": durable, "planhat_patience": patience}
        open_writes.end()
        handled = sys.exc_info()[1]
        with self.engine.connect().execution_options(**options) as connection:
            open_writes.begin(connection)
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
            except Exception as error:
                # SQLAlchemy asserts things of a commit that Ctrl-C tore it out of.
                if (interrupt := interrupt_behind(error, handled)) is not None:
                    raise interrupt from None
                raise
            finally:
                open_writes.end()

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

    def scrub(self) -> None:
        """Write the database's files anew, so that nothing is left in them of what was deleted.

        Raises `MirrorError` while others read or write: what they look at has to stay.
        """
        if self.postgres:
            self._scrub_postgres()
            return
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("VACUUM")
            cursor.execute(f"PRAGMA busy_timeout={int(SCRUB_SECONDS * 1000)}")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
            if busy:
                raise MirrorError(_IN_USE)
        except sqlite3.OperationalError as error:
            raise explain.of_sqlite(self.path, error) or error from None
        finally:
            connection.close()

    def _scrub_postgres(self) -> None:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in sorted(self.tables()):
                connection.exec_driver_sql(f"VACUUM (FULL) {connection.dialect.identifier_preparer.quote(name)}")

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

    def begin_again(self) -> bool:
        """Be as new after `close()`, which is faster than a new one; False where another file has the name by now."""
        if self.path is not None and self.file is not None:
            file = open_file(self.path)
            if (file.identity, file.is_writable) != (self.file.identity, self.file.is_writable):
                return False
        self._engines.begin_again()
        return True

    def close(self) -> None:
        """Close the connections, as happens when nobody has the database any more. Using it again opens new ones."""
        self._engines.close()


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
