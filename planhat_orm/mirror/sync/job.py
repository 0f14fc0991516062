"""One model's part of a sync: what every way of syncing shares."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from ...errors import BadAnswer, NotFound, PermissionDenied
from ...http.effects import Emit, Flow, RunBlocking
from ...json_encoding import rewrite
from ...wire import records
from ...wire.raw_records import RawRecord, values_of
from ..db import clock, guards, state, tables
from ..db.changes import ChangeLog, Raw, write_reset
from ..db.clock import Instant
from ..db.codec import digest
from ..db.database import Database
from ..db.layout import Layout
from ..db.lease import Lease
from ..db.state import State, now
from ..db.store import Counts, Store
from ..outbox.outbox import Outbox
from ..report import ModelReport, Progress
from .guarded import hold_back
from .paging import RequestCounter

_PUBLISH = 2000
MASS = 100
MASS_SHARE = 0.2
"""More records than both of these missing at once are not taken for deleted the first time."""
FEW = 10
NAMED = 5
"""So many records are named in a note of the report."""
SAMPLE = 3
"""Where more than so many and that share are missing, some of them are asked for one by one."""

Finish = Callable[[Connection], None]
"""Publishes what a sync of one model found, in a transaction of the caller's."""


@dataclass(slots=True)
class ModelSync:
    """The sync of one resource in one run.

    `forced` says that the user asked for a full pass, `resumed` that it went on with one that was cut off. `first_page`
    is the mirror's instant when its oldest page was asked for; `read_by_id` are records that were asked for one by one,
    as pages may be older than what is known of them, and when; `undecided` is how many should have been.
    `new_keys` are those that nobody documents and this pass is the first to ask for. `stage_is_empty`: it is known that
    nothing is kept aside.
    """

    def __post_init__(self) -> None:
        self.traffic.clock = self._present

    database: Database
    layout: Layout
    state: State
    lease: Lease
    run: int
    history: bool
    report: ModelReport
    rows_before: int | None = None
    forced: bool = False
    resumed: bool = False
    traffic: RequestCounter = field(default_factory=RequestCounter)
    first_page: Instant | None = None
    read_by_id: dict[str, Instant] = field(default_factory=dict)
    undecided: int = 0
    new_keys: set[str] = field(default_factory=set)
    stage_is_empty: bool = False
    _whole: bool = False
    _still_there: int = 0

    @property
    def stamp(self) -> str | None:
        """The wire name of the time of last change: as found in the records, or as documented."""
        return self.state.stamp(self.layout.resource)

    @property
    def log(self) -> ChangeLog | None:
        """Where changes are noted. The first load is no change."""
        return ChangeLog(self.run) if self.history and self.state.complete else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that fails unless this process still holds the lease."""
        with self.database.writing() as connection:
            self.lease.heartbeat(connection)
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

    # --- keeping aside, and publishing -------------------------------------------------------------------

    def take(
        self,
        connection: Connection,
        store: Store,
        rows: Sequence[Raw | RawRecord],
        hashes: Mapping[str, bytes],
        gone: Iterable[str],
        digests: Sequence[bytes] | None = None,
    ) -> Instant:
        """Keep what differs: in the table on a first load, aside on any later sync; return when it was asked for.

        `digests` are those of slices, where they are known already.
        """
        self._check_whole(rows)
        asked = self.traffic.oldest()
        self.first_page = asked if self.first_page is None or asked.n < self.first_page.n else self.first_page
        gone = list(gone)
        if not self.state.complete:
            self.count(store.put(rows, gone, hashes=hashes))
            return asked
        slices = [row if isinstance(row, RawRecord) else RawRecord(rewrite(row), row) for row in rows]
        ids = values_of(slices, "_id")
        found = [digest(row.json) for row in slices] if digests is None else digests
        known = list(map(hashes.get, ids))
        other: list[RawRecord] = []
        if found != known:
            other = [row for row, new, old in zip(slices, found, known, strict=True) if new != old]
        self.report.unchanged += len(ids) - len(other)
        if not self.stage_is_empty and self._is_staged(connection):
            self.unstage(connection, [*ids, *gone])
        staged = {row["_id"]: str(row.json, "utf-8") for row in other}
        self.stage(connection, staged, asked)
        # Where a list ends was asked for beside its first page.
        self.stage(connection, dict.fromkeys(gone), self.first_page)
        return asked

    def stage(self, connection: Connection, bodies: Mapping[str, str | None], asked: Instant) -> None:
        """Keep records aside, None for one that is gone, as they were when they were asked for."""
        values = {"resource": self.layout.table, "asked": asked.n, "sent_at": asked.at}
        if bodies:
            self.stage_is_empty = False
            rows = [{**values, "record": id, "body": body} for id, body in bodies.items()]
            connection.execute(insert(tables.stage), rows)

    def _check_whole(self, rows: Sequence[Raw | RawRecord]) -> None:
        """Refuse records that lost all those fields at once that only `select` brings.

        Those fields are in docs/reference/planhat-api.md section 6.
        """
        thin = self.layout.resource.thin_list
        if thin is None or self._whole or not rows:
            return
        self._whole = any(not row.keys() <= thin for row in rows)
        if not self._whole and self.state.complete and not self.state.traits.thin and not self.forced:
            raise BadAnswer(
                f"GET /{self.layout.resource.path} ignores select all of a sudden: {len(rows)} records came without "
                f"any of the fields that only select brings. The mirror keeps them; planhat.sync(full=True) drops them."
            )

    def publish(self, connection: Connection, *, look_for_silent: bool = False) -> None:
        """Put what was kept aside into the table, all of it or, when the transaction fails, nothing."""
        stage, store = tables.stage, self.store(connection)
        mine = stage.c.resource == self.layout.table
        outbox = Outbox(self.database, history=self.history)
        waiting = outbox.waiting_on(connection, self.layout.table)
        said: dict[str, Raw | None] = {}
        floor = self.state.floor
        stamp = (self.stamp, floor) if look_for_silent and self.stamp is not None and floor is not None else None
        after, found = "", Counts()
        hold_back(self, connection)
        while True:
            statement = select(stage.c.record, stage.c.body).where(mine, stage.c.body.is_not(None))
            part = connection.execute(
                statement.where(stage.c.record > after).order_by(stage.c.record).limit(_PUBLISH)
            ).all()
            if not part:
                break
            after = part[-1].record
            rows = [RawRecord(row.body.encode(), {"_id": row.record}) for row in part]
            said.update((row["_id"], row.read()) for row in rows if row["_id"] in waiting)
            others = [row for row in rows if row["_id"] not in waiting]
            found.add(store.put(others, log=self.log, stamp=stamp))
        gone = connection.execute(select(stage.c.record).where(mine, stage.c.body.is_(None))).scalars().all()
        if self._believable(connection, len(gone)):
            said.update((id, None) for id in gone if id in waiting)
            found.add(store.put([], [id for id in gone if id not in waiting], log=self.log))
        found.add(outbox.rebase(connection, self.layout.table, said if self.state.complete else None, self.log))
        self.count(found)
        if found.settled:
            self.report.notes.append(f"{found.settled:,} new records whose answer was lost are stored")
        if self.log is None:
            write_reset(connection, self.layout.table, self.run)
        guards.put(connection, self.layout.table, dict.fromkeys(self.read_by_id, True))
        self.read_by_id.clear()
        if self.first_page is not None:
            guards.drop(connection, self.layout.table, self.first_page)
        if self.state.complete:
            self.state.learn_delta(found.new + found.changed)
        if look_for_silent:
            # A key that is asked for for the first time is no change without a stamp.
            self.state.learn_silent({name: n for name, n in found.fields.items() if name not in self.new_keys})
            self._judge(found.missed)
        self.clear_stage(connection)

    def _judge(self, missed: int) -> None:
        """Trust the order by stamps no longer when a full pass finds changes that it should have shown."""
        if missed:
            self.state.traits.disordered_at = now()
            self.report.notes.append(
                f"{missed:,} records had changed by their {self.stamp} and were not shown when the list was read by it"
            )

    def _believable(self, connection: Connection, gone: int) -> bool:
        """Whether so many records can be taken for deleted: a token that lost a role looks just the same.

        The second sync in a row that misses them is believed, unless they can still be read one by one.
        """
        rows, before = state.live_rows(connection, self.layout), self.state.traits.mass
        self.state.traits.mass = 0
        bound = max(MASS, rows * MASS_SHARE)
        if not self._still_there and (gone <= bound or (before and gone <= before + bound)):
            return True
        self.state.traits.mass = gone
        why = "can still be read one by one" if self._still_there else "stay until the next sync misses them too"
        self.report.notes.append(f"{gone:,} of {rows:,} records were not listed any more; they {why}")
        return False

    def look_twice(self) -> Flow[None]:
        """Ask for some of the records that are not listed any more, where that is many of them at once."""
        stage = tables.stage

        def work() -> tuple[list[str], int]:
            with self.reading() as connection:
                gone = connection.execute(
                    select(stage.c.record).where(stage.c.resource == self.layout.table, stage.c.body.is_(None))
                )
                return list(gone.scalars()), state.live_rows(connection, self.layout)

        gone, rows = yield RunBlocking(work)
        if len(gone) > max(FEW, rows * MASS_SHARE) and "get_by_id" in self.layout.resource.operations:
            sample = random.sample(gone, SAMPLE)
            self._still_there = SAMPLE - len((yield from self.confirm(sample)))

    def unproved(self) -> list[str]:
        """The rows to be written anew: that do not hold what their records said, or of which that is not known."""
        with self.reading() as connection:
            found = self.store(connection).unproved() if self.state.complete else {}
        wrong = sum(found.values())
        if wrong:
            self.report.notes.append(f"{wrong:,} rows did not hold what their records say, and were written anew")
        return list(found)

    def clear_stage(self, connection: Connection) -> None:
        """Forget what was kept aside."""
        connection.execute(delete(tables.stage).where(tables.stage.c.resource == self.layout.table))

    def confirm(self, ids: list[str]) -> Flow[list[str]]:
        """Return those of some ids that the server does not have. One request each."""
        gone = []
        for id in ids:
            try:
                yield from self.traffic.counting(records.get(self.layout.resource, id, select=("_id",)))
            except NotFound:
                gone.append(id)
            except PermissionDenied:
                continue  # not to be seen is not to be deleted
        return (yield from self.without_late(gone))

    def without_late(self, gone: list[str]) -> Flow[list[str]]:
        """Records that the server does not find, but for those made so lately that it may not find them yet."""

        def work() -> set[str]:
            with self.reading() as connection:
                return guards.made_lately(connection, self.layout.table, gone)

        late: set[str] = (yield RunBlocking(work)) if gone else set()
        return [id for id in gone if id not in late]

    def _present(self) -> Instant:
        with self.reading() as connection:
            return clock.present(connection)

    # --- learning ----------------------------------------------------------------------------------------

    def name_repaired(self) -> None:
        """Name records that came with half of a character in the report."""
        repaired = [*self.traffic.repaired]
        if repaired:
            more = f" and {len(repaired) - NAMED:,} more" if len(repaired) > NAMED else ""
            self.report.notes.append(
                f"{', '.join(repaired[:NAMED])}{more} came with half of a character, where U+FFFD stands now"
            )

    def learn(self, connection: Connection, bytes: int) -> None:
        """Remember what a complete pass showed."""
        traits = self.state.traits
        rows = state.live_rows(connection, self.layout)
        if rows:
            traits.bytes = max(1, bytes // rows)
        thin = self.layout.resource.thin_list
        if thin is not None and rows:
            traits.thin = not self._whole
            if not self._whole:
                missing = [name for name in self.layout.resource.fields if name not in thin and name != "_id"]
                self.report.notes.append(f"the list ignores select, so it lacks {', '.join(missing)}")

    def count(self, counts: Counts) -> None:
        """Add to the report what became of records."""
        self.report.new += counts.new
        self.report.changed += counts.changed
        self.report.deleted += counts.deleted
        self.report.unchanged += counts.unchanged
        self.report.silent += counts.silent

    def _is_staged(self, connection: Connection) -> bool:
        mine = select(tables.stage.c.record).where(tables.stage.c.resource == self.layout.table).limit(1)
        return connection.execute(mine).first() is not None

    def unstage(self, connection: Connection, ids: list[str]) -> None:
        """Forget what was kept aside of some records."""
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            connection.execute(
                delete(tables.stage).where(
                    tables.stage.c.resource == self.layout.table, tables.stage.c.record.in_(part)
                )
            )
