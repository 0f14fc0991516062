"""Write transactions that begin in turn, and end whatever becomes of the thread that is in one.

SQLite's lock has no queue: whoever waits for it asks now and then, ever less often, and may find it taken each time. So
one thread of a process asks at a time, and often; the others wait for their turn to ask.

Ctrl-C may tear a thread out of a transaction at any instruction, also out of the code that would roll it back. Its
connection is then kept alive by the traceback, and with it a lock that everybody waits for, this thread first. So it is
noted which connection each thread writes with, and what is left open is rolled back before that thread writes again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from ... import forks

BUSY_SECONDS = 30.0
"""Seconds in which others may write before that is an error."""
_ASKING = 0.018
"""Seconds in which SQLite itself asks again and again, first after 1 ms, at last after 10."""


class OpenWrites:
    """The connection of the database's driver that each thread writes with."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._connections: dict[int, tuple[int, Any]] = {}

    def begin(self, connection: Connection) -> None:
        """Note that this thread is about to write with a connection."""
        self._connections[threading.get_ident()] = os.getpid(), connection.connection.driver_connection

    def end(self) -> None:
        """Roll back what this thread has not committed, and let others ask."""
        self._turn.end()
        pid, connection = self._connections.get(threading.get_ident(), (0, None))
        if pid == os.getpid():
            (roll_back if isinstance(connection, sqlite3.Connection) else _roll_back_postgres)(connection)
        # Only now: had this been interrupted before, the next one would do it.
        self._connections.pop(threading.get_ident(), None)


class Turn:
    """Whose turn it is, among the threads of this process, to ask SQLite for the lock of one file."""

    def __init__(self) -> None:
        self._lock = forks.Lock(reentrant=True)

    def begin(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Begin a transaction that writes; raises SQLite's own error where others write for so many seconds."""
        end = time.monotonic() + seconds
        try:
            # A turn that does not come is asked without: what happened to whoever has it is SQLite's to know.
            self._lock.acquire(timeout=max(0.0, seconds))
            while not _is_begun(connection, end - time.monotonic()):
                pass
        finally:
            self.end()
            _wait_at_most(connection, BUSY_SECONDS)

    def end(self) -> None:
        """Let the next one ask, if this thread is the one who does."""
        self._lock.release_own()


_turns: WeakValueDictionary[tuple[int, int] | None, Turn] = WeakValueDictionary()
_making = forks.Lock()


def turn_of(file: tuple[int, int] | None) -> Turn:
    """The turns of a file, by what tells it from others: the same for all who have it open in this process."""
    with _making:
        turn = _turns.get(file)
        if turn is None:
            turn = _turns[file] = Turn()
        return turn


def _is_begun(connection: sqlite3.Connection, seconds: float) -> bool:
    """Ask for SQLite's lock for a moment; return whether it was got, or raise when this was the last moment."""
    _wait_at_most(connection, max(0.0, min(seconds, _ASKING)))
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if seconds <= _ASKING or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo what a connection of SQLite has not committed."""
    with suppress(sqlite3.ProgrammingError):  # it is closed
        if connection.in_transaction:
            connection.rollback()


def _roll_back_postgres(connection: Any) -> None:
    from psycopg import Error
    from psycopg.pq import TransactionStatus

    status = connection.info.transaction_status
    if status in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
        return
    try:
        if status != TransactionStatus.ACTIVE:
            connection.rollback()
            return
    except Error:
        pass  # it is closed below
    # A statement is still on its way: the server drops all locks with the connection.
    connection.close()
