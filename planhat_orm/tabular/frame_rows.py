"""Data frames of pandas, polars and Arrow as tables; none of these libraries is imported here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from ..errors import ValidationError
from .cells import is_empty, key_text
from .table import Row, Table, table_of


class PolarsFrame(Protocol):
    """A polars DataFrame, as far as it is rows."""

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        ...


class PandasFrame(Protocol):
    """A pandas DataFrame, as far as it is rows."""

    @property
    def columns(self) -> Iterable[Any]:
        """The names of the columns."""
        ...

    def to_dict(self, orient: Literal["records"]) -> list[dict[Any, Any]]:
        """The rows as dicts."""
        ...


class ArrowTable(Protocol):
    """An Arrow table, as far as it is rows."""

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        ...


Frame = PolarsFrame | PandasFrame | ArrowTable


def frame_rows(value: Any) -> list[Row] | None:
    """The rows of a data frame; None for what is none."""
    if isinstance(value, (list, tuple, Mapping, str, bytes)):
        return None
    if hasattr(value, "to_dicts"):
        return list(value.to_dicts())
    if hasattr(value, "to_pylist") and hasattr(value, "column_names"):
        return list(value.to_pylist())
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        _check_names(list(value.columns))
        return [{str(name): cell for name, cell in row.items()} for row in value.to_dict("records")]
    if hasattr(value, "collect") and hasattr(value, "lazy"):
        raise ValidationError("This is a query of polars, not a frame yet: pass frame.collect().")
    return None


def _check_names(names: list[Any]) -> None:
    """pandas lets two columns have one name, and names be tuples; rows cannot."""
    twice = [name for name, times in Counter(map(str, names)).items() if times > 1]
    if twice:
        raise ValidationError(f"The frame has two columns called {twice[0]!r}.")
    if any(isinstance(name, tuple) for name in names):
        raise ValidationError("The frame has columns of several levels: give them names of one.")


def frame_table(value: Any) -> Table | None:
    """The table of a data frame; None for what is none."""
    rows = frame_rows(value)
    if rows is None:
        return None
    # One without rows has columns all the same.
    names = value.column_names if hasattr(value, "column_names") else value.columns
    return replace(table_of(rows), columns=tuple(map(str, names)))


def as_rows(value: Any) -> Any:
    """The rows of a frame without its empty cells, for endpoints that take dicts; anything else as it is."""
    rows = frame_rows(value)
    if rows is None:
        return value
    return [
        {name: key_text(cell) if name in _KEYS else cell for name, cell in row.items() if not is_empty(cell)}
        for row in rows
    ]


_KEYS = frozenset({"externalId", "sourceId", "companyExternalId", "dimensionId"})
"""Columns of keys, which a frame may hold as numbers, or with gaps even as floats."""
