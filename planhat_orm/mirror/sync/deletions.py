"""Finding out what was deleted without reading everything: by rank, or by a walk over all ids.

Deleted records leave no trace in a list, but those after them move up. If our greatest id still has the rank it
has here, nothing before it is missing: one request. If not, the ids between two ranks are halved until each gap is
seen on a page. Every record called deleted was absent from a page that covers its id; ranks only say where to look.

The pages carry stamps beside the ids. They come in another order than the changes were read in, so each is a
sample that shows whether that reading missed something.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from ...gc_pause import gc_paused
from ...http.effects import Flow, RunBlocking
from ...query.kinds import DATETIME
from ...wire.list_page import request_page, rows_of
from ...wire.list_reader import ListReader, NotSortedById, ascending_ids, is_ascending
from ...wire.proved_page import Page
from ...wire.raw_records import RawRecord, slices_of, values_of
from ..db import state, tables
from . import thresholds
from .paging import NotSortedByStamp, walk_ahead

if TYPE_CHECKING:
    from .job import ModelSync

_MARGIN = 8
_CONFIRM = 200


@dataclass(slots=True)
class Seen:
    """What the list by stamps showed: each record's stamp, and `until` when it is known to be complete.

    `newest` is the latest stamp of the first page; `missing` are records that should have been on it.
    """

    newest: str
    until: str
    stamps: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


def find_deleted(job: ModelSync, seen: Seen) -> Flow[set[str]]:
    """Return the records that the server does not have any more. Call it when all changes are read.

    Raises `NotSortedByStamp` where the list shows what the reading by stamps should have shown, and did not.
    """
    two = bool(job.state.traits.two)
    if two and not thresholds.older(job.state.traits.swept_at, thresholds.SWEEP_EVERY):
        return set()
    limit = min(job.state.traits.cap or job.layout.resource.max_limit, job.layout.resource.max_limit)
    ids: _Ids = yield RunBlocking(lambda: _Ids.all_of(job) if two else _Ids.last_of(job, limit))
    if not ids.some:
        return set()
    audit = _Audit(job, seen)
    hidden = job.layout.resource.hidden_by
    params = {hidden.name: "true"} if hidden is not None else {}
    if two:
        gone = yield from _missing_of_two_lists(job, ids.some, params, audit)
    else:
        search = _Search(job, ids, params, audit, limit)
        try:
            yield from search.run()
            gone = search.gone
        except (NotSortedById, _Confused):
            ids = yield RunBlocking(lambda: _Ids.all_of(job))
            gone = yield from _missing_by_walk(job, ids.some, params, audit)
    yield from audit.settle([params, {}] if two else [params])
    return gone


@dataclass(frozen=True, slots=True)
class _Ids:
    """The ids that there are when this sync is published, before anything is taken away, sorted.

    `some` are all of them or the last ones; so many are `before` these.
    """

    some: list[str]
    before: int = 0

    @staticmethod
    def all_of(job: ModelSync) -> _Ids:
        """All of them."""
        # The collector of cycles would go through the whole process for rows that hold none.
        with gc_paused(), job.reading() as connection:
            store = job.store(connection)
            return _Ids(sorted([*store.ids(), *_added(job, connection)]))

    @staticmethod
    def last_of(job: ModelSync, most: int) -> _Ids:
        """The last ones, `most` of what is stored at the most: where nothing was deleted, no others are needed."""
        with gc_paused(), job.reading() as connection:
            store = job.store(connection)
            stored, last = store.count_ids(), store.ids(last=most)
            added = _added(job, connection)
        near = [id for id in added if stored <= most or id > last[0]]
        return _Ids(sorted([*last, *near]), stored - len(last) + len(added) - len(near))


def _added(job: ModelSync, connection: Connection) -> list[str]:
    """The ids of records that are kept aside and not stored yet."""
    table, stage = tables.records(job.layout), tables.stage
    is_stored = select(table.c.id).where(table.c.id == stage.c.record).exists()
    fresh = select(stage.c.record).where(stage.c.resource == job.layout.table, stage.c.body.is_not(None), ~is_stored)
    return list(connection.execute(fresh).scalars())


class _Confused(Exception):
    """The ranks do not add up: the list changes, or holds records that are not known here."""


class _Audit:
    """Holds the stamps on a page of ids against what the mirror will hold when this sync is published."""

    def __init__(self, job: ModelSync, seen: Seen) -> None:
        self.job = job
        self.seen = seen
        self.stamp = str(job.stamp)
        self.latest = ""

    def check(self, rows: list[RawRecord]) -> Flow[None]:
        """Raise `NotSortedByStamp` when a record changed before this sync began, and this sync did not see it."""
        if not rows:
            return
        stored: dict[str, Any] = yield RunBlocking(lambda: self._stored(rows[0]["_id"], rows[-1]["_id"]))
        ids, came = values_of(rows, "_id"), values_of(rows, self.stamp)
        known = list(map({**stored, **self.seen.stamps}.get, ids))
        # Most are as they are here, and need no look at what they say.
        same = [there for written, there in zip(came, known, strict=True) if written == there and there is not None]
        self.latest = max(self.latest, max(same, default=""))
        if len(same) < len(ids):
            for written, there in zip(came, known, strict=True):
                self._check_stamp(written, there)

    def _check_stamp(self, written: Any, known: str | None) -> None:
        stamp = DATETIME.comparable(written)
        if stamp is None:
            raise NotSortedByStamp(f"a record has no {self.stamp}", then="full", lasting=False)
        self.latest = max(self.latest, stamp)
        if stamp >= self.seen.until or stamp == known or (known is not None and known >= self.seen.until):
            return  # it is as it is here, or has changed since this sync began
        if known is None:
            raise NotSortedByStamp(f"a record came with an old {self.stamp}", then="full", lasting=False)
        raise NotSortedByStamp(f"a record changed that the list by {self.stamp} did not show")

    def settle(self, lists: list[Mapping[str, str]]) -> Flow[None]:
        """Raise unless the list by stamps, asked again, shows the latest one that was met."""
        if self.latest <= self.seen.newest:
            return
        resource = self.job.layout.resource
        for params in lists:
            request = request_page(resource, limit=1, sort=f"-{self.stamp}", select=("_id", self.stamp), params=params)
            for row in rows_of((yield from self.job.traffic.ask(request)), resource):
                if (DATETIME.comparable(row.get(self.stamp)) or "") >= self.latest:
                    return
        raise NotSortedByStamp(f"a record changed that the list by {self.stamp} did not show")

    def _stored(self, first: str, last: str) -> dict[str, Any]:
        with gc_paused(), self.job.reading() as connection:
            return self.job.store(connection).stamps(self.stamp, first, last)


class _Search:
    def __init__(self, job: ModelSync, ids: _Ids, params: Mapping[str, str], audit: _Audit, limit: int) -> None:
        self.job = job
        self.local, self.before = ids.some, ids.before
        self.params = params
        self.audit = audit
        self.limit = limit
        self.gone: set[str] = set()
        self.spent = 0

    def run(self) -> Flow[None]:
        """Compare ranks, beginning with the greatest ids'."""
        count, newest = self.before + len(self.local), self.local[-1]
        start = max(0, count - self.limit + _MARGIN)
        ids = yield from self._page(start)
        last = False
        while ids and ids[-1] < newest and not last:
            more = yield from self._page(start + len(ids) - 1)
            if not more or more[0] != ids[-1]:
                raise _Confused
            last = len(more) == 1
            if last:
                yield from self._check_newest(ids[-1])
            ids += more[1:]
        if not ids:
            raise _Confused
        if ids[0] < self.local[0]:
            yield from self._read_all()
        self._settle(ids, first=not start, last=last)
        shift = self._shift(ids, start) if start else 0
        if not shift:
            return
        yield from self._read_all()
        shift = self._shift(ids, start)
        pages = -(-count // self.limit)
        if shift and shift * (log2(max(2, pages / shift)) + 1.2) > pages:
            raise _Confused
        yield from self._between(0, start + shift, 0, shift, pages)

    def _read_all(self) -> Flow[None]:
        """Read the ids that are before the last ones, too."""
        if self.before:
            ids: _Ids = yield RunBlocking(lambda: _Ids.all_of(self.job))
            self.local, self.before = ids.some, 0

    def _check_newest(self, id: str) -> Flow[None]:
        """Raise `_Confused` unless a list that showed nothing after an id begins with it when read backwards."""
        reader = ListReader(self.job.layout.resource, rows_of, self.params, requests=self.job.traffic)
        answer = yield from self.job.traffic.ask(reader.ids_request(sort="-_id"))
        shown = reader.ids_in(answer)
        if len(shown) < 2 or shown[0] > id or not is_ascending(shown[::-1]):
            raise _Confused

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
        return self.before + place - start

    def _settle(self, ids: list[str], *, first: bool = False, last: bool = False) -> None:
        """Tell what is missing between the ends of a page, or beyond them where it is the first or the last."""
        left = 0 if first else bisect_left(self.local, ids[0])
        right = len(self.local) if last else bisect_right(self.local, ids[-1])
        known, there = set(self.local[left:right]), set(ids)
        if any(id not in known and id < self.local[-1] for id in ids):
            raise _Confused
        self.gone |= known - there

    def _page(self, start: int) -> Flow[list[str]]:
        self.spent += 1
        resource = self.job.layout.resource
        request = request_page(
            resource,
            limit=self.limit,
            offset=start,
            select=("_id", self.audit.stamp),
            params=self.params,
            raw_items=True,
        )
        rows = slices_of((yield from self.job.traffic.ask(request)), resource)
        ids = ascending_ids(rows)
        yield from self.audit.check(rows)
        yield self.job.progress(len(self.gone), "looking for deletions")
        return ids


def _missing_by_walk(job: ModelSync, local: list[str], params: Mapping[str, str], audit: _Audit) -> Flow[set[str]]:
    """The ids of `local` that a walk over the whole list proves missing, as a full pass does."""
    gone: set[str] = set()
    walk = walk_ahead(job.layout.resource, job.traffic, params, select=("_id", audit.stamp), expected=len(local))

    def apply(page: Page[RawRecord]) -> Flow[None]:
        yield from audit.check(page.rows)
        if page.proved:
            left = bisect_right(local, page.after)
            right = len(local) if page.last is None else bisect_right(local, page.last)
            there = {row["_id"] for row in page.rows}
            gone.update(id for id in local[left:right] if id not in there)
        yield job.progress(len(gone), "sweeping for deletions")

    yield from walk.run(apply)
    return gone


def _missing_of_two_lists(job: ModelSync, local: list[str], params: Mapping[str, str], audit: _Audit) -> Flow[set[str]]:
    """The same where archived records have a list of their own: deleted is what neither shows.

    A record may move from one to the other in between, so each is asked for as well.
    """
    shown = yield from _missing_by_walk(job, local, params, audit)
    doubtful = sorted(shown & (yield from _missing_by_walk(job, local, {}, audit)))
    if len(doubtful) > _CONFIRM:
        job.report.notes.append(f"{len(doubtful):,} records were not listed; the next full pass looks into that")
        return set()
    gone = yield from job.confirm(doubtful)
    job.state.traits.swept_at = state.now()
    return set(gone)
