"""The proof that a list is complete: pages that meet, up to the id with which the list begins when read backwards.

Planhat's lists have no cursor and no total, offsets drift while others write, and a page may be short because the
list ends, because the server cuts it at some number of bytes, or because it left rows out after it applied the
limit. But every page in the order of `_id` is a contiguous run of what was visible at one moment. Where each run
begins at or before the last id of the one before, nothing is between them, whatever is inserted and deleted
meanwhile; where one does not, it is asked again further left. What the runs have to reach is the first id of the
list read backwards, if the answer itself shows that it came backwards. A page that is short or shows nothing new
proves nothing: then ids are asked for alone, which no server cuts, and rows hidden behind the limit are stepped over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic

from msgspec import Struct, field

from ..errors import BadAnswer
from ..http.effects import Flow, Response, Sleep
from .hidden_rows import ROUNDS, Gap, Moved
from .list_end import ListEnd
from .list_reader import FAR, ListReader, NotSortedById, Row, ascending, ascending_ids
from .proved_page import Asked, Page

_TAIL = 8
"""So many ids before the end are read again where a list cannot be read backwards."""
_PATIENCE = 150
"""So many requests with nothing new, and two for every page that was read, are no accident."""
_LOOKS = 3
_PAUSE = 1.0
"""Seconds after which an end that the newest id contradicts is looked at again: a list may lag behind itself."""


class ListWalk(Struct, Generic[Row]):
    """One walk along the ids of a list, from `anchor` and `rank` on.

    `size` rows are asked for, or as many as a page can have. The list is read backwards beside its first page, or
    with `is_late` only when that may have been the last: for those who may want no more than that.
    """

    reader: ListReader[Row]
    size: int = 0
    is_late: bool = False
    anchor: str = ""
    rank: int = 0
    longest: int = 0
    overlap: int = 1
    _end: ListEnd = field(default_factory=ListEnd)
    _is_new: bool = False
    _first: list[str] = []
    _before: tuple[int, Sequence[str]] = (0, ())
    _lowest: str = ""
    _length: int = 0
    _back: int = 0
    _next: deque[str] = field(default_factory=deque)
    _crept: tuple[int, str] = (0, "")
    _looks: int = 0
    _pages: int = 0
    _idle: int = 0
    _spent: int = 0

    def run(self, apply: Callable[[Page[Row]], Flow[None]]) -> Flow[None]:
        """Hand every page to `apply`, in order, the last one with `last=None`.

        Raises `NotSortedById` as soon as the list shows that it has another order, and `BadAnswer` where it cannot
        be read to its end.
        """
        self._length = self.longest
        probe = None if self.is_late else (yield from self.reader.begin_backwards())
        while not (yield from self._read_page(apply, probe)):
            probe = None

    def _read_page(self, apply: Callable[[Page[Row]], Flow[None]], probe: Any) -> Flow[bool]:
        """Read a page, and return whether the list ends with it. Its rows are not held while the next is read."""
        asked, answer = yield from self._next_page()
        rows = self.reader.read(answer, self.reader.resource)
        ids = ascending_ids(rows)
        if not self._pages and not asked.offset:
            self._first = ids
        if probe is not None:
            yield from self._note_newest((yield from self.reader.finish(probe)))
        if not self._meets(asked, ids):
            yield from self._miss(asked)
            return False
        fresh = rows[bisect_right(ids, self.anchor) :]
        if fresh:
            page = yield from self._take(asked, ids, fresh)
            if page.last is not None:
                yield from self._look_ahead(answer, ids)
            yield from apply(page)
            return page.last is None or (yield from self._is_over(asked, ids))
        if not (yield from self._is_at_end(asked, ids)):
            return False
        yield from apply(Page([], self.anchor, None, self.anchor, self.rank))
        return True

    # --- pages that meet ---------------------------------------------------------------------------------

    def _next_page(self) -> Flow[tuple[Asked, Response]]:
        """The next page, and where it was asked for."""
        asked = self._place()
        return asked, (yield from self.reader.ask(asked.offset, asked.limit))

    def _place(self) -> Asked:
        """Where the next page is to begin: on a record that was seen, or on the one that is known to be next."""
        self._spend()
        self._is_new = False
        reach = self._reach()
        size = self.size or self.reader.most
        return Asked(max(0, self.rank - reach - self._back), min(self.reader.most, size + reach))

    def _reach(self) -> int:
        """How far a page reaches back over the one before, so that it shows that nothing moved."""
        if self._next or not self.rank:
            return 0
        return 1 if self._crept[0] else max(1, min(self.overlap, self._length // 2))

    def _look_ahead(self, answer: Response, ids: list[str]) -> Flow[None]:
        """Ask for pages before this one is used up; here none."""
        yield from ()

    def _meets(self, asked: Asked, ids: list[str]) -> bool:
        """Whether nothing can be between a page and what was seen before."""
        return not asked.offset or (bool(ids) and ids[0] <= self._bound())

    def _bound(self) -> str:
        """The id that the next page may begin with at most: the last one seen, or the one known to follow it."""
        return self._next[0] if self._next else self.anchor

    def _miss(self, asked: Asked) -> Flow[None]:
        """Go on after a page that does not meet what was seen."""
        yield from self._find_again()

    def _find_again(self) -> Flow[None]:
        """Records to the left vanished since the last page: go on further back, on the place that they moved to."""
        self._crept = (0, "")
        self._back = 4 * max(1, self._back, self.overlap)
        self.overlap = max(1, min(self.longest // 2, self.overlap * 2))
        if self._back < self._length // 2:
            return  # a page from there on shows the last record seen, and new ones
        place = max(0, self.rank - self._back)
        while True:
            ids = yield from self._ids(place)
            if place and (not ids or ids[0] > self.anchor):
                self._back *= 4
                place = max(0, self.rank - self._back)
            elif self._goes_on(place, ids):
                return
            elif len(ids) < 2:
                break
            else:
                place += len(ids) - 1
        self._next.clear()
        self._go_to(place + len(ids))

    def _take(self, asked: Asked, ids: list[str], fresh: list[Row]) -> Flow[Page[Row]]:
        """Go on to the end of a page."""
        after, bound = self.anchor, self._bound()
        self._before = (asked.offset, ids)
        self._go_to(asked.offset + len(ids))
        self.anchor, self._length, self.longest = ids[-1], len(ids), max(self.longest, len(ids))
        while self._next and self._next[0] <= self.anchor:
            self._next.popleft()
        if not self._pages:
            self._lowest = after or ids[0]
        if ids[0] <= bound or not self._pages:
            self._pages, self._idle = self._pages + 1, 0
        ended = self._reached_newest() or (yield from self._is_only_row())
        return Page(fresh, after, None if ended else self.anchor, self.anchor, self.rank)

    def _go_to(self, rank: int) -> None:
        self.rank, self._back, self._crept = rank, 0, (0, "")

    def _spend(self) -> None:
        self._idle, self._spent = self._idle + 1, self._spent + 1
        if self._idle > _PATIENCE + 2 * self._pages or self._spent > 3 * _PATIENCE + 8 * self._pages:
            raise BadAnswer(
                f"GET /{self._path} has no order, shows nothing past some offset, or changes faster than it can be "
                f"read: after {self._spent - 1} requests its end is not in sight."
            )

    @property
    def _path(self) -> str:
        return self.reader.resource.path

    # --- the end -----------------------------------------------------------------------------------------

    def _look_backwards(self) -> Flow[None]:
        yield from self._note_newest((yield from self._ask_backwards()))

    def _ask_backwards(self) -> Flow[Response]:
        self._spend()
        return (yield from self.reader.ask_backwards())

    def _note_newest(self, answer: Response) -> Flow[None]:
        """Keep what the list begins with when read backwards; `NotSortedById` where its first page lacks some of it."""
        self._read_backwards(answer)
        odd = self._end.missing(self._first)
        for _ in range(ROUNDS):
            if not odd:
                break
            first = yield from self._ids(0)
            self._read_backwards((yield from self._ask_backwards()))
            odd &= self._end.missing(first)
        if odd:
            raise NotSortedById
        self._first = []

    def _read_backwards(self, answer: Response) -> None:
        self._end.note(self.reader.ids_in(answer))
        self._is_new = True

    def _reached_newest(self) -> bool:
        return self._end.is_reached(self._lowest, self.anchor)

    def _is_over(self, asked: Asked, ids: list[str]) -> Flow[bool]:
        """Whether a list that was not read backwards yet ended with a page that may have been its last."""
        if self._end.newest is not None or (len(ids) == asked.limit and self._pages < 2):
            return False
        yield from self._look_backwards()
        return self._reached_newest() or (yield from self._is_only_row())

    def _is_only_row(self) -> Flow[bool]:
        """Whether a list begins and ends with the same record, and shows no other in the second place."""
        if not self._lowest == self.anchor == self._end.newest:
            return False
        return set((yield from self._ids(1))) <= {self.anchor}

    def _is_at_end(self, asked: Asked, ids: list[str]) -> Flow[bool]:
        """Whether a page without anything new was the last; if not, it is known now where to go on."""
        if (yield from self._is_all_there_is(asked, ids)):
            return True
        if self._creeps(asked, ids):
            return False
        if not self._is_new:
            yield from self._look_backwards()
        if self._reached_newest():
            return True
        if not (self.anchor or self._end.newest) and asked.limit == self.reader.most:
            return True  # neither the first nor the last of it is anything
        if ids and ids[-1] == self.anchor:
            self.rank = asked.offset + len(ids)
        place = max(0, self.rank - 1)
        near = yield from self._ids(place)
        if place and (not near or near[0] > self.anchor):
            yield from self._find_again()
            return False
        self._back = 0
        if self._goes_on(place, near):
            return False
        if not near and not self._end.shown:
            return True  # neither the first nor the last of it is anything, by now
        ends = (yield from self._ends_here()) if self._end.is_unclear(self.anchor) else None
        if ends is None and self._end.shown and not self._looks:
            yield from self._cross_gap(place, near)
        elif ends is None:
            yield from self._look_again()
        return bool(ends)

    def _is_all_there_is(self, asked: Asked, ids: list[str]) -> Flow[bool]:
        """Whether a server that ignores offsets ignores limits as well, so that its one page is the list."""
        before, self._before = self._before, (asked.offset, ids)
        if not ids or asked.offset <= before[0] or ids != [*before[1]] or not (yield from self._ids(FAR)):
            return False
        if len(ids) > asked.limit or self._reached_newest():
            return True
        raise BadAnswer(
            f"GET /{self._path} gives the same {len(ids)} records at every offset: the server ignores the offset, so "
            f"what comes after them cannot be read."
        )

    def _creeps(self, asked: Asked, ids: list[str]) -> bool:
        """Whether a page without anything new still led further to the right."""
        end = (asked.offset + len(ids), ids[-1] if ids else "")
        if not ids or end[1] >= self._bound() or (end[0] <= self._crept[0] and end[1] <= self._crept[1]):
            return False
        self._go_to(end[0])
        self._crept = end
        return True

    def _ids(self, offset: int) -> Flow[list[str]]:
        """The ids alone from an offset on: no server cuts those by bytes."""
        self._spend()
        return ascending((yield from self.reader.ids(offset)))

    def _goes_on(self, place: int, ids: list[str]) -> bool:
        """Whether ids that begin at or before the last one seen show what follows it."""
        beyond = [id for id in ids if id > self.anchor]
        if beyond:
            self._next = deque(beyond)
            self._go_to(place + len(ids) - len(beyond))
        return bool(beyond)

    def _ends_here(self) -> Flow[bool | None]:
        """Whether the ids around the end show that it is one, of a list that cannot be read backwards.

        None where something shows further right than the next page reaches.
        """
        place = max(0, self.rank - _TAIL)
        tail = yield from self._ids(place)
        if place and (not tail or tail[0] > self.anchor):
            yield from self._find_again()
            return False
        if self._goes_on(place, tail):
            return False
        if self.longest < 2 and (yield from self._ids(self.rank)):
            return None  # a page of one record shows nothing of what follows it
        is_short = len(tail) <= max(_TAIL, self.longest // 4)
        return True if is_short and not (yield from self._ids(self.rank + self.reader.most)) else None

    def _cross_gap(self, place: int, near: list[str]) -> Flow[None]:
        """Find what follows the last record seen, where all that the server counts behind it is left out."""
        if (yield from self._ids(FAR)):
            raise BadAnswer(
                f"GET /{self._path} gives records at every offset: the server ignores the offset, so what comes after "
                f"them cannot be read."
            )
        longest = max(self.longest, len(self._end.shown))
        if longest < _TAIL:
            longest = max(longest, len((yield from self._ids(0))))
        try:
            shown = yield from Gap(self._ids, self.anchor, place, near[0] if near else None).cross(longest)
        except Moved:
            yield from self._find_again()
            return
        if shown is None:
            yield from self._look_again()
        elif not self._goes_on(*shown):
            yield from self._find_again()

    def _look_again(self) -> Flow[None]:
        """Begin anew, a few times: a list may show its newest record and not count it yet, or the newest vanished."""
        if self._looks == _LOOKS:
            raise BadAnswer(
                f"GET /{self._path} shows nothing past offset {self.rank}, and does not begin there when it is read "
                f"backwards: it cannot be read to its end."
            )
        self._looks += 1
        yield Sleep(_PAUSE)
        self._back = self.rank or 1
