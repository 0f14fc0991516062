"""Finding out what was deleted without reading everything: by rank, or by a sweep over the ids.

Deleted records leave no trace in a list, but those after them move up. If our greatest id still has the rank it
has here, nothing before it is missing: one request. If not, the ids between two ranks are halved until each gap is
seen on a page. Every record called deleted was absent from a page that covers its id; ranks only say where to look.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import log2
from typing import TYPE_CHECKING

from sqlalchemy import select

from ..http.effects import Flow, Work
from ..wire.listing import request_page, rows_of
from . import state, tables
from .pages import Page, Pass, Unsorted, ids_of
from .store import TEMPORARY

if TYPE_CHECKING:
    from .job import Job

_MARGIN = 8


def find_deleted(job: Job) -> Flow[None]:
    """Remove what the server does not have any more. Call it when all new records are here."""
    if job.state.known.get("two"):
        job.report.notes.append("archived records come in a list of their own: deletions show in full passes only")
        return
    local: list[str] = yield Work(lambda: _ids(job))
    if not local:
        return
    search = _Search(job, local)
    try:
        yield from search.run()
    except (Unsorted, _Confused):
        search.gone.clear()
        yield from _sweep(job, local, search)
    if not search.gone and not search.unknown:
        return

    def work() -> None:
        with job.writing() as connection:
            job.take(connection, job.store(connection), [], {}, sorted(search.gone))
            job.publish(connection)
            job.state.known["unknown"] = search.unknown
            state.save(connection, job.state)

    yield Work(work)


class _Confused(Exception):
    """The ranks do not add up: the list changes, or holds records that are not known here."""


class _Search:
    def __init__(self, job: Job, local: list[str]) -> None:
        self.job = job
        self.local = local
        self.limit = job.state.known.get("cap") or job.layout.resource.max_limit
        self.gone: set[str] = set()
        self.unknown = 0
        self.spent = 0

    def run(self) -> Flow[None]:
        """Compare ranks, beginning with the greatest ids'."""
        count, newest = len(self.local), self.local[-1]
        start = max(0, count - self.limit + _MARGIN)
        ids = yield from self._page(start)
        last = False
        while ids and ids[-1] < newest and not last:
            more = yield from self._page(start + len(ids) - 1)
            if not more or more[0] != ids[-1]:
                raise _Confused
            last = len(more) == 1
            ids += more[1:]
        if not ids:
            raise _Confused
        self._settle(ids, first=not start, last=last)
        if not start:
            return
        shift = self._shift(ids, start)
        pages = -(-count // self.limit)
        if shift and shift * (log2(max(2, pages / shift)) + 1.2) > pages:
            raise _Confused
        yield from self._between(0, start + shift, 0, shift, pages)

    def _between(self, low: int, high: int, shift_low: int, shift_high: int, pages: int) -> Flow[None]:
        """Find what is missing among `local[low:high]`, of which so many are missing before either end."""
        if shift_low > shift_high or self.spent > pages:
            raise _Confused
        if shift_low == shift_high or low >= high:
            return
        middle = (low + high) // 2
        start = max(0, middle - shift_high - _MARGIN)
        ids = yield from self._page(start)
        if not ids:
            raise _Confused
        left = bisect_left(self.local, ids[0])
        right = bisect_right(self.local, ids[-1])
        if left >= high or right <= low:
            raise _Confused
        self._settle(ids)
        shift_left = self._shift(ids, start)
        shift_right = right - (start + len(ids))
        yield from self._between(low, left, shift_low, shift_left, pages)
        yield from self._between(right, high, shift_right, shift_high, pages)

    def _shift(self, ids: list[str], start: int) -> int:
        """How many records before the page are missing: what its first id moved up by."""
        place = bisect_left(self.local, ids[0])
        if place == len(self.local) or self.local[place] != ids[0]:
            raise _Confused
        return place - start

    def _settle(self, ids: list[str], *, first: bool = False, last: bool = False) -> None:
        """Tell what is missing between the ends of a page, or beyond them where it is the first or the last."""
        left = 0 if first else bisect_left(self.local, ids[0])
        right = len(self.local) if last else bisect_right(self.local, ids[-1])
        known, there = set(self.local[left:right]), set(ids)
        if any(id not in known and id < self.local[-1] for id in ids):
            raise _Confused
        self.gone |= known - there

    def _page(self, start: int) -> Flow[list[str]]:
        resource, traffic = self.job.layout.resource, self.job.traffic
        hidden = resource.hidden_by
        params = {hidden.name: "true"} if hidden is not None else {}
        self.spent += 1
        request = request_page(resource, limit=self.limit, offset=start, select=("_id",), params=params)
        ids = ids_of(rows_of((yield from traffic.ask(request))))
        if ids is None:
            raise Unsorted
        yield self.job.progress(len(self.gone), "looking for deletions")
        return ids


def _sweep(job: Job, local: list[str], search: _Search) -> Flow[None]:
    """Read all ids, with the proof of a full pass."""
    resource = job.layout.resource
    hidden = resource.hidden_by
    params = {hidden.name: "true"} if hidden is not None else {}
    walk = Pass(resource, job.traffic, params, select=("_id",), expected=len(local))
    newest = local[-1]

    def apply(page: Page) -> Flow[None]:
        there = {row["_id"] for row in page.rows}
        if page.after != page.last:
            left = bisect_right(local, page.after)
            right = len(local) if page.last is None else bisect_right(local, page.last)
            mine = local[left:right]
            search.gone.update(id for id in mine if id not in there)
            known = set(mine)
            search.unknown += sum(id not in known and id < newest for id in there)
        yield job.progress(len(search.gone), "sweeping for deletions")

    yield from walk.run(apply)


def _ids(job: Job) -> list[str]:
    with job.reading() as connection:
        table = tables.records(job.layout)
        ids = connection.execute(select(table.c.id).order_by(table.c.id)).scalars()
        return [id for id in ids if not id.startswith(TEMPORARY)]
