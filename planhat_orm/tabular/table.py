"""A table as it came: its columns, its rows, and how to call a row so that a person finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ValidationError
from .cells import is_empty

Row = Mapping[str, Any]


class Table(Struct, frozen=True):
    """Rows of one origin. `lines` are the lines of a file that its rows begin in; other rows are counted from 0.

    `is_text` says that all cells are text, as in CSV; `is_wire` that values are those of Planhat's API, as in exported
    JSON Lines.
    """

    rows: list[Row]
    columns: tuple[str, ...]
    lines: Sequence[int] | None = None
    is_text: bool = False
    is_wire: bool = False

    def label(self, number: int) -> str:
        """How a row is called."""
        return f"row {number}" if self.lines is None else f"line {self.lines[number]}"


def table_of(rows: list[Row], lines: Sequence[int] | None = None, *, is_wire: bool = False) -> Table:
    """A table of dicts, whose columns are all names that occur."""
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(rows, columns, lines, is_wire=is_wire)


ABSENT: Any = object()
"""What a row has in a column that it does not have: it says nothing, not even that the value is empty."""


def cell_at(row: Row, column: str) -> Any:
    """The cell of a column; where a row has none of that name, the dots lead into dicts: `Owner.Email`."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return value


def header_of(cells: Sequence[Any], name: str) -> tuple[str, ...]:
    """The names of columns; one without a name is called by its number. `ValidationError` for two of one name."""
    header = ["" if cell is None else str(cell).strip() for cell in cells]
    for column, times in Counter(header).items():
        if times > 1 and column:
            numbers = [str(number) for number, other in enumerate(header, 1) if other == column]
            raise ValidationError(f"{name}: columns {' and '.join(numbers)} are both called {column!r}.")
    if not any(header):
        raise ValidationError(f"{name} is empty: its first line must name the columns.")
    return tuple(column or _nameless(number) for number, column in enumerate(header, 1))


def without_nameless(table: Table, name: str) -> Table:
    """The table without the columns that have no name, which must be empty."""
    nameless = {column for number, column in enumerate(table.columns, 1) if column == _nameless(number)}
    for number, row in enumerate(table.rows):
        column = next((column for column in nameless if not is_empty(row[column])), None)
        if column is not None:
            raise ValidationError(f"{name}, {table.label(number)}: {column} has no name in the first line.")
    rows: list[Row] = [{key: cell for key, cell in row.items() if key not in nameless} for row in table.rows]
    return replace(table, rows=rows, columns=tuple(column for column in table.columns if column not in nameless))


def _nameless(number: int) -> str:
    return f"column {number}"
