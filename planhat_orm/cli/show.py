"""`planhat show`: one record, whole."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from .connect import MIRROR, ApiUrlOption, MirrorOption, OnlineOption, connect, model
from .out import cell, plain, table
from .source import answer


class Shape(StrEnum):
    """How a record is written."""

    table = "table"
    json = "json"


def show(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Company, License, Enduser, ...")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, extid-... or srcid-...")],
    form: Annotated[Shape, typer.Option("--format", help="How to write it.")] = Shape.table,
    online: OnlineOption = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Show one record: every field that it has.

    For example: planhat show Company extid-acct-1001
    """
    chosen = model(name)
    with connect(mirror, api_url, token=False) as client:
        try:
            record = answer(client, chosen.objects.all(), online, lambda found: found.get(key))
        except chosen.DoesNotExist as missing:
            if online is None and not client.calls:
                missing.add_note("It may be newer than the mirror: --online asks Planhat.")
            raise
        values = _values(record)
    if form is Shape.json:
        typer.echo(json.dumps(values, default=plain, ensure_ascii=False, indent=2))
        return
    custom = values.pop("custom", None) or {}
    rows = [*values.items(), *((f"custom {label}", value) for label, value in custom.items())]
    # What a record has embedded can be a page long; JSON shows all of it.
    table(("field", "value"), [(name, cell(value, whole=isinstance(value, str))) for name, value in rows], whole=True)


def _values(record: Any) -> dict[str, Any]:
    """What the record holds by Python name, keys that no field is declared for under their own."""
    by_wire, wire = record._meta.by_wire, record.to_wire()
    known = {by_wire[key].name: getattr(record, by_wire[key].name) for key in wire if key in by_wire}
    unknown = {key: value for key, value in wire.items() if key not in by_wire}
    return {name: value for name, value in {**known, **unknown}.items() if value not in (None, [], {})}
