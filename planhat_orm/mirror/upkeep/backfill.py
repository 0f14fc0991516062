"""Columns that a release adds take over the values that waited for them in `_extra`: without a request, without a sync.

A record says the same before and after, so its hash stays, and nothing is noted in the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, bindparam, cast, inspect, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from ..db import tables
from ..db.codec import Rows, encode
from ..db.layout import Column, Layout
from ..db.layout import tables as layouts

_PART = 2000


def columns(connection: Connection) -> dict[str, set[str]]:
    """The columns that the tables of records have now."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    return {
        home.table: {str(one["name"]) for one in inspector.get_columns(home.table)}
        for home in layouts()
        if home.table in there
    }


def adopt(connection: Connection, before: Mapping[str, set[str]], *, postgres: bool) -> None:
    """Move values into the columns that tables have got since `before`."""
    now = columns(connection)
    for home in layouts():
        added = [one for one in home.columns if one.name in now[home.table] - before.get(home.table, now[home.table])]
        if added:
            _move(connection, home, added, postgres)


def _move(connection: Connection, home: Layout, added: Sequence[Column], postgres: bool) -> None:
    table, rows = tables.records(home), Rows(home, postgres=postgres)
    shown = [
        tables.as_text(table.c[one.name], postgres) if one.storage == "json" else table.c[one.name]
        for one in home.columns
    ]
    places = {name: rows.names.index(name) for name in (*(one.name for one in added), "_extra")}
    wires = {one.wire for one in added}
    change = (
        update(table)
        .where(table.c.id == bindparam("of"))
        .values({name: _packed(f"new_{name}", table.c[name].type, postgres) for name in places})
    )
    after = ""
    while True:
        statement = select(*shown, table.c["_extra"]).where(table.c.id > after, table.c["_extra"].is_not(None))
        part = rows.unpack(home.columns, connection.execute(statement.order_by(table.c.id).limit(_PART)))
        if not part:
            return
        after = part[-1]["_id"]
        moved = []
        for raw in part:
            if wires & raw.keys():
                packed = rows.pack(encode(raw))
                moved.append({"of": raw["_id"], **{f"new_{name}": packed[place] for name, place in places.items()}})
        if moved:
            connection.execute(change, moved)


def _packed(name: str, kind: TypeEngine[Any], postgres: bool) -> ColumnElement[Any]:
    """A parameter for what `Rows.pack` made: JSON comes as text, also where the column is JSONB."""
    if kind is tables.CELL:
        text = bindparam(name, type_=Text())
        return cast(text, postgresql.JSONB()) if postgres else text
    return bindparam(name, type_=kind)
