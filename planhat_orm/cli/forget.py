"""`planhat forget`: a person taken out of the local copy and of exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .connect import MIRROR, MirrorOption, connect, need_mirror, title
from .out import JsonOption, dump, say, table
from .push import agreed

if TYPE_CHECKING:
    from ..mirror import Erasure


def forget(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")],
    exports: Annotated[
        list[Path] | None, typer.Option("--export", help="A folder of exports, whose files are written anew.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Show what the local copy holds of a person, and remove it once you agree. Makes no request.

    What Planhat holds stays, and is named: delete it there first, or the next sync brings it back.

    For example: planhat forget someone@customer.example --export warehouse
    """
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        plan = client.mirror.forget(email, exports=exports or ())
        if not as_json:
            _tell(plan)
        # With --yes also where nothing is found: files may hold what was deleted from them long since.
        done = plan.apply() if yes or (plan and not as_json and agreed("Remove this?")) else None
    if as_json:
        dump(_facts(plan if done is None else done))
    if done is not None:
        say("Removed, and the files of the mirror were written anew.")
    elif plan:
        say("Nothing was removed: --yes does it.")
        raise typer.Exit(1)


def _tell(plan: Erasure) -> None:
    if plan:
        rows = [(item.place, title(item.model) if item.model else "", item.count) for item in plan.found]
        table(("place", "model", "found"), rows)
    else:
        say("Nothing in the mirror speaks of this person.")
    for folder in plan.copies:
        say(f"{folder}: its files are written anew.")
    for call in plan.server:
        say(f"Planhat has this person until {call}.")
    for path in plan.left:
        say(f"{path} is a copy from before an upgrade, and stays: delete it.")


def _facts(plan: Erasure) -> dict[str, object]:
    return {
        "email": plan.email,
        "found": [{"place": item.place, "model": item.model, "count": item.count} for item in plan.found],
        "copies": [str(path) for path in plan.copies],
        "server": list(plan.server),
        "left": [str(path) for path in plan.left],
        "done": plan.done,
    }
