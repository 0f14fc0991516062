"""Cursors: how far a reader has followed a mirror's changes, and whether it can go on from there.

The number of a change says where it stands in one sequence of changes, a feed. A copy of the mirror that was put back
goes on with numbers that were used before; there, changes of an earlier number are later than the cursor.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from ...errors import MirrorError
from ..db import clock, tables
from ..db.changes import FEED, pruned_to


class Cursor(msgspec.Struct, frozen=True):
    """How far a reader of one model is: it has every change up to number `seq` of the feed, seen at `at` or before.

    `tables` and `columns` tell what its rows look like. Writes wait for the records in `held`: it was given what the
    server holds of them, and has to be given them again.
    """

    feed: str
    seq: int
    at: int
    tables: str
    columns: str
    held: list[str] = []


@dataclass(frozen=True, slots=True)
class Position:
    """Where a mirror's feed is at one moment."""

    feed: str
    seq: int
    at: int
    pruned: tuple[int, int]


def position(connection: Connection) -> Position:
    """The end of the feed as a connection sees it."""
    feed = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == FEED)).scalar()
    if feed is None:
        raise MirrorError(
            "The mirror's changes have lost their name: planhat doctor --rescue NEW.db makes a sound one."
        )
    pruned = pruned_to(connection)
    last = connection.execute(select(func.max(tables.changes.c.seq))).scalar() or 0
    return Position(feed, max(last, pruned[0]), clock.read(connection).at, pruned)


def why_whole(connection: Connection, resource: str, cursor: Cursor | None, now: Position, columns: str) -> str | None:
    """Why a reader needs all rows of a table; None where the changes since its cursor are enough."""
    if cursor is None:
        return "nothing was read before"
    if cursor.feed != now.feed:
        return "it was read from another mirror"
    if cursor.seq > now.seq or _is_another_past(connection, cursor, now):
        return "the mirror was replaced by an older copy"
    if cursor.seq < now.pruned[0]:
        return "changes since then were pruned"
    if cursor.tables != tables.VERSIONS[-1]:
        return "the mirror was upgraded"
    if cursor.columns != columns:
        return "it has other columns than before"
    if _was_reset(connection, resource, cursor):
        return "it was written without a history"
    return None


def _is_another_past(connection: Connection, cursor: Cursor, now: Position) -> bool:
    """Whether a change up to the cursor's number is later than the cursor."""
    log = tables.changes.c
    later = select(log.seq).where(log.at > cursor.at, log.seq <= cursor.seq).limit(1)
    return (now.pruned[0] <= cursor.seq and now.pruned[1] > cursor.at) or connection.execute(later).first() is not None


def _was_reset(connection: Connection, resource: str, cursor: Cursor) -> bool:
    log = tables.changes.c
    reset = select(log.seq).where(log.resource == resource, log.rid.is_(None), log.seq > cursor.seq).limit(1)
    return connection.execute(reset).first() is not None
