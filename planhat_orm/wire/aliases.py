"""Fields that come under another name than the one they are written by (docs/reference/planhat-api.md section 14).

Some tenants send them so, and every ticket does, as it is read in the shape of a conversation. Queries, records and the
mirror know the documented name. What came stays beside it; what is written says the documented one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from .resources import Resource

T = TypeVar("T")


def apply_aliases(resource: Resource, record: dict[str, T]) -> dict[str, T]:
    """A record that has the documented names too; the very same one where it lacks none of them."""
    lacking = {
        name: record[other] for other, name in resource.spellings.items() if other in record and name not in record
    }
    return {**record, **lacking} if lacking else record


def with_aliases(resource: Resource, patch: dict[str, T], row: Mapping[str, object]) -> dict[str, T]:
    """A change with the other names too, as far as a record comes with those: they follow what is written."""
    always = bool(resource.read_as)
    other = {
        other: patch[name] for other, name in resource.spellings.items() if name in patch and (always or other in row)
    }
    return {**patch, **other} if other else patch


def spellings_of(resource: Resource, names: Iterable[str]) -> set[str]:
    """The names, and the others under which the same fields may come."""
    chosen = set(names)
    return chosen | {other for other, name in resource.spellings.items() if name in chosen}
