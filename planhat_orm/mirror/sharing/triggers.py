"""What a mirror's file may run: the triggers that keep search indexes up to date, and nothing that others put there."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from ..db.sqlite_functions import FUNCTIONS, LARGE_SUM

PREFIX = "search__"
"""What the name of each search index begins with."""


def foreign_triggers(connection: Connection) -> list[str]:
    """The triggers of a SQLite mirror that are not those of search indexes: they would run with every sync."""
    found = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    return sorted(str(name) for name, table, sql in found if not _is_ours(str(name), str(table), str(sql)))


def foreign_calls(connection: Connection) -> list[str]:
    """The views, indexes and tables of a SQLite mirror that call functions of this library, as nothing of ours does.

    SQLite's own guard, `trusted_schema`, would refuse our indexes on custom fields too: many of its versions take the
    JSON functions for unsafe.
    """
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%planhat\\_%' ESCAPE '\\'")
    return sorted(str(name) for name, sql in found if _CALLS(str(sql)))


_CALLS = re.compile(rf"\b(?:{'|'.join([LARGE_SUM, *(name for name, *_ in FUNCTIONS)])})\b", re.IGNORECASE).search


def _is_ours(name: str, table: str, sql: str) -> bool:
    """Whether a trigger keeps an index up to date and does nothing else, whichever columns its release had."""
    index = re.escape(PREFIX + table)
    side = r"(?:old|new)\.\w+"
    insert = rf"INSERT INTO {index}\((?:{index}, )?rowid, [\w, ]+\) VALUES\((?:'delete', )?{side}(?:, {side})*\);"
    event = r"(?:INSERT|DELETE|UPDATE OF [\w, ]+)"
    whole = rf'CREATE TRIGGER {index}_(?:new|old|set) AFTER {event} ON "?{re.escape(table)}"? BEGIN(?: {insert})+ END'
    return re.fullmatch(whole, sql) is not None
