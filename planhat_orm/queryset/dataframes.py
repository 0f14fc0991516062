"""Data frames: records as typed columns, straight from pages or from the mirror, without making objects.

pyarrow makes the columns; pandas and polars take them over. A value that does not fit its column's type is
missing there, as it is in comparisons; lists of text stay lists, other containers become JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import extras
from ..fields.account import Known
from ..http.effects import Flow
from ..http.flows import collected
from ..models.base import Model
from ..query import kinds
from ..query.kinds import Kind
from ..query.predicate import fetch
from ..query.query import ANNOTATIONS
from ..tabular.typed import TYPES
from .columns import account_fields, target_of

if TYPE_CHECKING:
    import pyarrow as pa

    from .queryset import QuerySet


def arrow(queryset: QuerySet[Any]) -> Flow[pa.Table]:
    """The records of a queryset as an Arrow table: the fields of `only()`, else all of the model.

    Declared custom fields stand under their own names, other ones as `custom.<label>`: those that the account lists,
    and those that occur; annotations come last. The columns are the same whatever is found.
    """
    pyarrow = frames_module("pyarrow")
    queryset._before_fetch()
    source, model, chosen = queryset._from(), queryset.model, queryset._chosen
    names = dict.fromkeys(model._meta.fields if chosen is None else ("id", *chosen))
    account: Known | None = None
    if "custom" in names:
        client = queryset._using()
        if source.name == "api":
            account = yield from account_fields(client, model)
        else:
            account = client.account_fields.of(model._meta.resource.name)
    rows = yield from collected(source.pages(queryset._asked()))
    present = {"_id", "custom"}.union(*rows)
    columns: dict[str, Any] = {}
    for name in names:
        field = model._meta.fields[name]
        if name != "custom":
            values = (fetch(row, field.keys) for row in rows) if field.keys[0] in present else ()
            columns[name] = _column(pyarrow, field.kind, values, len(rows))
    if "custom" in names:
        columns.update(_undeclared(pyarrow, model, rows, account))
    for name, expr in queryset._query.annotations:
        annotated = [row[ANNOTATIONS][name] for row in rows]
        kind = _guess(annotated) if expr.kind is kinds.ANY else expr.kind
        columns[name] = _column(pyarrow, kind, annotated, len(rows))
    return pyarrow.table(columns)


def _undeclared(
    pyarrow: Any, model: type[Model], rows: list[Mapping[str, Any]], account: Known | None
) -> dict[str, Any]:
    """A column for each custom field that the model has no name for."""
    labels: dict[str, None] = dict.fromkeys(account or ())
    for row in rows:
        custom = row.get("custom")
        if isinstance(custom, dict):
            labels.update(dict.fromkeys(custom))
    columns = {}
    for label in sorted(labels.keys() - model._meta.customs.keys()):
        values = [fetch(row, ("custom", label)) for row in rows]
        kind = target_of(model, f"custom.{label}", account).kind
        columns[f"custom.{label}"] = _column(pyarrow, _guess(values) if kind is kinds.ANY else kind, values, len(rows))
    return columns


def _guess(values: Iterable[Any]) -> Kind:
    """The kind of an undeclared custom field: that of its values where they agree, else text."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return kinds.BOOLEAN
    if types and types <= {int, float}:
        return kinds.NUMBER
    return kinds.LIST if types == {list} else kinds.TEXT if types <= {str} else kinds.ANY


def _column(pyarrow: Any, kind: Kind, raw: Iterable[Any], count: int) -> Any:
    make, value = TYPES[kind.name]
    if raw == ():
        return pyarrow.nulls(count, make(pyarrow))
    return pyarrow.array([value(kind.load(item)) for item in raw], type=make(pyarrow))


def named_columns(queryset: QuerySet[Any], names: tuple[Any, ...]) -> Flow[pa.Table]:
    """The named values of records as an Arrow table; a name may go over relations, and be a custom field's."""
    values = queryset.values(*names)
    values._before_fetch()
    rows = yield from collected(values._pages())
    namespace = values._queryset._namespace()
    kinds_of = {name: namespace.value(name).kind for name in values._names}
    table = arrow_of_rows(rows, kinds_of)
    shown = zip(names, kinds_of, strict=True)
    return table.rename_columns([given if isinstance(given, str) else name for given, name in shown])


def arrow_of_rows(rows: list[dict[str, Any]], kinds_of: Mapping[str, Kind]) -> pa.Table:
    """Dicts of loaded values as an Arrow table."""
    pyarrow = frames_module("pyarrow")
    columns = {}
    for name, kind in kinds_of.items():
        values = [row[name] for row in rows]
        columns[name] = _column(pyarrow, _guess(values) if kind is kinds.ANY else kind, values, len(rows))
    return pyarrow.table(columns)


def polars(queryset: QuerySet[Any], names: tuple[Any, ...] = ()) -> Flow[Any]:
    """The records as a polars DataFrame."""
    frames_module("polars")
    return polars_of((yield from table_of(queryset, names)))


def pandas(queryset: QuerySet[Any], names: tuple[Any, ...] = ()) -> Flow[Any]:
    """The records as a pandas DataFrame."""
    frames_module("pandas")
    return pandas_of((yield from table_of(queryset, names)))


def table_of(queryset: QuerySet[Any], names: tuple[Any, ...]) -> Flow[pa.Table]:
    """The records as an Arrow table: the named values, or all fields."""
    return (yield from named_columns(queryset, names) if names else arrow(queryset))


def polars_of(table: pa.Table) -> Any:
    """A table as a polars DataFrame."""
    return frames_module("polars").from_arrow(table)


def pandas_of(table: pa.Table) -> Any:
    """A table as a pandas DataFrame, with Arrow's types, so that whole numbers with gaps stay whole."""
    return table.to_pandas(types_mapper=frames_module("pandas").ArrowDtype)


def frames_module(name: str) -> Any:
    """A package of the extra `frames`."""
    return extras.load(name, extra="frames", need="Data frames need")
