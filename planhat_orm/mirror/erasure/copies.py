"""Files of exports that hold a person with all others: they are written anew from the mirror, without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ..db.layout import tables
from ..feed import manifest

FORMS = ("parquet", "csv", "jsonl")

Write = Callable[..., list[Path]]
"""`Mirror.export`, which writes files."""
Rewrite = tuple[Path, dict[str, Any]]
"""A folder, and with what it is exported into again."""


def planned(folders: Sequence[Path], complete: Sequence[str]) -> list[Rewrite]:
    """What has to be written anew in some folders; raises where that cannot be done."""
    found = [rewrite for folder in folders for rewrite in _in(folder)]
    for folder, options in found:
        if missing := sorted(set(options["models"]) - set(complete)):
            raise ConfigurationError(
                f"{folder} has files of {missing[0]}, which the mirror does not hold all of: sync it, or delete them."
            )
    return found


def _in(folder: Path) -> list[Rewrite]:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder of exports. A DuckDB file: delete it, and export it again.")
    names = [layout.table for layout in tables()]
    found: list[Rewrite] = []
    for form in FORMS:
        if exported := [name for name in names if (folder / f"{name}.{form}").is_file()]:
            found.append((folder, {"format": form, "models": exported}))
    last = manifest.load(folder)
    if last is not None:
        found.append((folder, {"since": "last", "models": sorted(last.models)}))
    if not found:
        raise ConfigurationError(f"{folder} has no files of exports that can be written anew.")
    return found


def write_anew(write: Write, rewrites: Sequence[Rewrite]) -> list[Path]:
    """Write files anew; return them."""
    return [file for folder, options in rewrites for file in write(folder, overwrite=True, **options)]
