"""Lists: complete, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from .list_page import page, rows_of
from .list_reader import ListReader, NotSortedById
from .list_walk import ListWalk
from .proved_page import Page
from .resources import Resource
from .unordered import UnorderedList

Record = dict[str, Any]
_PAGES = 20
_STEPS_BACK = 30
"""So many steps back with nothing new between them are no accident."""


class _Enough(Exception):
    """All that was wanted has come."""


def pages(
    resource: Resource,
    *,
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    limit: int | None = None,
    wanted: int | None = None,
    may_stop: bool = False,
) -> Flow[None]:
    """Emit the records of a list, page by page in the order of `_id`, each exactly once.

    A record that is visible from the first request to the last is among them, whatever is inserted or deleted
    meanwhile, and however the server cuts its pages. `limit` is the page size; `wanted` stops after so many records;
    with `may_stop` the caller may want no more than a page. Costs ceil(rows/page) requests and one that proves the
    end, beside the first; a list of one record costs three, and the first `wanted` ones no proof where they came.
    Raises `BadAnswer` where the list cannot be read to its end.
    """
    size = min(limit or resource.max_limit, resource.max_limit)
    size = size if wanted is None else min(size, max(1, wanted))
    chosen = None if select is None else tuple(select)
    reader: ListReader[Record] = ListReader(resource, rows_of, params or {}, chosen)
    walk = ListWalk(reader, size, is_late=may_stop or wanted is not None)
    seen: set[str] = set()

    def emit(rows: list[Record]) -> Flow[None]:
        rows = rows if wanted is None else rows[: wanted - len(seen)]
        seen.update(row["_id"] for row in rows)
        if rows:
            yield Emit(rows)
        if len(seen) == wanted:
            raise _Enough

    def apply(page: Page[Record]) -> Flow[None]:
        yield from emit(page.rows)

    try:
        yield from walk.run(apply)
    except NotSortedById:
        yield from _emit_unordered(reader, seen, emit)
    except _Enough:
        return


def _emit_unordered(reader: ListReader[Record], seen: set[str], emit: Any) -> Flow[None]:
    """Emit what is not in `seen` of a list that the server does not sort, in the order of `_id` all the same."""
    found: list[Record] = []

    def keep(rows: list[Record]) -> Flow[None]:
        found.extend(rows)
        yield from ()

    yield from UnorderedList(reader, reader.most).read(keep)
    rest = sorted((row for row in found if row["_id"] not in seen), key=lambda row: str(row["_id"]))
    for start in range(0, len(rest), reader.most):
        try:
            yield from emit(rest[start : start + reader.most])
        except _Enough:
            return


def sorted_pages(
    resource: Resource,
    sort: str,
    *,
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Flow[None]:
    """Emit the pages of a list in an order of the caller's, each record once.

    Complete as `pages` is: the ids are read too, in their own order, and what the pages did not show comes last, in
    that order: what others moved to a place already read, or what the server left out. Costs ceil(rows/page) requests
    for the pages, as many for the ids, and one that proves their end.
    """
    chosen = None if select is None else tuple(select)
    read = _InOrder(resource, sort, chosen, params, min(limit or resource.max_limit, resource.max_limit))
    yield from read.run()
    if read.ids is None:
        read.ids = yield from _ids(resource, params)
    if not read.seen.issuperset(read.ids):
        yield from mapped(pages(resource, select=chosen, params=params, limit=limit), read.emit)


def _ids(resource: Resource, params: Mapping[str, str] | None) -> Flow[set[str]]:
    rows = yield from collected(pages(resource, select=("_id",), params=params))
    return {row["_id"] for row in rows}


class _InOrder(Struct):
    """A list in an order of the caller's, page by page, until all its ids have come or nothing new does.

    Each page must begin with a record already seen, so that nothing lies between them that others moved to the left;
    where it does not, the next one is asked further back.
    """

    resource: Resource
    sort: str
    select: tuple[str, ...] | None
    params: Mapping[str, str] | None
    size: int
    seen: set[str] = set()
    ids: set[str] | None = None
    """All ids of the list, once they were read."""

    def run(self) -> Flow[None]:
        rank = overlap = steps = pages = 0
        while steps <= _STEPS_BACK:
            asked, offset = min(self.resource.max_limit, self.size + overlap), max(0, rank - overlap)
            rows = yield from page(
                self.resource, limit=asked, offset=offset, sort=self.sort, select=self.select, params=self.params
            )
            if offset and (not rows or rows[0]["_id"] not in self.seen):
                overlap, steps = min(rank, max(1, overlap) * 4), steps + 1
                continue
            if self.seen.issuperset(row["_id"] for row in rows):
                return
            yield from self.emit(rows)
            pages += 1
            # A list may grow as fast as it is read, so a long one is looked at before it ends.
            if (len(rows) < asked or pages > _PAGES) and (yield from self._is_complete()):
                return
            overlap, rank, steps = 1, offset + len(rows), 0

    def emit(self, rows: list[Record]) -> Flow[None]:
        """Emit what did not come before."""
        new = {row["_id"]: row for row in rows if row["_id"] not in self.seen}
        self.seen.update(new)
        if new:
            yield Emit(list(new.values()))

    def _is_complete(self) -> Flow[bool]:
        if self.ids is None:
            self.ids = yield from _ids(self.resource, self.params)
        return self.seen.issuperset(self.ids)
