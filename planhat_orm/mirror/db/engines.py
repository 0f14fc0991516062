"""The engines of one mirror: what SQLAlchemy opens connections with, and what each connection is told.

They know nothing of the `Database` that has them. So it is collected as soon as nobody uses it, and closes them then.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL

from ... import forks
from ...errors import MirrorError, ReadOnlyError
from . import explain, fork_gate, sqlite_functions
from .connector import Connector
from .files import OpenedFile
from .json_text import unreadable
from .transactions import BUSY_SECONDS, OpenWrites, roll_back, turn_of

_PAGE_BYTES = 16384
_UNREADABLE = ("malformed JSON", "user-defined function raised exception")
"""What SQLite says of a cell that holds no JSON, or JSON that is nested too deeply for our functions."""
_LOG_NAME = "planhat_mirror"
# What SQLAlchemy says at DEBUG are the rows that were read.
logging.getLogger(f"sqlalchemy.engine.Engine.{_LOG_NAME}").addFilter(lambda record: record.levelno > logging.DEBUG)


class Engines:
    """The engine that reads and writes, and the one that only reads, made when it is asked for."""

    def __init__(self, url: URL, file: OpenedFile | None) -> None:
        self._url = url
        self._file = file
        self._where = None if file is None else file.path
        self._turn = turn_of(None if file is None else file.identity)
        self._readers: Engine | None = None
        self.open_writes = OpenWrites(self._turn)
        self.engine = self._make()
        forks.in_child(self._start_over)

    def _start_over(self) -> None:
        """Open connections of this process's own."""
        forks.keep_aside(self.engine)
        if self._readers is not None:
            forks.keep_aside(self._readers)
        self.engine, self._readers = self._make(), None

    @property
    def readers(self) -> Engine:
        """An engine that reads only, for statements of other people's: what writes raises `ReadOnlyError`."""
        if self._readers is None:
            if self._file is None:
                readers: Engine = self.engine.execution_options(postgresql_readonly=True)
            else:
                readers = self._make(read_only=True)
            self._readers = readers
        return self._readers

    def close(self) -> None:
        """Close the connections. Using an engine again opens new ones."""
        with fork_gate.in_use():
            if self._readers is not None:
                self._readers.dispose()
            self.engine.dispose()

    def begin_again(self) -> None:
        """Be as they were before they were closed, and know by heart the statements that they ran."""
        for engine in (self.engine, self._readers):
            if engine is not None and isinstance(engine.pool, fork_gate.GatedPool):
                engine.pool.begin_again()

    def _make(self, *, read_only: bool = False) -> Engine:
        if self._file is None:
            connector = Connector(self._url)
            engine = create_engine(
                self._url,
                hide_parameters=True,
                logging_name=_LOG_NAME,
                enable_from_linting=False,
                pool_pre_ping=True,
                creator=connector,
            )
            connector.dialect = engine.dialect
            event.listen(engine, "handle_error", self._explain_postgres)
            return engine
        engine = create_engine(
            self._url if self._file.is_writable else _as_it_is(self._file.path),
            hide_parameters=True,
            logging_name=_LOG_NAME,
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
        if (told := self.explained(context.original_exception)) is not None:
            raise told from None

    def explained(self, error: BaseException) -> BaseException | None:
        """What SQLite says of a damaged or full disk as what to do about it; None of an error in a statement."""
        if (told := explain.of_sqlite(self._where, error)) is not None:
            return told
        if (cut_off := sqlite_functions.interrupted()) is not None:
            return cut_off
        if any(words in str(error) for words in _UNREADABLE):
            return unreadable(error)
        if str(error).startswith("Could not decode to UTF-8") or isinstance(error, UnicodeDecodeError):
            return self._garbled()
        return None

    def _explain_postgres(self, context: ExceptionContext) -> None:
        if context.is_pre_ping:
            return  # it connects anew
        connection = context.connection
        if connection is not None and connection.get_execution_options().get("postgresql_readonly"):
            _refuse_writes(context)  # the server would let others write
        if (told := explain.of_postgres(self._url, context.original_exception)) is not None:
            raise told from None

    def _garbled(self) -> MirrorError:
        # What SQLite says would show the whole text.
        return MirrorError(f"The mirror {self._where}: a text is not UTF-8. {explain.DAMAGED}")

    def _prepare(self, connection: sqlite3.Connection, _: Any) -> None:
        sqlite_functions.register(connection)
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA synchronous=NORMAL")
        except UnicodeDecodeError:
            # SQLite quotes a damaged schema in its message, and Python cannot read that.
            raise self._garbled() from None

    def _begin(self, connection: Connection) -> None:
        assert self._file is not None
        self._file.check()
        options = connection.get_execution_options()
        writes = options.get("planhat_writes")
        if writes:
            if not self._file.is_writable:
                raise MirrorError(
                    f"The mirror {self._where} can only be read: the file or its folder cannot be written. Copy it to "
                    f"a folder of yours, or change the rights."
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
            raise explain.of_sqlite(self._where, error) or error from None


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
