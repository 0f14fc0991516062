"""`planhat models`: a module of typed subclasses for the account's custom fields."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import files
from ..models.generate import is_module, module
from .connect import ApiUrlOption, ModelsArgument, connect, model
from .out import JsonOption, dump, say


def models(
    names: ModelsArgument = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write. Default: print it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: JsonOption = False,
    api_url: ApiUrlOption = None,
) -> None:
    """Write a Python module with the custom fields of this account, typed, as subclasses of the models.

    For example: planhat models Company License --out account.py
    """
    replace = out is not None and (force or is_module(out))
    if out is not None and not replace:
        files.check_free(out, "--force replaces it, --out names another file")
    chosen = [model(name).__name__ for name in names] if names else None
    with connect(None, api_url) as client:
        rows = [row for page in client.custom_field.get_list() for row in page]
        text = module(rows, chosen)
    if out is None:
        dump({"fields": rows, "module": text}) if as_json else typer.echo(text, nl=False)
        return
    files.write_text(out, text, replace=replace)
    if as_json:
        dump({"file": str(out), "fields": rows})
    say(f"{out}: {len(rows)} custom fields listed.")
