"""`planhat undo`: your own writes back, as far as nobody else changed what they wrote."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..models.labels import label_of
from ..writes.revert_plan import RevertPlan
from .connect import MIRROR, ApiUrlOption, MirrorOption, connect, model, need_mirror
from .moments import moment
from .out import JsonOption, console, dump, say, table
from .push import agreed, applied, facts


def undo(
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Writes from this moment on: 2026-10-01T09:30, 2h (ago), today.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Writes before this day or moment.")] = None,
    model_name: Annotated[
        list[str] | None, typer.Option("--model", help="Only of this model; may be given again.")
    ] = None,
    op: Annotated[
        str | None, typer.Option(help="One save, batch or deletion; planhat history --json shows it.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show every change before asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")] = False,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Undo your writes, where Planhat still holds what you wrote.

    For example: planhat undo --since 2026-10-01 --model Company
    """
    need_mirror(mirror)
    with connect(mirror, api_url) as client:
        models = [model(name) for name in model_name] if model_name else None
        found = client.mirror.revert(moment(since), until=moment(until), models=models, op=op)
        console(stderr=as_json).print(found.text(None if plan else RevertPlan.SHOWN))
        # Once it is sent nothing is left of it.
        planned = json.loads(found.to_json()) if as_json else None
        result = applied(found) if not found.is_empty and (yes or (not as_json and agreed())) else None
        if as_json:
            told = None if result is None else facts(result, label_of)
            dump({"plan": planned, "result": told})
        elif result is not None:
            console().print(str(result))
            bad = [(label_of(row.object), row.status, row.error) for row in result.rows if not row.ok]
            if bad:
                table(("record", "status", "why"), bad)
        if result is None and not found.is_empty:
            say("Nothing was sent.")
            raise typer.Exit(0 if plan else 1)
        if result is not None and not result.ok:
            raise typer.Exit(1)
