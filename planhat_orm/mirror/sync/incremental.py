"""The incremental sync: the newest changes first, down to where the mirror already was.

There is no updated-since filter, so the list is read by descending stamp. A page counts only if it begins above
the lowest stamp covered so far, so that the rows with equal stamps at its end are read whole by the next one; what
is updated meanwhile moves to the top, where the overlap of the next run finds it. The watermark moves only when
all is covered, and only to a stamp that the server sent.

A list may look sorted and not be. So what it showed is held against what is stored: a record with a later stamp
than the first page's last one must be on that page or be deleted, and the search for deletions, which reads ids
and stamps in another order, must find no stamp that this one should have shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ...http.effects import Flow, RunBlocking
from ...query.kinds import DATETIME
from ...wire.list_page import request_page
from ...wire.raw_records import RawRecord, slices_of
from .deletions import Seen, find_deleted
from .paging import NotSortedByStamp

if TYPE_CHECKING:
    from .job import Finish, ModelSync

FIRST = 100
_MANY = 1000
_FEW = 5


def incremental(job: ModelSync) -> Flow[Finish]:
    """Bring in what changed since the watermark; what is returned publishes it.

    Raises `NotSortedByStamp` when the list proves nothing.
    """
    recent: int = yield RunBlocking(lambda: _begin(job))
    hidden = job.layout.resource.hidden_by
    lists: list[tuple[Mapping[str, str], bool | None]] = [({}, None)]
    if hidden is not None:
        archived = {hidden.name: "true"}
        lists = [(archived, True), ({}, False)] if job.state.traits.two else [(archived, None)]
    seen: Seen | None = None
    for params, scope in lists:
        descent = _NewestFirstWalk(job, params, scope, recent)
        newest = yield from descent.run()
        if seen is None:
            # A stamp from after the server's present is nobody's measure.
            until = min(newest, job.traffic.first_date or newest)
            seen = Seen(newest, until)
        else:
            # The second list was read later: only up to the first one's moment is everything here.
            seen.newest = max(seen.newest, min(newest, job.traffic.first_date or seen.newest))
            seen.until = min(seen.until, newest)
        seen.stamps.update(descent.stamps)
        seen.missing |= descent.missing
    assert seen is not None
    seen.missing -= seen.stamps.keys()  # a record may have moved from one list to the other
    gone = yield from find_deleted(job, seen)
    yield from _account_for(job, seen.missing - gone)

    def stage() -> None:
        with job.writing() as connection:
            job.take(connection, job.store(connection), [], {}, sorted(gone))

    if gone:
        yield RunBlocking(stage)
        yield from job.look_twice()
    job.report.method = "incremental"
    return lambda connection: _finish(job, seen, connection)


def _begin(job: ModelSync) -> int:
    """Begin, and return how many records are known that the list has to show again, down to the floor."""
    with job.writing() as connection:
        job.clear_stage(connection)
        found = job.store(connection).count_from(str(job.stamp), str(job.state.floor), job.layout.resource.max_limit)
    job.traffic.mark()
    return found


def _account_for(job: ModelSync, missing: set[str]) -> Flow[None]:
    """Raise unless the records that the first page should have shown are deleted."""
    if missing and len(missing) <= _FEW and job.state.traits.two:
        missing -= set((yield from job.confirm(sorted(missing))))
    if missing:
        raise NotSortedByStamp(f"the list does not sort by {job.stamp}")


def _finish(job: ModelSync, seen: Seen, connection: Connection) -> None:
    found, date = job.state, job.traffic.first_date
    job.publish(connection)
    newest = max(seen.newest, found.watermark or "")
    found.watermark = newest if date is None else min(newest, date)
    found.as_of = date or seen.newest
    found.synced_at = job.traffic.first_sent


class _NewestFirstWalk:
    """One list, from the newest stamp down to the floor. `scope`: of hidden records, of others, or (None) of all.

    `recent` are so many records that are known to be above the floor.
    """

    def __init__(self, job: ModelSync, params: Mapping[str, str], scope: bool | None, recent: int) -> None:
        self.job = job
        self.params = params
        self.scope = scope
        self.stamp = str(job.stamp)
        self.floor = str(job.state.floor)
        self.most = job.layout.resource.max_limit
        # One below the floor ends it.
        self.first = min(self.most, max(FIRST, recent + 2 * (job.state.traits.delta or 0) + 1))
        self.stamps: dict[str, str] = {}
        self.missing: set[str] = set()

    def run(self) -> Flow[str]:
        """Return the newest stamp there was at the beginning."""
        offset, limit = 0, self.first
        top = low = ""
        before = (0, "", "")
        while True:
            rows = yield from self._page(offset, limit)
            stamps = [self._of(row) for row in rows]
            if any(left < right for left, right in pairwise(stamps)):
                raise NotSortedByStamp(f"the list does not sort by {self.stamp}")
            if offset and (not rows or stamps[0] <= low):
                # Rows left of here moved to the top or vanished.
                offset = max(0, offset - max(1, limit // 2))
                continue
            if not rows:
                return self.floor
            ids = (rows[0]["_id"], rows[-1]["_id"])
            if offset > before[0] and ids[0] == before[1]:
                raise NotSortedByStamp("the server ignores the offset")
            end = offset > before[0] and ids[1] == before[2]
            before = (offset, *ids)
            top, low = top or stamps[0], stamps[-1]
            if not offset:
                yield from self._expect(rows, low)
            yield from self._take(rows, stamps)
            if low < self.floor or end:
                return top
            above = stamps.index(low)
            if above > 1:
                # From one row above the last stamp's on, so that the next page shows all of those.
                offset, limit = offset + above - 1, self.most
            elif len(rows) >= limit and limit < self.most:
                limit = self.most
            elif (yield from self._page(offset + len(rows), 1)):
                raise NotSortedByStamp(
                    f"more than {len(rows) - 1} records have one {self.stamp}", then="full", lasting=False
                )
            else:
                return top

    def _expect(self, rows: list[RawRecord], low: str) -> Flow[None]:
        """Note what the first page ought to show: stamps only grow, so a record with a later one than its last."""
        there = {row["_id"] for row in rows}

        def work() -> list[str]:
            with self.job.reading() as connection:
                store = self.job.store(connection)
                return store.newer(self.stamp, low, there, hidden=self.scope, most=_MANY)

        self.missing = set((yield RunBlocking(work)))

    def _page(self, offset: int, limit: int) -> Flow[list[RawRecord]]:
        resource = self.job.layout.resource
        request = request_page(
            resource,
            limit=limit,
            offset=offset,
            sort=f"-{self.stamp}",
            params=self.params,
            raw_items=True,
        )
        return slices_of((yield from self.job.traffic.ask(request)), resource)

    def _of(self, row: RawRecord) -> str:
        stamp = DATETIME.comparable(row.get(self.stamp))
        if stamp is None or not isinstance(row.get("_id"), str):
            raise NotSortedByStamp(f"a record has no {self.stamp}", then="full", lasting=False)
        return str(stamp)

    def _take(self, rows: list[RawRecord], stamps: list[str]) -> Flow[None]:
        job = self.job

        def work() -> None:
            with job.writing() as connection:
                store = job.store(connection)
                job.take(connection, store, rows, store.hashes([row["_id"] for row in rows]), ())

        yield RunBlocking(work)
        self.stamps.update((row["_id"], stamp) for row, stamp in zip(rows, stamps, strict=True))
        yield job.progress(len(self.stamps), "reading changes")
