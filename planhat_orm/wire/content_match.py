"""Which stored record was made of which row, where no key tells: by what was sent, as far as it comes back.

Texts, numbers and dates count. References may have been resolved and objects merged, so they are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from .resources import Resource

Form = Literal["plain", "day", "moment"]
Facets = dict[str, tuple[Form, Any]]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def resembles(record: dict[str, Any], sent: Mapping[str, Any], resource: Resource) -> bool:
    """Whether a stored record can be the one that was sent: what it shows of the sent values is the same."""
    shown = {name: facet for name, facet in _facets(sent, resource).items() if name in record}
    return bool(shown) and all(_seen(record[name], form) == value for name, (form, value) in shown.items())


def places(records: Sequence[dict[str, Any]], rows: Sequence[Mapping[str, Any]], resource: Resource) -> list[list[int]]:
    """For each record the places of the rows that it can be made of."""
    groups: dict[tuple[tuple[str, Form], ...], dict[tuple[Any, ...], list[int]]] = {}
    for place, row in enumerate(rows):
        facets = sorted(_facets(row, resource).items())
        names = tuple((name, form) for name, (form, _) in facets)
        if names:
            groups.setdefault(names, {}).setdefault(tuple(value for _, (_, value) in facets), []).append(place)
    return [
        [
            place
            for names, group in groups.items()
            for place in group.get(tuple(_seen(record.get(name), form) for name, form in names), ())
        ]
        for record in records
    ]


def pair(records: Sequence[dict[str, Any]], rows: Sequence[Mapping[str, Any]], resource: Resource) -> dict[int, str]:
    """The ids of the records made of `rows`, by the place of the row, as far as there is no doubt.

    A record that could be of two different rows is left out: an id at the wrong object would write there later.
    """
    found: dict[int, str] = {}
    waiting, before = list(zip(records, places(records, rows, resource), strict=True)), -1
    while waiting and len(found) > before:
        before = len(found)
        doubtful = []
        for record, fitting in waiting:
            left = [place for place in fitting if place not in found]
            if left and all(rows[place] == rows[left[0]] for place in left):
                found[left[0]] = str(record["_id"])
            else:
                doubtful.append((record, fitting))
        waiting = doubtful
    return found


def _facets(row: Mapping[str, Any], resource: Resource) -> Facets:
    """What of a row can be compared, and how."""
    facets: Facets = {}
    for name, value in row.items():
        if name not in resource.fields or isinstance(value, (dict, list)) or value is None:
            continue
        if isinstance(value, str) and value.startswith(("extid-", "srcid-")):
            continue
        form: Form = "plain"
        if isinstance(value, str) and _DAY.match(value):
            form = "day" if len(value) == 10 else "moment"
        facets[name] = (form, _seen(value, form))
    return facets


def _seen(value: Any, form: Form) -> Any:
    if form == "day":
        return value[:10] if isinstance(value, str) else value
    if form == "moment" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    if isinstance(value, dict):
        return value.get("_id")
    return value if isinstance(value, (str, int, float, bool)) else None
