"""A conflict: one field of one record that changed on both sides, told in the model's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..wire.patches import Clash
from .base import Model
from .reference_fields import declared_models


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field of one record that changed on both sides. `name` is the field's, `custom.<label>` for custom fields.

    `object` is the record, or the entry of the outbox; `base` the value that was read, `mine` what was to be sent,
    `theirs` what the server holds. A record that is gone has a conflict without a name.
    """

    object: Any
    name: str
    base: Any = field(repr=False)
    mine: Any = field(repr=False)
    theirs: Any = field(repr=False)


def conflict_of(held: Any, clash: Clash, model: type[Model] | None = None) -> Conflict:
    """Tell a clash as a conflict of a record, or of an entry about a resource."""
    meta = (model or declared_models()[held.resource])._meta
    values = (clash.base, clash.mine, clash.theirs)
    if clash.label is not None:
        return Conflict(held, f"custom.{clash.label}", *values)
    declared_field = meta.by_wire.get(clash.wire)
    if declared_field is None:
        return Conflict(held, clash.wire, *values)
    return Conflict(held, declared_field.name, *map(declared_field.kind.load, values))


def wire_value(held: Any, clash: Clash, value: Any, model: type[Model] | None = None) -> Any:
    """A value that somebody chose for a conflict, checked, as the API wants it."""
    declared_field = (model or declared_models()[held.resource])._meta.by_wire.get(clash.wire)
    if clash.label is not None or declared_field is None:
        return value
    checked = declared_field.check(value)
    return None if checked is None else declared_field.dump(checked)
