"""`planhat export`: the mirror as files for other programs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

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


class Since(StrEnum):
    """What an export goes on from."""

    last = "last"


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder; for duckdb, the file.")],
    models: ModelsArgument = None,
    form: Annotated[Kind, typer.Option("--format", help="How to write them.")] = Kind.parquet,
    since: Annotated[
        Since | None, typer.Option("--since", help="Add to the folder what changed since the last export into it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Write the local copy into files, one for each model. Makes no request.

    With --since last the folder keeps Parquet files of all exports, and last.json says what is in it.

    For example: planhat export files Company License --format csv
    """
    chosen = [model(name) for name in models or ()]
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        written = client.mirror.export(
            out, form.value, chosen or None, overwrite=force, since=None if since is None else "last"
        )
    if since is not None:
        _tell_changes(written[-1], as_json)
        return
    if not written:
        raise MirrorIncomplete('No model is in the mirror yet: "planhat sync" does that.')
    if as_json:
        dump([{"file": str(path), "bytes": path.stat().st_size} for path in written])
    else:
        table(("file", "bytes"), [(str(path), path.stat().st_size) for path in written], whole=True)
    say(f"{len(written)} file{'' if len(written) == 1 else 's'} written.")


def _tell_changes(manifest: Path, as_json: bool) -> None:
    """Say what an export since the last one did, by its manifest."""
    done: dict[str, Any] = json.loads(manifest.read_bytes())
    if as_json:
        dump(done)
        return
    rows = []
    for name, part in done["models"].items():
        sums = (sum(file[key] for file in part["files"]) for key in ("rows", "deleted", "bytes"))
        rows.append((name, part["mode"], *sums))
    table(("model", "written", "rows", "deleted", "bytes"), rows)
    for name, part in done["models"].items():
        if part["why"] is not None:
            say(f"{name} is whole: {part['why']}.")
    say(f"Export {done['export']} of {done['as_of'] or 'a moment that is not known'}: {manifest}")
