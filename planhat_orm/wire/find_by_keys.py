"""Records found by the keys of many rows: of rows whose answer named no id, and of rows that are to be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..http.effects import Flow
from ..http.flows import collected
from . import listing, records
from .keys import comparable_keys, keys_beside_id
from .resources import Resource

Found = list[dict[str, Any] | None]

FEW = 5
"""Up to so many are asked for one by one, whole; for more one list of ids and keys is fewer requests."""
SURE = 50
"""Up to so many are asked for one by one where a list proves nothing: it may show what was stored some seconds ago."""


def find(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[Found]:
    """The record of each row by its keys, or None. A GET each for a few, else ceil(records/page) requests."""
    if len(rows) > FEW and "list" in resource.operations:
        return (yield from _listed(resource, rows))
    return (yield from _singly(resource, rows))


def find_now(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[Found]:
    """Do what `find()` does where None is to mean that there is none now, and not only that no list shows it yet.

    Up to `SURE` rows are asked for one by one, as are so many that the list of more does not show. Of more than that a
    list is all there is: then only the answer to the write tells.
    """
    if len(rows) <= (SURE if all(_has_path(resource, row) for row in rows) else FEW):
        return (yield from _singly(resource, rows))
    found = yield from find(resource, rows)
    places = [place for place, row in enumerate(rows) if found[place] is None and _has_path(resource, row)]
    if len(places) <= SURE:
        late = yield from _singly(resource, [rows[place] for place in places])
        for place, record in zip(places, late, strict=True):
            found[place] = record
    return found


def _has_path(resource: Resource, row: Mapping[str, Any]) -> bool:
    """Whether the record of a row is found with a request for each of its keys."""
    keys = [wire for wire, _ in keys_beside_id(resource, row)]
    return not resource.read_as and all(resource.form_for(wire) in resource.read_forms for wire in keys)


def _singly(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[Found]:
    found: Found = []
    for row in rows:
        record = None
        for wire, value in keys_beside_id(resource, row):
            record = record or (yield from records.by_key(resource, wire, value))
        found.append(record)
    return found


def _listed(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[Found]:
    places = {key: place for place, row in enumerate(rows) for key in comparable_keys(resource, row)}
    found: Found = [None] * len(rows)
    hidden = {"archived": "true"} if "archived" in resource.params else {}
    flow = listing.pages(resource, select=dict.fromkeys(("_id", *resource.keys)), params=hidden)
    for record in (yield from collected(flow)):
        for key in comparable_keys(resource, record):
            place = places.get(key)
            if place is not None and found[place] is None:
                found[place] = record
    return found
