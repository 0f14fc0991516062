"""The right to sync: one holder at a time, over threads, processes and machines.

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

from ..errors import MirrorError
from . import tables
from .database import Database

PATIENCE = 120.0
"""Seconds without a sign of life after which another process may take over."""


@dataclass(slots=True)
class Lease:
    """One holder's right to write what it syncs."""

    database: Database
    name: str
    fence: int

    def beat(self, connection: Connection) -> None:
        """Show that the holder lives; raise, and so undo the transaction, when another one took over."""
        row = tables.leases
        mine = update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(beat=time.time())
        if connection.execute(mine).rowcount != 1:
            raise MirrorError("Another process took over this sync, as this one was silent for too long.")

    def release(self) -> None:
        """Give the right back."""
        row = tables.leases
        with self.database.writing() as connection:
            connection.execute(
                update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(holder=None, beat=None)
            )


def acquire(database: Database, name: str = "sync") -> Lease:
    """Take the right to sync, or raise `MirrorError` saying who has it."""
    row = tables.leases
    with database.writing() as connection:
        found = connection.execute(select(row).where(row.c.name == name)).first()
        if found is not None and found.holder is not None and not _dead(found.holder, found.beat):
            raise MirrorError(
                f"The mirror is being synced by {found.holder.rpartition(' ')[0]}. Wait for it, or try again "
                f"{PATIENCE:.0f} seconds after it stopped."
            )
        fence = 1 if found is None else found.fence + 1
        connection.execute(delete(row).where(row.c.name == name))
        holder = f"process {os.getpid()} on {socket.gethostname()} {uuid.uuid4().hex}"
        connection.execute(insert(row), [{"name": name, "holder": holder, "fence": fence, "beat": time.time()}])
    return Lease(database, name, fence)


def _dead(holder: str, beat: float) -> bool:
    """Whether a holder is gone: silent for long, or a process of this machine that is no more."""
    if time.time() - beat > PATIENCE:
        return True
    words = holder.split()
    if words[3] != socket.gethostname() or int(words[1]) == os.getpid():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
