"""Lists: complete, or an error.

Offsets drift while others write, servers cap pages below what was asked, and a full last page looks like any
other. So a list is read in the order of `_id`, which no write changes, and every page must prove that it
continues the one before: its first record may not lie beyond the last one seen. Where it does, something to
the left vanished, and the page is asked again further back. A page that is shorter than the longest one this
server ever gave ends the list; one that is merely shorter than asked does not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ..errors import BadAnswer, FieldError
from ..http.effects import Emit, Flow, Request, Response
from ..http.flows import collected, mapped
from ..names import did_you_mean
from . import paths
from .aliases import apply_aliases, spellings_of
from .resources import Resource

logger = logging.getLogger("planhat_orm")

PAGING = ("limit", "offset", "sort", "select")
ALWAYS: dict[str, dict[str, str]] = {
    # Without it answers older than 360 days are left out (docs/reference/planhat-api.md section 6).
    "nps": {"npsExpiryDay": "36500"},
}
"""Parameters that a complete list of a resource needs."""


def full_select(resource: Resource) -> tuple[str, ...] | None:
    """The fields to name so that a list holds whole records; None where the list is not thin."""
    if resource.thin_list is None:
        return None
    return tuple(resource.fields)


def check_params(resource: Resource, params: Iterable[str]) -> None:
    """Raise `FieldError` for a list parameter that the resource does not document, with the nearest one."""
    known = [*PAGING, *resource.params, *resource.unconfirmed_params]
    for name in params:
        if name not in known:
            raise FieldError(f"The list of {resource.path} has no parameter {name!r}.{did_you_mean(name, known)}")


def warn_of_unknown(resource: Resource, fields: Iterable[str]) -> None:
    """Tell the log of fields that no source knows: Planhat may have more, but drops a misspelt one without a word."""
    for name in fields:
        known = str(name).lstrip("-").partition(".")[0]
        if not any(known in names for names in (resource.fields, resource.push_fields, resource.spellings)):
            logger.warning("/%s has no field %r as far as is known.%s", resource.path, known,
                           did_you_mean(known, resource.fields))  # fmt: skip


def page(
    resource: Resource,
    *,
    limit: int,
    offset: int = 0,
    sort: str | None = "_id",
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Flow[list[dict[str, Any]]]:
    """Return one page of a list, as it came. One request.

    Raises `BadAnswer` unless it is an array of records, each with an `_id`, and no two with the same one.
    """
    response: Response = yield request_page(
        resource, limit=limit, offset=offset, sort=sort, select=select, params=params
    )
    rows = rows_of(response, resource)
    check_ids(resource, rows, in_order=sort == "_id")
    return rows


def check_ids(resource: Resource, records: Sequence[Any], *, in_order: bool) -> None:
    """Raise `BadAnswer` for records of a page that would be lost: without an `_id`, or two with the same one.

    In another order than that of `_id` a record may come twice, as it moves while the server reads.
    """
    known: dict[str, Any] = {}
    for record in records:
        record_id = record.get("_id")
        if not isinstance(record_id, str) or not record_id.strip():
            raise BadAnswer(f"GET /{resource.path} held a record without an _id: it cannot be told from others.")
        twin = known.setdefault(record_id, record)
        if in_order and twin is not record and twin != record:
            raise BadAnswer(
                f"GET /{resource.path} held two different records with the _id {record_id[:40]}: one of them would be "
                f"lost."
            )


def request_page(
    resource: Resource,
    *,
    limit: int,
    offset: int = 0,
    sort: str | None = "_id",
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    raw_items: bool = False,
) -> Request:
    """The request for one page of a list; a `raw_items` one is for `slices_of`."""
    query = [("limit", str(limit)), ("offset", str(offset))]
    if sort:
        query.append(("sort", sort))
    chosen = tuple(select) if select is not None else full_select(resource)
    if chosen:
        others = sorted(spellings_of(resource, chosen))
        query.append(("select", ",".join(dict.fromkeys((*chosen, *others)))))
    query += [*ALWAYS.get(resource.name, {}).items(), *(params or {}).items()]
    return Request(
        "GET", paths.collection(resource), params=tuple(dict(query).items()), shape=list, raw_items=raw_items
    )


def rows_of(response: Response, resource: Resource) -> list[dict[str, Any]]:
    """The rows of an answered page, under the documented names; `BadAnswer` when one of them is no object."""
    rows: list[dict[str, Any]] = response.data
    for row in rows:
        if not isinstance(row, dict):
            raise BadAnswer(f"A list held a JSON {type(row).__name__} among its records.", response=response)
    return [apply_aliases(resource, row) for row in rows] if resource.spellings else rows


def pages(
    resource: Resource,
    *,
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    limit: int | None = None,
    wanted: int | None = None,
    expect: int | None = None,
) -> Flow[None]:
    """Emit the records of a list, page by page in the order of `_id`, each exactly once.

    A record that exists from the first request to the last is among them, whatever is inserted or deleted
    meanwhile. `limit` is the page size; `wanted` stops after so many records; `expect` is how many there can
    be at most. Costs ceil(rows/page) requests, and one more to prove the end when no page was longer than
    the last one. Raises `BadAnswer` where the server cannot be read to its end.
    """
    size = min(limit or resource.max_limit, resource.max_limit)
    size = size if wanted is None else min(size, max(1, wanted))
    anchor = ""  # the greatest id seen
    rank = 0  # where the last page ended
    overlap = 0  # how far the next page reaches back
    longest = 0  # the longest page so far: a shorter one is the last
    asked = size
    steps = 0  # back, since there was a new record
    alone = False  # whether a page of one record was followed by another record
    seen: set[str] = set()
    before: list[Any] = []
    ask = _asking(resource, "_id", select, params)
    while True:
        offset = max(0, rank - overlap)
        rows = yield from ask(limit=asked, offset=offset)
        ids: list[Any] = [row.get("_id") for row in rows]
        if not _increasing(ids) or (alone and rows and not overlap):
            # Out of order; or one record a page, which leaves none to show that nothing moved.
            return (yield from _unsorted(resource, ask, size, seen, wanted))
        if offset and rows and ids == before and (yield from _offset_ignored(resource, ask, asked, offset, ids)):
            return
        if rank and rows and not overlap:
            overlap, alone = 1, True
            continue
        if offset and overlap and (not ids or ids[0] > anchor):
            # Records to the left vanished since the last page: look further back, until the pages meet.
            overlap, steps = min(rank, overlap * 4), steps + 1
            _check_progress(resource, steps)
            continue
        fresh = [row for row in rows if row["_id"] > anchor]
        if wanted is not None:
            fresh = fresh[: wanted - len(seen)]
        if fresh:
            # At the first record there is no further back: a page that does not meet even there is no progress.
            steps = 0 if not rank or ids[0] <= anchor else steps
            seen.update(row["_id"] for row in fresh)
            yield Emit(fresh)
        if len(seen) in (wanted, expect) or not rows or len(rows) < longest:
            return
        # One record of overlap shows whether anything moved; of a single record nothing would be left over.
        overlap = 1 if len(rows) > 1 or asked == 1 else 0
        anchor, rank, before = max(anchor, ids[-1]), offset + len(rows), ids
        # One more than a page, so that the record that comes twice takes nobody's place.
        asked = min(resource.max_limit, size + 1)
        longest, alone = max(longest, len(rows)), alone and not fresh


def _increasing(ids: list[Any]) -> bool:
    return all(isinstance(id, str) for id in ids) and all(a < b for a, b in pairwise(ids))


_Ask = Callable[..., Flow[list[dict[str, Any]]]]
"""A list, all settled but `limit` and `offset`."""


def _asking(resource: Resource, sort: str, select: Iterable[str] | None, params: Mapping[str, str] | None) -> _Ask:
    return partial(page, resource, sort=sort, select=None if select is None else tuple(select), params=params)


_FAR = 100_000


def _offset_ignored(resource: Resource, ask: _Ask, size: int, offset: int, ids: list[Any]) -> Flow[bool]:
    """Whether the server ignores `offset`; a page that came twice may also mean that others write.

    Such a server gave all it has if the page is shorter than was asked and holds the newest record, else `BadAnswer`.
    """
    rows = yield from ask(limit=size, offset=offset + _FAR)
    if [row.get("_id") for row in rows] != ids:
        return False
    newest = [] if len(rows) == size else (yield from ask(limit=1, offset=0, sort="-_id"))
    if len(rows) == size or (newest and newest[0].get("_id") not in ids):
        raise BadAnswer(
            f"GET /{resource.path} gave the same {len(rows)} records at every offset: the server ignores it, so what "
            f"comes after them cannot be read."
        )
    return True


_SWEEPS = 5
_STEPS_BACK = 30
"""So many steps back with nothing new between them are no accident: one event costs ten, in the longest list."""


def _check_progress(resource: Resource, steps: int) -> None:
    """Raise `BadAnswer` where a list shows nothing new however far back it is asked again."""
    if steps > _STEPS_BACK:
        raise BadAnswer(
            f"GET /{resource.path} has no order, or shows nothing past some offset: {steps} times in a row a page did "
            f"not continue the one before, so the list cannot be read to its end."
        )


def _unsorted(resource: Resource, ask: _Ask, size: int, seen: set[str], wanted: int | None) -> Flow[None]:
    """Emit what is not in `seen` from a server that does not sort by `_id`, in that order.

    Nothing proves such pages, so the list is swept until a whole sweep shows nothing new.
    """
    found: dict[str, dict[str, Any]] = {}
    for _ in range(_SWEEPS):
        known = len(found)
        for row in (yield from collected(_walk(resource, ask, size))):
            found[row["_id"]] = row
        if len(found) == known:
            break
    else:
        raise BadAnswer(
            f"GET /{resource.path} is not sorted by _id and showed new records in each of {_SWEEPS} sweeps: "
            f"it cannot be read completely while it changes this fast."
        )
    rest = [found[key] for key in sorted(found.keys() - seen)]
    rest = rest if wanted is None else rest[: wanted - len(seen)]
    for start in range(0, len(rest), size):
        yield Emit(rest[start : start + size])


def sorted_pages(
    resource: Resource,
    sort: str,
    *,
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Flow[None]:
    """Emit the pages of a list in an order of the caller's, each record once.

    Complete as `pages` is, at the same cost while nobody writes. Where others do, records may come late: what a
    change of its value moved to a place already read turns up when the list is read again, which ends when nothing
    new shows. Raises `BadAnswer` where that does not happen.
    """
    seen: set[str] = set()

    def fresh(rows: list[dict[str, Any]]) -> Flow[None]:
        new = {row["_id"]: row for row in rows if row["_id"] not in seen}
        seen.update(new)
        if new:
            yield Emit(list(new.values()))

    size = min(limit or resource.max_limit, resource.max_limit)
    ask = _asking(resource, sort, select, params)
    newest = ""
    for sweep in range(_SWEEPS):
        known = set(seen)
        steady = yield from mapped(_walk(resource, ask, size), fresh)
        # An _id never changes, so in its order nothing can have moved past the reader.
        if steady or sort == "-_id":
            return
        # What is newer than all that the first reading saw was made meanwhile, and was not there to be missed.
        newest = newest or max(seen, default="")
        if sweep and not any(item <= newest for item in seen - known):
            return
    raise BadAnswer(
        f"GET /{resource.path} showed new records in each of {_SWEEPS} readings in the order of {sort}: it cannot be "
        f"read completely while it changes this fast. It can in the order of _id: leave out sort."
    )


def _walk(resource: Resource, ask: _Ask, size: int) -> Flow[bool]:
    """Emit pages as they come until the last, and return whether nothing moved meanwhile.

    Each page must begin with a record already seen, so that nothing lies between them that others moved to the left;
    where it does not, the next one is asked further back. Records without `_id` raise `BadAnswer`.
    """
    rank = overlap = longest = steps = 0
    last = ""
    asked, steady = size, True
    seen: set[str] = set()
    before: list[Any] = []
    while True:
        offset = max(0, rank - overlap)
        rows = yield from ask(limit=asked, offset=offset)
        ids: list[Any] = [row.get("_id") for row in rows]
        if offset and rows and ids == before and (yield from _offset_ignored(resource, ask, asked, offset, ids)):
            return steady
        if offset and overlap and (not ids or ids[0] not in seen):
            steady, overlap, steps = False, min(rank, overlap * 4), steps + 1
            _check_progress(resource, steps)
            continue
        steady = steady and (not rank or not ids or ids[0] == last)
        if rows:
            yield Emit(rows)
        if not rows or len(rows) < longest:
            return steady
        steps = steps if seen.issuperset(ids) else 0
        seen.update(ids)
        # Of a page of one record nothing would be left over to show that nothing moved.
        overlap = 1 if len(rows) > 1 or asked == 1 else 0
        last, rank, before = ids[-1], offset + len(rows), ids
        longest, asked = max(longest, len(rows)), min(resource.max_limit, size + 1)
