"""The table of Planhat's resources: paths, ids, keys, limits, list parameters and fields.

The table itself is data, `resources.json`, one line a field, so that a correction is a one-line change.
Everything that differs between two resources and is not behaviour belongs there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from ..errors import ConfigurationError
from ..names import did_you_mean

STAMPS = ("updatedAt", "lastUpdated", "updateDate")
"""How resources call the time of last change (docs/reference/planhat-api.md section 9)."""
BULK_MAX_ROWS = 5000
"""Rows that one bulk upsert may carry (docs/reference/planhat-api.md section 3)."""


class FieldInfo(Struct, frozen=True):
    """What the API says of one field: its name on the wire, its type, and who may set it."""

    name: str
    type: str
    read_only: bool = False
    reference: str | None = None
    enum: tuple[str, ...] = ()
    default: Any = None


class ListParam(Struct, frozen=True):
    """A filter of a list endpoint.

    `field` is the wire field it compares, when it is an exact match; `many` says that a comma list is
    documented; `hides` names the boolean field whose true rows the list leaves out without this parameter.
    """

    name: str
    field: str | None = None
    many: bool = False
    hides: str | None = None


class Resource(Struct, frozen=True):
    """One resource of the API, as `resources.json` describes it.

    `id_forms` are the ids that its paths take, `read_forms` those of them that are documented for reading;
    `spellings` are other names under which some tenants send a field, and the documented one
    (docs/reference/planhat-api.md section 14). `read_as` names the resource whose path reads a single record,
    what such a record's `type` is, and what the id forms are there; `sent_always` are fields without which a row
    is dropped (section 10).
    """

    name: str
    path: str
    attribute: str
    operations: frozenset[str]
    id_forms: tuple[str, ...]
    read_forms: tuple[str, ...]
    keys: tuple[str, ...]
    required: tuple[str, ...]
    required_any: tuple[tuple[str, ...], ...]
    required_bulk: tuple[str, ...]
    required_any_bulk: tuple[tuple[str, ...], ...]
    write_order: int
    default_limit: int | None
    max_limit: int
    params: Mapping[str, ListParam]
    unconfirmed_params: tuple[str, ...]
    thin_list: frozenset[str] | None
    fields: Mapping[str, FieldInfo]
    spellings: Mapping[str, str] = {}
    read_as: Mapping[str, str] = {}
    sent_always: tuple[str, ...] = ()
    push_fields: Mapping[str, FieldInfo] = {}
    hidden_by: ListParam | None = None
    """The list parameter that brings archived rows back, for resources that hide them."""
    implied: Mapping[str, str] = {}
    """What tells this resource's records from others of the same list: notes are conversations."""

    @property
    def is_readable(self) -> bool:
        """Whether a single record can be read by its id."""
        return "get_by_id" in self.operations or bool(self.read_as)

    @property
    def required_new(self) -> tuple[str, ...]:
        """The fields that a new record must have, by a single create and by a bulk upsert, as far as there are both."""
        if "create" not in self.operations:
            return self.required_bulk
        return tuple(wire for wire in self.required if wire in self.required_bulk)

    @property
    def external_key(self) -> str | None:
        """The wire name that `extid-` refers to: `externalId`, but `extId` on invoices."""
        if "extid-" not in self.id_forms:
            return None
        return "extId" if "extId" in self.fields else "externalId"

    def field_for(self, form: str) -> str | None:
        """The wire name of the field that an id form (`_id`, `extid-`, `srcid-`) holds; None where no path takes it."""
        if form not in self.id_forms and form not in self.read_forms:
            return None
        return {"_id": "_id", "extid-": self.external_key, "srcid-": "sourceId"}[form]

    def form_for(self, wire: str) -> str | None:
        """The id form that holds a field; None where no path takes that field's values."""
        forms = dict.fromkeys((*self.id_forms, *self.read_forms))
        return next((form for form in forms if self.field_for(form) == wire), None)

    @property
    def stamp(self) -> str | None:
        """The wire name of the time of last change, or None where the resource has none.

        Each resource has its own (docs/reference/planhat-api.md section 9).
        """
        return next((name for name in STAMPS if name in self.fields), None)


def _fields(raw: Mapping[str, Any]) -> Mapping[str, FieldInfo]:
    """The fields of a resource as `resources.json` has them."""
    return MappingProxyType(
        {
            name: FieldInfo(
                name=name,
                type=facts["type"],
                read_only=facts.get("read_only", False),
                reference=facts.get("reference"),
                enum=tuple(facts.get("enum", ())),
                default=facts.get("default"),
            )
            for name, facts in raw.items()
        }
    )


def _resource(name: str, raw: Mapping[str, Any]) -> Resource:
    listing = raw.get("list") or {"default": None, "max": 0, "params": {}, "unconfirmed": []}
    params = {key: ListParam(key, **facts) for key, facts in listing["params"].items()}
    return Resource(
        name=name,
        path=raw["path"],
        attribute=raw["attribute"],
        operations=frozenset(raw["operations"]),
        id_forms=tuple(raw["id_forms"]),
        read_forms=tuple(raw.get("read_forms", raw["id_forms"])),
        keys=tuple(raw["keys"]),
        required=tuple(raw["required"]),
        required_any=tuple(map(tuple, raw["required_any"])),
        required_bulk=tuple(raw["required_bulk"]),
        required_any_bulk=tuple(map(tuple, raw["required_any_bulk"])),
        write_order=raw["write_order"],
        default_limit=listing["default"],
        max_limit=listing["max"],
        params=MappingProxyType(params),
        unconfirmed_params=tuple(listing["unconfirmed"]),
        thin_list=frozenset(raw["thin_list"]) if "thin_list" in raw else None,
        fields=_fields(raw["fields"]),
        spellings=MappingProxyType(raw.get("spellings", {})),
        read_as=MappingProxyType(raw.get("read_as", {})),
        sent_always=tuple(raw.get("sent_always", ())),
        push_fields=_fields(raw.get("push_fields", {})),
        hidden_by=next((param for param in params.values() if param.hides), None),
        implied=MappingProxyType({"type": "note"} if name == "note" else {}),
    )


@cache
def resources() -> Mapping[str, Resource]:
    """Every resource by its name (`company`, `line_item`, ...), read once."""
    text = Path(__file__).with_name("resources.json").read_text("utf-8")
    return MappingProxyType({name: _resource(name, raw) for name, raw in json.loads(text).items()})


def resource(name: str) -> Resource:
    """Return the resource called `name`.

    Raises `ConfigurationError` with the nearest name for an unknown one.
    """
    try:
        return resources()[name]
    except KeyError:
        raise ConfigurationError(f"There is no resource {name!r}.{did_you_mean(name, resources())}") from None
