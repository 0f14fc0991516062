"""Exports of changes: a folder of Parquet files that each export adds to what changed since the one before.

The folder is what `last.json` says. It is replaced last, in one step, so an export that is cut off leaves the folder as
it was; what it wrote is taken away or replaced by the next one. Files that are needed no longer go after that step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ... import files
from ...errors import ConfigurationError, MirrorIncomplete
from ..db import state, tables
from ..db.database import Database
from ..db.layout import layouts
from ..outbox.outbox import Outbox
from ..sharing import arrow
from ..sharing.export import is_export
from . import manifest
from .manifest import ExportedModel, ExportFile, Manifest
from .model_feed import ModelFeed, Snapshot, snapshot

EXPORT = "_export"
"""The column with the number of the export that wrote a row: of two rows of a record the later one counts."""
MOST_FILES = 500
"""So many files a model may have; then it is written whole again."""
_FILE = re.compile(r"\d{6,}-(?:full|changes)\.parquet")
_BEGUN = re.compile(r"\.\d{6,}-(?:full|changes)\.parquet\.[0-9a-f]+")
_MANIFEST = re.compile(r"manifest-(\d+)\.json")
_LOCK = ".export.lock"


def export_changes(
    database: Database, outbox: Outbox, folder: Path, names: Sequence[str] | None, *, anew: bool
) -> list[Path]:
    """Bring a folder up to date, for some models or all that are complete; return the files written, manifest last.

    With `anew` everything is written, whatever is there.
    """
    arrow.parquet()
    files.make_folder(folder)
    with _only_one(folder):
        before = None if anew else manifest.load(folder)
        with snapshot(database, outbox) as mirror:
            done = _export(mirror, folder, names, before)
        path = manifest.save(folder, done)
        _clean(folder, done)
    new = [file for model in done.models.values() for file in model.files if file.export == done.export]
    return [*(folder / file.path for file in new), path]


def _export(mirror: Snapshot, folder: Path, names: Sequence[str] | None, before: Manifest | None) -> Manifest:
    chosen = mirror.complete() if names is None else list(names)
    if not chosen:
        raise MirrorIncomplete('No model is in the mirror yet: "planhat sync" does that.')
    number = 1 + (before.export if before is not None else _last_number(folder))
    models = dict(before.models) if before is not None else {}
    # All are looked at before the first is written.
    feeds = [_feed(mirror, folder, name, models.get(name), number) for name in chosen]
    for name, feed in zip(chosen, feeds, strict=True):
        models[name] = _exported(folder, feed, models.get(name), number)
    return manifest.combined(number, state.now(), models)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Be the only export that writes into a folder."""
    lock = FileLock(folder / _LOCK, mode=0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(blocking=False))
        except Timeout:
            raise ConfigurationError(f"Another export writes into {folder}: wait until it is done.") from None
        except OSError as error:
            raise files.cannot_write(folder / _LOCK, error) from None
        yield


def _last_number(folder: Path) -> int:
    """The greatest number of a manifest in a folder: numbers are never used again."""
    found = (_MANIFEST.fullmatch(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in found if match is not None), default=0)


def _feed(mirror: Snapshot, folder: Path, name: str, before: ExportedModel | None, number: int) -> ModelFeed:
    anew = None if before is None else _why_anew(folder, before)
    return mirror.feed(name, None if before is None else before.cursor, anew, **{EXPORT: ("int64", number)})


def _why_anew(folder: Path, before: ExportedModel) -> str | None:
    """Why the files of a model cannot be added to."""
    if not before.files or any(not (folder / file.path).is_file() for file in before.files):
        return "a file of it is missing"
    if len(before.files) >= MOST_FILES or before.rows > 2 * before.files[0].rows + 1:
        return "its changes had become more than its rows"
    return None


def _exported(folder: Path, feed: ModelFeed, before: ExportedModel | None, number: int) -> ExportedModel:
    """Write what a model's feed has, and return what the folder then has of it."""
    written = _written(folder, feed, number)
    mode = "unchanged" if written is None else written.kind
    kept = before.files if before is not None and feed.why is None else []
    found = feed.state
    return ExportedModel(
        number,
        mode,
        feed.why,
        found.as_of,
        found.full_as_of,
        found.synced_at,
        feed.cursor,
        [*kept, *([] if written is None else [written])],
    )


@dataclass(slots=True)
class _Count:
    rows: int = 0
    deleted: int = 0


def _written(folder: Path, feed: ModelFeed, number: int) -> ExportFile | None:
    """Write the file of one model; None where nothing changed."""
    kind = "changes" if feed.why is None else "full"
    parts = feed.parts()
    first = next(parts, None)
    if first is None and kind == "changes":
        return None
    file = folder / feed.layout.table / f"{number:06}-{kind}.parquet"
    files.make_folder(file.parent)
    count = _Count()
    replaced = is_export(file)
    if not replaced:
        files.check_free(file)
    with files.whole(file, replace=replaced) as beside:
        with _writer(beside, feed, number) as writer:
            part = first
            while part is not None:
                writer.write_batch(part.batch)
                count.rows += part.rows
                count.deleted += part.deleted
                part = next(parts, None)
        files.flush(beside)
    files.flush(file.parent)
    path = file.relative_to(folder).as_posix()
    return ExportFile(path, kind, number, count.rows, count.deleted, file.stat().st_size, _sha256(file))


def _writer(file: Path, feed: ModelFeed, number: int) -> Any:
    facts = {"resource": feed.layout.table, "as_of": str(feed.state.as_of), "tables": tables.VERSIONS[-1]}
    schema = feed.schema({**facts, "export": str(number)})
    return arrow.parquet().ParquetWriter(file, schema, compression="zstd")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _clean(folder: Path, done: Manifest) -> None:
    """Delete what no reader of the last manifest needs: files of before the last full one, and what was cut off."""
    needed = {file.path for model in done.models.values() for file in model.files}
    for name in done.models.keys() & layouts().keys():
        for path in (folder / name).glob("*"):
            unused = _FILE.fullmatch(path.name) and f"{name}/{path.name}" not in needed and is_export(path)
            if unused or _BEGUN.fullmatch(path.name):
                path.unlink(missing_ok=True)
    first = min(model.first for model in done.models.values())
    for path in folder.glob("manifest-*.json"):
        match = _MANIFEST.fullmatch(path.name)
        if match is not None and int(match[1]) < first:
            path.unlink(missing_ok=True)
