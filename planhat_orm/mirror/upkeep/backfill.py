"""Columns that a release adds take over the values that waited for them in `_extra`: without a request, without a sync.

A record says the same before and after, so its hash stays, and nothing is noted in the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, bindparam, cast, func, inspect, select, update
from sqlalchemy.types import TypeEngine

from ...json_encoding import rewrite
from ...wire.hierarchy import PATH, parent_in
from ..db import tables
from ..db.codec import RowCodec
from ..db.layout import Column, Layout
from ..db.layout import tables as layouts

_PART = 2000


def columns(connection: Connection) -> dict[str, set[str]]:
    """The columns that the tables of records have now."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    return {
        layout.table: {str(get_column["name"]) for get_column in inspector.get_columns(layout.table)}
        for layout in layouts()
        if layout.table in there
    }


def adopt(connection: Connection, before: Mapping[str, set[str]], *, postgres: bool) -> None:
    """Move values into the columns that tables have got since `before`."""
    now = columns(connection)
    for layout in layouts():
        added = [
            column
            for column in layout.columns
            if column.name in now[layout.table] - before.get(layout.table, now[layout.table])
        ]
        if added:
            _move(connection, layout, added, postgres)
        if any(column.name not in before.get(layout.table, now[layout.table]) for column in layout.derived):
            _derive(connection, layout)


def _move(connection: Connection, layout: Layout, added: Sequence[Column], postgres: bool) -> None:
    table, rows = tables.records(layout), RowCodec(layout, postgres=postgres)
    shown = [
        tables.as_text(table.c[column.name], postgres) if column.storage == "json" else table.c[column.name]
        for column in layout.columns
    ]
    places = {name: rows.names.index(name) for name in (*(record.name for record in added), "_extra")}
    wires = {record.wire for record in added}
    change = (
        update(table)
        .where(table.c.id == bindparam("of"))
        .values({name: _packed(f"new_{name}", table.c[name].type, postgres) for name in places})
        # The seal is of what the columns held before.
        .values({"_hash": func.substr(table.c["_hash"], 1, 16)})
    )
    after = ""
    while True:
        statement = select(*shown, table.c["_extra"]).where(table.c.id > after, table.c["_extra"].is_not(None))
        part = rows.decode_rows(layout.columns, connection.execute(statement.order_by(table.c.id).limit(_PART)))
        if not part:
            return
        after = part[-1]["_id"]
        moved = []
        for raw in part:
            if wires & raw.keys():
                packed = rows.encode_row(rewrite(raw))
                moved.append({"of": raw["_id"], **{f"new_{name}": packed[place] for name, place in places.items()}})
        if moved:
            connection.execute(change, moved)


def _derive(connection: Connection, layout: Layout) -> None:
    """Fill the columns that are worked out of others."""
    table = tables.records(layout)
    path = table.c[layout.by_wire[PATH].name]
    for column in layout.derived:
        rows = connection.execute(select(path, table.c.id).where(path.is_not(None), path != table.c.id)).all()
        parents = [{"of": id, "is": parent} for path, id in rows if (parent := parent_in(path, id)) is not None]
        change = update(table).where(table.c.id == bindparam("of")).values({column.name: bindparam("is")})
        if parents:
            connection.execute(change.values({"_hash": func.substr(table.c["_hash"], 1, 16)}), parents)


def _packed(name: str, kind: TypeEngine[Any], postgres: bool) -> ColumnElement[Any]:
    """A parameter for what `Rows.encode_row` made: JSON comes as text, also where the column is JSONB."""
    if kind is tables.CELL:
        text = bindparam(name, type_=Text())
        return cast(text, tables.jsonb()) if postgres else text
    return bindparam(name, type_=kind)
