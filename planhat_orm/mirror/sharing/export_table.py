"""A table of the mirror as other programs get it: typed columns, and nothing lost.

Each field is a column, moments and days as such, lists of text as lists; each known custom field is one, too. What
a column cannot give back (a value of another type, an explicit null, a key without a column) is in `extra`, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from ...json_encoding import rewrite
from ...query.kinds import LISTS, Kind
from ...tabular.typed import TYPES
from ..db import tables
from ..db.json_text import read_cell
from ..db.layout import Column, Layout
from . import custom_fields

PART = 20_000
EXTRA = "extra"


class ExportTable:
    """One table, read in parts. `columns` are the names and kinds of its columns; `extra` comes last and is text.

    Custom fields get no name that is `taken`.
    """

    def __init__(self, connection: Connection, layout: Layout, *, postgres: bool, taken: Iterable[str] = ()) -> None:
        self.layout = layout
        self._connection = connection
        self.postgres = postgres
        self._customs = custom_fields.known(
            connection, layout, [*(column.name for column in layout.columns), EXTRA, *taken]
        )
        fields: list[tuple[str, Kind]] = [(column.name, column.kind) for column in layout.columns]
        self.columns = (*fields, *((custom.name, custom.kind) for custom in self._customs))
        self.names = (*(name for name, _ in self.columns), EXTRA)

    @property
    def id_place(self) -> int:
        """Where the id is among the cells of a row."""
        return self.layout.columns.index(self.layout.by_wire["_id"])

    def cells(self) -> list[Any]:
        """What is selected of the table: the cells of the fields' columns, and then `_extra`."""
        table = tables.records(self.layout)
        shown = [
            tables.as_text(table.c[column.name], self.postgres) if column.storage == "json" else table.c[column.name]
            for column in self.layout.columns
        ]
        return [*shown, table.c["_extra"]]

    def rows(self) -> Iterator[list[Any]]:
        """The rows as the mirror stores them, part by part."""
        statement = select(*self.cells()).order_by(tables.records(self.layout).c.id)
        result = self._connection.execute(statement, execution_options={"yield_per": PART})
        yield from (list(part) for part in result.partitions())

    def parts(self) -> Iterator[list[Sequence[Any]]]:
        """The values of all columns, part by part, column by column."""
        return map(self.values, self.rows())

    def values(self, rows: Sequence[Any]) -> list[Sequence[Any]]:
        """The values of all columns in some rows, column by column."""
        *cells, extra = zip(*rows, strict=True)
        spilt: dict[int, dict[str, Any]] = {}
        values: list[Sequence[Any]] = [
            list(_values(column, item, spilt)) for column, item in zip(self.layout.columns, cells, strict=True)
        ]
        if self._customs:
            values += self._custom_values(cells[self.layout.columns.index(self.layout.by_wire["custom"])])
        return [*values, [_joined(text, spilt.get(place)) for place, text in enumerate(extra)]]

    def _custom_values(self, cells: Sequence[str | None]) -> Iterator[list[Any]]:
        decoded = [None if cell is None else read_cell(cell) for cell in cells]
        for custom in self._customs:
            _, value = TYPES[custom.kind.name]
            found = (raw.get(custom.label) if isinstance(raw, dict) else None for raw in decoded)
            yield [None if raw is None else value(custom.kind.load(raw)) for raw in found]


def _values(column: Column, cells: Sequence[Any], spilt: dict[int, dict[str, Any]]) -> Iterable[Any]:
    """The cells of a column as values of its type; those that it cannot give back are noted by their place."""
    if column.storage == "json" and column.kind not in LISTS:
        yield from cells
        return
    _, value = TYPES[column.kind.name]
    for place, cell in enumerate(cells):
        if cell is None:
            yield None
            continue
        raw = read_cell(cell) if column.kind in LISTS else bool(cell) if column.storage == "boolean" else cell
        shown = value(column.kind.load(raw))
        if shown is None or (column.kind in LISTS and shown != raw):
            spilt.setdefault(place, {})[column.wire] = raw
        yield shown


def _joined(extra: str | None, spilt: dict[str, Any] | None) -> str | None:
    if spilt is None:
        return extra
    # What the mirror kept raw is what the server said; the column only held what it compares by.
    return rewrite({**spilt, **(read_cell(extra) if extra is not None else {})}).decode()
