"""The keys of a row: which it has, how two of them compare, and by which its record can be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .resources import Resource

Key = tuple[str, str]
"""The wire name of a key and its value, folded."""


def fold(wire: str, value: Any) -> str:
    """The value of a key as it compares: text, an email without case."""
    text = str(value)
    return text.casefold() if wire == "email" else text


def same_key(wire: str, left: Any, right: Any) -> bool:
    """Whether two values of a key are one; nothing is the same as a missing value."""
    return left is not None and right is not None and fold(wire, left) == fold(wire, right)


def keyables(resource: Resource, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keyables that a row carries, as they are sent, in the order in which Planhat looks at them."""
    for wire in resource.keys:
        if row.get(wire) not in (None, ""):
            yield wire, row[wire]


def keys_beside_id(resource: Resource, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keyables without `_id`: those that a new record can have."""
    return ((wire, value) for wire, value in keyables(resource, row) if wire != "_id")


def key_names(resource: Resource, row: Mapping[str, Any]) -> str:
    """The names of a new record's keys, for a person."""
    return " or ".join(wire for wire, _ in keys_beside_id(resource, row))


def has_key(resource: Resource, row: Mapping[str, Any]) -> bool:
    """Whether a row has a keyable beside `_id`."""
    return any(True for _ in keys_beside_id(resource, row))


def comparable_keys(resource: Resource, row: Mapping[str, Any]) -> list[Key]:
    """The keyables of a row, folded."""
    return [(wire, fold(wire, value)) for wire, value in keyables(resource, row)]


def lookup_keys(resource: Resource, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values of a row by which its record can be looked up: keyables first, then what only a path takes."""
    by_path = (resource.field_for(form) for form in resource.id_forms)
    for wire in dict.fromkeys((*resource.keys, *by_path)):
        if wire is not None and wire != "_id" and row.get(wire) not in (None, ""):
            yield wire, row[wire]
