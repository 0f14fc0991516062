"""Taking the mirror elsewhere: Parquet, CSV, JSON Lines, DuckDB, and a copy of the file itself.

An export reads one moment of all tables, in parts, so it may run during a sync and needs little memory. JSON
Lines hold the records as the API gave them; the other forms are sheets (see there). Files are written beside their
places and put there when all are whole, readable by their owner only unless one with other rights is replaced. A file
that is there is replaced where it says of itself that it is an export, or where the caller says so.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ... import arguments, files
from ...errors import ConfigurationError, MirrorIncomplete
from ...json_encoding import rewrite
from ...names import did_you_mean
from ...tabular.cells import write_cell
from ..db import explain, fork_gate, state, tables
from ..db.codec import RowCodec
from ..db.database import Database
from ..db.layout import layout_for
from . import arrow
from .export_table import ExportTable

FORMATS = ("csv", "duckdb", "jsonl", "parquet")

Facts = dict[str, str]
"""What an exported file says of itself where its format can."""

_MARK = "exported by planhat_orm"
"""The comment of a DuckDB table that an export made, and may make anew."""


def export(
    database: Database, folder: str | os.PathLike[str], names: Sequence[str], format: str, *, overwrite: bool
) -> list[Path]:
    """Write one file a table into `folder` (for DuckDB: tables into one file of that name); return what was written."""
    if arguments.name(format, "An export's format") not in FORMATS:
        raise ConfigurationError(f"There is no export format {format!r}.{did_you_mean(format, FORMATS)}")
    path = Path(folder)
    if format == "duckdb":
        return _duckdb(database, path, names, overwrite)
    write: Callable[[ExportTable, Path, Facts], None] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[format]
    with files.folder(path):
        targets = [path / f"{layout_for(name).table}.{format}" for name in names]
        with closing(_sheets(database, names)) as sheets:
            replaced = _check_free(targets, overwrite)
            _write_all(sheets, write, [(file, replaced[file]) for file in targets])
    return targets


def _write_all(
    sheets: Iterator[tuple[ExportTable, Facts]],
    write: Callable[[ExportTable, Path, Facts], None],
    targets: list[tuple[Path, bool]],
) -> None:
    """Write each sheet beside its file; none is put in its place before all are there."""
    if (sheet := next(sheets, None)) is not None:
        (file, may_replace), *others = targets
        with files.whole(file, replace=may_replace) as beside:
            write(sheet[0], beside, sheet[1])
            _write_all(sheets, write, others)


def _check_free(targets: Sequence[Path], overwrite: bool) -> dict[Path, bool]:
    """Whether each file may be replaced; raises before the first is written where one is there that may not."""
    replaced = {file: overwrite or is_export(file) for file in targets}
    for file, may in replaced.items():
        if not may:
            files.check_free(file)
    return replaced


def is_export(file: Path) -> bool:
    """Whether a file says of itself that it is an export: only Parquet has a place for that."""
    if file.suffix != ".parquet" or file.is_symlink() or not file.is_file():
        return False
    try:
        facts = arrow.parquet().read_schema(file).metadata or {}
    except (OSError, arrow.arrow().ArrowException):
        return False
    return {b"resource", b"as_of", b"tables"} <= facts.keys()


def _sheets(database: Database, names: Sequence[str]) -> Generator[tuple[ExportTable, Facts], None, None]:
    """The tables, all of one moment, and the facts to tell with each."""
    with database.reading() as connection:
        states = state.load_all(connection)
        for name in names:
            found = states.get(name)
            if found is None or not found.complete:
                raise MirrorIncomplete(f"The mirror does not hold all of {name}: sync it, or export the other models.")
        for name in names:
            facts = {"resource": name, "as_of": str(states[name].as_of), "tables": tables.VERSIONS[-1]}
            yield ExportTable(connection, layout_for(name), postgres=database.postgres), facts


def backup(database: Database, path: str | os.PathLike[str]) -> Path:
    """Copy a SQLite mirror, consistent even during a sync."""
    target = Path(path)
    if database.postgres:
        raise ConfigurationError("Back up a mirror in PostgreSQL with pg_dump.")
    files.check_free_database(target, "choose another name for the backup")
    connection = database.engine.raw_connection()
    try:
        source = connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        with files.whole(target, replace=False) as beside, closing(fork_gate.connect(beside)) as copy:
            try:
                # In one step, and so of one moment.
                source.backup(copy)
            except sqlite3.Error as error:
                raise explain.of_copy(target, error) from None
    finally:
        connection.close()
    return target


def _parquet(sheet: ExportTable, file: Path, facts: Facts) -> None:
    schema = arrow.schema(sheet, facts)
    with arrow.parquet().ParquetWriter(file, schema, compression="zstd") as writer:
        for part in sheet.parts():
            writer.write_batch(arrow.batch(schema, part))


def _csv(sheet: ExportTable, file: Path, facts: Facts) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(map(write_cell, sheet.names))
        for part in sheet.parts():
            writer.writerows(zip(*(map(write_cell, values) for values in part), strict=True))


def _jsonl(sheet: ExportTable, file: Path, facts: Facts) -> None:
    rows = RowCodec(sheet.layout, postgres=sheet.postgres)
    with file.open("wb") as stream:
        for part in sheet.rows():
            stream.write(b"".join(rewrite(raw) + b"\n" for raw in rows.decode_rows(sheet.layout.columns, part)))


def _duckdb(database: Database, path: Path, names: Sequence[str], overwrite: bool) -> list[Path]:
    try:
        import duckdb
    except ImportError:
        raise ConfigurationError(
            'This needs duckdb: pip install "planhat_orm[duckdb]". It reads Parquet exports, too.'
        ) from None
    with files.folder(path.parent), files.folder_beside(path) as folder:
        written = export(database, folder, names, "parquet", overwrite=False)
        # Into a file that is there, beside its other tables; a new one is put in its place when it is whole.
        new = None if path.exists() and not path.is_symlink() else Path(folder, path.name)
        if new is not None and not overwrite:
            files.check_free(path)
        try:
            with closing(duckdb.connect(str(new or path))) as target:
                target.begin()
                if not overwrite:
                    _check_tables(target, path, names)
                for name, file in zip(names, written, strict=True):
                    target.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM read_parquet(?)', [str(file)])
                    target.execute(f"""COMMENT ON TABLE "{name}" IS '{_MARK}'""")
                target.commit()
        except duckdb.Error as error:
            raise ConfigurationError(f"{path} cannot be written as a DuckDB file: {_first_line(error)}") from None
        if new is not None:
            new.chmod(0o600)
            files.put(new, path, replace=overwrite)
    return [path]


def _check_tables(target: Any, path: Path, names: Sequence[str]) -> None:
    """Raise where a table of a DuckDB file would be lost that is not of an export."""
    found = target.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal").fetchall()
    if foreign := sorted({name for name, comment in found if comment != _MARK}.intersection(names)):
        raise ConfigurationError(f"{path} has a table {foreign[0]!r} that no export made: {files.OVERWRITE}.")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
