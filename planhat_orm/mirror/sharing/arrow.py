"""The tables of the mirror as Arrow's, which Parquet files and warehouses take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import extras
from ...tabular.typed import TYPES
from .export_table import ExportTable


def arrow() -> Any:
    """The package pyarrow; `ConfigurationError` where it is not installed."""
    return extras.load("pyarrow", extra="frames", need="Parquet needs")


def parquet() -> Any:
    """What of pyarrow reads and writes Parquet."""
    return extras.load("pyarrow.parquet", extra="frames", need="Parquet needs")


def schema(sheet: ExportTable, facts: Mapping[str, str] | None = None, more: Sequence[tuple[str, Any]] = ()) -> Any:
    """The columns of a sheet with their types, and `more` of others; `facts` are kept beside them."""
    pa = arrow()
    kinds = [*(TYPES[kind.name][0](pa) for _, kind in sheet.columns), pa.string()]
    return pa.schema([*zip(sheet.names, kinds, strict=True), *more], metadata=facts)


def batch(schema: Any, columns: Sequence[Sequence[Any]]) -> Any:
    """Some rows, given column by column."""
    pa = arrow()
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
