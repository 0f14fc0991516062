"""The tables as SQLModel classes, for people who write their own `select()`.

They are made when asked for, in a registry of their own: importing sqlmodel takes longer than opening a mirror,
and the user's `SQLModel.metadata.create_all()` must not know of them.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Dialect, ForeignKey, Integer, TypeDecorator, event
from sqlalchemy import Column as TableColumn
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, Session, registry
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from ...errors import ReadOnlyError
from ...query import kinds
from ...query.kinds import Kind
from ..db import tables
from ..db.layout import Column, Layout, references

_JSON = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_PYTHON: dict[str, Any] = {"text": str, "number": float, "integer": int, "boolean": bool, "json": Any}
_OF_KIND: dict[Kind, Any] = {
    kinds.DATETIME: datetime,
    kinds.DAY: date,
    kinds.LIST: list[Any],
    kinds.REFS: list[Any],
    kinds.OBJECT: dict[str, Any],
}


class Moment(TypeDecorator[datetime]):
    """A moment, which the table holds as ISO text of UTC: it takes datetimes with a time zone, dates and ISO text."""

    impl = tables.TEXT
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The text that a condition compares with."""
        return None if value is None else kinds.DATETIME.operand(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The moment of a cell."""
        loaded = kinds.DATETIME.load(value)
        return loaded if isinstance(loaded, datetime) else None


class Day(TypeDecorator[date]):
    """A day, which the table holds as a number since 1970: it takes dates and ISO text."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the table's column."""
        return dialect.type_descriptor(tables.INTEGER)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The number that a condition compares with."""
        return None if value is None else kinds.DAY.operand(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        """The day of a cell."""
        loaded = kinds.DAY.load(value)
        return loaded if isinstance(loaded, date) else None


if TYPE_CHECKING:
    from sqlmodel.main import SQLModelMetaclass

    class _Columns(SQLModelMetaclass):
        def __getattr__(cls, name: str) -> InstrumentedAttribute[Any]: ...

    class MirrorRow(SQLModel, metaclass=_Columns):
        """A row of a mirror's table: `pk`, and each field under its Python name."""

        pk: int | None

        def __getattr__(self, name: str) -> Any: ...

else:

    class MirrorRow(SQLModel, registry=registry()):
        """A row of a mirror's table: `pk`, and each field under its Python name."""


def _refuse(session: Session, context: Any, instances: Any) -> None:
    """Refuse a flush that would write a row, before SQLAlchemy looks for the tables that its keys name."""
    changed = (row for row in session.dirty if session.is_modified(row))
    for row in (*session.new, *changed, *session.deleted):
        if isinstance(row, MirrorRow):
            raise ReadOnlyError(
                f"A row of the mirror's table {row.__tablename__} is a copy of what Planhat holds, so it is not "
                "written. Change the record and save() it."
            )


event.listen(Session, "before_flush", _refuse)


@cache
def table_class(layout: Layout) -> type[MirrorRow]:
    """The class of a resource's table: `pk`, and each field under its Python name, with Python's types.

    References are foreign keys, so that `select(C).join(L)` needs no ON. Flushing a row raises `ReadOnlyError`.
    """
    source, targets = tables.records(layout), dict(references(layout))
    annotations: dict[str, Any] = {"pk": int | None}
    fields: dict[str, Any] = {"pk": Field(default=None, sa_column=_copy(source.c["pk"], None))}
    for column in (*layout.columns, *layout.derived):
        keys = [ForeignKey(f"{targets[column.name].table}.id")] if column.name in targets else []
        annotations[column.name] = _OF_KIND.get(column.kind, _PYTHON[column.storage]) | None
        fields[column.name] = Field(default=None, sa_column=_copy(source.c[column.name], _type(column), *keys))
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
    made: type[MirrorRow] = metaclass(name, (MirrorRow,), namespace, table=True)
    return made


def _type(column: Column) -> TypeEngine[Any] | None:
    """What a column of the class is, where that is not what the table's is."""
    if column.kind is kinds.DATETIME:
        return Moment()
    if column.kind is kinds.DAY:
        return Day()
    return _JSON if column.storage == "json" else None


def _copy(column: TableColumn[Any], kind: TypeEngine[Any] | None, *keys: ForeignKey) -> TableColumn[Any]:
    return TableColumn(
        column.name, kind or column.type, *keys, primary_key=column.primary_key, nullable=column.nullable
    )
