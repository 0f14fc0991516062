"""The newest records of a list, and the greatest ids that a client has seen: what may have been made since.

An ObjectId begins with the second it was made in, by the server's clock. That clock is compared with itself: what was
made after a request lies above the greatest id that was seen before it. This machine's clock, and an answer's `Date`,
may be off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any

import msgspec

from .. import json_decoding
from ..http.effects import Flow, Request, Response
from ..http.flows import collected
from . import listing, paths
from .list_page import request_page, rows_of
from .resources import Resource

Record = dict[str, Any]
_OVERLAP = 20
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


class SeenIds:
    """The greatest id that a client has seen of each resource, whatever brought it."""

    def __init__(self) -> None:
        self._greatest: dict[str, str] = {}

    def saw(self, request: Request, response: Response) -> None:
        """Take note of an answer: of the ends of a list, of a record, of what a bulk upsert made."""
        path = request.path.strip("/").partition("/")[0]
        for id in _ids_in(response.data):
            if _OBJECT_ID.fullmatch(id) and id > self._greatest.get(path, ""):
                self._greatest[path] = id

    def greatest(self, resource: Resource) -> str | None:
        """The greatest id seen, or None."""
        return self._greatest.get(paths.collection(resource).strip("/"))


def _ids_in(data: object) -> Iterator[str]:
    if isinstance(data, list):
        ends: Iterable[object] = data[:1] + data[-1:]
    elif isinstance(data, Mapping):
        made = data.get("upsertedIds")
        yield from (id for id in (made if isinstance(made, list) else ()) if isinstance(id, str))
        ends = (data,)
    else:
        return
    for end in ends:
        record = json_decoding.decode(bytes(end)) if isinstance(end, msgspec.Raw) else end
        id = record.get("_id") if isinstance(record, Mapping) else None
        if isinstance(id, str):
            yield id


def made_at(record: Mapping[str, Any]) -> float:
    """The second in which a record was made, by the server's clock."""
    try:
        return float(int(str(record["_id"])[:8], 16))
    except (KeyError, ValueError):
        return float("-inf")


def made_above(floor: str) -> float:
    """The second from which on records are new that were made after the one of id `floor` was seen.

    Ids of one second are in no order where several processes make them.
    """
    return made_at({"_id": floor}) - 1


Since = Callable[[Response], Flow[float]]


def newest(
    resource: Resource, since: Since, *, limit: int, wanted: AbstractSet[str] = frozenset()
) -> Flow[list[Record]]:
    """The records made at or after `since(answer)`, in seconds of the server's clock.

    No more than it takes to have those of the ids `wanted`, where there are any. The list is read backwards as far as
    it must, in pages that meet; one that a server does not sort so is read whole.
    """
    found: dict[str, Record] = {}
    offset = overlap = 0
    size = min(limit, resource.max_limit)
    while True:
        start = max(0, offset - overlap)
        response: Response = yield request_page(resource, limit=size, offset=start, sort="-_id")
        rows, bound = rows_of(response, resource), (yield from since(response))
        ids = [str(row.get("_id")) for row in rows]
        if any(left <= right for left, right in pairwise(ids)):
            rows = yield from collected(listing.pages(resource))
            return [row for row in rows if made_at(row) >= bound]
        if start and ids and ids[0] < min(found):
            overlap *= 4  # Something was deleted meanwhile: the page begins behind what is known.
            continue
        known = len(found)
        found.update(zip(ids, rows, strict=True))
        whole = bool(wanted) and wanted <= found.keys()
        if whole or len(found) == known or made_at(rows[-1]) < bound:
            return [row for row in found.values() if made_at(row) >= bound]
        offset, overlap, size = start + len(rows), max(1, min(_OVERLAP, len(rows) // 2)), resource.max_limit
