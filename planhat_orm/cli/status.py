"""`planhat status`: how current the mirror is, for people and for monitors."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import Planhat
from ..errors import MirrorIncomplete
from ..reports.over_time import over_time
from .connect import MIRROR, MirrorOption, connect, need_mirror, title
from .out import console, say, table
from .spans import seconds
from .sparks import line

if TYPE_CHECKING:
    from ..mirror.report import MirrorStatus, ModelStatus

STALE = 3
"""The exit status where a model is older than `--max-age`."""


def status(
    mirror: MirrorOption = MIRROR,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for monitors.")] = False,
    max_age: Annotated[
        float | None,
        typer.Option("--max-age", parser=seconds, metavar="SPAN", help="Exit with 3 if a model is older: 30m, 1d."),
    ] = None,
) -> None:
    """Show what the local copy holds, and how current it is.

    Every change that Planhat had stored by "as of" is in the copy;
    "pending" counts the writes that wait to be sent; those of models
    that were never synced, and activities, are told below. "shared by"
    is how many clients used the quota within a minute. Lines of bars show
    customers and MRR on each day on which they were seen to change.

    For example: planhat status --json --max-age 1h
    """
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        found = client.mirror.status()
        # A monitor asks often, and the whole history is read for them.
        trends = [] if as_json else _trends(client)
    stale = [] if max_age is None else [model for model in found if is_stale(model, max_age)]
    if as_json:
        print(json.dumps(_facts(found, stale), indent=2))
    else:
        _show(found, mirror, trends)
    if max_age is not None and (stale or not found.models):
        names = ", ".join(title(model.model) for model in stale) or "every model"
        say(f"Older than {max_age:,.0f} seconds, or not whole: {names}.")
        raise typer.Exit(STALE)


def is_stale(model: ModelStatus, max_age: float) -> bool:
    """Whether a model was not brought up to date for so many seconds, or never as a whole."""
    if not model.complete or model.synced_at is None:
        return True
    return (datetime.now(UTC) - datetime.fromisoformat(model.synced_at)).total_seconds() > max_age


def _trends(client: Planhat) -> list[str]:
    """What the customers came to over the mirror's history, a line a figure."""
    try:
        figures = over_time(client.mirror)
    except MirrorIncomplete:
        return []
    return [text for name, steps in figures.items() if (text := line(name, steps)) is not None]


def _show(found: MirrorStatus, mirror: str, trends: list[str]) -> None:
    rows = [
        [
            title(record.model),
            record.rows,
            _moment(record.as_of) if record.complete else "incomplete",
            record.method,
            record.pending,
        ]
        for record in found
    ]
    to = console()
    table(("model", "records", "as of", "method", "pending"), rows, to=to)
    size = "" if found.bytes is None else f", {found.bytes / 1e6:,.1f} MB"
    quota = "" if found.quota is None else f", {found.quota}"
    to.print(f"{mirror if '://' not in mirror else found.where}{size}{quota}")
    if found.others_waiting:
        counts = ", ".join(f"{count:,} {title(name)}" for name, count in found.others_waiting.items())
        to.print(f"waiting to be sent: {counts}")
    for text in trends:
        to.print(text)
    if not rows:
        to.print('Nothing was synced yet: "planhat sync" does it.')


def _facts(found: MirrorStatus, stale: list[ModelStatus]) -> dict[str, Any]:
    names = {model.model for model in stale}
    return {
        "where": found.where,
        "bytes": found.bytes,
        "waiting": {title(name): count for name, count in found.waiting.items()},
        "quota": None if found.quota is None else asdict(found.quota),
        "models": [
            {
                "model": title(model.model),
                "records": model.rows,
                "complete": model.complete,
                "as_of": model.as_of,
                "synced_at": model.synced_at,
                "full_as_of": model.full_as_of,
                "method": model.method,
                "pending": model.pending,
                "stale": model.model in names,
            }
            for model in found
        ],
    }


def _moment(text: str | None) -> str:
    return "" if text is None else f"{text[:19].replace('T', ' ')} UTC"
