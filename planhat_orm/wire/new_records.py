"""What is to be made, against a record that has its key: ours, as one that was made of it is, or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .keys import keys_beside_id, same_key
from .newest import made_above, made_at
from .patches import Merge, Raw, base_of, merged, three_way
from .resources import Resource

_REFERENCES = ("extid-", "srcid-")
"""A reference by another system's key comes back as an `_id`."""


def merge_new(resource: Resource, patch: Mapping[str, Any], theirs: Mapping[str, Any]) -> Merge:
    """What a record lacks of a new one, and the fields in which it says something else."""
    told = {wire: value for wire, value in patch.items() if not _is_told(wire, value, theirs)}
    return three_way(base_of({}, told), told, theirs)


def _is_told(wire: str, value: Any, theirs: Mapping[str, Any]) -> bool:
    """Whether a record says the same in other words."""
    if isinstance(value, str) and value.startswith(_REFERENCES):
        return bool(theirs.get(wire))
    return same_key(wire, value, theirs.get(wire))


def is_older(record: Mapping[str, Any], floor: str | None) -> bool:
    """Whether a record was made before the id `floor` was seen, so that it is not one that was sent after that."""
    return floor is not None and made_at(record) < made_above(floor)


def upsert_of(resource: Resource, patch: Raw, send: Raw) -> Raw:
    """The row that brings `send` of a new record to the record that has its key."""
    always = dict(keys_beside_id(resource, patch))
    always.update((wire, patch[wire]) for wire in resource.sent_always if wire in patch)
    return merged(always, send)
