"""`planhat history`: what the mirror saw change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..models import resources as declared
from ..models.base import Model
from ..models.labels import name_of
from ..names import did_you_mean
from .connect import MIRROR, MirrorOption, connect, model, need_mirror, title
from .moments import moment
from .out import JsonOption, console, dump, say, table

if TYPE_CHECKING:
    from ..mirror.reading.history import Change


def history(
    model_name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Company, License, ... (default: all)")
    ] = None,
    key: Annotated[str | None, typer.Argument(metavar="[ID]", help="One record, by Planhat's id.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From this day or moment on: 2026-10-01, 2h (ago), today-7d.")
    ] = None,
    field: Annotated[list[str] | None, typer.Option(help="Only changes of this field; may be given again.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the latest.")] = 50,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Show what changed in the local copy, when it was seen, and whether it was your own write.

    For example: planhat history Company --since 7d --field phase
    """
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        models = [model(model_name)] if model_name is not None else None
        found = client.mirror.changes(moment(since), models=models, fields=field)
        if key is not None:
            found = [change for change in found if change.id == key]
        if not found:
            _tell_unknown(field or (), models or map(model, declared.__all__))
        shown = found[-limit:]
        labels = _labels(shown)
        if as_json:
            dump([_facts(change, labels.get((change.model, change.id))) for change in shown])
            return
        rows = [
            (
                f"{change.at:%Y-%m-%d %H:%M}",
                f"{title(change.model)} {labels.get((change.model, change.id), '')}".rstrip(),
                change.id,
                change.kind,
                change.origin,
                name,
                old,
                new,
            )
            for change in shown
            for name, (old, new) in (change.fields or {"": (None, None)}).items()
        ]
        if not rows:
            console().print("No change was seen.")
            return
        table(("seen", "record", "id", "what", "whose", "field", "old", "new"), rows)
        if len(found) > limit:
            console(stderr=True).print(f"{len(found) - limit} earlier ones are left out: --limit shows more.")


def _tell_unknown(names: Sequence[str], models: Iterable[type[Model]]) -> None:
    """Say which names no field has. Undocumented fields have names that nobody knows, so that is no error."""
    known = {name for model in models for name in model._meta.fields}
    for name in names:
        if name not in known and not name.startswith("custom."):
            say(f"No field is called {name!r}.{did_you_mean(name, known)}")


def _facts(change: Change, name: str | None) -> dict[str, object]:
    return {
        "seq": change.seq,
        "at": change.at,
        "model": title(change.model),
        "id": change.id,
        "name": name,
        "kind": change.kind,
        "origin": change.origin,
        "op": change.op,
        "fields": {field: {"old": old, "new": new} for field, (old, new) in change.fields.items()},
    }


def _labels(changes: Sequence[Change]) -> dict[tuple[str, str], str]:
    """The names of the records that are still in the copy, by resource and id."""
    ids: dict[str, set[str]] = {}
    for change in changes:
        ids.setdefault(change.model, set()).add(change.id)
    return {
        (resource, str(record.id)): name
        for resource, wanted in ids.items()
        for record in model(title(resource)).objects.using("mirror").filter(id__in=wanted)
        if (name := name_of(record)) is not None
    }
