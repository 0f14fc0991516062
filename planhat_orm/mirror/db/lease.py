"""The right to sync, or to push: one holder at a time, over threads, processes and machines.

The row in `mirror_lease` is the lock. A holder that stopped beating has lost it after a while; `fence` grows with
every holder, and each page is written under the fence it was fetched under, so a process that was suspended and
wakes up again cannot write over its successor's work.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from ...errors import MirrorError
from . import tables
from .database import Database

LEASE_TIMEOUT = 120.0
"""Seconds without a sign of life after which another process may take over."""

_DOING = {"sync": "synced", "push": "pushed", "inbox": "brought up to date after webhooks"}
_at_work: set[str] = set()
"""The holders of this process that have not ended."""


def begin() -> str:
    """A name for a piece of work of this process, which counts as alive until `end()` or the process's death."""
    name = f"process {os.getpid()} on {socket.gethostname()} {uuid.uuid4().hex}"
    _at_work.add(name)
    return name


def end(holder: str) -> None:
    """Say that a piece of work is over."""
    _at_work.discard(holder)


def shown(holder: str) -> str:
    """A holder as people read it: `process 123 on host`."""
    return holder.rpartition(" ")[0]


@dataclass(slots=True)
class Lease:
    """One holder's right to write what it syncs."""

    database: Database
    name: str
    fence: int
    holder: str

    def heartbeat(self, connection: Connection) -> None:
        """Show that the holder lives; raise, and so undo the transaction, when another one took over."""
        row = tables.leases
        mine = update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(beat=time.time())
        if connection.execute(mine).rowcount != 1:
            raise MirrorError(f"Another process took over this {self.name}, as this one was silent for too long.")

    def release(self) -> None:
        """Give the right back."""
        row = tables.leases
        with self.database.writing() as connection:
            connection.execute(
                update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(holder=None, beat=None)
            )


def acquire(database: Database, holder: str, name: str = "sync", patience: float | None = None) -> Lease:
    """Give `holder`, a name from `begin()`, the right to sync, push or work on the inbox; else `MirrorError`."""
    row = tables.leases
    patience = LEASE_TIMEOUT if patience is None else patience
    with database.writing() as connection:
        found = connection.execute(select(row).where(row.c.name == name)).first()
        if found is not None and found.holder is not None and not is_over(found.holder, found.beat, patience):
            raise MirrorError(
                f"The mirror is being {_DOING[name]} by {shown(found.holder)}. Wait for it, or try again "
                f"{patience:.0f} seconds after it stopped."
            )
        fence = 1 if found is None else found.fence + 1
        connection.execute(delete(row).where(row.c.name == name))
        connection.execute(insert(row), [{"name": name, "holder": holder, "fence": fence, "beat": time.time()}])
    return Lease(database, name, fence, holder)


def is_over(holder: str, beat: float, patience: float) -> bool:
    """Whether a holder is gone: silent for long, or ended, or a process of this machine that is no more."""
    if time.time() - beat > patience:
        return True
    words = holder.split()
    if words[3] != socket.gethostname():
        return False
    if int(words[1]) == os.getpid():
        return holder not in _at_work
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
