"""What undoing comes to, before the server was asked: told by the mirror's memory, in the API's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

Raw = dict[str, Any]
CUSTOM = "custom."
Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Reversal:
    """What undoing some changes of one record comes to.

    `action` is update (fields go back), delete (the changes made the record) or create (they deleted it). `row` is
    the record as the last of them left it, or as it was before it was deleted; `old` is what it is to be again. Names
    of fields are flat: `custom.Label`. `fields` are those that go back, with the value that was written and the one
    before; `overwritten` those that others set after the changes. With `waits` a write of the record is in the outbox.
    """

    action: Action
    resource: str
    id: str
    row: Raw = field(repr=False)
    old: Raw = field(repr=False)
    fields: Mapping[str, tuple[Any, Any]] = field(repr=False)
    overwritten: tuple[str, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A record that named a deleted one when it was deleted: by which fields, and what the mirror had of it.

    `is_gone` says that the mirror saw it go after that.
    """

    resource: str
    id: str
    target: str
    wires: tuple[str, ...]
    row: Raw = field(repr=False)
    is_gone: bool = False


class Reversals(Struct, frozen=True):
    """All that some changes come to. `links` are about the deleted records among them.

    `successors` are the ids of records that were made anew before, by the ids that they had. `begins` says of a
    resource whose memory begins later than was asked for when that is.
    """

    items: tuple[Reversal, ...] = ()
    links: tuple[Link, ...] = ()
    successors: Mapping[str, str] = {}
    begins: Mapping[str, datetime] = {}


def flat(row: Mapping[str, Any]) -> Raw:
    """The fields of a record by flat names: `custom` label by label."""
    fields = {wire: value for wire, value in row.items() if wire != "custom"}
    custom = row.get("custom")
    fields.update((f"{CUSTOM}{label}", value) for label, value in (custom if isinstance(custom, dict) else {}).items())
    return fields


def nested(fields: Mapping[str, Any]) -> Raw:
    """A record of fields with flat names."""
    row = {name: value for name, value in fields.items() if not name.startswith(CUSTOM)}
    labels = {name.removeprefix(CUSTOM): value for name, value in fields.items() if name.startswith(CUSTOM)}
    return {**row, "custom": labels} if labels else row
