"""`planhat show`: one record, whole."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

import typer

from .. import Planhat
from ..errors import PlanhatError
from ..models.base import Model
from ..names import quoted
from ..queryset import QuerySet
from .connect import MIRROR, ApiUrlOption, MirrorOption, OnlineOption, connect, has_mirror, model
from .out import JsonOption, cell, console, dump, table
from .source import answer
from .sparks import line

_KEY = re.compile(r"[0-9a-fA-F]{24}|(extid|srcid)-.*|", re.DOTALL)
"""What is a key, no name; one that is empty is refused as a key."""
_LISTED = 10
_TRENDS = ("mrr", "arr", "h", "csm_score")


class Shape(StrEnum):
    """How a record is written."""

    table = "table"
    json = "json"


def show(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Company, License, Enduser, ...")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, extid-..., srcid-..., name or email.")],
    form: Annotated[Shape, typer.Option("--format", help="How to write it.")] = Shape.table,
    as_json: JsonOption = False,
    online: OnlineOption = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Show one record: every field that it has.

    For example: planhat show Company "Alderbay Analytics"
    """
    form = Shape.json if as_json else form
    chosen = model(name)
    with connect(mirror, api_url, token=False) as client:
        try:
            record = answer(client, chosen.objects.all(), online, lambda found: _find(found, key))
        except chosen.DoesNotExist as missing:
            if online is None and not client.calls:
                missing.add_note("It may be newer than the mirror: --online asks Planhat.")
            raise
        values = _values(record)
        trends = _trends(client, record) if form is Shape.table and has_mirror(mirror) else []
    if form is Shape.json:
        dump(values)
        return
    custom = values.pop("custom", None) or {}
    rows = [*values.items(), *((f"custom.{label}", value) for label, value in custom.items())]
    # What a record has embedded can be a page long; JSON shows all of it.
    table(("field", "value"), [(name, cell(value, whole=isinstance(value, str))) for name, value in rows], whole=True)
    for trend in trends:
        console().print(trend)


def _find(records: QuerySet[Model], key: str) -> Model:
    """The record with a key, or the only one with a name or an email."""
    chosen = records.model
    lookup = None if _KEY.fullmatch(key) else _lookup(chosen, key)
    if lookup is None:
        return records.get(key)
    found = list(records.filter(**{lookup: key})[: _LISTED + 1])
    if not found:
        raise chosen.DoesNotExist(f"There is no {chosen.__name__} called {quoted(key)}.")
    if len(found) > 1:
        ids = ", ".join(str(record.id) for record in found[:_LISTED])
        more = ", ..." if len(found) > _LISTED else ""
        raise PlanhatError(f"Several are called {quoted(key)}. Show one by its id: {ids}{more}")
    return found[0]


def _lookup(chosen: type[Model], key: str) -> str | None:
    fields = chosen._meta.label_fields
    if "@" in key and "email" in fields:
        return "email"
    return f"{fields[0]}__iexact" if fields else None


def _trends(client: Planhat, record: Model) -> list[str]:
    """A line of bars for each figure that the mirror saw change."""
    changes, lines = client.mirror.history(record), []
    for name in _TRENDS:
        steps = [(change.at, *change.fields[name]) for change in changes if name in change.fields]
        values = [(steps[0][0], steps[0][1]), *((at, new) for at, _, new in steps)] if steps else []
        lines.append(line(name, [(at, value) for at, value in values if isinstance(value, (int, float))]))
    return [text for text in lines if text is not None]


def _values(record: Any) -> dict[str, Any]:
    """What the record holds by Python name, keys that no field is declared for under their own."""
    by_wire, wire = record._meta.by_wire, record.to_wire()
    known = {by_wire[key].name: getattr(record, by_wire[key].name) for key in wire if key in by_wire}
    unknown = {key: value for key, value in wire.items() if key not in by_wire}
    return {name: value for name, value in {**known, **unknown}.items() if value not in (None, [], {})}
