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

from msgspec import Struct

from .keys import Key, comparable_keys
from .resources import Resource

Status = Literal["created", "updated", "unchanged", "merged", "failed", "dropped", "unknown"]

STORED: tuple[Status, ...] = ("created", "updated", "unchanged")
"""The server holds the row."""

ERROR_LISTS = ("createdErrors", "updatedErrors", "permissionErrors", "validationErrors")


@dataclass(slots=True)
class Outcome:
    """What became of one row: `error` is the server's word, or why nothing is known.

    `not_processed` says that a failed row was not looked at: it was not sent, or its whole request was turned away.
    `merged` says that it travelled as a part of an earlier row with its key. `existed` says that its record was there
    before for certain: the first and only answer says so.
    """

    index: int
    status: Status
    id: str | None = None
    error: str = field(default="", repr=False)
    not_processed: bool = False
    merged: bool = False
    existed: bool = False


class Reading(Struct):
    """One answer, read against the rows it was given for.

    `outcomes` has those rows (by their place in the chunk) that the answer names as stored, each by a key that fits it
    and no other; `open` are the others. `errors` are the messages of its error items, and `suspects` the open rows that
    items seem to speak of, with what those say: a text may quote, and an index count, something else. `unchanged`
    counts rows found equal, which are never named (None: the answer does not count them), `created_unnamed` and
    `updated_unnamed` those that are stored and not named; `created_ids` and `updated_ids` are theirs, as far as told.
    """

    rows: int
    outcomes: dict[int, Outcome]
    open: list[int]
    errors: list[str]
    suspects: dict[int, list[str]]
    unchanged: int | None
    created_unnamed: int
    updated_unnamed: int
    created_ids: list[str]
    updated_ids: list[str]

    @property
    def stored_unnamed(self) -> int:
        """How many of the open rows the answer counts as stored."""
        return self.created_unnamed + self.updated_unnamed + (self.unchanged or 0)

    @property
    def stored(self) -> bool:
        """Whether the server holds any of the rows, by its own account."""
        return bool(self.outcomes) or self.stored_unnamed > 0

    @property
    def all_stored(self) -> bool:
        """Whether nothing failed and every row is counted as stored: the answer's counts close."""
        return not self.errors and self.stored_unnamed == len(self.open)


def read(resource: Resource, rows: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> Reading:
    """Match an answer's lists with the rows."""
    by_key = {key: place for place, row in enumerate(rows) for key in comparable_keys(resource, row)}
    outcomes: dict[int, Outcome] = {}
    ids: dict[str, list[str]] = {"created": [], "updated": []}
    named = dict.fromkeys(ids, 0)
    for list_name, status in (("insertsKeys", "created"), ("updatesKeys", "updated")):
        for entry in _entries(answer, list_name):
            record_id = str(entry["_id"]) if entry.get("_id") is not None else None
            place = _place(resource, entry, by_key, outcomes)
            if place is not None:
                outcomes[place] = _stored(resource, rows[place], place, status, record_id)
                named[status] += 1
            elif record_id is not None:
                ids[status].append(record_id)
    for record_id in answer.get("modified") or ():
        place = by_key.get(("_id", str(record_id)))
        if place is not None and place not in outcomes:
            outcomes[place] = Outcome(place, "updated", str(record_id))
            named["updated"] += 1
    for status, list_name in (("created", "upsertedIds"), ("updated", "modified")):
        claimed = {outcome.id for outcome in outcomes.values()}
        told = ids[status] or [item for item in answer.get(list_name) or () if isinstance(item, str)]
        ids[status] = [item for item in told if item not in claimed]
    errors = [message(item) for name in ERROR_LISTS for item in answer.get(name) or ()]
    return Reading(
        rows=len(rows),
        outcomes=outcomes,
        open=[place for place in range(len(rows)) if place not in outcomes],
        errors=errors,
        suspects=_suspects(resource, rows, answer, by_key, outcomes) if errors else {},
        unchanged=_count(answer, "nonupdates") if "nonupdates" in answer else None,
        created_unnamed=max(0, _count(answer, "created") - named["created"]),
        updated_unnamed=max(0, _count(answer, "updated") - named["updated"]),
        created_ids=ids["created"],
        updated_ids=ids["updated"],
    )


def _stored(resource: Resource, row: Mapping[str, Any], place: int, status: str, record_id: str | None) -> Outcome:
    """What became of a row that an answer names; one for a record that is gone made a fragment of it."""
    sent = row.get("_id")
    if status == "created" and sent not in (None, "") and record_id is not None and record_id != str(sent):
        return Outcome(place, "failed", str(sent), gone_reason(resource, str(sent), record_id))
    return Outcome(place, status, record_id)  # type: ignore[arg-type]


def gone_reason(resource: Resource, gone: str, *made: str) -> str:
    """Why a row failed whose record is gone: the server made a new record of the changed fields alone."""
    if not made:
        return f"The {resource.name} {gone} is not there any more."
    return (
        f"The {resource.name} {gone} is not there any more, and Planhat made a new one of the fields that were sent: "
        f"{' or '.join(made)}. Delete that, or keep it on purpose."
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
    """The one row that has the keys of an entry; None where they are of two rows, or of one that is told already."""
    places = {by_key[key] for key in comparable_keys(resource, entry) if key in by_key}
    return places.pop() if len(places) == 1 and places.isdisjoint(taken) else None


_WRAPPERS = ("keyValue", "item", "row", "record", "doc", "document", "object", "data", "keys", "payload")
_QUOTED = re.compile(r"""["'`]([^"'`]+)["'`]|\b([0-9a-f]{24})\b""")


def _suspects(
    resource: Resource,
    rows: Sequence[Mapping[str, Any]],
    answer: Mapping[str, Any],
    by_key: Mapping[Key, int],
    taken: Mapping[int, Outcome],
) -> dict[int, list[str]]:
    """The open rows that error items seem to speak of, by their keys, by an index, or by a key quoted in a text.

    Only a quoted one: "at most 100 characters" is hardly about the row whose external id is 100.
    """
    by_value: dict[str, set[int]] = {}
    for (_, value), place in by_key.items():
        by_value.setdefault(value, set()).add(place)
    suspects: dict[int, list[str]] = {}
    for list_name in ERROR_LISTS:
        for item in answer.get(list_name) or ():
            for place in _spoken_of(resource, item, len(rows), by_key, by_value):
                if place not in taken:
                    suspects.setdefault(place, []).append(message(item))
    return suspects


def _spoken_of(
    resource: Resource, item: Any, rows: int, by_key: Mapping[Key, int], by_value: Mapping[str, set[int]]
) -> set[int]:
    if isinstance(item, Mapping):
        for part in (item, *(item[name] for name in _WRAPPERS if isinstance(item.get(name), Mapping))):
            places = {by_key[key] for key in comparable_keys(resource, part) if key in by_key}
            if places:
                return places
        index = item.get("index")
        if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < rows:
            return {index}
    words = {quoted or id for quoted, id in _QUOTED.findall(message(item))}
    return {place for word in words for place in by_value.get(word, ())}


def message(item: Any) -> str:
    """The text of an error item, whatever its shape."""
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping):
        for name in ("message", "error", "errmsg", "reason"):
            if isinstance(item.get(name), str):
                return str(item[name])
        if isinstance(item.get("error"), Mapping):
            return message(item["error"])
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
