"""The indexes of a table of records, which a long first load makes when all rows are there.

Kept up row by row they take two thirds of what SQLite spends on the rows of small records; made of a whole table, a
tenth. So a table whose first load was cut off may have none. It answers no query, and the pass that goes on makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import gettempdir

from sqlalchemy import Connection
from sqlalchemy.sql.compiler import IdentifierPreparer

from .layout import Layout


def making(layout: Layout, preparer: IdentifierPreparer) -> Iterator[tuple[str, str]]:
    """The name of each index, and the statement that makes it."""
    quote = preparer.quote
    for column in (*layout.columns, *layout.derived):
        if column.indexed:
            name = f"{layout.table}__{column.name}"
            yield name, f"CREATE INDEX {quote(name)} ON {quote(layout.table)} ({quote(column.name)})"


def drop(connection: Connection, layout: Layout) -> None:
    """Take the indexes away, but for that of the ids. For SQLite only."""
    preparer = connection.dialect.identifier_preparer
    for name, _ in making(layout, preparer):
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {preparer.quote(name)}")


def missing(connection: Connection, layout: Layout) -> list[str]:
    """The statements that make the indexes which are not there. For SQLite only."""
    catalogue = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
    there = set(connection.exec_driver_sql(catalogue, (layout.table,)).scalars())
    return [text for name, text in making(layout, connection.dialect.identifier_preparer) if name not in there]


def make(connection: Connection, statement: str) -> None:
    """Make one of the missing indexes."""
    try:
        gettempdir()
    except FileNotFoundError:
        # Of a large table SQLite sorts an index in files, where there is a place for them.
        connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
    connection.exec_driver_sql(statement)
