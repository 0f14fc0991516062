"""Views for people who open the mirror with other tools: `v_company` and so on.

Each shows its table's fields, the names behind ids, and the custom fields as columns. They are remade when a sync
finds that they should look otherwise; nothing in the library reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from ...query.kinds import BOOLEAN, DATETIME, DAY, INTEGER, NUMBER
from ..db.json_text import path
from ..db.layout import Column, Layout, layout_for, layouts, references
from .custom_fields import CustomColumn, known

if TYPE_CHECKING:
    from ..db.database import Database

PREFIX = "v_"
_NAMES = ("name", "nick_name", "title", "subject", "action", "email")


def refresh(database: Database, names: Iterable[str]) -> None:
    """Make the views of some tables as the declarations are now."""
    postgres = database.postgres
    with database.reading() as connection:
        there = _definitions(connection, postgres)
        wanted = {name: _statement(connection, layout_for(name), postgres) for name in names}
    stale = [name for name, statement in wanted.items() if there.get(PREFIX + name) != statement]
    if stale:
        with database.writing() as connection:
            make(connection, stale, postgres=postgres)


def make(connection: Connection, names: Iterable[str], *, postgres: bool) -> None:
    """Make the views of some tables, or make them anew."""
    for name in names:
        view, statement = PREFIX + name, _statement(connection, layout_for(name), postgres)
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
        connection.exec_driver_sql(statement.replace("%", "%%") if postgres else statement)
        if postgres:
            # PostgreSQL rewrites a view's text, so what it was made from is kept beside it.
            kept = statement.replace("'", "''").replace("%", "%%")
            connection.exec_driver_sql(f"COMMENT ON VIEW {view} IS '{kept}'")


def drop(connection: Connection) -> list[str]:
    """Take the views away, before the tables under them change; return the tables' names."""
    there = (name.removeprefix(PREFIX) for name in inspect(connection).get_view_names() if name.startswith(PREFIX))
    dropped = [name for name in there if name in layouts()]
    for name in dropped:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {PREFIX}{name}")
    return dropped


def custom_columns(database: Database, layout: Layout) -> list[CustomColumn]:
    """The custom fields that a table's view has as columns."""
    names = {f"{name.removesuffix('_id')}_name" for name, _ in references(layout)}
    with database.reading() as connection:
        return known(connection, layout, {column.name for column in layout.columns} | names)


def _definitions(connection: Connection, postgres: bool) -> dict[str, str]:
    if postgres:
        query = (
            "SELECT relname, obj_description(oid) FROM pg_class "
            "WHERE relkind = 'v' AND relnamespace = current_schema()::regnamespace"
        )
    else:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query)}


def _statement(connection: Connection, layout: Layout, postgres: bool) -> str:
    columns = (*layout.columns, *layout.derived)
    shown = [_readable(column, postgres) for column in columns]
    taken = {column.name for column in columns}
    joins: list[str] = []
    for name, target in references(layout):
        label = f"{name.removesuffix('_id')}_name"
        there = {column.name for column in target.columns}
        titles = [item for item in _NAMES if item in there]
        if not titles or label in taken:
            continue
        taken.add(label)
        alias = f"j{len(joins)}"
        joins.append(f"LEFT JOIN {_quoted(target.table)} {alias} ON {alias}.id = t.{_quoted(name)}")
        # The last one only keeps coalesce() from having a single argument.
        shown.append(f"coalesce({', '.join(f'{alias}.{title}' for title in titles)}, NULL) AS {_quoted(label)}")
    for custom in known(connection, layout, taken):
        if (value := _custom(custom, postgres)) is not None:
            shown.append(f"{value} AS {_quoted(custom.name)}")
    source = f"{_quoted(layout.table)} t {' '.join(joins)}"
    return f"CREATE VIEW {PREFIX}{layout.table} AS SELECT {', '.join(shown)} FROM {source}"


def _readable(column: Column, postgres: bool) -> str:
    """A column as people and their tools read it: days as dates, and moments as such where there is a type for them."""
    name = _quoted(column.name)
    if column.kind is DAY:
        return f"{_date(f't.{name}', postgres)} AS {name}"
    if column.kind is DATETIME and postgres:
        return f"CAST(t.{name} AS timestamptz) AS {name}"
    return f"t.{name}"


def _date(days: str, postgres: bool) -> str:
    # Any number may be there, and dates have an end.
    date = f"date '1970-01-01' + CAST({days} AS integer)" if postgres else f"date({days} * 86400, 'unixepoch')"
    return f"CASE WHEN {days} BETWEEN -700000 AND 2900000 THEN {date} END"


def _custom(custom: CustomColumn, postgres: bool) -> str | None:
    """A custom field's value; SQLite gives each value its own type, PostgreSQL's columns have one."""
    at = custom.label if postgres else path((custom.label,))
    if at is None or "\0" in at:
        return None  # no statement can hold NUL
    literal = "'" + at.replace("'", "''") + "'"
    value = f"t.custom ->> {literal}"
    if not postgres:
        return _date(f"({value})", postgres) if custom.kind is DAY else value
    is_a = f"jsonb_typeof(t.custom -> {literal})"
    if custom.kind in (NUMBER, INTEGER, DAY):
        number = f"CASE WHEN {is_a} = 'number' THEN CAST({value} AS double precision) END"
        return _date(f"({number})", postgres) if custom.kind is DAY else number
    return f"CASE WHEN {is_a} = 'boolean' THEN CAST({value} AS boolean) END" if custom.kind is BOOLEAN else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
