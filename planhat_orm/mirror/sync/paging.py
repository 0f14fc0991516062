"""Reading a list with the proof that nothing was missed: pages that meet.

Every page is a contiguous run of the `_id` order at its own moment. If each one begins at or before the last id
seen, their union is the whole line of ids, whatever is inserted and deleted meanwhile; where one does not, it is
asked again further left. The list has ended when it begins, read backwards, with the last id seen; a page that is
merely short proves nothing, as servers cut pages at will. Offsets alone, in any order,
lose rows as soon as somebody deletes one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, TypeVar

from ...errors import BadAnswer, RequestError
from ...http.effects import Flow, Request, Response, Start, Wait
from ...http.flows import intercept
from ...http.headers import date_of
from ...query.kinds import iso
from ...wire.listing import check_ids, request_page, rows_of
from ...wire.raw_records import RawRecord, slices_of
from ...wire.resources import Resource
from ..db import state

OVERLAP = 16
AHEAD = 7
STEP = 0.1
"""How many pages may be asked for while one is waited for and written: one for each so many seconds that an answer
takes. A fast server is read page by page, and a sync that is killed there has fetched none in vain."""
MOST_BYTES = 24_000_000
"""How large the pages asked for and the one that is written may be together: memory is a few pages, not the list.
One is asked for all the same."""
SWEEPS = 5
_STALE = 50
"""So many pages in a row with nothing new are no accident."""
_FAR = 10_000_000
"""More records than a list has: where some show there all the same, the server ignores the offset."""

T = TypeVar("T")
Apply = Callable[["Page"], Flow[None]]


@dataclass(slots=True)
class RequestCounter:
    """Counts what a sync asks, and reads the server's clock off the first answer since `mark()`.

    `first_date` is before the server looked into its data: the answer's `Date` less the time that the answer took.
    `first_sent` is this machine's clock at that request.
    """

    requests: int = 0
    bytes: int = 0
    first_date: str | None = None
    first_sent: str | None = None

    def mark(self) -> None:
        """Begin to look for the first answer again."""
        self.first_date = self.first_sent = None

    def ask(self, request: Request) -> Flow[Response]:
        """Send one request."""
        sent = state.now()
        try:
            answer: Response = yield request
        except RequestError as error:
            self.requests += max(1, error.attempts)
            raise
        self.requests += answer.attempts
        self._look_at(answer, sent)
        return answer

    def begin(self, request: Request) -> Flow[tuple[Any, str]]:
        """Send one request and go on; `finish` takes what is returned."""
        self.requests += 1
        sent = state.now()
        return (yield Start(request)), sent

    def finish(self, begun: tuple[Any, str]) -> Flow[Response]:
        """Wait for the answer to a request that was begun."""
        try:
            answer: Response = yield Wait(begun[0])
        except RequestError as error:
            self.requests += max(1, error.attempts) - 1
            raise
        self.requests += answer.attempts - 1
        self._look_at(answer, begun[1])
        return answer

    def counting(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow that sends requests of its own, and count them."""
        return intercept(flow, Request, self.ask)

    def _look_at(self, answer: Response, sent: str) -> None:
        self.bytes += len(answer.body)
        if self.first_sent is None:
            self.first_sent = sent
            self.first_date = _date(answer)


def _date(response: Response) -> str | None:
    written = date_of(response.headers)
    try:
        return None if written is None else iso(written - timedelta(seconds=response.seconds))
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were not seen before, and the interval of ids that they prove: above `after`, up to `last`.

    `last` is None on the last page, which covers everything above; where it equals `after`, the page proves
    nothing. `rank` is where the next page begins.
    """

    rows: list[RawRecord]
    after: str
    last: str | None
    anchor: str
    rank: int

    @property
    def proved(self) -> bool:
        """Whether a record of the interval that is not on the page does not exist."""
        return self.after != self.last


class NotSortedById(Exception):
    """A list did not come in the order of `_id`."""


class NotSortedByStamp(Exception):
    """A list by descending stamps is not what it should be; the text says how.

    `then` is the way to go instead; `lasting` says that the next sync need not try again.
    """

    def __init__(self, why: str, *, then: Literal["scan", "full"] = "scan", lasting: bool = True) -> None:
        super().__init__(why)
        self.then = then
        self.lasting = lasting


@dataclass(slots=True)
class ListWalk:
    """One walk along the ids of a list, from `anchor` and `rank` on."""

    resource: Resource
    traffic: RequestCounter
    params: Mapping[str, str] = field(default_factory=dict)
    select: tuple[str, ...] | None = None
    anchor: str = ""
    rank: int = 0
    expected: int | None = None
    overlap: int = OVERLAP
    longest: int = 0
    _length: int = 0
    _asked: int = 0
    _before: tuple[int, list[str]] = (0, [])
    _ahead: deque[tuple[int, tuple[Any, str]]] = field(default_factory=deque)

    def run(self, apply: Apply) -> Flow[None]:
        """Hand every page to `apply`, in order. Raises `NotSortedById` as soon as one is not sorted by `_id`."""
        back = stale = 0  # how much further left than the overlap, after a gap; pages in a row with nothing new
        self._length = self.longest
        while True:
            if not self._ahead:
                yield from self._begin(
                    max(0, self.rank - (min(1, max(0, self._length - 1)) if stale else self._reach()) - back)
                )
            offset, begun = self._ahead.popleft()
            answer = yield from self.traffic.finish(begun)
            rows = slices_of(answer, self.resource)
            ids = ids_of(rows)
            if ids is None:
                raise NotSortedById
            if offset and self._length > 1 and (not ids or ids[0] > self.anchor):
                self._ahead.clear()
                if offset < self.rank:
                    # Records to the left vanished since the last page.
                    back = max(OVERLAP, back * 4)
                    self.overlap = max(1, min(self.longest // 2, self.overlap * 2))
                # Else the page before was shorter than the one before that, and this one asked too far right.
                continue
            back = 0
            repeated = bool(ids) and offset > self._before[0] and ids == self._before[1]
            after, fresh = self.anchor, [row for row in rows if row["_id"] > self.anchor]
            # Pages of one record cannot meet, so they prove nothing of what may be between them.
            proved = not offset or self._length > 1
            self.anchor = max(self.anchor, ids[-1] if ids else "")
            self.rank, self._before = offset + len(ids), (offset, ids)
            usual, self._length = self.longest or self.resource.max_limit, len(ids)
            self.longest = max(self.longest, len(ids))
            if fresh:
                stale = 0
                # Shorter than others, or than asked, so there may be no more.
                last = len(ids) < usual and (yield from self._newest()) == self.anchor
                if not last:
                    yield from self._look_ahead(answer)
                if proved:
                    yield from apply(Page(fresh, after, None if last else self.anchor, self.anchor, self.rank))
                else:
                    yield from apply(Page(fresh, self.anchor, self.anchor, self.anchor, self.rank))
                if not last:
                    continue
                if proved:
                    return
            newest = (yield from self._newest()) if ids or offset else None
            shown = ids[-1] if ids else None
            if newest in (None, self.anchor, shown):
                # Nothing is beyond what was seen; where its last record is gone, nothing is beyond the one before.
                yield from apply(Page([], self.anchor, None, self.anchor, self.rank))
                return
            if newest < self.anchor:
                # It does not come backwards, so only the page itself can tell: it was not cut, as short as it is.
                whole = proved and shown == self.anchor and len(ids) < self.longest and not repeated
                if whole or not ids:
                    yield from apply(Page([], self.anchor, None if whole else self.anchor, self.anchor, self.rank))
                    return
            if offset and not ids:
                # All that was left of here may have vanished, and what is new is where it was.
                back = OVERLAP
            stale += 1
            if (repeated and len(ids) > 1) or stale > _STALE:
                raise BadAnswer(
                    f"GET /{self.resource.path} gives the same {len(ids)} records at every offset: the server ignores "
                    f"the offset, or changes faster than it can be read, so what comes after them cannot be read."
                )

    def _reach(self) -> int:
        """How far a page reaches back over the one before; pages of one record cannot."""
        return min(self.overlap, max(0, self._length - 1), max(1, self._length // 2))

    def _begin(self, offset: int) -> Flow[None]:
        self._asked += 1
        request = request_page(
            self.resource,
            limit=self.resource.max_limit,
            offset=offset,
            select=self.select,
            params=self.params,
            raw_items=True,
        )
        self._ahead.append((offset, (yield from self.traffic.begin(request))))

    def _look_ahead(self, answer: Response) -> Flow[None]:
        """Ask for the next pages before this one is written, as far as there are likely to be rows."""
        if self._length < self.longest:
            return
        step = self._length - self._reach()
        room = min(AHEAD, int(answer.seconds / STEP), max(1, MOST_BYTES // len(answer.body) - 1))
        last = self._ahead[-1][0] + self._length if self._ahead else self.rank
        while step > 0 and len(self._ahead) < room:
            likely = self._asked // 2 > len(self._ahead) if self.expected is None else last < self.expected
            if not likely:
                return
            yield from self._begin(last - self._reach())
            last += step

    def _newest(self) -> Flow[str | None]:
        """The id that the list read backwards begins with."""
        request = request_page(self.resource, limit=1, sort="-_id", select=("_id",), params=self.params)
        last = rows_of((yield from self.traffic.ask(request)), self.resource)
        return str(last[0].get("_id")) if last else None


def ids_of(rows: list[RawRecord]) -> list[str] | None:
    """The ids of a page, or None when they are not text in ascending order."""
    ids = [row.get("_id") for row in rows]
    if not all(isinstance(id, str) and id.strip() for id in ids):
        return None
    return ids if all(a < b for a, b in pairwise(ids)) else None


def sweep(resource: Resource, traffic: RequestCounter, params: Mapping[str, str], apply: Apply) -> Flow[set[str]]:
    """Read a list that is not sorted, again and again until a whole sweep shows nothing new; return the ids.

    Nothing proves such pages, so nothing can be called deleted for not being among them.
    """
    seen: set[str] = set()
    for _ in range(SWEEPS):
        known, offset, before = len(seen), 0, None
        while True:
            request = request_page(resource, limit=resource.max_limit, offset=offset, params=params, raw_items=True)
            rows = slices_of((yield from traffic.ask(request)), resource)
            ids = [row.get("_id") for row in rows]
            check_ids(resource, rows, in_order=True)
            if rows and ids == before and (yield from _shows(resource, traffic, params, _FAR)):
                raise BadAnswer(
                    f"GET /{resource.path} is not sorted by _id and gives the same {len(rows)} records at every "
                    f"offset, so there may be others that cannot be read."
                )
            fresh = list({row["_id"]: row for row in rows if row["_id"] not in seen}.values())
            if fresh:
                seen.update(row["_id"] for row in fresh)
                yield from apply(Page(fresh, "", "", "", offset + len(rows)))
            if not rows:
                break
            offset, before = offset + len(rows), ids
        if len(seen) == known:
            return seen
    raise BadAnswer(
        f"GET /{resource.path} is not sorted by _id and showed new records in each of {SWEEPS} sweeps: it cannot be "
        f"read completely while it changes this fast."
    )


def _shows(resource: Resource, traffic: RequestCounter, params: Mapping[str, str], offset: int) -> Flow[bool]:
    """Whether a list has a record at an offset."""
    request = request_page(resource, limit=1, offset=offset, select=("_id",), params=params)
    return bool(rows_of((yield from traffic.ask(request)), resource))
