"""Records found by the keys of many rows, for rows whose answer named no id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..http.effects import Flow
from ..http.flows import collected
from . import listing, records
from .keys import comparable_keys, keys_beside_id
from .resources import Resource

FEW = 5
"""Up to so many are asked for one by one, whole; for more one list of ids and keys is fewer requests."""


def find(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[list[dict[str, Any] | None]]:
    """The record of each row by its keys, or None. A GET each for a few, else ceil(records/page) requests."""
    if len(rows) > FEW and "list" in resource.operations:
        return (yield from _listed(resource, rows))
    found: list[dict[str, Any] | None] = []
    for row in rows:
        record = None
        for wire, value in keys_beside_id(resource, row):
            record = record or (yield from records.by_key(resource, wire, value))
        found.append(record)
    return found


def _listed(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Flow[list[dict[str, Any] | None]]:
    places = {key: place for place, row in enumerate(rows) for key in comparable_keys(resource, row)}
    found: list[dict[str, Any] | None] = [None] * len(rows)
    hidden = {"archived": "true"} if "archived" in resource.params else {}
    flow = listing.pages(resource, select=dict.fromkeys(("_id", *resource.keys)), params=hidden)
    for record in (yield from collected(flow)):
        for key in comparable_keys(resource, record):
            place = places.get(key)
            if place is not None and found[place] is None:
                found[place] = record
    return found
