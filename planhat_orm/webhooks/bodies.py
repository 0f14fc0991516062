"""What an automation sends: the body to paste into it, and how that is read.

Planhat has no event format of its own (docs/reference/planhat-api.md section 12): the body is what the user writes. So
the one that `template()` prints is what is understood, with a little tolerance for others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from .. import json_decoding
from ..mirror.db.layout import layout_of, layouts
from ..mirror.inbox import Event
from ..models import resources as declared
from ..query.kinds import DATETIME, DAY

_ID = re.compile(r"[0-9a-f]{24}\Z")
_UNFILLED = re.compile(r"<<[^<>]*>>\Z")
_DELETED = frozenset({"deleted", "delete", "removed"})
_REFERENCED = ("text", "number", "integer", "boolean")


class Unreadable(Exception):
    """A body from which no record can be told."""


def template(model: type[Any] | str, *, event: str = "changed", whole: bool = False) -> str:
    """The JSON body for an automation on a model: paste it into the webhook step. Makes no request.

    `event` is "changed" or "deleted", for an automation that runs on deletion. `whole` adds the record's own fields,
    which only `Receiver(trust="body")` looks at.

    >>> print(template("Company"))
    {
      "model": "Company",
      "event": "changed",
      "id": "<<object._id>>"
    }
    """
    resource = layout_of(model).resource
    body: dict[str, Any] = {"model": _title(resource.name), "event": event, "id": "<<object._id>>"}
    if whole:
        columns = layouts()[resource.name].columns
        names = [column.wire for column in columns if column.storage in _REFERENCED and column.wire != "_id"]
        body["object"] = {name: f"<<object.{name}>>" for name in names}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def read(data: bytes, path: str = "") -> list[Event]:
    """The events of a body; `Unreadable` when a record cannot be told.

    `path` is the rest of the address, which may name the model: `/planhat/company`.
    """
    try:
        body = json_decoding.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable from None
    hint = path.rstrip("/").rpartition("/")[2]
    events = [_event(item, hint) for item in (body if isinstance(body, list) else [body])]
    if not events:
        raise Unreadable
    return events


def resource_of(name: str) -> str:
    """The name of the resource that a model, a resource or a path of the API is called by; `Unreadable` for none."""
    try:
        return _names()[name.lower()]
    except KeyError:
        raise Unreadable from None


@cache
def _names() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name in declared.__all__:
        resource = getattr(declared, name)._meta.resource
        if resource.name in layouts():
            found |= dict.fromkeys((name.lower(), resource.name, resource.path), resource.name)
    # Notes share their path with conversations, and are those of one type.
    return {**found, "conversations": "conversation"}


def _title(resource: str) -> str:
    return next(name for name in declared.__all__ if getattr(declared, name)._meta.resource.name == resource)


def _event(item: Any, hint: str) -> Event:
    if not isinstance(item, dict):
        raise Unreadable
    inner = item.get("object")
    record = inner if isinstance(inner, dict) else {}
    id = item.get("id") or item.get("_id") or record.get("_id")
    if not isinstance(id, str) or not _ID.match(id):
        raise Unreadable
    resource = resource_of(str(item.get("model") or hint))
    deleted = str(item.get("event", "")).lower() in _DELETED
    return Event(resource, id, deleted, dict(_told(resource, record)) or None)


def _told(resource: str, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a body tells of documented fields. Every value of a template is text: numbers are read out of it.

    An empty one may be a reference that was not filled, or a field that was cleared: that is left to the next sync.
    """
    by_wire = layouts()[resource].by_wire
    for wire, value in record.items():
        if wire not in by_wire or wire == "_id" or value == "" or (isinstance(value, str) and _UNFILLED.match(value)):
            continue
        column = by_wire[wire]
        # A moment may be a number on the wire, in milliseconds.
        is_number = column.storage in ("number", "integer", "boolean") or column.kind in (DATETIME, DAY)
        if isinstance(value, str) and is_number and (column.storage != "text" or value.isdecimal()):
            try:
                value = json_decoding.decode(value)
            except msgspec.DecodeError:
                continue
        yield wire, value
