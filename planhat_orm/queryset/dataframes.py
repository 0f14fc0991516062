"""Data frames: records as typed columns, straight from pages or from the mirror, without making objects.

pyarrow makes the columns; pandas and polars take them over. A value that does not fit its column's type is
missing there, as it is in comparisons; lists of text stay lists, other containers become JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import extras
from ..fields.account import Known
from ..fields.base import Field
from ..http.effects import Flow
from ..http.flows import collected, mapped
from ..models.base import Model
from ..query import kinds
from ..query.kinds import Kind
from ..query.query import ANNOTATIONS
from ..query.raw_values import fetch
from ..tabular.arrays import array_of
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
    fields = [model._meta.fields[name] for name in (model._meta.fields if chosen is None else ("id", *chosen))]
    account: Known | None = None
    if any(field.name == "custom" for field in fields):
        client = queryset._using()
        if source.name == "api":
            account = yield from account_fields(client, model)
        else:
            account = client.account_fields.of(model._meta.resource.name)
    made = yield from _columns(pyarrow, queryset, fields)
    columns = {field.name: made.arrays(field.name, field.kind) for field in fields if field.name != "custom"}
    if made.customs is not None:
        columns.update(_undeclared(pyarrow, model, made.customs, account))
    for name, expr in queryset._query.annotations:
        columns[name] = _array(pyarrow, expr.kind, made.annotated[name])
    return pyarrow.table(columns)


class _Columns:
    """Columns of fields as Arrow arrays, page by page: what came of a page is not kept beside them.

    `customs` are the custom fields of all records, where they are asked for; `annotated` the values worked out.
    """

    def __init__(self, pyarrow: Any, fields: Iterable[Field[Any]], annotations: Iterable[str]) -> None:
        self._pyarrow = pyarrow
        self._fields = {field.name: field for field in fields}
        self._made: dict[str, list[Any]] = {name: [] for name in self._fields}
        self.customs: list[Any] | None = [] if self._fields.pop("custom", None) is not None else None
        self.annotated: dict[str, list[Any]] = {name: [] for name in annotations}

    def add(self, page: Mapping[str, list[Any]]) -> None:
        """Add a page of values by wire name."""
        for name, field in self._fields.items():
            values = page[field.keys[0]]
            if len(field.keys) > 1:
                values = [fetch({field.keys[0]: value}, field.keys) for value in values]
            self._made[name].append(array_of(self._pyarrow, field.kind, values))
        if self.customs is not None:
            self.customs += page["custom"]

    def arrays(self, name: str, kind: Kind) -> Any:
        """The column of a field."""
        return self._pyarrow.chunked_array(self._made[name], type=TYPES[kind.name][0](self._pyarrow))


def _columns(pyarrow: Any, queryset: QuerySet[Any], fields: list[Field[Any]]) -> Flow[_Columns]:
    wires = tuple(dict.fromkeys(field.keys[0] for field in fields))
    query, source = queryset._asked(), queryset._from()
    made = _Columns(pyarrow, fields, dict(query.annotations))

    def add(page: dict[str, list[Any]]) -> Flow[None]:
        made.add(page)
        return
        yield

    def add_rows(rows: list[dict[str, Any]]) -> Flow[None]:
        made.add({wire: [row.get(wire) for row in rows] for wire in wires})
        for name, values in made.annotated.items():
            values += [row[ANNOTATIONS][name] for row in rows]
        return
        yield

    if made.annotated:
        yield from mapped(source.pages(query), add_rows)
    else:
        yield from mapped(source.columns(query, wires), add)
    return made


def _undeclared(pyarrow: Any, model: type[Model], customs: list[Any], account: Known | None) -> dict[str, Any]:
    """A column for each custom field that the model has no name for."""
    labels: dict[str, None] = dict.fromkeys(account or ())
    for custom in customs:
        if isinstance(custom, dict):
            labels.update(dict.fromkeys(custom))
    columns = {}
    for label in sorted(labels.keys() - model._meta.customs.keys()):
        values = [custom.get(label) if isinstance(custom, dict) else None for custom in customs]
        kind = target_of(model, f"custom.{label}", account).kind
        columns[f"custom.{label}"] = _array(pyarrow, kind, values)
    return columns


def _array(pyarrow: Any, kind: Kind, values: Sequence[Any]) -> Any:
    return array_of(pyarrow, _guess(values) if kind is kinds.ANY else kind, values)


def _guess(values: Iterable[Any]) -> Kind:
    """The kind of an undeclared custom field: that of its values where they agree, else text."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return kinds.BOOLEAN
    if types and types <= {int, float}:
        return kinds.NUMBER
    return kinds.LIST if types == {list} else kinds.TEXT if types <= {str} else kinds.ANY


def named_columns(queryset: QuerySet[Any], names: tuple[Any, ...]) -> Flow[pa.Table]:
    """The named values of records as an Arrow table; a name may go over relations, and be a custom field's."""
    pyarrow = frames_module("pyarrow")
    values = queryset.values(*names)
    values._before_fetch()
    kinds_of = values._kinds()
    fields = values._plain_fields()
    if fields is None or any(field.kind is kinds.ANY or field.name == "custom" for field in fields):
        table = arrow_of_columns(values._columns_of((yield from collected(values._pages()))), kinds_of)
    else:
        wires = {"_id", *(field.keys[0] for field in fields)}
        query = queryset._query.changed(select=frozenset(wires))
        made = yield from _columns(pyarrow, queryset._clone(query), fields)
        table = pyarrow.table({field.name: made.arrays(field.name, field.kind) for field in fields})
    shown = zip(names, kinds_of, strict=True)
    return table.rename_columns([given if isinstance(given, str) else name for given, name in shown])


def arrow_of_columns(columns: Iterable[Sequence[Any]], kinds_of: Mapping[str, Kind]) -> pa.Table:
    """Columns of loaded values as an Arrow table."""
    pyarrow = frames_module("pyarrow")
    named = zip(kinds_of.items(), columns, strict=True)
    return pyarrow.table({name: _array(pyarrow, kind, column) for (name, kind), column in named})


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
