"""Bringing a database to this release's tables, or refusing it untouched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError
from . import tables

if TYPE_CHECKING:
    from .database import Database


def upgrade(database: Database) -> str | None:
    """Create or upgrade the tables; return the version that was there before, when it was an older one."""
    try:
        there = database.tables()
    except DBAPIError as error:
        raise ConfigurationError(f"The mirror cannot be opened: {str(error.orig).splitlines()[0]}.") from None
    if "mirror_meta" in there:
        return None
    if there:
        raise ConfigurationError(
            f"{database.url.database} is not a mirror: it holds other tables. Choose another file or database."
        )
    database.use_wal()
    with database.writing() as connection:
        if "mirror_meta" not in inspect(connection).get_table_names():
            tables.metadata.create_all(connection)
            connection.execute(insert(tables.meta), [{"key": "created_at", "value": datetime.now(UTC).isoformat()}])
    return None
