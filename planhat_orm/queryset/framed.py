"""What `values()`, `values_list()` and groups have of data frames: their rows as columns of typed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..query.kinds import Kind
from . import dataframes


class Framed:
    """Rows that become a table. It is Arrow's protocol too: `polars.DataFrame(rows)`, `pyarrow.table(rows)`, DuckDB."""

    __slots__ = ()

    def _kinds(self) -> Mapping[str, Kind]:
        """The kinds of the columns, by name."""
        raise AssertionError("a subclass says which columns")

    def _columns_of(self, rows: list[Any]) -> Sequence[Sequence[Any]]:
        """The columns of some rows."""
        return [[row[name] for row in rows] for name in self._kinds()]

    def to_arrow(self) -> Any:
        """The rows as an Arrow table with typed columns. Needs `[frames]`."""
        return self._table(list(self))  # type: ignore[call-overload]

    async def ato_arrow(self) -> Any:
        """Do what `to_arrow()` does, in a task."""
        return self._table(await self._afill())  # type: ignore[attr-defined]

    def to_polars(self) -> Any:
        """The rows as a polars DataFrame. Needs `[frames]`."""
        return dataframes.polars_of(self.to_arrow())

    async def ato_polars(self) -> Any:
        """Do what `to_polars()` does, in a task."""
        return dataframes.polars_of(await self.ato_arrow())

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame with Arrow's types. Needs `[frames]`."""
        return dataframes.pandas_of(self.to_arrow())

    async def ato_pandas(self) -> Any:
        """Do what `to_pandas()` does, in a task."""
        return dataframes.pandas_of(await self.ato_arrow())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _table(self, rows: list[Any]) -> Any:
        return dataframes.arrow_of_columns(self._columns_of(rows), self._kinds())
