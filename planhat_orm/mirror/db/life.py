"""Who is at work on a mirror, and who is gone: a lock for each piece of work, which is dropped with its process.

Beside a SQLite file it is a lock of the operating system on a file of its own, in PostgreSQL an advisory lock of a
connection. Whoever can take it knows that its holder is gone, at once, and in another container, too; no clock, no name
of a machine and no process id says so. Nobody waits for such a lock. Each has a name that is used once, so its file
may be deleted by whoever finds it free.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ... import forks
from ...errors import MirrorError
from .database import Database

if TYPE_CHECKING:
    from .file_lock import LockFile

_TOKEN = re.compile(r"[0-9a-f]{32}")
_SHOWN = 100
FLOCK, ADVISORY = "flock", "advisory"
_KEEPALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""The server notices within half a minute that the machine of a holder is gone."""


class _Lock(Protocol):
    def take(self) -> None:
        """Hold it, or raise `MirrorError`."""
        ...

    def release(self) -> None:
        """Let go, or do nothing in a forked child."""
        ...


class Holder:
    """A piece of work of this process, which is alive from `begin()` until `end()` or the process's death."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.token = uuid.uuid4().hex
        self.kind = ADVISORY if database.postgres else FLOCK
        self.name = f"process {os.getpid()} on {socket.gethostname()} {self.token}"
        self._pid = os.getpid()
        self._guard = forks.Lock()
        self._release: Callable[[], object] | None = None
        self._is_over = False

    def begin(self) -> None:
        """Be alive, for everybody to see."""
        self.check()
        with self._guard:
            if self._is_over:
                raise MirrorError("This work was given up.")
            if self._release is None:
                lock: _Lock = (_Advisory if self.database.postgres else _lock_file)(self.database, self.token)
                # Before it is taken, as Ctrl-C may come at any instant: what is not held is let go of as well.
                release = weakref.finalize(self, lock.release)
                try:
                    lock.take()
                    self._release = release
                finally:
                    if self._release is None:
                        release()

    def check(self) -> None:
        """Raise `MirrorError` in a forked child: it holds nothing of its parent's."""
        if self.is_inherited:
            raise MirrorError(
                "A forked process cannot go on with what its parent has in hand: start the sync or push anew in it."
            )

    @property
    def is_inherited(self) -> bool:
        """Whether this is the work of the process that this one was forked from."""
        return self._pid != os.getpid()

    def end(self) -> None:
        """Be gone. It may be said at any time, also while another thread begins."""
        with self._guard:
            self._is_over = True
            release, self._release = self._release, None
        if release is not None:
            release()


def shown(holder: str) -> str:
    """A holder as people read it: `process 123 on host`."""
    return holder.rpartition(" ")[0][:_SHOWN] or "another process"


def is_gone(database: Database, holder: str) -> bool:
    """Whether a holder's work is over, or its process ended."""
    token = holder.rpartition(" ")[2]
    return _is_free_advisory(database, token) if database.postgres else _is_free_file(database, token)


def delete_dead_locks(database: Database) -> None:
    """Delete the lock files that processes left which were killed."""
    if database.path is None:
        return
    place = _path(database, "*")
    for path in place.parent.glob(_escaped(place.name)):
        _is_free_file(database, path.name.removesuffix(".lock").rpartition("-")[2])


# --- beside a SQLite file -------------------------------------------------------------------------------


def _lock_file(database: Database, token: str) -> LockFile:
    # Only here: who reads a mirror takes no lock, and the library takes a third as long to load as the mirror's code.
    from .file_lock import LockFile

    return LockFile(_path(database, token))


def _path(database: Database, token: str) -> Path:
    assert database.path is not None
    path = database.path.resolve()
    return path.with_name(f"{path.name}-{token}.lock")


def _escaped(name: str) -> str:
    head, _, tail = name.rpartition("*")
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in head) + "*" + tail


def _is_free_file(database: Database, token: str) -> bool:
    if not _TOKEN.fullmatch(token) or not _path(database, token).exists():
        return True
    lock = _lock_file(database, token)
    if not lock.take_if_free():
        return False
    lock.release()
    return True


# --- in PostgreSQL --------------------------------------------------------------------------------------


class _Session:
    """The connection that holds the advisory locks of one process in one database, while there are any."""

    def __init__(self) -> None:
        self.guard = forks.Lock()
        self._connection: Connection | None = None
        self._pid = os.getpid()
        self._keys: set[int] = set()

    def take(self, database: Database, key: int) -> None:
        if self._pid != os.getpid():
            # Closing the parent's connection here would end it there.
            forks.keep_aside(self._connection)
            self._connection, self._pid, self._keys = None, os.getpid(), set()
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except (DBAPIError, MirrorError):
                self._drop()  # and what it held with it, which the fence guards
        if self._connection is None:
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.exec_driver_sql(_KEEPALIVE)
        try:
            self._connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
            # A pooler that hands each transaction to another session of the server would lose them.
            seen = all(_is_held(self._connection, key, mine=True) for _ in range(2))
        except BaseException:
            self._drop()
            raise
        if not seen:
            self._drop()
            raise MirrorError(
                "The mirror's database is reached through a pooler that keeps no session: name PostgreSQL itself in "
                "the URL, or let the pooler keep sessions (pool_mode = session)."
            )
        self._keys.add(key)

    def drop(self, key: int) -> None:
        if self._pid != os.getpid() or key not in self._keys or self._connection is None:
            return
        self._keys.discard(key)
        try:
            self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
            if not self._keys:
                self._connection.close()
                self._connection = None
        except (DBAPIError, MirrorError):
            self._drop()  # the server drops the locks with the connection
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection, self._keys = self._connection, None, set()
        if connection is not None:
            with suppress(SQLAlchemyError, MirrorError):  # it may be half closed
                connection.invalidate()
                connection.close()


_sessions: weakref.WeakKeyDictionary[Database, _Session] = weakref.WeakKeyDictionary()
_guard = forks.Lock()


class _Advisory:
    def __init__(self, database: Database, token: str) -> None:
        self._database, self._key = database, _key(token)
        with _guard:
            self._session = _sessions.setdefault(database, _Session())

    def take(self) -> None:
        with self._session.guard:
            self._session.take(self._database, self._key)

    def release(self) -> None:
        with self._session.guard:
            self._session.drop(self._key)


def _key(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"planhat {token}".encode(), digest_size=8).digest(), signed=True)


def _is_free_advisory(database: Database, token: str) -> bool:
    with database.reading() as connection:
        return not _is_held(connection, _key(token))


def _is_held(connection: Connection, key: int, *, mine: bool = False) -> bool:
    unsigned = key % 2**64
    statement = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND classid = CAST(:high AS bigint)::oid AND objid = CAST(:low AS bigint)::oid"
        + (" AND pid = pg_backend_pid()" if mine else "")
    )
    halves = {"high": unsigned >> 32, "low": unsigned & 0xFFFFFFFF}
    return bool(connection.execute(text(statement), halves).scalar_one())
