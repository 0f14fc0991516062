"""A record as a plain dict of Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fields import Custom
from ..wire.values import copied

if TYPE_CHECKING:
    from .base import Model


def as_dict(record: Model) -> dict[str, Any]:
    """What is known of a record, by Python name: what came, with what was set over it."""
    meta, wire, live = record._meta, record._wire, record._live or {}
    found: dict[str, Any] = {}
    for name, field in meta.fields.items():
        if name in live:
            # By `getattr`: a reference to a record that was not saved yet reads as its id.
            found[name] = copied(getattr(record, name))
        elif field.wire in wire and not isinstance(field, Custom):
            # Not by `getattr`, which would keep a copy of each list to be edited in place.
            found[name] = copied(field._as_read(record, wire[field.wire]))
    custom = found.get("custom")
    if custom is not None:
        for label, declared in meta.customs.items():
            if label in custom:
                found[declared.name] = copied(getattr(record, declared.name))
        found["custom"] = {label: value for label, value in custom.items() if label not in meta.customs}
    return found
