"""`planhat search`: words in the texts of the mirror."""

from __future__ import annotations

from typing import Annotated

import typer

from .connect import MIRROR, MirrorOption, connect, model, need_mirror, title
from .out import JsonOption, console, dump, table


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="All of them, or words that begin so.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="Only Company, Note, ...; may be given again.", show_default="all"),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Find records of the local copy by words in their names and texts, best first. Makes no request.

    For example: planhat search renewal risk --model Conversation
    """
    chosen = [model(name) for name in models or ()]
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        hits = client.mirror.search(" ".join(words), chosen or None, limit=limit)
    if as_json:
        dump([{"model": title(hit.model), "id": hit.id, "title": hit.title, "text": hit.snippet} for hit in hits])
        return
    if not hits:
        console().print("Nothing holds all of these words.")
        return
    table(("model", "record", "title", "text"), [(title(hit.model), hit.id, hit.title, hit.snippet) for hit in hits])
