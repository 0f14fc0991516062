"""A fork waits until no other thread is in a SQLite mirror, and closes its connections, so that the child can use it.

Only the thread that forks lives on in the child. A mutex of SQLite's that another thread held is never released there.
And what SQLite noted of the files that are open, which locks this process holds on them, is true of the parent only: a
child that believed it would write without a lock, into a log that its parent deletes. So no file is open during a fork;
both processes open them again when they need them. A fork waits for some seconds at most. A child that was forked over
an open transaction is told so when it uses a SQLite mirror.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ... import forks
from ...errors import MirrorError

_log = logging.getLogger("planhat_orm")

_USE = "planhat_use"


class Use:
    """A connection of SQLite's that is in use, from before it is opened. It is over when it is collected, too."""

    __slots__ = ("__weakref__", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()


class _Gate:
    """Who uses SQLite, and who is about to fork. No lock: each notes itself before it looks at the other."""

    def __init__(self) -> None:
        self.uses: WeakValueDictionary[int, Use] = WeakValueDictionary()
        self.forking: dict[int, None] = {}
        self.pools: WeakValueDictionary[int, GatedPool] = WeakValueDictionary()
        self.is_torn = False

    def check(self) -> None:
        """Raise in a child that was forked while SQLite was in use."""
        if self.is_torn:
            raise MirrorError(
                "This process was forked while its parent was in the middle of a SQLite mirror, so it cannot use one: "
                "SQLite's locks are its parent's. Read what is iterated to its end before you fork, and let no thread "
                "read or write for long meanwhile; or start processes with 'spawn'."
            )

    def begin(self) -> Use:
        """Note a use, once nobody forks. A thread that has one already gets another at once: a fork waits for both."""
        use = Use()
        while True:
            self.uses[id(use)] = use
            if not self.forking or self._is_held_by(use.thread, beside=use):
                return use
            self.end(use)
            time.sleep(forks.TICK)

    def end(self, use: Use | None) -> None:
        """Note that a use is over."""
        self.uses.pop(id(use), None)

    def _is_held_by(self, thread: int, beside: Use) -> bool:
        return thread in self.forking or any(use.thread == thread for use in self._running() if use is not beside)

    def _running(self) -> list[Use]:
        return [use for reference in self.uses.valuerefs() if (use := reference()) is not None]

    # --- around a fork ----------------------------------------------------------------------------------

    def shut(self) -> None:
        """Let nobody begin, wait for the other threads, and close what is open."""
        thread = threading.get_ident()
        self.forking[thread] = None
        end = time.monotonic() + forks.WAIT_SECONDS
        while is_used := any(use.thread not in self.forking for use in self._running()):
            if time.monotonic() > end:
                break
            time.sleep(forks.TICK)
        if is_used:
            _log.warning("A process is forked while a SQLite mirror is in use, for long: it cannot use one.")
            return
        for reference in self.pools.valuerefs():
            if (pool := reference()) is not None:
                pool.close_idle()

    def open_in_parent(self) -> None:
        """Let everybody go on."""
        self.forking.pop(threading.get_ident(), None)

    def open_in_child(self) -> None:
        """Begin anew, unless SQLite was in use."""
        self.is_torn = self.is_torn or bool(self._running())
        self.uses = WeakValueDictionary()
        self.forking = {}


_gate = _Gate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_gate.shut, after_in_parent=_gate.open_in_parent, after_in_child=_gate.open_in_child)


def is_torn() -> bool:
    """Whether this process was forked while SQLite was in use, so that it must not use it."""
    return _gate.is_torn


@contextmanager
def in_use() -> Iterator[None]:
    """Have forks wait meanwhile."""
    use = _gate.begin()
    try:
        yield
    finally:
        _gate.end(use)


class GatedPool(QueuePool):
    """Connections of SQLite's that a fork waits for while they are out, and closes while they are not.

    What comes back to a pool that was disposed of is closed: nobody would, and a child would inherit it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_over = False
        _gate.pools[id(self)] = self

    def dispose(self) -> None:
        """Close what nobody uses now, and the rest when it comes back."""
        self._is_over = True
        super().dispose()

    def recreate(self) -> GatedPool:
        """The pool that follows this one when it is disposed of: a thread that still asks it leaves nothing open."""
        pool = super().recreate()
        assert isinstance(pool, GatedPool)
        pool._is_over = True
        return pool

    def begin_again(self) -> None:
        """Keep open what comes back, as a pool that was not disposed of does."""
        self._is_over = False

    def close_idle(self) -> None:
        """Close what nobody uses; it is opened again when it is needed."""
        super().dispose()

    def _do_get(self) -> ConnectionPoolEntry:
        _gate.check()
        use = _gate.begin()
        entry: ConnectionPoolEntry | None = None
        try:
            entry = super()._do_get()
            _facts(entry)[_USE] = use
        except BaseException:
            if entry is not None:
                super()._do_return_conn(entry)  # Ctrl-C came: nobody else has it
            _gate.end(use)
            raise
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        use = _facts(record).pop(_USE, None)
        try:
            super()._do_return_conn(record)
            if self._is_over:
                super().dispose()
        finally:
            _gate.end(use)


def _facts(entry: ConnectionPoolEntry) -> dict[Any, Any]:
    facts: dict[Any, Any] = entry.record_info  # type: ignore[assignment]
    return facts


class _Connection(sqlite3.Connection):
    use: Use | None = None

    def close(self) -> None:
        super().close()
        _gate.end(self.use)


def connect(database: Any, **options: Any) -> sqlite3.Connection:
    """Open a connection beside those of a pool, for the arguments of `sqlite3.connect`. It is in use until closed."""
    _gate.check()
    use = _gate.begin()
    try:
        connection = sqlite3.connect(database, factory=_Connection, **options)
    except BaseException:
        _gate.end(use)
        raise
    connection.use = use
    return connection
