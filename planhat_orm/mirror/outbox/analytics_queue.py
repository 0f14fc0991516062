"""Values of metrics and activities that wait: rows for the analytics host, which are no records of the mirror.

They lie in the outbox as the writes of records do, and go from hand to hand in the same way; no row of the mirror shows
them. A value of a metric is that of its day, dimension and record: a newer one takes the place of one that waits.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, or_, select, update

from ..db import tables
from ..db.changes import Raw, chunks
from ..db.database import Database
from ..db.json_text import json_text
from ..db.state import now
from .doubles import SENT
from .overlay import Entry, read

SEND = "send"
"""What such an entry does: it sends a row."""
METRIC = "metric"
_box = tables.outbox.c


class AnalyticsQueue:
    """The rows for the analytics host in one outbox, in the hand of `holder`."""

    def __init__(
        self,
        database: Database,
        writing: Callable[[], AbstractContextManager[Connection]],
        holder: str | None,
        is_gone: Callable[[str | None], bool],
    ) -> None:
        self._database = database
        self._writing = writing
        self._holder = holder
        self._is_gone = is_gone

    def record(self, name: str, rows: Iterable[tuple[str, Raw]]) -> int:
        """Write rows down, each with what it is of, in one transaction that survives a power cut; return how many wait.

        A metric's row takes the place of one that is of the same and is in nobody's hand.
        """
        given = [(record, json_text(row)) for record, row in rows]
        if name == METRIC:
            given = list(dict(given).items())
        with self._writing() as connection:
            earlier = self._earlier(connection, [record for record, _ in given]) if name == METRIC else {}
            newer = [{"key": earlier[record], "row": row} for record, row in given if record in earlier]
            if newer:
                fresh = {"state": "pending", "error": None, "sent_at": None, "holder": None}
                statement = update(tables.outbox).where(_box.seq == bindparam("key"))
                connection.execute(statement.values(patch=bindparam("row"), **fresh), newer)
            self._insert(connection, name, [pair for pair in given if pair[0] not in earlier])
        return len(given)

    def _insert(self, connection: Connection, name: str, rows: Sequence[tuple[str, str]]) -> None:
        common = {"op": SEND, "resource": name, "base": "{}", "state": "pending", "created_at": now()}
        job = uuid.uuid4().hex
        values = [
            {**common, "record": record, "patch": row, "op_id": uuid.uuid4().hex, "job": job} for record, row in rows
        ]
        if values:
            connection.execute(insert(tables.outbox), values)

    def _earlier(self, connection: Connection, records: Sequence[str]) -> dict[str, int]:
        """The newest entries that are of the same days, dimensions and records, and in nobody's hand."""
        found: dict[str, int] = {}
        free = self._free(connection)
        for part in chunks(records):
            rows = connection.execute(
                select(_box.record, _box.seq)
                .where(_box.op == SEND, _box.resource == METRIC, _box.record.in_(part), free)
                .order_by(_box.seq)
            )
            found.update((record, seq) for record, seq in rows)
        return found

    def _free(self, connection: Connection) -> Any:
        """The condition that an entry is in nobody's hand, or in this one."""
        holders = connection.execute(select(_box.holder).where(_box.op == SEND).distinct()).scalars().all()
        others = [holder for holder in holders if not self._is_gone(holder)]
        return or_(_box.holder.is_(None), _box.holder.not_in(others))

    # --- sending ----------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many rows the next push would send, or find out about."""
        ready = or_(_box.state == "pending", and_(_box.resource == METRIC, _box.state.in_(SENT)))
        with self._database.reading() as connection:
            count: int = connection.execute(
                select(func.count()).select_from(tables.outbox).where(_box.op == SEND, ready)
            ).scalar_one()
        return count

    def prepare(self, doubt: str) -> tuple[int, list[Entry]]:
        """Make ready for sending: values that newer ones took the place of go; return the number of the newest row.

        And the activities that may have been sent by a process that is gone, which are held from now on, for the reason
        `doubt`. Called by the one that pushes.
        """
        newer = tables.outbox.alias()
        again = exists().where(
            newer.c.op == SEND, newer.c.resource == METRIC, newer.c.record == _box.record, newer.c.seq > _box.seq
        )
        with self._writing() as connection:
            free = self._free(connection)
            connection.execute(delete(tables.outbox).where(_box.op == SEND, _box.resource == METRIC, again, free))
            lost = _found(connection, _box.op == SEND, _box.resource != METRIC, _box.state == "inflight", free)
            for part in chunks([entry.seq for entry in lost]):
                held = update(tables.outbox).where(_box.seq.in_(part))
                connection.execute(held.values(state="unknown", error=doubt, holder=None))
            newest = connection.execute(select(func.max(_box.seq))).scalar() or 0
        return newest, [replace(entry, state="unknown", error=doubt) for entry in lost]

    def claim(self, name: str, states: Sequence[str], after: int, newest: int, most: int) -> list[Entry]:
        """Take the next rows in hand: those with a number above `after`, up to `newest`, so many at most."""
        with self._writing() as connection:
            ours = (_box.op == SEND, _box.resource == name, _box.state.in_(states), _box.seq > after)
            found = _found(connection, *ours, _box.seq <= newest, self._free(connection), most=most)
            for part in chunks([entry.seq for entry in found]):
                connection.execute(update(tables.outbox).where(_box.seq.in_(part)).values(holder=self._holder))
        return [replace(entry, holder=self._holder) for entry in found]

    def begin(self, seqs: Sequence[int]) -> set[int]:
        """Note that rows travel now; return the numbers of those that are still in this hand."""
        granted: set[int] = set()
        with self._writing() as connection:
            for part in chunks(seqs):
                mine = (_box.seq.in_(part), _box.holder == self._holder)
                granted.update(connection.execute(select(_box.seq).where(*mine)).scalars())
                connection.execute(update(tables.outbox).where(*mine).values(state="inflight", sent_at=now()))
        return granted

    def finish(self, entries: Sequence[Entry]) -> None:
        """Forget rows that arrived, and what waits of the same day, dimension and record from before them."""
        if not entries:
            return
        values = [{"what": entry.record, "number": entry.seq} for entry in entries if entry.resource == METRIC]
        with self._writing() as connection:
            for part in chunks([entry.seq for entry in entries]):
                connection.execute(delete(tables.outbox).where(_box.seq.in_(part)))
            if values:
                older = (_box.record == bindparam("what"), _box.seq < bindparam("number"))
                connection.execute(
                    delete(tables.outbox).where(_box.op == SEND, _box.resource == METRIC, *older), values
                )


def _found(connection: Connection, *conditions: Any, most: int | None = None) -> list[Entry]:
    statement = select(tables.outbox).where(*conditions).order_by(_box.seq).limit(most)
    return [read(row) for row in connection.execute(statement).mappings()]
