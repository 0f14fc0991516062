"""`planhat backup`: the mirror's file, copied as it is at one moment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .connect import MIRROR, MirrorOption, connect, need_mirror
from .out import JsonOption, dump, say


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")],
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Copy the local copy into a new file, waiting writes included, even while a sync runs.

    For example: planhat backup backup.db
    """
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        made = client.mirror.backup(file)
    if as_json:
        dump({"file": str(made), "bytes": made.stat().st_size})
    say(f"{made}: {made.stat().st_size / 1e6:,.1f} MB.")
