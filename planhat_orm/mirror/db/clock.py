"""The mirror's clock: one number and one time for each transaction that changes records.

Both only grow, in the order in which transactions are committed, for any number of processes and whatever the
machine's clock does: the row is changed first in such a transaction, and only one of them runs at a time. Times are
microseconds since 1970.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, case, select, update

from . import tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = "planhat_instant"
_ROW = tables.clock.c.id == 1


@dataclass(frozen=True, slots=True)
class Instant:
    """Where a transaction stands: its number, and its time in microseconds since 1970."""

    n: int
    at: int


def begin(connection: Connection) -> None:
    """Say that a transaction begins: `tick` gives it an instant of its own."""
    connection.info.pop(_KEPT, None)


def tick(connection: Connection) -> Instant:
    """The instant of this writing transaction, later than that of every one before; the first call draws it."""
    kept = connection.info.get(_KEPT)
    if isinstance(kept, Instant):
        return kept
    clock, now = tables.clock.c, wall()
    later = case((clock.at >= now, clock.at + 1), else_=now)
    statement = update(tables.clock).where(_ROW).values(n=clock.n + 1, at=later).returning(clock.n, clock.at)
    instant = connection.info[_KEPT] = Instant(*connection.execute(statement).one())
    return instant


def read(connection: Connection) -> Instant:
    """The instant of the last transaction that changed records."""
    return Instant(*connection.execute(select(tables.clock.c.n, tables.clock.c.at).where(_ROW)).one())


def present(connection: Connection) -> Instant:
    """The number of the last transaction that changed records, and the time by now."""
    last = read(connection)
    return Instant(last.n, max(last.at, wall()))


def wall() -> int:
    """This machine's time."""
    return time.time_ns() // 1000


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """The moment of a time of the clock."""
    return _EPOCH + timedelta(microseconds=at)
