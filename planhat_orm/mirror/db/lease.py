"""The right to sync, or to push: one holder at a time, over threads, processes and machines.

The row in `mirror_lease` says whose it is, and `life` whether that one still lives. `fence` grows with every holder,
and each page is written under the fence it was fetched under, so that whoever lost the right without hearing of it
(its lock file was deleted, its connection broke) cannot write over its successor's work.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from ...errors import MirrorError
from . import life, tables
from .database import Database
from .life import Holder

_BRIEFLY = 2.0
_MOST_HOLDERS = 2**62
_DOING = {"sync": "synced", "push": "pushed", "inbox": "brought up to date after webhooks"}


class HeldByAnother(MirrorError):
    """Somebody else has the right, and lives."""


@dataclass(slots=True)
class Lease:
    """One holder's right to write what it syncs."""

    database: Database
    name: str
    fence: int
    holder: Holder

    def heartbeat(self, connection: Connection) -> None:
        """Look that the right is still held; raise, and so undo the transaction, when another one took over."""
        self.holder.check()
        row = tables.leases
        mine = update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(beat=time.time())
        if connection.execute(mine).rowcount != 1:
            raise MirrorError(
                f"Another process took over this {self.name}, as the lock of this one was lost: it writes no more."
            )

    def release(self) -> None:
        """Give the right back. It is free anyway once the holder ends, so this waits briefly and never fails."""
        if self.holder.is_inherited:
            return
        row = tables.leases
        with suppress(MirrorError, DBAPIError), self.database.writing(patience=_BRIEFLY) as connection:
            connection.execute(
                update(row).where(row.c.name == self.name, row.c.fence == self.fence).values(holder=None, beat=None)
            )


def acquire(holder: Holder, name: str = "sync") -> Lease:
    """Give `holder` the right to sync, push or work on the inbox; raises `HeldByAnother` while another one has it."""
    database, row = holder.database, tables.leases
    holder.begin()
    life.delete_dead_locks(database)
    with database.writing() as connection:
        found = connection.execute(select(row).where(row.c.name == name)).first()
        if found is not None and found.holder is not None and not life.is_gone(database, str(found.holder)):
            raise HeldByAnother(
                f"The mirror is being {_DOING[name]} by {life.shown(str(found.holder))}. Wait for it, or end that "
                f"process: then it is free at once."
            )
        fence = 1 if found is None else _next_fence(found.fence)
        values = {"name": name, "holder": holder.name, "fence": fence, "beat": time.time()}
        connection.execute(delete(row).where(row.c.name == name))
        connection.execute(insert(row), [{**values, "token": holder.token, "kind": holder.kind}])
    return Lease(database, name, fence, holder)


def _next_fence(fence: object) -> int:
    """One more; after a damaged one, which says nothing of earlier ones, the time: it is greater than any of them."""
    return fence + 1 if isinstance(fence, int) and 0 <= fence < _MOST_HOLDERS else time.time_ns()
