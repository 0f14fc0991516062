"""Outcomes: exactly one for every row of a bulk write, read from an answer that names rows only by key.

The answer lists what was inserted and changed by key, counts what was equal already, and describes failures
in a shape that nobody documents (docs/reference/planhat-api.md section 7). Rows are matched by their keys, never by
position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .keys import Key, comparable_keys
from .resources import Resource

Status = Literal["created", "updated", "unchanged", "failed", "dropped", "unknown"]

STORED: tuple[Status, ...] = ("created", "updated", "unchanged")
"""The server holds the row."""

ERROR_LISTS = ("createdErrors", "updatedErrors", "permissionErrors", "validationErrors")


@dataclass(slots=True)
class Outcome:
    """What became of one row: `error` is the server's word, or why nothing is known.

    `not_processed` says that a failed row was not looked at: it was not sent, or its whole request was turned away.
    """

    index: int
    status: Status
    id: str | None = None
    error: str = field(default="", repr=False)
    not_processed: bool = False


@dataclass(slots=True)
class Reading:
    """One answer, read against the rows it was given for.

    `outcomes` has those rows (by their place in the chunk) that the answer tells of; `open` the others.
    `errors` are messages that name no row, and `named` the error items that do; `unchanged` counts rows
    found equal, which are never named (None: the answer does not count them), `created_unnamed` and
    `updated_unnamed` those that could not be told.
    """

    outcomes: dict[int, Outcome]
    open: list[int]
    errors: list[str]
    named: dict[str, list[Any]]
    unchanged: int | None
    created_unnamed: int
    updated_unnamed: int
    created_ids: list[str]

    @property
    def stored(self) -> bool:
        """Whether the server holds any of the rows, by its own account."""
        good = any(outcome.status in ("created", "updated") for outcome in self.outcomes.values())
        return good or bool(self.unchanged or self.created_unnamed or self.updated_unnamed)


def read(resource: Resource, rows: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> Reading:
    """Match an answer's lists with the rows."""
    by_key = {key: place for place, row in enumerate(rows) for key in comparable_keys(resource, row)}
    outcomes: dict[int, Outcome] = {}
    nameless_ids: list[str] = []

    for list_name, status in (("insertsKeys", "created"), ("updatesKeys", "updated")):
        for entry in _entries(answer, list_name):
            record_id = str(entry["_id"]) if entry.get("_id") is not None else None
            place = _place(resource, entry, by_key, outcomes)
            if place is not None:
                outcomes[place] = Outcome(place, status, record_id)  # type: ignore[arg-type]
            elif status == "created" and record_id is not None:
                nameless_ids.append(record_id)
    for record_id in answer.get("modified") or ():
        place = by_key.get(("_id", str(record_id)))
        if place is not None and place not in outcomes:
            outcomes[place] = Outcome(place, "updated", str(record_id))

    by_value: dict[str, set[int]] = {}
    for (_, value), place in by_key.items():
        by_value.setdefault(value, set()).add(place)
    errors: list[str] = []
    named: dict[str, list[Any]] = {}
    for list_name in ERROR_LISTS:
        for item in answer.get(list_name) or ():
            place = _failed_place(resource, item, len(rows), by_key, by_value, outcomes)
            text = message(item)
            if place is None:
                errors.append(text)
            else:
                named.setdefault(list_name, []).append(item)
                outcomes[place] = Outcome(place, "failed", error=text)

    def unnamed(name: str) -> int:
        return max(0, _count(answer, name) - sum(1 for outcome in outcomes.values() if outcome.status == name))

    return Reading(
        outcomes=outcomes,
        open=[place for place in range(len(rows)) if place not in outcomes],
        errors=errors,
        named=named,
        unchanged=_count(answer, "nonupdates") if "nonupdates" in answer else None,
        created_unnamed=unnamed("created"),
        updated_unnamed=unnamed("updated"),
        created_ids=nameless_ids or [item for item in answer.get("upsertedIds") or () if isinstance(item, str)],
    )


def misshapen(answer: Mapping[str, Any]) -> str:
    """What an answer to a bulk write holds that it cannot mean; empty where it can be read."""
    for name in ("insertsKeys", "updatesKeys", "modified", "upsertedIds", *ERROR_LISTS):
        value = answer.get(name)
        if value is not None and not isinstance(value, list):
            return f"{name} as a JSON {type(value).__name__}"
    for name in ("created", "updated", "nonupdates"):
        value = answer.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            return f"{name} as something else than a count"
    return ""


def _count(answer: Mapping[str, Any], name: str) -> int:
    value = answer.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _entries(answer: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for entry in answer.get(name) or ():
        if isinstance(entry, Mapping):
            yield entry
        elif isinstance(entry, str):
            yield {"_id": entry}


def _place(
    resource: Resource, entry: Mapping[str, Any], by_key: Mapping[Key, int], taken: Mapping[int, Outcome]
) -> int | None:
    for key in comparable_keys(resource, entry):
        place = by_key.get(key)
        if place is not None and place not in taken:
            return place
    return None


_WRAPPERS = ("item", "row", "record", "doc", "document", "object", "data", "keys", "payload")
_QUOTED = re.compile(r"""["'`]([^"'`]+)["'`]|\b([0-9a-f]{24})\b""")


def _failed_place(
    resource: Resource,
    item: Any,
    rows: int,
    by_key: Mapping[Key, int],
    by_value: Mapping[str, set[int]],
    taken: Mapping[int, Outcome],
) -> int | None:
    """The row that an error item speaks of: by its keys, by an index, or by a key quoted in its text.

    Only a quoted one: "at most 100 characters" must not be taken for the row whose external id is 100.
    """
    if isinstance(item, Mapping):
        for part in (item, *(item[name] for name in _WRAPPERS if isinstance(item.get(name), Mapping))):
            place = _place(resource, part, by_key, taken)
            if place is not None:
                return place
        index = item.get("index")
        if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < rows and index not in taken:
            return index
    words = {quoted or id for quoted, id in _QUOTED.findall(message(item))}
    places = {place for word in words for place in by_value.get(word, ()) if place not in taken}
    return places.pop() if len(places) == 1 else None


def message(item: Any) -> str:
    """The text of an error item, whatever its shape."""
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping):
        for name in ("message", "error", "errmsg", "reason"):
            if isinstance(item.get(name), str):
                return str(item[name])
    return str(item)


def dropped_reason(resource: Resource, row: Mapping[str, Any]) -> str:
    """Why the server most likely ignored a row without a word."""
    if resource.name == "ticket" and not row.get("email"):
        return "Planhat drops tickets without an email, without an error (docs/reference/planhat-api.md section 10)."
    if resource.name == "enduser" and not row.get("companyId") and not row.get("_id"):
        return (
            "The server ignored the row, most likely because no company owns the domain of its email: send companyId."
        )
    missing = [wire for wire in resource.required_bulk if row.get(wire) in (None, "")]
    if missing and not row.get("_id"):
        return f"The server ignored the row, most likely because {', '.join(missing)} is missing."
    return "The server ignored the row: it counted it neither as stored nor as failed."
