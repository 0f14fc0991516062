"""Rows for another system: what Planhat knows better, under the names of that system's columns."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from .. import arguments, files
from ..query import kinds
from ..query.kinds import Kind
from ..queryset.dataframes import arrow_of_columns, pandas_of, polars_of
from ..tabular.cells import write_cell
from ..tabular.typed import typed


class Outgoing(Sequence[Mapping[str, object]]):
    """Rows for the other system, by the names of its columns: the key, and each column that Planhat owns.

    There is a row where any of these columns differs from Planhat's record. Values are those of the record, None where
    it has none; references are named by the key that the column holds.
    """

    def __init__(self, key: str, columns: Sequence[tuple[str, Kind]]) -> None:
        self._kinds = {key: kinds.TEXT, **dict(columns)}
        self._raw: dict[str, list[Any]] = {name: [] for name in self._kinds}

    def _add(self, values: Iterable[Any]) -> None:
        """Add a row of raw values, the key first."""
        for column, value in zip(self._raw.values(), values, strict=True):
            column.append(value)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, the key first."""
        return tuple(self._kinds)

    def __len__(self) -> int:
        return len(next(iter(self._raw.values())))

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Mapping[str, object]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, object]]: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, object] | list[Mapping[str, object]]:
        numbers = range(len(self))[index]
        return self._row(numbers) if isinstance(numbers, int) else [self._row(number) for number in numbers]

    def _row(self, number: int) -> dict[str, object]:
        return {name: self._kinds[name].load(column[number]) for name, column in self._raw.items()}

    def __repr__(self) -> str:
        return f"<Outgoing {len(self)} row{'' if len(self) == 1 else 's'} of {', '.join(self.columns)}>"

    def to_csv(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the rows as a CSV file: moments and days in ISO 8601, lists as JSON, nothing for None.

        A file that is there raises `ConfigurationError` unless `overwrite` is set. Text that a spreadsheet would run is
        written with an apostrophe before it.
        """
        target, overwrite = arguments.path("to_csv()", path), arguments.flag("overwrite", overwrite)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(map(write_cell, self._kinds))
        shown = [[write_cell(typed(self._kinds[name], value)) for value in raw] for name, raw in self._raw.items()]
        writer.writerows(zip(*shown, strict=True))
        if not overwrite:
            files.check_free(target)
        with files.whole(target, replace=overwrite) as beside:
            beside.write_bytes(text.getvalue().encode())

    def to_arrow(self) -> Any:
        """The rows as an Arrow table with typed columns. Needs `[frames]`."""
        return arrow_of_columns(self._raw.values(), self._kinds)

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame with Arrow's types. Needs `[frames]`."""
        return pandas_of(self.to_arrow())

    def to_polars(self) -> Any:
        """The rows as a polars DataFrame. Needs `[frames]`."""
        return polars_of(self.to_arrow())
