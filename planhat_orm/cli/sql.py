"""`planhat sql`: a statement of your own over the local copy."""

from __future__ import annotations

from typing import Annotated

import typer

from .connect import MIRROR, MirrorOption, UsageError, connect, need_mirror
from .out import Format, FormatOption, JsonOption, say, write


def sql(
    statement: Annotated[str, typer.Argument(metavar="STATEMENT", help='"select name, mrr from v_company"')],
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", help="name=value, for :name; may be given again.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many rows; 0 for all.")] = 1000,
    form: FormatOption = Format.table,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Ask the local copy in SQL. It can only read; makes no request.

    Each model is a table (company) and a view (v_company), which has
    the names beside ids, days as days, and custom fields as columns.

    For example:
    planhat sql "select owner_name, sum(mrr) from v_company group by 1"
    """
    given = {}
    for text in parameters or ():
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f"--param takes name=value, not {text!r}.")
        given[name] = value
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        found = client.mirror.sql(statement, given, limit=limit or None)
    write(list(found), found.columns, Format.json if as_json else form)
    if found.truncated:
        say(f"There are more than {limit} rows: --limit 0 shows all.")
