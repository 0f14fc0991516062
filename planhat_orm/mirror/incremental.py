"""The incremental sync: the newest changes first, down to where the mirror already was.

There is no updated-since filter, so the list is read by descending stamp. A page counts only if it begins above
the lowest stamp covered so far, so that the rows with equal stamps at its end are read whole by the next one; what
is updated meanwhile moves to the top, where the overlap of the next run finds it. The watermark moves only when
all is covered, and only to a stamp that the server sent (sync.md 2.2 has the figures for the simpler rules).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..http.effects import Flow, Work
from ..query.kinds import DATETIME, iso
from ..wire.listing import request_page, rows_of
from . import state

if TYPE_CHECKING:
    from .job import Job

OVERLAP = timedelta(minutes=10)
"""How far before the watermark is read again: stamps may become visible late."""
FIRST = 100

Raw = dict[str, Any]


class Disordered(Exception):
    """The list is not what an incremental sync needs; the text says how."""


def incremental(job: Job) -> Flow[None]:
    """Bring in what changed since the watermark. Raises `Disordered` when the list proves nothing."""
    yield Work(lambda: _begin(job))
    hidden = job.layout.resource.hidden_by
    lists: list[Mapping[str, str]] = [{}]
    if hidden is not None:
        lists = [{hidden.name: "true"}, *([{}] if job.state.known.get("two") else [])]
    tops = []
    for params in lists:
        tops.append((yield from _Descent(job, params).run()))
    yield Work(lambda: _finish(job, max(tops)))
    job.report.method = "incremental"


def _begin(job: Job) -> None:
    with job.writing() as connection:
        job.clear_stage(connection)
    job.traffic.mark()


def _finish(job: Job, top: str) -> None:
    found = job.state
    with job.writing() as connection:
        delta = job.staged(connection)
        found.known["delta"] = (found.known.get("delta", delta) + delta) // 2
        job.publish(connection)
        found.watermark = max(top, found.watermark or "")
        found.as_of = job.traffic.first_date or job.traffic.first_sent
        found.synced_at = job.traffic.first_sent
        state.save(connection, found)


class _Descent:
    """One list, from the newest stamp down to the floor."""

    def __init__(self, job: Job, params: Mapping[str, str]) -> None:
        self.job = job
        self.params = params
        self.stamp = str(job.stamp)
        self.floor = iso(state.moment(str(job.state.watermark)) - OVERLAP)
        self.most = job.layout.resource.max_limit
        self.looked = 0

    def run(self) -> Flow[str]:
        """Return the newest stamp there was at the beginning."""
        offset, limit = 0, min(self.most, max(FIRST, 2 * self.job.state.known.get("delta", 0)))
        top = low = ""
        before = (0, "", "")
        while True:
            rows = yield from self._page(offset, limit)
            stamps = [self._of(row) for row in rows]
            if any(left < right for left, right in pairwise(stamps)):
                raise Disordered(f"the list does not sort by {self.stamp}")
            if offset and (not rows or stamps[0] <= low):
                # Rows left of here moved to the top or vanished.
                offset = max(0, offset - max(1, limit // 2))
                continue
            if not rows:
                return self.floor
            ids = (rows[0]["_id"], rows[-1]["_id"])
            if offset > before[0] and ids[0] == before[1]:
                raise Disordered("the server ignores the offset")
            end = offset > before[0] and ids[1] == before[2]
            before = (offset, *ids)
            top, low = top or stamps[0], stamps[-1]
            if not offset:
                yield from self._believe(rows, low)
            yield from self._take(rows)
            if low < self.floor or end:
                return top
            above = stamps.index(low)
            if above > 1:
                # From one row above the last stamp's on, so that the next page shows all of those.
                offset, limit = offset + above - 1, self.most
            elif len(rows) >= limit and limit < self.most:
                limit = self.most
            elif (yield from self._page(offset + len(rows), 1)):
                raise Disordered(f"more than {len(rows) - 1} records have one {self.stamp}")
            else:
                return top

    def _believe(self, rows: list[Raw], low: str) -> Flow[None]:
        """Check the first page against what is here: a record that changed later than its last one must be on it.

        Stamps only grow, so one that is not was deleted, or the list is not in the order it seems to be in.
        """
        column = self.job.layout.by_wire.get(self.stamp)
        if column is None:
            raise Disordered(f"{self.stamp} is no documented field")
        name, there = column.name, {row["_id"] for row in rows}

        def work() -> str | None:
            with self.job.reading() as connection:
                return self.job.store(connection).newer(name, low, there, shown=not self.params)

        missing: str | None = yield Work(work)
        if missing is not None and not (yield from self.job.confirm([missing])):
            raise Disordered(f"the list does not sort by {self.stamp}")

    def _page(self, offset: int, limit: int) -> Flow[list[Raw]]:
        request = request_page(
            self.job.layout.resource, limit=limit, offset=offset, sort=f"-{self.stamp}", params=self.params
        )
        return rows_of((yield from self.job.traffic.ask(request)))

    def _of(self, row: Raw) -> str:
        stamp = DATETIME.comparable(row.get(self.stamp))
        if stamp is None or not isinstance(row.get("_id"), str):
            raise Disordered(f"a record has no {self.stamp}")
        return str(stamp)

    def _take(self, rows: list[Raw]) -> Flow[None]:
        job = self.job

        def work() -> None:
            with job.writing() as connection:
                store = job.store(connection)
                job.take(connection, store, rows, store.hashes([row["_id"] for row in rows]), ())

        yield Work(work)
        self.looked += len(rows)
        yield job.progress(self.looked, "reading changes")
