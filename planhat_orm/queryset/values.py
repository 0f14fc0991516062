"""`values()` and `values_list()`: plain dicts and tuples of converted values."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from ..errors import FieldError
from ..fields.base import Field
from ..gc_pause import gc_paused
from ..http.effects import Emit, Flow
from ..http.flows import mapped
from ..models.base import Model
from ..query.kinds import Kind
from ..query.loading import load_column
from ..query.raw_values import fetch
from ..query.tree import Target
from ..scopes import blocks
from ..scopes.chain import innermost
from .framed import Framed
from .one_value import loaded, read
from .paths import words
from .results import Results

if TYPE_CHECKING:
    from ..query.query import Query
    from ..runtime import Client
    from ..wire.resources import Resource
    from .queryset import QuerySet

T = TypeVar("T", covariant=True)


class _Rows(Framed, Results[T]):
    """What the two have in common: rows made of a queryset's records."""

    __slots__ = ("_distinct", "_names", "_queryset")

    def __init__(self, queryset: QuerySet[Any], names: tuple[str, ...]) -> None:
        super().__init__()
        self._queryset = queryset
        self._names = names
        self._distinct = False

    def _clone(self, queryset: QuerySet[Any]) -> Self:
        other = type(self)(queryset, self._names)
        other._bound = self._bound
        other._distinct = self._distinct
        return other

    def distinct(self) -> Self:
        """Drop rows that are equal to an earlier one."""
        other = self._clone(self._queryset)
        other._distinct = True
        return other

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> T | Self:
        if isinstance(place, slice):
            if self._distinct:
                raise FieldError("A slice comes before distinct(): list(rows.distinct())[:n].")
            return self._clone(self._queryset[place])
        return self._at(place)  # type: ignore[no-any-return]

    def count(self) -> int:
        """How many rows there are."""
        return len(self) if self._distinct else self._queryset.count()

    async def acount(self) -> int:
        """Do what `count()` does, in a task."""
        return len(await self._afill()) if self._distinct else await self._queryset.acount()

    def first(self) -> T | None:
        """The first row, or None."""
        return next(iter(self if self._distinct or self._rows else self[:1]), None)

    async def afirst(self) -> T | None:
        """Do what `first()` does, in a task."""
        async for row in self if self._distinct or self._complete else self[:1]:
            return row
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._names)} of {self._queryset!r}>"

    def _repr_html_(self) -> str:
        from .notebook import rows

        return rows(self, self._names, self._queryset)

    def _using(self) -> Client:
        self._check_bound()
        return self._bound or self._queryset._using()

    def _chosen_client(self) -> Client | None:
        return self._queryset._chosen_client()

    def _before_fetch(self) -> None:
        self._queryset._before_fetch()

    def _pages(self) -> Flow[None]:
        # No flow itself, which would hold the rows that hold it.
        fields = self._plain_fields()
        return self._from_records() if fields is None else self._from_columns(fields)

    def _from_records(self) -> Flow[None]:
        queryset = self._queryset
        held = [name for name in self._names if name not in dict(queryset._query.annotations)]
        relations = tuple(dict.fromkeys(path for name in held if (path := self._relations(name))))
        if relations:
            queryset = queryset.prefetch_related(*relations)
        wires = {"_id"} | {wire for name in held if (wire := self._wire(name)) is not None}
        queryset = queryset._clone(queryset._query.changed(select=frozenset(wires)))
        known: set[Any] = set()
        # As in QuerySet._pages: what holds this flow must not be held by it.
        maker, distinct = self._clone(queryset), self._distinct
        del self

        def build(records: list[Model]) -> Flow[None]:
            rows = [maker._row(record) for record in records]
            yield Emit([row for row in rows if not distinct or _new(row, known)])

        yield from mapped(queryset._pages(keep_peers=False), build)

    def _plain_fields(self) -> list[Field[Any]] | None:
        """The fields of the names, where each is a plain one, and a row needs no record; else None."""
        queryset, fields = self._queryset, self._queryset.model._meta.fields
        batch = blocks.open_batch(queryset._using().account, innermost() or queryset._scope)
        if batch is not None or queryset._query.annotations or not all(name in fields for name in self._names):
            return None
        return [fields[name] for name in self._names]

    def _from_columns(self, fields: list[Field[Any]]) -> Flow[None]:
        queryset = self._queryset
        wires = tuple(dict.fromkeys(field.keys[0] for field in fields))
        query = queryset._settled(queryset._query.changed(select=frozenset({"_id", *wires})))
        columns = queryset._from().columns(query, wires)
        known: set[Any] = set()
        maker, distinct = self._clone(queryset), self._distinct
        del self, queryset

        def build(page: dict[str, list[Any]]) -> Flow[None]:
            with gc_paused():
                rows = maker._rows_of([_loaded_column(field, page) for field in fields])
            yield Emit([row for row in rows if _new(row, known)] if distinct else rows)

        yield from mapped(columns, build)

    def _rows_of(self, columns: list[Sequence[Any]]) -> list[Any]:
        raise AssertionError("a subclass makes rows")

    def _kinds(self) -> dict[str, Kind]:
        namespace = self._queryset._namespace()
        return {name: namespace.value(name).kind for name in self._names}

    def _relations(self, name: str) -> str:
        """The relations that a name goes over, as a path."""
        path: list[str] = []
        model = self._queryset.model
        for part in words(name):
            if part not in model._meta.relations:
                break
            path.append(part)
            model = model._meta.relations[part].model
        return "__".join(path)

    def _wire(self, name: str) -> str | None:
        meta = self._queryset.model._meta
        if name in meta.fields:
            return str(meta.fields[name].wire)
        first = words(name)[0]
        if first == "custom":
            return "custom"
        relation = meta.relations.get(first)
        if relation is None:
            return None
        via: str = meta.fields[relation.via].wire
        return via

    def _row(self, record: Model) -> Any:
        raise AssertionError("a subclass makes rows")


class Values(_Rows[dict[str, Any]]):
    """Dicts of Python names and converted values."""

    __slots__ = ()

    def _row(self, record: Model) -> dict[str, Any]:
        return {name: read(record, name) for name in self._names}

    def _rows_of(self, columns: list[Sequence[Any]]) -> list[Any]:
        return list(map(dict, map(zip, repeat(self._names), zip(*columns, strict=True))))


class ValuesList(_Rows[T]):
    """Tuples of converted values, namedtuples, or bare values."""

    __slots__ = ("_flat", "_make")

    def __init__(
        self, queryset: QuerySet[Any], names: tuple[str, ...], flat: bool = False, named: bool = False
    ) -> None:
        super().__init__(queryset, names)
        self._flat = flat
        # A label that is no name in Python is called by its place: `_1`.
        row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
        self._make: Callable[[Iterable[Any]], Any] = row._make if named else tuple

    def _clone(self, queryset: QuerySet[Any]) -> Self:
        other = super()._clone(queryset)
        other._flat, other._make = self._flat, self._make
        return other

    def _columns_of(self, rows: list[Any]) -> list[Sequence[Any]]:
        if self._flat:
            return [rows]
        columns = list(zip(*rows, strict=True)) or [() for _ in self._names]
        # A name that is given twice is one column, as it is one key of `values()`.
        return list(dict(zip(self._names, columns, strict=True)).values())

    def _as_values(self, shown: str) -> tuple[Query, Target, Resource | None]:
        """The query of these values as a condition takes it, and the value that is compared."""
        queryset = self._queryset
        if not self._flat or self._distinct:
            raise FieldError(f"{shown}__in takes a queryset, or values_list(name, flat=True) of one.")
        value = queryset._namespace().value(self._names[0])
        if not isinstance(value, Target) or value.hops:
            raise FieldError(f"{shown}__in takes values of a field of {queryset.model.__name__}, not {value.name}.")
        return queryset._query.changed(select=None, annotations=()), value, None

    def _row(self, record: Model) -> Any:
        if self._flat:
            return read(record, self._names[0])
        return self._make(read(record, name) for name in self._names)

    def _rows_of(self, columns: list[Sequence[Any]]) -> list[Any]:
        if self._flat:
            return list(columns[0])
        rows = zip(*columns, strict=True)
        return list(rows) if self._make is tuple else list(map(self._make, rows))


def _loaded_column(field: Field[Any], page: dict[str, list[Any]]) -> Sequence[Any]:
    values: Sequence[Any] = page[field.keys[0]]
    if len(field.keys) > 1:
        values = [fetch({field.keys[0]: value}, field.keys) for value in values]
    if not {list, dict}.isdisjoint(map(type, values)):
        return [loaded(field.kind, value) for value in values]
    return load_column(field.kind, values)


def _new(row: Any, known: set[Any]) -> bool:
    key = _key(row)
    if key in known:
        return False
    known.add(key)
    return True


def _key(value: Any) -> Any:
    """What equal rows have in common, with a hash: as in JSON, 1 equals 1.0 and at no depth True."""
    kind = type(value)
    if kind is bool:
        return bool, value
    if kind is list:
        return list, tuple(map(_key, value))
    if kind is dict:
        return dict, frozenset((name, _key(item)) for name, item in value.items())
    return tuple(map(_key, value)) if isinstance(value, tuple) else value
