"""The triggers that keep search indexes up to date, told from those that this library did not make."""

from __future__ import annotations

import re

from sqlalchemy import Connection

PREFIX = "search__"
"""What the name of each search index begins with."""


def foreign_triggers(connection: Connection) -> list[str]:
    """The triggers of a SQLite mirror that are not those of search indexes: they would run with every sync."""
    found = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    return sorted(str(name) for name, table, sql in found if not _is_ours(str(name), str(table), str(sql)))


def _is_ours(name: str, table: str, sql: str) -> bool:
    """Whether a trigger keeps an index up to date and does nothing else, whichever columns its release had."""
    index = re.escape(PREFIX + table)
    side = r"(?:old|new)\.\w+"
    insert = rf"INSERT INTO {index}\((?:{index}, )?rowid, [\w, ]+\) VALUES\((?:'delete', )?{side}(?:, {side})*\);"
    event = r"(?:INSERT|DELETE|UPDATE OF [\w, ]+)"
    whole = rf'CREATE TRIGGER {index}_(?:new|old|set) AFTER {event} ON "?{re.escape(table)}"? BEGIN(?: {insert})+ END'
    return re.fullmatch(whole, sql) is not None
