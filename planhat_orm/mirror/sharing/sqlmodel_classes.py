"""The tables as SQLModel classes, for people who write their own `select()`.

They are made when asked for, in a registry of their own: importing sqlmodel takes longer than opening a mirror,
and the user's `SQLModel.metadata.create_all()` must not know of them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ..db import tables
from ..db.layout import Layout

_PYTHON: dict[str, Any] = {"text": str, "number": float, "integer": int, "boolean": bool, "json": Any}
_JSON = JSON().with_variant(postgresql.JSONB(), "postgresql")


class MirrorBase(SQLModel, registry=registry()):
    """The base of the mirror's table classes."""


@cache
def table_class(layout: Layout) -> Any:
    """The class of a resource's table: `pk`, and each field under its Python name.

    Moments are ISO text and days are numbers since 1970, as the columns hold them.
    """
    source = tables.records(layout)
    annotations: dict[str, Any] = {"pk": int | None}
    fields: dict[str, Any] = {"pk": Field(default=None, sa_column=_copy(source, "pk", None))}
    for column in layout.columns:
        annotations[column.name] = _PYTHON[column.storage] | None
        kind = _JSON if column.storage == "json" else None
        fields[column.name] = Field(default=None, sa_column=_copy(source, column.name, kind))
    name = "".join(part.capitalize() for part in layout.table.split("_")) + "Row"
    namespace = {
        "__annotations__": annotations,
        "__module__": __name__,
        "__qualname__": name,
        "__tablename__": layout.table,
        "__doc__": f"A row of the mirror's table {layout.table}.",
        "model_config": {"protected_namespaces": ()},
        **fields,
    }
    metaclass: Any = type(SQLModel)
    return metaclass(name, (MirrorBase,), namespace, table=True)


def _copy(source: Table, name: str, kind: Any) -> Column[Any]:
    column = source.c[name]
    return Column(column.name, kind or column.type, primary_key=column.primary_key, nullable=column.nullable)
