"""`planhat report`: the portfolio as one HTML page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from .. import files
from .connect import MIRROR, MirrorOption, connect, need_mirror
from .out import JsonOption, dump, say


def report(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("report.html"),
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", help="The portfolio as it was, as far as the mirror remembers.", formats=["%Y-%m-%d"]),
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only this person's customers: a name or an id.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Days without a touch that are too many.")] = 60,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Write a page with the portfolio's figures and charts, from the local copy. Makes no request.

    For example: planhat report --owner "Ada Lind" --out ada.html
    """
    need_mirror(mirror)
    if not force:
        files.check_free(out, "--force replaces it, --out names another file")
    from ..reports.page import report as make_report

    with connect(mirror, token=False, read="mirror") as client:
        page = make_report(client, as_of=as_of.date() if as_of else None, owner=owner, untouched_days=days)
    files.write_text(out, page, replace=force)
    if as_json:
        dump({"file": str(out), "bytes": len(page.encode())})
    say(f"{out}: {len(page.encode()) / 1e6:,.1f} MB. It opens in any browser and loads nothing from a network.")
