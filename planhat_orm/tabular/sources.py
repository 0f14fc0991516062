"""Where rows come from: a path, standard input, an open file, a data frame, or dicts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from ..errors import ValidationError
from . import binary, delimited, json_files
from .frame_rows import Frame, frame_table
from .table import Row, Table, table_of


class Readable(Protocol):
    """An open file."""

    def read(self) -> bytes | str:
        """All that it holds."""
        ...


Rows = str | Path | Readable | Frame | Iterable[Mapping[str, Any]]
"""Rows of another system: dicts, a data frame, an open file, or the path of one (`-` is standard input)."""


class FileOptions(Struct, frozen=True):
    """How a file is read where it does not say so itself.

    `encoding` and `delimiter` are of text, `sheet` is one of a workbook, `table` one of a database.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    table: str = ""


def read(rows: Rows, options: FileOptions | None = None) -> Table:
    """The table of rows; `ValidationError` in one sentence for what cannot be read, or is not there."""
    options = options or FileOptions()
    if isinstance(rows, (str, os.PathLike)):
        return _file(rows, options)
    if hasattr(rows, "read"):
        data = rows.read()
        name = Path(str(getattr(rows, "name", "") or "the file")).name
        return _content(data.encode() if isinstance(data, str) else data, name, "", options)
    return frame_table(rows) or table_of(_dicts(rows))


def _dicts(rows: Any) -> list[Row]:
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise ValidationError(f"Rows are dicts, a data frame, or a file, not a {type(rows).__name__}.")
    dicts: list[Row] = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) and not (hasattr(row, "keys") and hasattr(row, "__getitem__")):
            raise ValidationError(f"Row {number} is a {type(row).__name__}: give dicts.")
        if not all(isinstance(name, str) for name in row.keys()):  # noqa: SIM118  a row of sqlite3 has keys() only
            raise ValidationError(f"Row {number} has a name that is no text.")
        dicts.append(row if isinstance(row, Mapping) else {name: row[name] for name in row.keys()})  # noqa: SIM118
    return dicts


def _file(given: str | os.PathLike[str], options: FileOptions) -> Table:
    if given == "-":
        return _content(sys.stdin.buffer.read(), "standard input", "", options)
    path = Path(given).expanduser()
    if path.suffix.lower() in (".duckdb", ".ddb"):
        _check_there(path)
        return binary.read_duckdb(path, options.table)
    return _content(_bytes(path), path.name, path.suffix.lower(), options)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise ValidationError(f"There is no file {path}.")


def _bytes(path: Path) -> bytes:
    _check_there(path)
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise ValidationError(f"{path} cannot be read: {wrong.strerror or wrong}.") from None


def _content(data: bytes, name: str, suffix: str, options: FileOptions) -> Table:
    """The table that some bytes are: what they begin with tells more than the name of a file."""
    if not data.strip():
        raise ValidationError(f"{name} is empty.")
    for mark, kind in _REFUSED.items():
        if data.startswith(mark):
            raise ValidationError(f"{name} is {kind}: save it as CSV, JSON Lines, Excel or Parquet.")
    if data.startswith(b"PAR1"):
        return binary.read_parquet(data, name)
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return binary.read_excel(data, name, options.sheet)
    if suffix in (".xlsx", ".xlsm", ".xls", ".ods", ".parquet"):
        raise ValidationError(f"{name} is no {suffix} file inside.")
    if suffix in (".jsonl", ".ndjson"):
        return json_files.read_lines(data, name, options.encoding)
    if suffix == ".json" or (not suffix and data.lstrip()[:1] in (b"[", b"{")):
        return _json(data, name, options.encoding)
    if suffix not in ("", ".csv", ".tsv", ".txt", ".tab"):
        raise ValidationError(f"{name} is no CSV, JSON, JSON Lines, Excel, Parquet or DuckDB file.")
    delimiter = options.delimiter or ("\t" if suffix in (".tsv", ".tab") else None)
    return delimited.read(data, name, options.encoding, delimiter)


def _json(data: bytes, name: str, encoding: str | None) -> Table:
    """A document, or lines of objects that nobody named so."""
    first, *rest = data.strip().split(b"\n", 1)
    if rest and first.startswith(b"{") and first.rstrip().endswith(b"}"):
        return json_files.read_lines(data, name, encoding)
    return json_files.read_document(data, name, encoding)


_REFUSED = {
    b"\x1f\x8b": "compressed by gzip",
    b"%PDF": "a PDF",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<table": "a web page",
    b"<?xml": "XML",
    b"SQLite format 3": "a SQLite database",
}
"""What a file begins with that is no table, and what it is."""
