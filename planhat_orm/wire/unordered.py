"""Lists of servers that do not sort by `_id`: complete as far as that can be told, or an error.

Nothing proves that such pages leave nothing out. So the same page must come twice alike, each page must hold the
last record of the one before, and the whole list is read until a reading shows nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from msgspec import Struct

from ..errors import BadAnswer
from ..http.effects import Flow
from .list_page import check_ids
from .list_reader import FAR, ListReader, NotSortedById, Row

READINGS = 5
_PAGES = 300
"""So many pages more than there are records for: others make new ones faster than a reading ends."""
_STALLS = 10
_STEPS_BACK = 30
"""So many steps back in one reading are no accident."""


class UnorderedList(Struct, Generic[Row]):
    """The readings of one list. `seen` are ids that need not come again."""

    reader: ListReader[Row]
    size: int
    seen: set[str] = set()

    def read(self, apply: Callable[[list[Row]], Flow[None]]) -> Flow[None]:
        """Hand every record to `apply` once, page by page. Raises `BadAnswer` where that cannot be all of them."""
        if (yield from self._fits_a_page()):
            yield from self._take(apply, (yield from self._page(0)))
            return
        newest = ""
        for _ in range(READINGS):
            known = set(self.seen)
            ended = yield from self._read_once(apply)
            # What is newer than all that the first reading saw was made since, and was not there to be missed.
            if ended and newest and all(id > newest for id in self.seen - known):
                return
            if ended and self.seen == known:
                return
            newest = newest or max(self.seen, default="")
        raise BadAnswer(
            f"GET /{self._path} is not sorted by _id and showed new records in each of {READINGS} readings: it cannot "
            f"be read completely while it changes this fast."
        )

    @property
    def _path(self) -> str:
        return self.reader.resource.path

    def _fits_a_page(self) -> Flow[bool]:
        """Whether a list that comes in another order each time is no longer than a page; else it cannot be read."""
        first, again = (yield from self._ids(0)), (yield from self._ids(0))
        common = {*first} & {*again}
        if [id for id in dict.fromkeys(first) if id in common] == [id for id in dict.fromkeys(again) if id in common]:
            return False
        length = len(first)
        if {*first} == {*again} and length < self.reader.most and not (yield from self._any(length, self.reader.most)):
            return True
        raise BadAnswer(f"GET /{self._path} comes in another order each time, so it cannot be read to its end.")

    def _any(self, offset: int, *more: int) -> Flow[bool]:
        """Whether anything shows at an offset, or so much further."""
        for further in (0, *more):
            if (yield from self._ids(offset + further)):
                return True
        return False

    def _read_once(self, apply: Callable[[list[Row]], Flow[None]]) -> Flow[bool]:
        """Read the list from its beginning; whether its end was reached."""
        own: set[str] = set()  # of this reading
        offset = steps = pages = stalls = 0
        last: str | None = None
        while pages <= _PAGES + 2 * len(own) // self.size:
            pages += 1
            rows = yield from self._page(offset)
            ids = [str(row.get("_id")) for row in rows]
            if last is not None and last not in ids:
                steps += 1
                if steps > _STEPS_BACK:
                    raise BadAnswer(
                        f"GET /{self._path} has no order, or shows nothing past some offset: {steps} times a page did "
                        f"not hold the last record of the one before."
                    )
                offset, last = max(0, offset - 4 ** min(steps, 4)), last if ids and ids[0] not in own else None
                continue
            yield from self._take(apply, rows)
            if own.issuperset(ids):
                stalls += 1
                step = yield from self._step_to_more(offset, ids, own)
                if step is None or stalls > _STALLS:
                    return True  # or others insert faster than its end can be looked at
                offset, last = offset + step, None
                continue
            own.update(ids)
            stalls = 0
            offset, last = offset + len(ids) - 1, ids[-1]
        return False

    def _step_to_more(self, offset: int, ids: list[str], own: set[str]) -> Flow[int | None]:
        """How much further there is something that this reading had not, or None where nothing shows."""
        alone = yield from self._ids(offset)
        more = [place for place, id in enumerate(alone) if id not in own]
        if more:
            return more[0]
        if ids and (yield from self._any(FAR)):
            if len(ids) < self.size and not (yield from self._hides_more(ids)):
                return None
            raise BadAnswer(
                f"GET /{self._path} gives the same {len(ids)} records at every offset: the server ignores the offset, "
                f"so what comes after them cannot be read."
            )
        step = max(1, len(ids))
        return step if (yield from self._any(offset + step, self.reader.most - step + 1)) else None

    def _hides_more(self, ids: list[str]) -> Flow[bool]:
        """Whether ids alone show records that a page did not."""
        return not {*(yield from self._ids(0))} <= {*ids}

    def _take(self, apply: Callable[[list[Row]], Flow[None]], rows: list[Row]) -> Flow[None]:
        fresh = {str(row.get("_id")): row for row in rows if row.get("_id") not in self.seen}
        self.seen.update(fresh)
        if fresh:
            yield from apply(list(fresh.values()))

    def _page(self, offset: int) -> Flow[list[Row]]:
        rows = yield from self.reader.page(offset, self.size)
        check_ids(self.reader.resource, rows, in_order=True)
        return rows

    def _ids(self, offset: int) -> Flow[list[str]]:
        try:
            return (yield from self.reader.ids(offset))
        except NotSortedById:
            raise BadAnswer(f"GET /{self._path} held a record without an _id: it cannot be told from others.") from None
