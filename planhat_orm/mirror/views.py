"""Views for people who open the mirror with other tools: `v_company` and so on.

Each shows its table's fields, the names behind ids, and the custom fields that the program declares as columns. They
are remade when the declarations change; nothing in the library reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from ..fields.relations import Ref
from ..models import resources as declared
from .layout import Layout, declared_customs, layout, layouts
from .sqlite import path

if TYPE_CHECKING:
    from .database import Database

PREFIX = "v_"
_NAMES = ("name", "nick_name", "title", "subject", "action", "email")


def refresh(database: Database, names: Iterable[str]) -> None:
    """Make the views of some tables as the declarations are now."""
    wanted = {PREFIX + name: _statement(database, layout(name)) for name in names}
    with database.reading() as connection:
        there = _definitions(connection, database)
    stale = {name: statement for name, statement in wanted.items() if there.get(name) != statement}
    if not stale:
        return
    with database.writing() as connection:
        for name, statement in stale.items():
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
            connection.exec_driver_sql(statement.replace("%", "%%") if database.postgres else statement)
            if database.postgres:
                # PostgreSQL rewrites a view's text, so what it was made from is kept beside it.
                kept = statement.replace("'", "''").replace("%", "%%")
                connection.exec_driver_sql(f"COMMENT ON VIEW {name} IS '{kept}'")


def drop(connection: Connection) -> None:
    """Take the views away, before the tables under them change."""
    for name in inspect(connection).get_view_names():
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) in layouts():
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def _definitions(connection: Connection, database: Database) -> dict[str, str]:
    if database.postgres:
        query = "SELECT relname, obj_description(oid) FROM pg_class WHERE relkind = 'v'"
    else:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query)}


def _statement(database: Database, home: Layout) -> str:
    shown = [f"t.{_quoted(one.name)}" for one in home.columns]
    taken = {one.name for one in home.columns}
    joins: list[str] = []
    for name, target in _references(home):
        label = f"{name.removesuffix('_id')}_name"
        title = next((one for one in _NAMES if one in {column.name for column in target.columns}), None)
        if title is None or label in taken:
            continue
        taken.add(label)
        alias = f"j{len(joins)}"
        joins.append(f"LEFT JOIN {_quoted(target.table)} {alias} ON {alias}.id = t.{_quoted(name)}")
        shown.append(f"{alias}.{_quoted(title)} AS {_quoted(label)}")
    for label, custom in sorted(declared_customs(home.name).items()):
        name = custom.name if custom.name not in taken else f"custom_{custom.name}"
        at = label if database.postgres else path((label,))
        if at is None or name in taken:
            continue
        taken.add(name)
        literal = at.replace("'", "''")
        shown.append(f"t.custom ->> '{literal}' AS {_quoted(name)}")
    return (
        f"CREATE VIEW {PREFIX}{home.table} AS SELECT {', '.join(shown)} FROM {_quoted(home.table)} t {' '.join(joins)}"
    )


def _references(home: Layout) -> list[tuple[str, Layout]]:
    model = next(
        one for one in (getattr(declared, name) for name in declared.__all__) if one._meta.resource is home.resource
    )
    found = []
    for field in model._meta.by_wire.values():
        if isinstance(field, Ref):
            target = getattr(declared, field.model)._meta.resource.name
            if target in layouts():
                found.append((field.name, layout(target)))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
