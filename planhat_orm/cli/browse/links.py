"""Links between records: an id leads to its record, and a company to everything that belongs to it.

And what columns are: folded up above the rows, since a company has ninety of them.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any
from urllib.parse import urlencode

from datasette import hookimpl
from datasette.plugins import pm
from markupsafe import Markup

from ...mirror.db.layout import references, tables
from ...mirror.sharing.views import PREFIX
from .questions import COMPANY

_FOLDED = """
const columns = document.querySelector("dl.column-descriptions");
if (columns) {
  const folded = document.createElement("details"), title = document.createElement("summary");
  title.textContent = "What the columns are";
  columns.before(folded);
  folded.append(title, columns);
}
"""
_NAME = "planhat_orm.cli.browse.links"


def register() -> None:
    """Have Datasette use the links; it knows plugins of this process by name."""
    import sys

    if not pm.has_plugin(_NAME):
        pm.register(sys.modules[__name__], _NAME)


@hookimpl  # type: ignore[untyped-decorator]
def prepare_connection(conn: sqlite3.Connection, database: str) -> None:
    """Have each connection to a mirror refuse to write; Datasette keeps notes in a database of its own."""
    if database != "_internal":
        conn.execute("PRAGMA query_only=1")


@hookimpl  # type: ignore[untyped-decorator]
def render_cell(row: Any, value: Any, column: str, table: str | None, database: str, datasette: Any) -> Markup | None:
    """A cell that names a record, as a link to it; None leaves the cell to Datasette."""
    if not isinstance(value, str) or not value:
        return None
    base = datasette.urls.database(database)
    if column == "name" and table == f"{PREFIX}company" and "id" in dict(row):
        return _link(f"{base}/{COMPANY}", {"company_id": row["id"]}, value)
    target = _target(row, column, table)
    return None if target is None else _link(f"{base}/{PREFIX}{target}", {"id": value}, value)


@hookimpl  # type: ignore[untyped-decorator]
def extra_body_script() -> str:
    """Fold up what the columns are, so that the rows come first; without scripts it is open."""
    return _FOLDED


def _target(row: Any, column: str, table: str | None) -> str | None:
    """The table of the record that a cell names: its own, or one that it refers to."""
    if column == "id":
        kind = table.removeprefix(PREFIX) if table is not None else dict(row).get("model")
        return kind if kind in _tables() else None
    of_table = _references().get(table.removeprefix(PREFIX)) if table is not None else None
    return (of_table if of_table is not None else _everywhere()).get(column)


def _link(path: str, query: dict[str, str], text: str) -> Markup:
    return Markup('<a href="{}?{}">{}</a>').format(path, urlencode(query), text)


@cache
def _tables() -> frozenset[str]:
    return frozenset(layout.table for layout in tables())


@cache
def _references() -> dict[str, dict[str, str]]:
    """The columns of each table that refer to a record, and the table of that record."""
    return {layout.table: {name: target.table for name, target in references(layout)} for layout in tables()}


@cache
def _everywhere() -> dict[str, str]:
    """The same for the columns of questions, as far as a name means one thing."""
    meant: dict[str, set[str]] = {}
    for columns in _references().values():
        for name, target in columns.items():
            meant.setdefault(name, set()).add(target)
    return {name: targets.pop() for name, targets in meant.items() if len(targets) == 1}
