"""Data frames: records as typed columns, straight from pages or from the mirror, without making objects.

pyarrow makes the columns; pandas and polars take them over. A value that does not fit its column's type is
missing there, as it is in comparisons; lists of text stay lists, other containers become JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import extras
from ..fields.account import KnownFields
from ..fields.base import Field
from ..http.effects import Flow
from ..http.flows import collected, mapped
from ..query import kinds
from ..query.kinds import Kind
from ..query.query import ANNOTATIONS, Named
from ..query.raw_values import columns_of, fetch
from ..tabular.arrays import array_of
from ..tabular.paged_columns import PagedColumn, PagedCustoms, kind_of_types
from .columns import fetch_account_fields, target_of

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
    account: KnownFields | None = None
    if any(field.name == "custom" for field in fields):
        client = queryset._using()
        if source.name == "api":
            account = yield from fetch_account_fields(client, model)
        else:
            account = client.account_fields.of(model._meta.resource.name)
    made = _Columns(pyarrow, fields, queryset._query.annotations)
    if any(field.name == "custom" for field in fields):
        made.customs = PagedCustoms(
            pyarrow,
            lambda label: target_of(model, f"custom.{label}", account).kind,
            labels=account or (),
            without=model._meta.customs,
        )
    yield from made.read(queryset)
    return made.table()


class _Columns:
    """Columns of fields, and of annotations, as Arrow arrays, page by page."""

    customs: PagedCustoms | None = None
    """The custom fields without a name of their own, where they are asked for."""

    def __init__(self, pyarrow: Any, fields: Iterable[Field[Any]], annotations: Named = ()) -> None:
        self._pyarrow = pyarrow
        self._fields = list({field.name: field for field in fields}.values())
        self._made = {item.name: PagedColumn(pyarrow, item.kind) for item in self._fields if item.name != "custom"}
        self._annotated = {name: PagedColumn(pyarrow, expr.kind) for name, expr in annotations}
        self._rows = 0

    def read(self, queryset: QuerySet[Any]) -> Flow[None]:
        """Read all pages of a queryset."""
        wires = tuple(dict.fromkeys(field.keys[0] for field in self._fields))
        query, source = queryset._asked(), queryset._from()

        def add(page: dict[str, list[Any]]) -> Flow[None]:
            self._add(page)
            return
            yield

        def add_rows(rows: list[dict[str, Any]]) -> Flow[None]:
            for name, column in self._annotated.items():
                column.add(self._rows, [row[ANNOTATIONS][name] for row in rows])
            return add(columns_of(rows, wires))

        if self._annotated:
            yield from mapped(source.pages(query), add_rows)
        else:
            yield from mapped(source.columns(query, wires), add)

    def _add(self, page: Mapping[str, list[Any]]) -> None:
        """Add a page of values by wire name."""
        for field in self._fields:
            values = page[field.keys[0]]
            if field.name != "custom":
                if len(field.keys) > 1:
                    values = [fetch({field.keys[0]: value}, field.keys) for value in values]
                self._made[field.name].add(self._rows, values)
            elif self.customs is not None:
                self.customs.add(self._rows, values)
        self._rows += len(page[self._fields[0].keys[0]])

    def table(self) -> pa.Table:
        """The columns of all pages. What they were made of is given up."""
        columns = {name: column.array(self._rows) for name, column in self._made.items()}
        if self.customs is not None:
            columns.update((f"custom.{label}", array) for label, array in self.customs.arrays(self._rows).items())
        columns.update((name, column.array(self._rows)) for name, column in self._annotated.items())
        return self._pyarrow.table(columns)


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
        made = _Columns(pyarrow, fields)
        yield from made.read(queryset._clone(query))
        table = made.table()
    shown = dict(zip(values._names, names, strict=True)).items()
    return table.rename_columns([given if isinstance(given, str) else name for name, given in shown])


def arrow_of_columns(columns: Iterable[Sequence[Any]], kinds_of: Mapping[str, Kind]) -> pa.Table:
    """Columns of loaded values as an Arrow table."""
    pyarrow = frames_module("pyarrow")
    named = zip(kinds_of.items(), columns, strict=True)
    return pyarrow.table({name: _array(pyarrow, kind, column) for (name, kind), column in named})


def _array(pyarrow: Any, kind: Kind, values: Sequence[Any]) -> Any:
    if kind is kinds.ANY:
        kind = kind_of_types({type(value) for value in values if value is not None})
    return array_of(pyarrow, kind, values)


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
