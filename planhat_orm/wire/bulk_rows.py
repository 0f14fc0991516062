"""The rows of one bulk upsert before they travel: merged where they share a key, sorted by what may be sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ..errors import ValidationError
from ..json_encoding import encode
from .keys import Key, comparable_keys
from .records import appends, flat, operations
from .resources import Resource

MAX_BYTES = 32_000_000
"""Largest body of one bulk upsert."""

RowKind = Literal["keyed", "appending", "keyless"]
"""What may be done with rows again: all; only what was surely refused; that, and their ids are still to be found."""


class BulkRow(Struct):
    """A row on its way, with its keys: the places it stands for (more than one when rows with one key were merged).

    One that is `doubtful` may be stored by an earlier answer that named nobody: sent again, it is found equal. `tries`
    is how often it travelled.
    """

    places: list[int]
    row: dict[str, Any]
    keys: list[Key]
    body: bytes = b""
    doubtful: bool = False
    tries: int = 0


Refuse = Callable[[BulkRow, str], None]


def merged_rows(resource: Resource, start: int, chunk: Sequence[Mapping[str, Any]], refuse: Refuse) -> list[BulkRow]:
    """Merge rows that share a key: one request refuses them, or stores one of them at random."""
    rows: list[BulkRow] = []
    owner: dict[tuple[str, str], BulkRow] = {}
    for place, raw in enumerate(chunk, start):
        row = dict(raw)
        mine = comparable_keys(resource, row)
        twins = list({id(owner[key]): owner[key] for key in mine if _is_twin(owner.get(key), row)}.values())
        item = BulkRow([place], row, mine)
        twin = twins[0] if twins else item
        if not twins:
            rows.append(item)
        elif len(twins) > 1 or _contradict(twin.keys, mine):
            refuse(item, "Another row of this batch has one of its keys but not the others: they "
                   "cannot be one record.")  # fmt: skip
            continue
        elif any(name in operations(row) for name, _ in flat(twin.row)):
            refuse(item, "Another row of this batch has its key and sets the array that this one "
                   "changes: send it in a batch of its own, after that.")  # fmt: skip
            continue
        else:
            before, now = twin.row.get("custom"), row.get("custom")
            twin.row.update(row)
            if isinstance(before, Mapping) and isinstance(now, Mapping):
                twin.row["custom"] = {**before, **now}
            twin.places.append(place)
            twin.keys = comparable_keys(resource, twin.row)
        for key in mine:
            owner.setdefault(key, twin)
    return [item for item in rows if _encoded(item, refuse)]


def _is_twin(other: BulkRow | None, row: Mapping[str, Any]) -> bool:
    """Whether a row that shares a key is of the same record: ids decide alone, so contacts may share an email."""
    return other is not None and (not row.get("_id") or not other.row.get("_id") or other.row["_id"] == row["_id"])


def _encoded(item: BulkRow, refuse: Refuse) -> bool:
    try:
        item.body = encode(item.row)
    except ValidationError as wrong:
        refuse(item, str(wrong))
        return False
    return True


def kind_of(item: BulkRow) -> RowKind:
    """What may be done with a row again."""
    if not item.keys:
        return "keyless"
    return "appending" if appends(item.row) else "keyed"


def _contradict(left: list[Key], right: list[Key]) -> bool:
    theirs = dict(right)
    return any(theirs.get(wire, value) != value for wire, value in left)


def by_bytes(rows: list[BulkRow]) -> Iterator[list[BulkRow]]:
    """Cut where the body would grow over the limit; a row that is too large alone still goes alone."""
    part: list[BulkRow] = []
    size = 0
    for row in rows:
        if part and size + len(row.body) + 1 > MAX_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.body) + 1
    if part:
        yield part
