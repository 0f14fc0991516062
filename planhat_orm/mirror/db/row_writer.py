"""Writing rows into the table of a resource: a hundred at a time, and only the columns that any of them fills.

Most records fill a part of their columns, the same part in a whole tenant, and each NULL that is bound costs what a
value does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import nan
from typing import Any

from sqlalchemy import Connection

from ...wire.raw_records import RawRecord
from . import explain
from .changes import chunks
from .codec import RowCodec
from .packing import Packed, Values

PACKED = 100
"""So many rows are packed at once: with what is made of them they fit into a processor's cache."""
_NULL = nan
"""SQLite makes NULL of it, and JSON has no such number."""


class RowWriter:
    """Writes rows of one table, within the transaction of `connection`."""

    def __init__(self, connection: Connection, rows: RowCodec, *, postgres: bool) -> None:
        self._connection = connection
        self._rows = rows
        self._postgres = postgres
        self._flags = {column.name for column in rows.layout.columns if column.storage == "boolean"}

    def insert(self, records: Sequence[RawRecord]) -> None:
        """Insert the rows of records that are not there."""
        copying = self._postgres and self._connection.dialect.driver == "psycopg"
        for packed in self._packed(records):
            (self._copy if copying else self._upsert)(packed)

    def replace(self, records: Sequence[RawRecord]) -> None:
        """Write over rows that are there."""
        for packed in self._packed(records):
            self._upsert(packed)

    def _packed(self, records: Sequence[RawRecord]) -> Iterator[Packed]:
        return (self._rows.encode_rows([item.json for item in part]) for part in chunks(records, PACKED))

    def _upsert(self, packed: Packed) -> None:
        table, names = self._quoted(packed.columns)
        _, empty = self._quoted(name for name in self._rows.names if name not in packed.columns)
        mark, columns = ("%s", packed.columns.values()) if self._postgres else ("?", self._bound(packed))
        becomes = [*(f"{name}=excluded.{name}" for name in names if name != "id"), *(f"{name}=NULL" for name in empty)]
        statement = (
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) "
            f"ON CONFLICT (id) DO UPDATE SET {', '.join(becomes)}"
        )
        self._connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

    def _bound(self, packed: Packed) -> list[Values]:
        """The values to bind for SQLite: as int, float, str or bytearray.

        Python's `sqlite3` looks for an adapter for every other value, None among them, which takes ten times as long.
        """
        columns = list[Values]()
        for name, values in packed.columns.items():
            if name in self._flags:
                values = [value if value is None else int(value) for value in values]
            if name in packed.sparse:
                values = [_NULL if value is None else value for value in values]
            columns.append(list(map(bytearray, values)) if name == "_hash" else values)
        return columns

    def _copy(self, packed: Packed) -> None:
        """PostgreSQL takes rows in by COPY in a fourth of the time that INSERT takes."""
        table, names = self._quoted(packed.columns)
        dbapi: Any = self._connection.dialect.dbapi
        cursor: Any = self._connection.connection.cursor()
        try:
            with cursor, cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in zip(*packed.columns.values(), strict=True):
                    copy.write_row(row)
        except dbapi.Error as error:
            # SQLAlchemy, which hands errors on to be explained, has no part in a COPY.
            raise explain.of_copying_rows(self._connection.engine.url, error) from None

    def _quoted(self, names: Iterable[str]) -> tuple[str, list[str]]:
        quote = self._connection.dialect.identifier_preparer.quote
        return quote(self._rows.layout.table), [quote(name) for name in names]
