"""How a sync reads whole lists: requests that are counted, pages ahead of the one that is written, and their proof.

The proof is that of `wire.list_walk`: pages that meet, up to the id with which the list begins when read backwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeVar

import msgspec

from ...errors import RequestError
from ...http.effects import Flow, Request, Response, RunBlocking, Start, Wait
from ...http.flows import intercept
from ...http.headers import date_of
from ...query.kinds import iso
from ...wire.list_reader import ListReader, Requests
from ...wire.list_walk import ListWalk
from ...wire.proved_page import Asked, Page
from ...wire.raw_records import RawRecord, repaired_in, slices_of
from ...wire.resources import Resource
from ...wire.unordered import UnorderedList
from ..db import state
from ..db.clock import Instant

OVERLAP = 16
AHEAD = 7
GUESSED = 3
"""So many pages for each that came are asked for beyond what a list was seen to hold, while its length is not known."""
STEP = 0.07
"""How many pages may be asked for while one is waited for and written: one for each so many seconds that an answer
takes. A fast server is read page by page, and a sync that is killed there has fetched none in vain."""
MOST_BYTES = 24_000_000
"""How large the pages asked for and the one that is written may be together: memory is a few pages, not the list.
One is asked for all the same."""
T = TypeVar("T")
Apply = Callable[[Page[RawRecord]], Flow[None]]


@dataclass
class RequestCounter(Requests):
    """Counts what a sync asks, and reads the server's clock off the first answer since `mark()`.

    `repaired` are records that came with half of a character.

    `first_date` is before the server looked into its data: the answer's `Date` less the time that the answer took.
    `first_sent` is this machine's clock at that request. `clock` tells the mirror's instant, which each request is
    asked at.
    """

    requests: int = 0
    bytes: int = 0
    first_date: str | None = None
    first_sent: str | None = None
    clock: Callable[[], Instant] | None = None
    repaired: dict[str, None] = field(default_factory=dict)
    _oldest: Instant | None = None

    def mark(self) -> None:
        """Begin to look for the first answer again."""
        self.first_date = self.first_sent = None

    def ask(self, request: Request) -> Flow[Response]:
        """Send one request."""
        asked, sent = (yield from self._present()), state.now()
        try:
            answer: Response = yield request
        except RequestError as error:
            self.requests += max(1, error.attempts)
            self._note_asked(asked)  # that a record is not found is an answer, too
            raise
        self.requests += answer.attempts
        self._look_at(answer, sent, asked)
        return answer

    def begin(self, request: Request) -> Flow[tuple[Any, str]]:
        """Send one request and go on; `finish` takes what is returned."""
        self.requests += 1
        asked, sent = (yield from self._present()), state.now()
        return ((yield Start(request)), asked), sent

    def finish(self, begun: tuple[Any, str]) -> Flow[Response]:
        """Wait for the answer to a request that was begun."""
        try:
            answer: Response = yield Wait(begun[0][0])
        except RequestError as error:
            self.requests += max(1, error.attempts) - 1
            self._note_asked(begun[0][1])
            raise
        self.requests += answer.attempts - 1
        self._look_at(answer, begun[1], begun[0][1])
        return answer

    def oldest(self) -> Instant:
        """The mirror's instant when the oldest of the answers was asked for that came since this was last called."""
        oldest, self._oldest = self._oldest or Instant(0, 0), None
        return oldest

    def counting(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow that sends requests of its own, and count them."""
        return intercept(flow, Request, self.ask)

    def _present(self) -> Flow[Instant]:
        if self.clock is None:
            return Instant(0, 0)
        present: Instant = yield RunBlocking(self.clock)
        return present

    def _look_at(self, answer: Response, sent: str, asked: Instant) -> None:
        self.bytes += len(answer.body)
        self.repaired.update(dict.fromkeys(repaired_in(answer)))
        self._note_asked(asked)
        if self.first_sent is None:
            self.first_sent = sent
            self.first_date = _date(answer)

    def _note_asked(self, asked: Instant) -> None:
        self._oldest = asked if self._oldest is None else min(asked, self._oldest, key=lambda instant: instant.n)


def _date(response: Response) -> str | None:
    written = date_of(response.headers)
    try:
        return None if written is None else iso(written - timedelta(seconds=response.seconds))
    except OverflowError:
        return None


class NotSortedByStamp(Exception):
    """A list by descending stamps is not what it should be; the text says how.

    `then` is the way to go instead; `lasting` says that the next sync need not try again.
    """

    def __init__(self, why: str, *, then: Literal["scan", "full"] = "scan", lasting: bool = True) -> None:
        super().__init__(why)
        self.then = then
        self.lasting = lasting


class WalkAhead(ListWalk[RawRecord]):
    """A walk along the ids that asks for the next pages before a page is written. `expected` is how many there are."""

    expected: int | None = None
    _asked: int = 0
    _ahead: deque[tuple[Asked, tuple[Any, str]]] = msgspec.field(default_factory=deque)

    def _next_page(self) -> Flow[tuple[Asked, Response]]:
        if not self._ahead:
            yield from self._begin(self._place())
        asked, begun = self._ahead.popleft()
        return asked, (yield from self.reader.requests.finish(begun))

    def _begin(self, asked: Asked) -> Flow[None]:
        self._asked += 1
        request = self.reader.request(asked.offset, asked.limit)
        self._ahead.append((asked, (yield from self.reader.requests.begin(request))))

    def _look_ahead(self, answer: Response, ids: list[str]) -> Flow[None]:
        """Ask for the next pages before this one is written, as far as there are likely to be rows."""
        step = len(ids) - self._reach()
        if len(ids) < self.longest or self._next or step <= 0:
            return
        room = min(AHEAD, int(answer.seconds / STEP), max(1, MOST_BYTES // len(answer.body) - 1))
        last = self._ahead[-1][0].offset + len(ids) if self._ahead else self.rank
        likely = self._likely(step)
        while len(self._ahead) < room and last < likely:
            yield from self._begin(Asked(last - self._reach(), self.reader.most))
            last += step

    def _likely(self, step: int) -> int:
        """Up to which place it is worth asking for rows, of which a page has `step` new ones."""
        left, is_all = self._end.left(self.anchor)
        seen = self.rank + left
        if is_all:
            return seen
        if self.expected is not None:
            return max(seen, self.expected)
        return seen + GUESSED * step * (self._asked - len(self._ahead))

    def _miss(self, asked: Asked) -> Flow[None]:
        self._ahead.clear()
        if asked.offset < max(1, self.rank) or self._next:
            yield from self._find_again()
        # Else the page before was shorter than the one before that, and this one was asked for too far right.

    def _is_at_end(self, asked: Asked, ids: list[str]) -> Flow[bool]:
        self._ahead.clear()
        return (yield from super()._is_at_end(asked, ids))


def walk_ahead(
    resource: Resource,
    traffic: RequestCounter,
    params: Mapping[str, str],
    *,
    select: tuple[str, ...] | None = None,
    expected: int | None = None,
    overlap: int = OVERLAP,
    anchor: str = "",
    rank: int = 0,
    longest: int = 0,
) -> WalkAhead:
    """A walk along the ids of a list whose rows stay JSON."""
    reader = ListReader(resource, slices_of, params, select, raw_items=True, requests=traffic)
    return WalkAhead(reader, anchor=anchor, rank=rank, longest=longest, overlap=overlap, expected=expected)


def read_unsorted(
    resource: Resource, traffic: RequestCounter, params: Mapping[str, str], apply: Apply
) -> Flow[set[str]]:
    """Read a list that is not sorted, again and again until a whole reading shows nothing new; return the ids.

    Nothing proves such pages, so nothing can be called deleted for not being among them.
    """
    reader = ListReader(resource, slices_of, params, raw_items=True, requests=traffic)
    unordered = UnorderedList(reader, reader.most)

    def apply_rows(rows: list[RawRecord]) -> Flow[None]:
        return apply(Page(rows, "", "", "", len(unordered.seen)))

    yield from unordered.read(apply_rows)
    return unordered.seen
