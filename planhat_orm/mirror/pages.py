"""Reading a list with the proof that nothing was missed: pages that meet.

Every page is a contiguous run of the `_id` order at its own moment. If each one begins at or before the last id
seen, their union is the whole line of ids, whatever is inserted and deleted meanwhile; where one does not, it is
asked again further left. A page shorter than the longest one of this pass is the last. Offsets alone, in any
order, lose rows as soon as somebody deletes one (sync.md 2.1 has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

from ..errors import BadAnswer, RequestError
from ..http.effects import Flow, Request, Response, Together
from ..query.kinds import iso
from ..wire.listing import request_page, rows_of
from ..wire.resources import Resource
from . import state

OVERLAP = 16
AHEAD = 4
MOST_ROWS = 10_000
"""How many pages are asked at once, and how many rows they may hold together: memory is a few pages, not the list."""
SWEEPS = 5

Raw = dict[str, Any]
Apply = Callable[["Page"], Flow[None]]


@dataclass(slots=True)
class Traffic:
    """Counts what a sync asks, and remembers the server's clock at the first answer since `mark()`."""

    requests: int = 0
    bytes: int = 0
    first_date: str | None = None
    first_sent: str | None = None

    def mark(self) -> None:
        """Begin to look for the first answer again."""
        self.first_date = self.first_sent = None

    def ask(self, request: Request) -> Flow[Response]:
        """Send one request."""
        return (yield from self.together((request,)))[0]

    def together(self, requests: tuple[Request, ...]) -> Flow[list[Response]]:
        """Send several requests at once."""
        sent = state.now()
        try:
            if len(requests) == 1:
                answers: list[Response] = [(yield requests[0])]
            else:
                answers = yield Together(requests)
        except RequestError as error:
            self.requests += len(requests) - 1 + max(1, error.attempts)
            raise
        for answer in answers:
            self.requests += answer.attempts
            self.bytes += len(answer.body)
        if self.first_sent is None:
            self.first_sent = sent
            self.first_date = _date(answers[0])
        return answers


def _date(response: Response) -> str | None:
    try:
        return iso(parsedate_to_datetime(response.headers["date"]))
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were not seen before, and the interval of ids that they prove: above `after`, up to `last`.

    `last` is None on the last page, which covers everything above. `rank` is where the next page begins.
    """

    rows: list[Raw]
    after: str
    last: str | None
    anchor: str
    rank: int


class Unsorted(Exception):
    """A list did not come in the order of `_id`."""


@dataclass(slots=True)
class Pass:
    """One walk along the ids of a list, from `anchor` and `rank` on."""

    resource: Resource
    traffic: Traffic
    params: Mapping[str, str] = field(default_factory=dict)
    select: tuple[str, ...] | None = None
    anchor: str = ""
    rank: int = 0
    expected: int | None = None
    ahead: int = AHEAD
    overlap: int = OVERLAP
    longest: int = 0
    _asked: int = 0
    _before: tuple[int, list[str]] = (0, [])

    def run(self, apply: Apply) -> Flow[None]:
        """Hand every page to `apply`, in order. Raises `Unsorted` as soon as one is not sorted by `_id`."""
        back = 0  # how much further left than the overlap, after a gap
        while True:
            reach = self._reach() + back
            offsets = self._offsets(max(0, self.rank - reach))
            requests = tuple(self._request(offset) for offset in offsets)
            answers = yield from self.traffic.together(requests)
            self._asked += len(requests)
            for offset, answer in zip(offsets, answers, strict=True):
                rows = rows_of(answer)
                ids = ids_of(rows)
                if ids is None:
                    raise Unsorted
                if offset and reach and (not ids or ids[0] > self.anchor):
                    # Records to the left vanished since the last page, or pages are shorter than they were.
                    back = max(OVERLAP, back * 4)
                    self.overlap = min(self.longest // 2, self.overlap * 2)
                    break
                back = 0
                end = not ids or len(ids) < self.longest or len(ids) > self.resource.max_limit
                if offset > self._before[0] and ids == self._before[1]:
                    yield from self._offset_ignored(ids)
                    end = True
                after, self.anchor = self.anchor, max(self.anchor, ids[-1] if ids else "")
                self.rank, self._before = offset + len(ids), (offset, ids)
                self.longest = max(self.longest, len(ids))
                fresh = [row for row in rows if row["_id"] > after]
                if offset and not reach:
                    yield from apply(Page(fresh, "", "", self.anchor, self.rank))  # pages of one record prove nothing
                else:
                    yield from apply(Page(fresh, after, None if end else self.anchor, self.anchor, self.rank))
                if end:
                    return

    def _reach(self) -> int:
        """How far a page reaches back over the one before; pages of one record cannot."""
        return min(self.overlap, max(0, self.longest - 1), max(1, self.longest // 2))

    def _offsets(self, first: int) -> list[int]:
        """Where to read next: ahead of what is proved only as far as there are likely to be rows."""
        if not self.longest or first < self.rank - self._reach():
            return [first]
        step = self.longest - self._reach()
        rest = None if self.expected is None else self.expected + 1 - first - self._reach()
        pages = self._asked // 2 if rest is None else -(-rest // step)
        ahead = min(self.ahead, MOST_ROWS // self.longest, pages)
        return [first + step * n for n in range(max(1, ahead))]

    def _request(self, offset: int) -> Request:
        return request_page(
            self.resource, limit=self.resource.max_limit, offset=offset, select=self.select, params=self.params
        )

    def _offset_ignored(self, ids: list[str]) -> Flow[None]:
        """The same page at another offset: complete only if the list read backwards ends in it too."""
        request = request_page(self.resource, limit=1, sort="-_id", select=("_id",), params=self.params)
        last = rows_of((yield from self.traffic.ask(request)))
        if not last or last[0].get("_id") != ids[-1]:
            raise BadAnswer(
                f"GET /{self.resource.path} gives the same {len(ids)} records at every offset: the server ignores the "
                f"offset, so what comes after them cannot be read."
            )


def ids_of(rows: list[Raw]) -> list[str] | None:
    """The ids of a page, or None when they are not text in ascending order."""
    ids = [row.get("_id") for row in rows]
    if not all(isinstance(id, str) and id for id in ids):
        return None
    return ids if all(a < b for a, b in pairwise(ids)) else None  # type: ignore[operator,return-value]


def sweep(resource: Resource, traffic: Traffic, params: Mapping[str, str], apply: Apply) -> Flow[set[str]]:
    """Read a list that is not sorted, again and again until a whole sweep shows nothing new; return the ids.

    Nothing proves such pages, so nothing can be called deleted for not being among them.
    """
    seen: set[str] = set()
    for _ in range(SWEEPS):
        known, offset, longest, before = len(seen), 0, 0, None
        while True:
            request = request_page(resource, limit=resource.max_limit, offset=offset, params=params)
            rows = rows_of((yield from traffic.ask(request)))
            ids = [row.get("_id") for row in rows]
            if not all(isinstance(id, str) and id for id in ids):
                raise BadAnswer(f"GET /{resource.path} holds records without an _id: they cannot be mirrored.")
            if rows and ids == before:
                if len(rows) >= resource.max_limit:
                    raise BadAnswer(
                        f"GET /{resource.path} is not sorted by _id and gives the same {len(rows)} records at every "
                        f"offset, so the rest cannot be read."
                    )
                break
            fresh = list({row["_id"]: row for row in rows if row["_id"] not in seen}.values())
            if fresh:
                seen.update(row["_id"] for row in fresh)
                yield from apply(Page(fresh, "", "", "", offset + len(rows)))
            if len(rows) < longest or not rows:
                break
            longest, offset, before = max(longest, len(rows)), offset + len(rows), ids
        if len(seen) == known:
            return seen
    raise BadAnswer(
        f"GET /{resource.path} is not sorted by _id and showed new records in each of {SWEEPS} sweeps: it cannot be "
        f"read completely while it changes this fast."
    )
