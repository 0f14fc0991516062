"""`planhat mirror`: whose mirror a file is."""

from __future__ import annotations

from typing import Annotated

import typer

from .connect import MIRROR, ApiUrlOption, MirrorOption, connect, need_mirror
from .out import JsonOption, dump, say

app = typer.Typer(help="Whose local copy a file is.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Whose local copy a file is."""


@app.command("adopt")
def adopt(
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
    force: Annotated[bool, typer.Option("--force", help="Ask nothing: it is the account of this token.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on using the local copy with a new token of the same account.

    Five of its records are looked for with the token that is set now.

    For example: planhat mirror adopt --mirror planhat.db
    """
    need_mirror(mirror)
    with connect(mirror, api_url) as client:
        client.adopt_mirror(force=force)
        if as_json:
            dump({"mirror": mirror, "account": str(client.account)})
        say(f"{mirror} belongs to {client.account}.")
