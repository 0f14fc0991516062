"""Whether SQLite's own structure hangs together: looked at when a mirror is opened, and by its doctor."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from ...errors import MirrorError
from ..db import life, tables
from ..db.database import Database

RESCUE = "Save what can be saved into a new file: planhat doctor --rescue NEW.db (or mirror.rescue('NEW.db'))."


def check_after_a_death(database: Database) -> None:
    """Raise `MirrorError` for a damaged file, when a process died while it synced. Costs nothing else."""
    if database.postgres:
        return
    with database.reading() as connection:
        holding = holders(connection)
    if any(life.is_gone(database, holder) for holder in holding):
        problems = problems_of(database, "quick_check")
        if problems:
            raise MirrorError(f"The mirror {database.path} is damaged: {problems[0]}. {RESCUE}")


def holders(connection: Connection) -> list[str]:
    """Who holds a lease of this mirror."""
    row = tables.leases
    return [
        str(holder) for holder in connection.execute(select(row.c.holder).where(row.c.holder.is_not(None))).scalars()
    ]


def problems_of(database: Database, pragma: str) -> list[str]:
    """What SQLite finds wrong, by `quick_check` or `integrity_check`."""
    try:
        with database.reading() as connection:
            lines = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {pragma}(20)")]
    except (DBAPIError, MirrorError) as error:
        return [first_line(error)]
    return (
        [] if lines == ["ok"] else [line for text in lines for line in text.splitlines() if not line.startswith("***")]
    )


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    original = error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error) else error
    return str(original).partition("\n")[0]
