"""Excel, Parquet and DuckDB files as tables, by the libraries that know them."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .. import extras
from ..errors import ValidationError
from ..names import did_you_mean
from .cells import Unreadable, is_empty, unguard
from .table import Table, header_of, table_of, without_nameless

_FIRST_ROWS = 50
"""How many rows are looked through for the names of columns before all of them are."""
_NO_DAY = "1899-12-31 "
"""How the reader writes a time or a duration in a column that has text, too: workbooks count days from there."""


def read_excel(data: bytes, name: str, sheet: str | None = None) -> Table:
    """The table of a sheet of a workbook, the first where none is named. Its first row with cells has the names."""
    fastexcel = _module("fastexcel", "excel")
    _module("pyarrow", "excel")
    # What it logs of a column without cells would be printed where nobody set logging up.
    logging.getLogger("fastexcel").addHandler(logging.NullHandler())
    try:
        book = fastexcel.read_excel(data)
        if sheet is not None and sheet not in book.sheet_names:
            raise ValidationError(f"{name} has no sheet {sheet!r}.{did_you_mean(sheet, book.sheet_names)}")
        load = partial(book.load_sheet, sheet if sheet is not None else 0, header_row=None, schema_sample_rows=None)
        number, names = _first_cells(load)
        header = header_of(names, name)
        rows = _typed_rows(fastexcel, partial(load, skip_rows=number + 1, column_names=[*header]), header)
    except fastexcel.FastExcelError as wrong:
        raise ValidationError(f"{name} cannot be read as a workbook: {_first_line(wrong)}") from None
    # Rows are counted as the workbook shows them, from 1.
    numbered = [(line, row) for line, row in enumerate(rows, number + 2) if not all(map(is_empty, row.values()))]
    return without_nameless(Table([row for _, row in numbered], header, [line for line, _ in numbered]), name)


def _first_cells(load: Callable[..., Any]) -> tuple[int, list[Any]]:
    """The number of the first row that has a cell, from 0, and its cells."""
    for limit in (_FIRST_ROWS, None):
        rows = load(skip_rows=0, n_rows=limit, dtypes="string").to_arrow().to_pylist()
        for number, row in enumerate(rows):
            if not all(map(is_empty, row.values())):
                return number, [_as_written(cell) for cell in row.values()]
    return 0, []


def _typed_rows(fastexcel: Any, load: Callable[..., Any], header: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of a sheet below its header, with a mark for each cell that has no value to read."""
    mixed: dict[str, Unreadable] = {}
    try:
        sheet = load()
    except fastexcel.UnsupportedColumnTypeCombinationError:
        for column in header:
            try:
                load(dtypes={other: "string" for other in header if other != column})
            except fastexcel.UnsupportedColumnTypeCombinationError:
                mixed[column] = Unreadable("a cell of a column that mixes numbers with durations: format them alike")
        sheet = load(dtypes=dict.fromkeys(mixed, "string"))
    cells, errors = sheet.to_arrow_with_errors()
    rows = [{column: _as_written(cell) for column, cell in row.items()} for row in cells.to_pylist()]
    for error in errors.errors if errors is not None else ():
        row, column = error.offset_position
        rows[row][header[column]] = Unreadable("the error of a formula")
    for column, mark in mixed.items():
        for values in rows:
            values[column] = values[column] if is_empty(values[column]) else mark
    return rows


def _as_written(cell: Any) -> Any:
    """A cell, text as it was before an export guarded it."""
    if not isinstance(cell, str):
        return cell
    return Unreadable("a time without a day") if cell.startswith(_NO_DAY) else unguard(cell)


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
