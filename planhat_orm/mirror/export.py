"""Taking the mirror elsewhere: Parquet, CSV, JSON Lines, DuckDB, and a copy of the file itself.

An export reads one moment of all tables, in parts, so it may run during a sync and needs little memory. JSON
Lines hold the records as the API gave them; the other forms have one column for each field, moments and days as
such, lists and objects as JSON text, and what fits no column in `extra`.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from ..errors import ConfigurationError, MirrorIncomplete
from ..names import did_you_mean
from ..query.kinds import DATETIME, DAY
from . import state, tables
from .database import Database
from .layout import Column, Layout, layout
from .rows import Rows, encode

FORMATS = ("csv", "duckdb", "jsonl", "parquet")
_PART = 20_000
_EPOCH = date(1970, 1, 1)


def export(database: Database, folder: str | os.PathLike[str], names: Sequence[str], format: str) -> list[Path]:
    """Write one file a table into `folder` (for DuckDB: one file of that name), and return what was written."""
    if format not in FORMATS:
        raise ConfigurationError(f"There is no export format {format!r}.{did_you_mean(format, FORMATS)}")
    path = Path(folder)
    if format == "duckdb":
        return _duckdb(database, path, names)
    write = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[format]
    path.mkdir(parents=True, exist_ok=True)
    written = []
    with database.reading() as connection:
        states = state.load_all(connection)
        for name in names:
            found = states.get(name)
            if found is None or not found.complete:
                raise MirrorIncomplete(f"The mirror does not hold all of {name}: sync it, or export the other models.")
            file = path / f"{name}.{format}"
            write(connection, layout(name), file, database.postgres, {"as_of": str(found.as_of), "resource": name})
            written.append(file)
    return written


def backup(database: Database, path: str | os.PathLike[str]) -> Path:
    """Copy a SQLite mirror, consistent even during a sync."""
    target = Path(path)
    if database.postgres:
        raise ConfigurationError("Back up a mirror in PostgreSQL with pg_dump.")
    if target.exists():
        raise ConfigurationError(f"{target} exists: choose another name for the backup.")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = database.engine.raw_connection()
    try:
        source = connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    finally:
        connection.close()
    return target


def _parts(connection: Connection, home: Layout, postgres: bool) -> Iterator[list[Any]]:
    table = tables.records(home)
    shown = [
        tables.as_text(table.c[one.name], postgres) if one.storage == "json" else table.c[one.name]
        for one in home.columns
    ]
    statement = select(*shown, table.c["_extra"]).order_by(table.c.id)
    yield from (
        list(part) for part in connection.execute(statement, execution_options={"yield_per": _PART}).partitions()
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _day(number: int | None) -> date | None:
    return None if number is None else _EPOCH + timedelta(days=number)


def _parquet(connection: Connection, home: Layout, file: Path, postgres: bool, facts: dict[str, str]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigurationError("Parquet needs pyarrow: pip install 'planhat_orm[frames]'.") from None

    def kind(column: Column) -> Any:
        if column.kind is DATETIME:
            return pa.timestamp("ms", tz="UTC")
        if column.kind is DAY:
            return pa.date32()
        return {"number": pa.float64(), "boolean": pa.bool_()}.get(column.storage, pa.string())

    kinds = [*(kind(column) for column in home.columns), pa.string()]
    names = [*(column.name for column in home.columns), "extra"]
    schema = pa.schema(list(zip(names, kinds, strict=True)), metadata=facts)

    def array(values: tuple[Any, ...], type: Any) -> Any:
        if pa.types.is_timestamp(type):
            values = tuple(map(_moment, values))
        elif pa.types.is_date32(type):
            values = tuple(map(_day, values))
        elif pa.types.is_boolean(type):
            values = tuple(None if value is None else bool(value) for value in values)
        elif pa.types.is_floating(type):
            values = tuple(None if value is None else float(value) for value in values)
        return pa.array(values, type)

    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in _parts(connection, home, postgres):
            arrays = [array(values, type) for values, type in zip(zip(*part, strict=True), kinds, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _csv(connection: Connection, home: Layout, file: Path, postgres: bool, facts: dict[str, str]) -> None:
    days = [place for place, column in enumerate(home.columns) if column.kind is DAY]
    flags = [place for place, column in enumerate(home.columns) if column.storage == "boolean"]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(column.name for column in home.columns), "extra"])
        for part in _parts(connection, home, postgres):
            for row in part:
                cells = list(row)
                for place in days:
                    cells[place] = _day(cells[place])
                for place in flags:
                    cells[place] = None if cells[place] is None else str(bool(cells[place])).lower()
                writer.writerow(cells)


def _jsonl(connection: Connection, home: Layout, file: Path, postgres: bool, facts: dict[str, str]) -> None:
    rows = Rows(home, postgres=postgres)
    with file.open("wb") as stream:
        for part in _parts(connection, home, postgres):
            stream.write(b"".join(encode(raw) + b"\n" for raw in rows.unpack(home.columns, part)))


def _duckdb(database: Database, path: Path, names: Sequence[str]) -> list[Path]:
    try:
        import duckdb
    except ImportError:
        raise ConfigurationError(
            'This needs duckdb: pip install "planhat_orm[duckdb]". It reads Parquet exports, too.'
        ) from None
    if path.exists():
        raise ConfigurationError(f"{path} exists: choose another name for the DuckDB file.")
    with tempfile.TemporaryDirectory() as folder:
        files = export(database, folder, names, "parquet")
        with closing(duckdb.connect(str(path))) as target:
            for name, file in zip(names, files, strict=True):
                target.execute(f'CREATE TABLE "{name}" AS SELECT * FROM read_parquet(?)', [str(file)])
    return [path]
