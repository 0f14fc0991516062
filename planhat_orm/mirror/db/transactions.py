"""Write transactions that end, whatever becomes of the thread that is in one.

Ctrl-C may tear a thread out of a transaction at any instruction, also out of the code that would roll it back. Its
connection is then kept alive by the traceback, and with it a lock that everybody waits for, this thread first. So it is
noted which connection each thread writes with, and what is left open is rolled back before that thread writes again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection


class OpenWrites:
    """The connection of the database's driver that each thread writes with."""

    def __init__(self) -> None:
        self._connections: dict[int, tuple[int, Any]] = {}

    def begin(self, connection: Connection) -> None:
        """Note that this thread is about to write with a connection."""
        self._connections[threading.get_ident()] = os.getpid(), connection.connection.driver_connection

    def end(self) -> None:
        """Roll back what this thread has not committed."""
        pid, connection = self._connections.get(threading.get_ident(), (0, None))
        if pid == os.getpid():
            (roll_back if isinstance(connection, sqlite3.Connection) else _roll_back_postgres)(connection)
        # Only now: had this been interrupted before, the next one would do it.
        self._connections.pop(threading.get_ident(), None)


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
