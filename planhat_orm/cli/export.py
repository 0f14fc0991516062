"""`planhat export`: the mirror as files for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import MirrorIncomplete
from .connect import MIRROR, MirrorOption, ModelsArgument, connect, model, need_mirror
from .out import JsonOption, dump, say, table


class Kind(StrEnum):
    """How the files are written."""

    parquet = "parquet"
    csv = "csv"
    jsonl = "jsonl"
    duckdb = "duckdb"


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder for the files; for duckdb, the file.")],
    models: ModelsArgument = None,
    form: Annotated[Kind, typer.Option("--format", help="How to write them.")] = Kind.parquet,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Write the local copy into files, one for each model. Makes no request.

    For example: planhat export files Company License --format csv
    """
    chosen = [model(name) for name in models or ()]
    need_mirror(mirror)
    with connect(mirror, None, token=False) as client:
        written = client.mirror.export(out, form.value, chosen or None, overwrite=force)
    if not written:
        raise MirrorIncomplete('No model is in the mirror yet: "planhat sync" does that.')
    if as_json:
        dump([{"file": str(path), "bytes": path.stat().st_size} for path in written])
    else:
        table(("file", "bytes"), [(str(path), path.stat().st_size) for path in written], whole=True)
    say(f"{len(written)} file{'' if len(written) == 1 else 's'} written.")
