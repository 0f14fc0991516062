"""The statements that make the tables of records in a new mirror, written as text.

They are what SQLAlchemy makes of `tables.records()`, which takes it half the time in which a mirror is made: a process
needs a few of the tables, and a mirror has all.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Dialect, LargeBinary, Text

from ..db import record_indexes
from ..db.layout import Layout
from ..db.tables import TYPES

_KEYS = {"sqlite": "INTEGER", "postgresql": "BIGSERIAL"}


def making(layout: Layout, dialect: Dialect) -> Iterator[str]:
    """The statements for one table and its indexes."""
    quote = dialect.identifier_preparer.quote
    types = {storage: type.compile(dialect) for storage, type in TYPES.items()}
    table = quote(layout.table)
    columns = [f"pk {_KEYS[dialect.name]} NOT NULL"]
    for column in layout.columns:
        columns.append(f"{quote(column.name)} {types[column.storage]}{' NOT NULL' if column.wire == '_id' else ''}")
    columns += [f"_extra {Text().compile(dialect)}", f"_hash {LargeBinary().compile(dialect)} NOT NULL"]
    columns += [f"{quote(column.name)} {types[column.storage]}" for column in layout.derived]
    unique = [f"UNIQUE ({quote(column.name)})" for column in layout.columns if column.wire == "_id"]
    inside = ", \n\t".join([*columns, "PRIMARY KEY (pk)", *unique])
    yield f"\nCREATE TABLE {table} (\n\t{inside}\n)\n\n"
    for _, statement in record_indexes.making(layout, dialect.identifier_preparer):
        yield statement
