"""`planhat history`: what the mirror saw change."""

from __future__ import annotations

from typing import Annotated

import typer

from .connect import MIRROR, MirrorOption, connect, model, need_mirror, title
from .out import console, table


def history(
    model_name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Company, License, ... (default: all)")
    ] = None,
    key: Annotated[str | None, typer.Argument(metavar="[ID]", help="One record, by Planhat's id.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day or moment on: 2026-10-01.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Only changes of this field; may be given again.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the latest.")] = 50,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Show what changed in the local copy, when it was seen, and whether it was your own write."""
    need_mirror(mirror)
    with connect(mirror, None, token=False) as client:
        models = [model(model_name)] if model_name is not None else None
        found = client.mirror.changes(since, models=models, fields=field)
        if key is not None:
            found = [record for record in found if record.id == key]
        rows = [
            (f"{record.at:%Y-%m-%d %H:%M}", title(record.model), record.id, record.kind, record.origin, name, old, new)
            for record in found[-limit:]
            for name, (old, new) in (record.fields or {"": (None, None)}).items()
        ]
        if not rows:
            console().print("No change was seen.")
            return
        table(("seen", "model", "record", "what", "whose", "field", "old", "new"), rows)
        if len(found) > limit:
            console(stderr=True).print(f"{len(found) - limit} earlier ones are left out: --limit shows more.")
