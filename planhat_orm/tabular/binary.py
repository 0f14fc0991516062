"""Excel, Parquet and DuckDB files as tables, by the libraries that know them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from .. import extras
from ..errors import ValidationError
from ..names import did_you_mean
from .cells import is_empty, unguard
from .table import Table, header_of, table_of, without_nameless


def read_excel(data: bytes, name: str, sheet: str | None = None) -> Table:
    """The table of a sheet of a workbook, the first one where none is named. Its first row names the columns."""
    fastexcel = _module("fastexcel", "excel")
    _module("pyarrow", "excel")
    try:
        book = fastexcel.read_excel(data)
        if sheet is not None and sheet not in book.sheet_names:
            raise ValidationError(f"{name} has no sheet {sheet!r}.{did_you_mean(sheet, book.sheet_names)}")
        first = sheet if sheet is not None else 0
        names = _cells(book.load_sheet(first, header_row=None, n_rows=1, dtypes="string"))
        header = header_of(list(names[0].values()) if names else [], name)
        cells = book.load_sheet(first, header_row=None, skip_rows=1, column_names=[*header], schema_sample_rows=None)
        rows = [(line, row) for line, row in enumerate(_cells(cells), 2) if not all(map(is_empty, row.values()))]
    except fastexcel.FastExcelError as wrong:
        raise ValidationError(f"{name} cannot be read as a workbook: {_first_line(wrong)}") from None
    table = Table([row for _, row in rows], header, [line for line, _ in rows])
    return without_nameless(table, name)


def _cells(sheet: Any) -> list[dict[str, Any]]:
    """The rows of a sheet, text as it was before an export guarded it."""
    return [
        {name: unguard(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in sheet.to_arrow().to_pylist()
    ]


def read_parquet(data: bytes, name: str) -> Table:
    """The table of a Parquet file."""
    arrow = _module("pyarrow", "frames")
    parquet = _module("pyarrow.parquet", "frames")
    try:
        return table_of(parquet.read_table(io.BytesIO(data)).to_pylist())
    except (arrow.ArrowException, OSError, ValueError) as wrong:
        raise ValidationError(f"{name} cannot be read as Parquet: {_first_line(wrong)}") from None


def read_duckdb(path: Path, table: str) -> Table:
    """A table of a DuckDB file, as `mirror.export()` writes one for each model."""
    duckdb = _module("duckdb", "duckdb")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            names = [row[0] for row in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
            if table not in names:
                raise ValidationError(f"{path.name} has no table {table!r}.{did_you_mean(table, names)}")
            return table_of(connection.sql(f'SELECT * FROM "{table}"').to_arrow_table().to_pylist())
    except duckdb.Error as wrong:
        raise ValidationError(f"{path.name} cannot be read as a DuckDB file: {_first_line(wrong)}") from None


def _module(name: str, extra: str) -> Any:
    return extras.load(name, extra=extra, need="This file needs")


def _first_line(wrong: BaseException) -> str:
    return (str(wrong).strip().partition("\n")[0] or type(wrong).__name__).rstrip(".") + "."
