"""The records of a page as slices of it, read no further than somebody looks.

Reading a page into dicts takes longer than all else that is done with it, and the dicts take three times its memory.
A sync looks at ids and stamps, and knows the records that did not change by the bytes of their JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from typing import Any, TypedDict

import msgspec

from .. import json_decoding
from ..errors import BadAnswer
from ..gc_pause import gc_paused
from ..http.effects import Response
from .aliases import apply_aliases
from .resources import STAMPS, Resource, resources

_HIDES = [str(resource.hidden_by.hides) for resource in resources().values() if resource.hidden_by is not None]
_LOOKED_AT = frozenset(("_id", *STAMPS, *_HIDES))
_Head = TypedDict("_Head", dict.fromkeys(_LOOKED_AT, Any), total=False)  # type: ignore[misc]
_heads = msgspec.json.Decoder(list[_Head]).decode
_head = msgspec.json.Decoder(_Head).decode
_values = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class RawRecord:
    """One record: its `json`, and by `[]` and `get` the few fields that tell which record it is, and how new."""

    __slots__ = ("_head", "json")

    def __init__(self, json: bytes, head: Mapping[str, Any]) -> None:
        self.json = json
        self._head = head

    def __getitem__(self, wire: str) -> Any:
        return self._head[wire]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawRecord) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def get(self, wire: str) -> Any:
        """The value of a field, None where the record has none; `KeyError` for a field that was not looked at."""
        try:
            return self._head[wire]
        except KeyError:
            if wire not in _LOOKED_AT:
                raise
            return None

    def keys(self) -> KeysView[str]:
        """The names of all fields, looked at or not."""
        return self.read().keys()

    def read(self) -> dict[str, Any]:
        """The whole record."""
        try:
            record: dict[str, Any] = json_decoding.decode(self.json)
        except msgspec.DecodeError as wrong:
            # A page is cut into records without a look at their numbers.
            raise BadAnswer(f"A list held a record that cannot be read: {wrong}.") from None
        return record

    def apply_aliases(self, resource: Resource) -> RawRecord:
        """The record with the documented names too; all values stay the bytes they are."""
        came = _values(self.json)
        now = apply_aliases(resource, came)
        return self if now is came else RawRecord(msgspec.json.encode(now), self._head)


def values_of(records: Iterable[RawRecord], wire: str) -> list[Any]:
    """What each of some records has of a field that was looked at, None where it has nothing."""
    return [record._head.get(wire) for record in records]


def repaired_in(response: Response) -> list[str]:
    """The ids of records in an answer in slices that came with half of a character, which U+FFFD stands for now."""
    if not response.is_repaired:
        return []
    slices = [json for json in response.data if isinstance(json, msgspec.Raw)]
    heads = [_head(json) for json in slices if json_decoding.has_replaced(bytes(json))]
    return [str(head.get("_id")) for head in heads]


@gc_paused()
def slices_of(response: Response, resource: Resource) -> list[RawRecord]:
    """The records of an answered page that was asked for in slices, under the documented names.

    `BadAnswer` when one of them is none.
    """
    try:
        heads = _heads(response.body)
    except msgspec.ValidationError as wrong:
        raise BadAnswer(f"A list held something else than records: {wrong}.", response=response) from None
    rows = [RawRecord(json, head) for json, head in zip(response.data, heads, strict=True)]
    return [row.apply_aliases(resource) for row in rows] if resource.spellings else rows
