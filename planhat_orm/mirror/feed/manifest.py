"""Manifests: what an export of changes wrote, what the files of a folder come to, and where the next one goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ... import files
from ...errors import ConfigurationError
from .cursor import Cursor

FORMAT = 1
LAST = "last.json"


class ExportFile(msgspec.Struct, frozen=True):
    """One Parquet file. `path` is relative to the folder; `deleted` of its `rows` say that a record is gone.

    `kind` is full or changes, `export` the number of the export that wrote it.
    """

    path: str
    kind: str
    export: int
    rows: int
    deleted: int
    bytes: int
    sha256: str


class ExportedModel(msgspec.Struct, frozen=True):
    """What a folder has of one model: `files`, in their order, make up the model as it was at `as_of`.

    `export` is the number of its last export, `mode` what that did: full (with a `why`), changes or unchanged. Times
    are those of the mirror's state.
    """

    export: int
    mode: str
    why: str | None
    as_of: str | None
    full_as_of: str | None
    synced_at: str | None
    cursor: Cursor
    files: list[ExportFile]

    @property
    def rows(self) -> int:
        """How many rows its files have."""
        return sum(file.rows for file in self.files)

    @property
    def first(self) -> int:
        """The number of the export that wrote the first of its files."""
        return self.files[0].export if self.files else self.export


class Manifest(msgspec.Struct, frozen=True):
    """One export, or (`last.json`) all that is in a folder. `as_of` is that of the model that is furthest behind."""

    export: int
    made_at: str
    as_of: str | None
    models: dict[str, ExportedModel]
    format: int = FORMAT


_read = msgspec.json.Decoder(Manifest).decode


def file_name(export: int) -> str:
    """The name of the manifest of one export."""
    return f"manifest-{export}.json"


def combined(export: int, made_at: str, models: dict[str, ExportedModel]) -> Manifest:
    """The manifest of some models."""
    known = [model.as_of for model in models.values()]
    oldest = min((moment for moment in known if moment is not None), default=None)
    return Manifest(export, made_at, None if None in known else oldest, dict(sorted(models.items())))


def only_new(manifest: Manifest) -> Manifest:
    """What the newest export itself did: its models, and the files that it wrote."""
    number = manifest.export
    models = {
        name: msgspec.structs.replace(model, files=[file for file in model.files if file.export == number])
        for name, model in manifest.models.items()
        if model.export == number
    }
    return combined(number, manifest.made_at, models)


def load(folder: Path) -> Manifest | None:
    """What is in a folder; None where no export of changes ended in it."""
    path = folder / LAST
    try:
        found = _read(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no manifest"
        raise ConfigurationError(f"{path} cannot be read: {why}. {_ANEW}") from None
    if found.format != FORMAT:
        raise ConfigurationError(f"{path} was written by another release (its format is {found.format}). {_ANEW}")
    return found


_ANEW = "overwrite=True (on the command line: --force) writes all files of the folder anew."


def save(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest of an export, and then make it the last one: the one step by which the export is done."""
    path = folder / file_name(manifest.export)
    _write(path, only_new(manifest))
    files.flush(folder)
    _write(folder / LAST, manifest)
    files.flush(folder)
    return path


def _write(path: Path, manifest: Manifest) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    with files.whole(path, replace=True) as beside:
        beside.write_bytes(text + b"\n")
        files.flush(beside)
