"""The full pass: every record of a list, compared with what is stored, deletions included.

On the first load pages go straight into the table, which answers no query before the last one; the indexes of a long
one are made at its end. A later pass puts what differs aside, to be published in one transaction, so readers see the
state before or the state after. The checkpoint is written in the page's own transaction: a pass that was cut off goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ...errors import NotFound, PermissionDenied
from ...gc_pause import gc_paused
from ...http.effects import Flow, RunBlocking
from ...query.kinds import DATETIME, iso
from ...wire import records
from ...wire.list_page import learned_keys
from ...wire.list_reader import NotSortedById
from ...wire.proved_page import Page
from ...wire.raw_records import RawRecord, values_of
from ...wire.resources import STAMPS, ListParam
from ..db import record_indexes, state
from ..db.codec import digest
from ..db.state import ListCursor, State
from .paging import OVERLAP, read_unsorted, walk_ahead
from .thresholds import LEARN_EVERY, older

if TYPE_CHECKING:
    from .job import Finish, ModelSync

_CONFIRM = 200
"""Up to so many records that a list did not show are asked for one by one, where the list alone proves nothing."""
_LONG = 1000
"""A first load whose pages are as long as this makes the indexes when all rows are there."""
_FIRST = 5
"""If none of so many turns out to be gone, the others are not asked for."""


def full(job: ModelSync) -> Flow[Finish]:
    """Read the whole list of a resource into the mirror; what is returned publishes it."""
    return (yield from _Full(job).run())


class _Full:
    def __init__(self, job: ModelSync) -> None:
        self.job = job
        self.resource = job.layout.resource
        self.state: State = job.state
        self.hidden: ListParam | None = self.resource.hidden_by
        self.doubtful: set[str] = set()
        self.cursor = ListCursor()
        self.bytes = 0

    def run(self) -> Flow[Finish]:
        job = self.job
        yield RunBlocking(self._begin)
        yield from self._learn_keys()
        try:
            for number, (params, scope) in enumerate(self._lists()):
                if number < self.cursor.number:
                    continue
                if number and self.cursor.two is False:
                    break
                yield from self._walk(number, params, scope)
        except NotSortedById:
            yield from self._read_unsorted()
        yield from self._make_indexes()
        yield from self._confirm()
        yield from job.look_twice()
        job.report.method = "full"
        return self._finish

    def _lists(self) -> list[tuple[Mapping[str, str], bool | None]]:
        """The lists to read, and which of the stored records each covers: hidden ones, others, or (None) all.

        The parameter that shows archived records either adds them or shows nothing else
        (docs/reference/planhat-api.md section 6): the first record in that list that is not archived tells. Until
        then there are two lists to read.
        """
        if self.hidden is None:
            return [({}, None)]
        return [({self.hidden.name: "true"}, True), ({}, False)]

    def _begin(self) -> None:
        job = self.job
        unproved = job.unproved() if job.forced else []
        with job.writing() as connection:
            if unproved:
                job.store(connection).forget_hashes(unproved)
                # A pass that was cut off may have gone by them.
                self.state.cursor = None
                state.save(connection, self.state)
            if self.state.cursor is not None:
                self.cursor, job.resumed = self.state.cursor, True
                job.first_page = self.cursor.first_page
                job.report.notes.append(f"resumed after {self.cursor.rank} records")
            else:
                job.clear_stage(connection)
                # That the parameter adds records was proved once and for all; the opposite never is.
                self.cursor = ListCursor(two=False if self.state.traits.two is False else None)
            self.doubtful = set(self.cursor.doubtful)
            self.bytes = self.cursor.bytes
        job.stage_is_empty = not job.resumed
        job.traffic.mark()

    def _learn_keys(self) -> Flow[None]:
        """Read a record alone now and then, where lists show but what they are asked for: it may have more keys."""
        traits = self.state.traits
        if not self.state.complete or not self._has_more() or not older(traits.learned_at, LEARN_EVERY):
            return
        traits.learned_at = state.now()
        id: str | None = yield RunBlocking(self._some_id)
        if id is not None:
            with suppress(NotFound, PermissionDenied):
                yield from self.job.traffic.counting(records.get(self.resource, id))
        self.job.new_keys = {*learned_keys(self.resource)} - {*traits.learned}

    def _has_more(self) -> bool:
        return self.resource.thin_list is not None and "get_by_id" in self.resource.operations

    def _some_id(self) -> str | None:
        with self.job.reading() as connection:
            return self.job.store(connection).any_id()

    def _walk(self, number: int, params: Mapping[str, str], scope: bool | None) -> Flow[None]:
        job, cursor = self.job, self.cursor
        if cursor.number != number:
            cursor.number, cursor.anchor, cursor.rank, cursor.longest = number, "", 0, 0
        walk = walk_ahead(
            self.resource,
            job.traffic,
            params,
            anchor=cursor.anchor,
            rank=cursor.rank,
            longest=cursor.longest,
            expected=job.rows_before,
            overlap=OVERLAP if self.state.traits.overlap is None else self.state.traits.overlap,
        )

        def apply(page: Page[RawRecord]) -> Flow[None]:
            if scope and cursor.two is not False:
                assert self.hidden is not None
                cursor.two = all(row.get(str(self.hidden.hides)) is True for row in page.rows)
            covered = scope if cursor.two else None
            yield RunBlocking(lambda: self._apply(page, covered, walk.longest))
            yield job.progress(cursor.rows, "reading")

        yield from walk.run(apply)
        # Pages are known to be cut only where there were several.
        self.state.traits.cap = max(OVERLAP, walk.longest) if walk.rank > walk.longest else self.resource.max_limit
        self.state.traits.overlap = max(8, walk.overlap * 7 // 8)

    def _apply(self, page: Page[RawRecord], scope: bool | None, longest: int) -> None:
        job, cursor = self.job, self.cursor
        # Before others have to wait, and while the page is still in the processor's cache.
        with gc_paused():
            ids = set(values_of(page.rows, "_id"))
            digests = [digest(row.json) for row in page.rows] if self.state.complete else None
            self._see(page)
        # Not while others write: that may take longer.
        with job.writing() as connection, gc_paused():
            store = job.store(connection)
            stored = store.between(page.after, page.last)
            gone = [] if stored.keys() <= ids else [id for id in stored if id not in ids]
            if scope is not None:
                gone = store.shown(gone, self.hidden.hides, scope)  # type: ignore[union-attr, arg-type]
                self.doubtful.update(gone)
                gone = []
                self.doubtful -= ids
            hashes = stored if page.proved else store.hashes(list(ids))
            if self._is_long_first_load(connection, page):
                record_indexes.drop(connection, job.layout)
            asked = job.take(connection, store, page.rows, hashes, gone, digests)
            if not cursor.rows and not cursor.number:
                cursor.asked, cursor.asked_at = asked.n, asked.at
            cursor.anchor, cursor.rank, cursor.longest = page.anchor, page.rank, longest
            cursor.rows += len(page.rows)
            cursor.bytes = self.bytes + job.traffic.bytes
            cursor.doubtful = sorted(self.doubtful)
            cursor.date = cursor.date or job.traffic.first_date
            cursor.sent = cursor.sent or job.traffic.first_sent
            self.state.cursor = cursor
            state.save(connection, self.state)

    def _is_long_first_load(self, connection: Connection, page: Page[RawRecord]) -> bool:
        """Whether the table holds next to nothing and is about to be filled."""
        if self.job.database.postgres or self.state.complete or self.cursor.rows > _LONG:
            return False
        is_long = page.last is not None and len(page.rows) >= _LONG
        return is_long and state.live_rows(connection, self.job.layout) <= _LONG

    def _make_indexes(self) -> Flow[None]:
        """Make the indexes that a first load went without, this one or one that was cut off, one after the other."""
        if self.job.database.postgres:
            return
        statements: list[str] = yield RunBlocking(self._missing_indexes)
        for statement in statements:
            yield RunBlocking(partial(self._make_index, statement))

    def _missing_indexes(self) -> list[str]:
        with self.job.reading() as connection:
            return record_indexes.missing(connection, self.job.layout)

    def _make_index(self, statement: str) -> None:
        with self.job.writing() as connection:
            record_indexes.make(connection, statement)

    def _see(self, page: Page[RawRecord]) -> None:
        """Count the stamps, and note the latest: of all pages, and of the first one."""
        stamps = self.cursor.stamps
        for name in STAMPS:
            texts = values_of(page.rows, name)
            if {*map(type, texts)} != {str}:
                texts = [value for value in texts if isinstance(value, str)]
            if texts:
                count, top = stamps.get(name, (0, ""))
                stamps[name] = (count + len(texts), max(top, *texts) if top else max(texts))
        if not self.cursor.rows:
            self.cursor.first = {name: top for name, (_, top) in stamps.items()}

    def _read_unsorted(self) -> Flow[None]:
        """What is left to do with a server that does not sort: read everything, call nothing deleted unasked."""
        job = self.job
        job.report.notes.append("the list does not come sorted by _id, so it was read until nothing new showed")

        def again() -> None:
            # What the pages before seemed to prove, they did not.
            with job.writing() as connection:
                job.clear_stage(connection)
            job.report.unchanged = 0
            self.doubtful.clear()
            self.state.traits.unsorted_at = state.now()
            self.cursor.restart()

        yield RunBlocking(again)
        seen: set[str] = set()

        def apply(page: Page[RawRecord]) -> Flow[None]:
            yield RunBlocking(lambda: self._apply(page, None, 0))
            yield job.progress(self.cursor.rows, "sweeping")

        for params, _ in self._lists():
            seen |= yield from read_unsorted(self.resource, job.traffic, params, apply)

        def missing() -> set[str]:
            with job.reading() as connection:
                return {id for id in job.store(connection).between("", None) if id not in seen}

        self.doubtful = yield RunBlocking(missing)

    def _confirm(self) -> Flow[None]:
        """Ask for each record that a list did not show, where not being shown is no proof."""
        job, waiting = self.job, sorted(self.doubtful)
        gone: list[str] = []
        if waiting and "get_by_id" in self.resource.operations:
            gone = yield from job.confirm(waiting[:_FIRST])
            if gone:
                gone += yield from job.confirm(waiting[_FIRST:_CONFIRM])
                waiting = waiting[_CONFIRM:]
            elif len(waiting) <= _FIRST:
                waiting = []
        if waiting:
            job.report.notes.append(f"{len(waiting):,} records were not listed; they stay until it is certain")
        if not gone:
            return

        def apply() -> None:
            with job.writing() as connection:
                job.take(connection, job.store(connection), [], {}, gone)

        yield RunBlocking(apply)

    def _finish(self, connection: Connection) -> None:
        job, found, cursor = self.job, self.state, self.cursor
        job.publish(connection, look_for_silent=True)
        self._learn_stamp()
        earliest = self._earliest()
        found.cursor = None
        if not found.complete:
            # The next pass need not look for keys at once.
            found.traits.learned_at = state.now()
        found.traits.learned = [*learned_keys(self.resource)]
        found.complete = True
        found.as_of = found.full_as_of = cursor.date or earliest
        found.synced_at = cursor.sent or state.now()
        found.first_as_of = found.first_as_of or found.synced_at
        found.watermark = earliest
        found.traits.two = cursor.two is not False if self.hidden is not None else False
        found.traits.full_at = found.synced_at
        job.learn(connection, self.bytes + job.traffic.bytes)

    def _learn_stamp(self) -> None:
        """Take the time of change that every record has; the documented one where none is in all."""
        rows, traits = self.cursor.rows, self.state.traits
        counts = {name: self.cursor.stamps.get(name, (0, ""))[0] for name in STAMPS}
        stamp = next((name for name in STAMPS if rows and counts[name] == rows), self.resource.stamp)
        traits.stamp = stamp
        traits.unstamped = 0 if stamp is None else rows - counts[stamp]

    def _earliest(self) -> str | None:
        """A moment of the stamps' clock at which this pass had not begun, as late a one as can be proved.

        The latest stamp of all may be of a record that was changed while the pass went on, so it counts only less
        the time that the pass took. Any stamp on the first page is from before.
        """
        stamp, cursor = self.job.stamp or "", self.cursor
        top = DATETIME.comparable(cursor.stamps[stamp][1]) if stamp in cursor.stamps else None
        if top is None:
            return None
        took = state.moment(state.now()) - state.moment(cursor.sent or state.now())
        first = DATETIME.comparable(cursor.first.get(stamp)) or ""
        latest = max(str(first), iso(state.moment(str(top)) - took))
        return min(latest, cursor.date) if cursor.date else latest
