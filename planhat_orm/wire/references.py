"""References: ids of other records, which some answers expand to objects with a name.

Which ones do is in docs/reference/planhat-api.md section 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .resources import Resource


def reference(raw: Any) -> Any:
    """The id that a reference holds; None of an object without one."""
    return raw.get("_id") or raw.get("id") if isinstance(raw, Mapping) else raw


def references(raw: Any) -> Any:
    """The ids that a list of references holds; the very same list where all are ids, or none can be found."""
    if not isinstance(raw, list) or not any(isinstance(value, Mapping) for value in raw):
        return raw
    return [value if (id := reference(value)) is None else id for value in raw]


def unexpanded(resource: Resource, row: dict[str, Any]) -> dict[str, Any]:
    """A row that holds ids where objects came in their place, so that two answers can be compared."""
    found = {}
    for wire, value in row.items():
        known = resource.fields.get(wire)
        if known is not None and known.type == "objectId":
            found[wire] = reference(value)
        elif known is not None and known.type == "array of objectId":
            found[wire] = references(value)
    return {**row, **found}
