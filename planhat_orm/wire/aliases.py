"""Fields that some tenants send under another name than the documented one (docs/reference/planhat-api.md section 14).

Queries, records and the mirror know the documented name only. What came stays beside it; what is written says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .resources import Resource

T = TypeVar("T")


def apply_aliases(resource: Resource, record: dict[str, T]) -> dict[str, T]:
    """A record that has the documented names too; the very same one where it lacks none of them."""
    lacking = {
        name: record[other] for other, name in resource.spellings.items() if other in record and name not in record
    }
    return {**record, **lacking} if lacking else record


def spellings_of(resource: Resource, names: Iterable[str]) -> set[str]:
    """The names, and the others under which the same fields may come."""
    chosen = set(names)
    return chosen | {other for other, name in resource.spellings.items() if name in chosen}
