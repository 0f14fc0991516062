"""One model's part of a sync: what every way of syncing shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from ..errors import NotFound
from ..http.effects import Emit, Flow
from ..wire import records
from . import state, tables
from .database import Database
from .layout import Layout
from .lease import Lease
from .outbox import Outbox
from .pages import Traffic
from .report import ModelReport, Progress
from .rows import digest, encode
from .state import State, now
from .store import Counts, Memory, Raw, Store

_STAMPS = ("updatedAt", "lastUpdated", "updateDate")
_PUBLISH = 2000
MASS = 100
MASS_SHARE = 0.2
"""More records than both of these missing at once are not taken for deleted the first time."""


@dataclass(slots=True)
class Job:
    """The sync of one resource in one run."""

    database: Database
    layout: Layout
    state: State
    lease: Lease
    run: int
    history: bool
    report: ModelReport
    rows_before: int | None = None
    traffic: Traffic = field(default_factory=Traffic)
    seen_at: str = field(default_factory=now)

    @property
    def stamp(self) -> str | None:
        """The wire name of the time of last change: as documented, or as found in the records."""
        return self.layout.resource.stamp or self.state.known.get("stamp")

    @property
    def memory(self) -> Memory | None:
        """Where changes are noted. The first load is no change."""
        return Memory(self.run, self.seen_at) if self.history and self.state.complete else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that fails unless this process still holds the lease."""
        with self.database.writing() as connection:
            self.lease.beat(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to look something up."""
        with self.database.reading() as connection:
            yield connection

    def store(self, connection: Connection) -> Store:
        """The resource's records."""
        return Store(connection, self.layout, postgres=self.database.postgres)

    def progress(self, rows: int, phase: str) -> Emit:
        """Tell how far it is."""
        return Emit(Progress(self.layout.name, rows, self.rows_before, self.traffic.requests, phase))

    def take(
        self, connection: Connection, store: Store, rows: list[Raw], hashes: Mapping[str, bytes], gone: Iterable[str]
    ) -> None:
        """Keep what differs: in the table on a first load, aside on any later sync."""
        gone = list(gone)
        if not self.state.complete:
            self.count(store.write(rows, hashes=hashes))
            self.count(store.remove(gone))
            return
        staged: dict[str, str | None] = dict.fromkeys(gone)
        same: list[str] = []
        for row in rows:
            text = encode(row)
            if hashes.get(row["_id"]) == digest(text):
                same.append(row["_id"])
            else:
                staged[row["_id"]] = text.decode()
        self.report.unchanged += len(same)
        if self._is_staged(connection):
            self._unstage(connection, [*same, *staged])
        if staged:
            connection.execute(
                insert(tables.stage),
                [{"resource": self.layout.table, "record": id, "body": body} for id, body in staged.items()],
            )

    def publish(self, connection: Connection, *, look_for_silent: bool = False) -> None:
        """Put what was kept aside into the table, all of it or, when the transaction fails, nothing."""
        stage, store = tables.stage, self.store(connection)
        mine = stage.c.resource == self.layout.table
        gone = connection.execute(select(stage.c.record).where(mine, stage.c.body.is_(None))).scalars().all()
        if gone and self._believable(connection, len(gone)):
            self.count(store.remove(gone, self.memory))
        floor = self.state.watermark
        stamp = (self.stamp, floor) if look_for_silent and self.stamp is not None and floor is not None else None
        after = ""
        while True:
            statement = select(stage.c.record, stage.c.body).where(mine, stage.c.body.is_not(None))
            part = connection.execute(
                statement.where(stage.c.record > after).order_by(stage.c.record).limit(_PUBLISH)
            ).all()
            if not part:
                break
            after = part[-1].record
            rows = [msgspec.json.decode(row.body) for row in part]
            self.count(store.write(rows, memory=self.memory, stamp=stamp))
        self.clear_stage(connection)
        Outbox(self.database, history=self.history).reapply(connection, self.layout.table)

    def _believable(self, connection: Connection, gone: int) -> bool:
        """Whether so many records can be taken for deleted: a token that lost a role looks just the same.

        The second sync in a row that misses them is believed.
        """
        rows = state.live_rows(connection, self.layout)
        if gone <= max(MASS, rows * MASS_SHARE) or self.state.known.get("mass"):
            self.state.known["mass"] = 0
            return True
        self.state.known["mass"] = gone
        self.report.notes.append(
            f"{gone:,} of {rows:,} records were not listed any more; they stay until the next sync misses them too"
        )
        return False

    def clear_stage(self, connection: Connection) -> None:
        """Forget what was kept aside."""
        connection.execute(delete(tables.stage).where(tables.stage.c.resource == self.layout.table))

    def staged(self, connection: Connection) -> int:
        """How many records are kept aside."""
        return connection.execute(
            select(func.count()).select_from(tables.stage).where(tables.stage.c.resource == self.layout.table)
        ).scalar_one()

    def confirm(self, ids: list[str]) -> Flow[list[str]]:
        """Return those of some ids that the server does not have. One request each."""
        gone = []
        for id in ids:
            try:
                yield from self._get(id)
            except NotFound:
                gone.append(id)
        return gone

    def _get(self, id: str) -> Flow[Any]:
        self.traffic.requests += 1
        return (yield from records.get(self.layout.resource, id, select=("_id",)))

    def learn(self, connection: Connection) -> None:
        """Remember what a complete pass showed."""
        known = self.state.known
        rows = state.live_rows(connection, self.layout)
        if rows:
            known["bytes"] = max(known.get("bytes", 1), self.traffic.bytes // rows)
        if self.layout.resource.stamp is None and rows:
            known["stamp"] = self._found_stamp(connection)

    def _found_stamp(self, connection: Connection) -> str | None:
        sample = connection.execute(select(tables.records(self.layout).c.id).limit(20)).scalars().all()
        found = self.store(connection).read(sample).values()
        return next((name for name in _STAMPS if all(isinstance(raw.get(name), str) for raw in found)), None)

    def count(self, counts: Counts) -> None:
        """Add to the report what became of records."""
        self.report.new += counts.new
        self.report.changed += counts.changed
        self.report.deleted += counts.deleted
        self.report.unchanged += counts.unchanged
        self.report.silent += counts.silent
        known = self.state.known
        for name, count in counts.fields.items():
            volatile = known.setdefault("volatile", {})
            volatile[name] = volatile.get(name, 0) + count

    def _is_staged(self, connection: Connection) -> bool:
        mine = select(tables.stage.c.record).where(tables.stage.c.resource == self.layout.table).limit(1)
        return connection.execute(mine).first() is not None

    def _unstage(self, connection: Connection, ids: list[str]) -> None:
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            connection.execute(
                delete(tables.stage).where(
                    tables.stage.c.resource == self.layout.table, tables.stage.c.record.in_(part)
                )
            )
