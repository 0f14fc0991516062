"""QuerySet: `Company.objects`, as Django has it, over a source that may be an API or a mirror.

A queryset is a frozen query, a model to make of the rows, and a cache of what was fetched. Every method
that refines returns a new one. Every method that does I/O costs requests, and says how many; each has an
`a`-twin for tasks, made from the same flow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from .. import arguments, runtime
from ..errors import FieldError, PlanhatError, WhichClient
from ..fields.base import Field
from ..gc_pause import gc_paused
from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from ..models.base import Model
from ..models.manager import Objects
from ..models.results import BatchResult
from ..models.state import Origin
from ..names import did_you_mean
from ..query.conditions import Q
from ..query.expressions import Aggregate, Expression, Trunc
from ..query.kinds import ID, LISTS
from ..query.moments import When, zone_name
from ..query.plan import Plan, describe
from ..query.query import ANNOTATIONS, Query
from ..query.settle import settled
from ..query.tree import NOTHING, Node, Not, Related, Target, Test
from ..query.walk import tests_in
from ..scopes import clients
from ..scopes.accounts import Account
from ..scopes.chain import Scope, innermost
from ..wire.resources import Resource
from . import annotating, dataframes, prefetch, retrieval, writing
from .combining import KEY, combined
from .full_scan import warn_full_scan
from .groups import Groups, GroupValues, bounds
from .namespace import Namespace
from .order import ordered_by
from .paths import field_of, selected_field, walk, words
from .results import Results
from .values import Values, ValuesList

if TYPE_CHECKING:
    from ..fields.hierarchy import Tree
    from ..fields.relations import Many, ManyToMany
    from ..tabular.frame_rows import Frame
    from ..tabular.sources import Rows
    from ..writes.merge_plan import MergePlan
    from ..writes.reconcile import Mapped
    from ..writes.reconcile_plan import ReconcilePlan
    from .duplicates import Duplicates

M = TypeVar("M", bound=Model, covariant=True)
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
QS = TypeVar("QS", bound="QuerySet[Any]")
Column = Field[A] | Expression[A]
"""A value of records whose type is known."""
Row = Model | Mapping[str, object]
"""A record, or a dict of Python names, or of Planhat's own, and values."""


class QuerySet(Results[M], Generic[M]):
    """The records of a model that satisfy some conditions, lazily.

    Iterate it, slice it, count it. `for company in Company.objects.filter(status="customer"): ...` asks for
    pages as they are read; `async for` does the same in a task.
    """

    __slots__ = ("_account", "_aliases", "_chosen", "_client", "_owner", "_prefetch", "_query", "_scope", "_source",
                 "_through", "model")  # fmt: skip

    def __init__(self, model: type[Any]) -> None:
        super().__init__()
        self.model = arguments.model("A queryset", model)
        self._query = Query(model._meta.resource.name)
        self._source: Any = None
        # A scope around chooses the client now; else it is settled when this is read.
        self._scope: Scope | None = innermost()
        self._client: runtime.Client | None = clients.client_in(self._scope)
        self._account: Account | None = None
        self._prefetch: tuple[str, ...] = ()
        self._owner: tuple[Any, Many[Any]] | None = None
        # What is made through a relation belongs to this record, however the queryset is refined.
        self._through: tuple[Model, Many[Any] | ManyToMany[Any]] | None = None
        self._chosen: tuple[str, ...] | None = None
        self._aliases: annotating.Aliases = ()

    def _clone(self, query: Query | None = None, **state: Any) -> Self:
        other = type(self)(self.model)
        other._query = query if query is not None else self._query
        other._source = state.get("source", self._source)
        other._scope, other._account = self._scope, self._account
        other._client = state.get("client", self._client)
        other._bound = None if "client" in state else self._bound
        other._prefetch = state.get("prefetch", self._prefetch)
        other._chosen = state.get("chosen", self._chosen)
        other._through = self._through
        other._aliases = state.get("aliases", self._aliases)
        return other

    def _namespace(self) -> Namespace:
        """What names mean here: fields of the model, and annotations."""
        return Namespace(self.model, dict(self._query.annotations), source=self._source, client=self._client)

    # --- refining: no request ---------------------------------------------------------------------------

    def all(self) -> Self:
        """A fresh copy, with nothing fetched yet; of `company.licenses`, with what was prefetched.

        A copy of one that nothing but its first reading bound to a client is free to be read from another.
        """
        if self._owner is not None:
            related: Self = runtime.queryset_for(self.model)._related_to(*self._owner)
            return related
        other = self._clone()
        other._bound = None
        return other

    def filter(self, *args: Q, **lookups: Any) -> Self:
        """Only records that satisfy all of the conditions.

        What the API cannot filter is filtered here; `explain()` says which is which. Raises `FieldError` for
        a name or lookup that does not exist, `ValidationError` for a value of another type.

        >>> Company.objects.filter(Q(phase="Live") | Q(tags__contains="vip"), Company.h < 4, mrr__gte=1000)
        <QuerySet Company: (phase = 'Live' or tags contains 'vip') and h < 4 and mrr >= 1000, not fetched>
        """
        self._refuse_slice("filter")
        return self._narrowed(self._namespace().condition(*args, **lookups))

    def exclude(self, *args: Q, **lookups: Any) -> Self:
        """Only records that do not satisfy the conditions: the exact complement of `filter()`."""
        self._refuse_slice("exclude")
        return self._narrowed(Not(self._namespace().condition(*args, **lookups)))

    def _narrowed(self, condition: Node) -> Self:
        """With one more condition; one on the very field that hides records brings the hidden ones in."""
        query = self._query.narrowed(condition)
        hidden = self.model._meta.resource.hidden_by
        if hidden is not None:
            own = [test.target.keys for test in tests_in(condition) if isinstance(test.target, Target)]
            query = query.changed(hidden=True) if (hidden.hides,) in own else query
        return self._clone(query)

    def order_by(self, *names: str | Field[Any] | Expression[Any]) -> Self:
        """Sort by fields or other values, `"-mrr"` descending; missing values come last, ties in the order of ids."""
        self._refuse_slice("order_by")
        return self._clone(self._query.changed(order=ordered_by(self._namespace(), names)))

    def annotate(self, **values: Any) -> Self:
        """The records with values worked out for each: `annotate(open=Count("tickets"), yearly=F("mrr") * 12)`.

        They are attributes of the records, can be filtered and sorted by, and are never saved. A figure sees what its
        own `filter=` says, whatever is filtered before or after. From the mirror it is one SQL statement; from
        the API each related list is read once and the figures are worked out here (`explain()` shows which).
        """
        self._refuse_slice("annotate")
        found = annotating.named(self._namespace(), self.model, values)
        query = self._query.changed(annotations=tuple(found.items()))
        kept = tuple((alias, value) for alias, value in self._aliases if alias not in values)
        return self._clone(query, aliases=(*kept, *values.items()))

    def none(self) -> Self:
        """No records at all, without asking."""
        return self._clone(self._query.changed(where=NOTHING))

    def union(self, *others: QuerySet[Any]) -> Self:
        """The records of any of the querysets, each once; `a | b` is the same."""
        return combined("union", self, others)

    def intersection(self, *others: QuerySet[Any]) -> Self:
        """The records that all of the querysets have; `a & b` is the same."""
        return combined("intersection", self, others)

    def difference(self, *others: QuerySet[Any]) -> Self:
        """The records that none of the other querysets has."""
        return combined("difference", self, others)

    def __or__(self, other: QuerySet[Any]) -> Self:
        return self.union(other) if isinstance(other, QuerySet) else NotImplemented

    def __and__(self, other: QuerySet[Any]) -> Self:
        return self.intersection(other) if isinstance(other, QuerySet) else NotImplemented

    def reverse(self) -> Self:
        """The reverse of the order given by `order_by()`."""
        self._refuse_slice("reverse")
        if not self._query.order:
            raise FieldError("reverse() needs an order: call order_by() first.")
        return self._clone(self._query.changed(order=tuple((item, not down) for item, down in self._query.order)))

    def only(self, *names: str) -> Self:
        """Fetch these fields only (`select=`); reading another one raises `NotLoaded`.

        The API selects whole fields, so a declared custom field brings the rest of `custom` along.
        """
        chosen = [selected_field(self.model, name).name for name in names]
        return self._choosing(chosen + self._customs() if "custom" in chosen else chosen)

    def defer(self, *names: str) -> Self:
        """Fetch all declared fields but these; after `only()`, of those the rest."""
        left = [field_of(self.model, name).name for name in names]
        left += self._customs() if "custom" in left else []
        chosen = self.model._meta.fields if self._chosen is None else self._chosen
        return self._choosing(name for name in chosen if name not in left)

    def _choosing(self, names: Iterable[str]) -> Self:
        chosen = tuple(dict.fromkeys(names))
        wires = {"_id"} | {self.model._meta.fields[name].wire for name in chosen}
        return self._clone(self._query.changed(select=frozenset(wires)), chosen=chosen)

    def _customs(self) -> list[str]:
        return [custom.name for custom in self.model._meta.customs.values()]

    def prefetch_related(self, *names: str) -> Self:
        """Load relations with the records: one batch for each, nested by `__`."""
        for name in names:
            prefetch.check(self.model, name)
        return self._clone(prefetch=(*self._prefetch, *names))

    def select_related(self, *names: str) -> Self:
        """The same as `prefetch_related()`: the API has no join, and the mirror needs none to be fast."""
        return self.prefetch_related(*names)

    def using(self, source: Any, *, max_age: float | None = None) -> Self:
        """Read from another source or client: `"mirror"`, `"api"`, or a `Planhat`.

        `max_age`, in seconds, makes a mirror that is older raise `StaleMirror`.
        """
        if isinstance(source, str):
            if source not in ("api", "mirror"):
                raise FieldError(f"There is no source {source!r}.{did_you_mean(source, ('api', 'mirror'))}")
            return self._clone(self._query.changed(max_age=max_age), source=source)
        if hasattr(source, "pages"):
            return self._clone(self._query.changed(max_age=max_age), source=source)
        return self._clone(self._query.changed(max_age=max_age), client=arguments.client("using()", source))

    def include_hidden(self) -> Self:
        """Also what Planhat's lists leave out by default: archived contacts and completed tasks.

        A condition on `archived` (or a task's `is_archived`) does the same.
        """
        return self._clone(self._query.changed(hidden=True))

    def fresh(self) -> Self:
        """Read past the client's cache (`Planhat(cache=...)`), and put what comes into it."""
        return self._clone(self._query.changed(fresh=True))

    def as_of(self, moment: When) -> Self:
        """The records as they were at a moment, from the mirror's memory: `as_of("2026-10-01")`, `as_of(days(-7))`."""
        client = self._using()
        return self._clone(source=client.mirror.as_of(moment))  # type: ignore[attr-defined]

    def distinct(self, *names: str | Field[Any] | Expression[Any]) -> Self:
        """The first record, in this order, of those with equal values; of no names the same records.

        No record comes twice anyhow. (`values(...).distinct()` drops equal rows.)
        """
        self._refuse_slice("distinct")
        return self._clone(
            self._query.changed(distinct=tuple(expr for expr, _ in ordered_by(self._namespace(), names)))
        )

    def values(self, *names: str | Field[Any] | Expression[Any]) -> Values:
        """Dicts of Python names and values instead of records; of all fields and annotations when none is named.

        Names go over relations to one record, `values("company__name", "owner__label")`; `label` is the name there.
        """
        return Values(self._with_values(names), self._value_names(names))

    @overload
    def values_list(self, a: Column[A], /, *, flat: Literal[True]) -> ValuesList[A]: ...

    @overload
    def values_list(self, a: Column[A], /) -> ValuesList[tuple[A]]: ...

    @overload
    def values_list(self, a: Column[A], b: Column[B], /) -> ValuesList[tuple[A, B]]: ...

    @overload
    def values_list(self, a: Column[A], b: Column[B], c: Column[C], /) -> ValuesList[tuple[A, B, C]]: ...

    @overload
    def values_list(
        self, a: Column[A], b: Column[B], c: Column[C], d: Column[D], /
    ) -> ValuesList[tuple[A, B, C, D]]: ...

    @overload
    def values_list(
        self, a: Column[A], b: Column[B], c: Column[C], d: Column[D], e: Column[E], /
    ) -> ValuesList[tuple[A, B, C, D, E]]: ...

    @overload
    def values_list(self, *names: Column[Any] | str, flat: bool = False, named: bool = False) -> ValuesList[Any]: ...

    def values_list(self, *names: Any, flat: bool = False, named: bool = False) -> ValuesList[Any]:
        """Tuples instead of records; with `flat=True` the values of one field, with `named=True` namedtuples.

        Fields and expressions say their types: `values_list(Company.name, Count("tickets"))` has rows of
        `tuple[str, int]` to a type checker. Names in text do not.
        """
        chosen = self._value_names(names)
        if flat and len(chosen) != 1:
            raise FieldError(f"values_list(flat=True) takes one field, not {len(chosen)}.")
        if flat and named:
            raise FieldError("values_list() gives bare values (flat=True) or tuples with names (named=True), not both.")
        return ValuesList(self._with_values(names), chosen, flat=flat, named=named)

    @overload
    def __getitem__(self, place: int) -> M: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> M | Self:
        if isinstance(place, slice):
            start, stop = bounds(place)
            self._check_bound()
            part = self._clone(self._query.sliced(start, stop))
            if self._complete:
                part._rows, part._complete = self._rows[start:stop], True
            return part
        record: M = self._at(place)
        return record

    # --- fetching ---------------------------------------------------------------------------------------

    def iterator(self) -> Iterator[M]:
        """Stream the records page by page without keeping any: for more than fits in memory."""
        for page in self._using().iterate(self._pages(keep_peers=False)):
            yield from page

    async def aiterator(self) -> AsyncIterator[M]:
        """Do what `iterator()` does, in a task."""
        async for page in self._using().aiterate(self._pages(keep_peers=False)):
            for record in page:
                yield record

    def get(self, *args: str | Q, **lookups: Any) -> M:
        """The one record that satisfies the conditions.

        One request by id, `external_id` or `source_id` where the resource takes them in its path
        (docs/reference/planhat-api.md section 4); else the pages of `filter()`, until a second one turns up. Raises
        `Model.DoesNotExist` or `Model.MultipleObjectsReturned`.
        """
        return self._run(retrieval.get(self, args, lookups))

    async def aget(self, *args: str | Q, **lookups: Any) -> M:
        """Do what `get()` does, in a task."""
        return await self._arun(retrieval.get(self, args, lookups))

    def get_or_none(self, *args: str | Q, **lookups: Any) -> M | None:
        """The record, or None when there is none. In a loop, prefer `in_bulk()`: it asks once."""
        return self._run(retrieval.get_or_none(self, args, lookups))

    async def aget_or_none(self, *args: str | Q, **lookups: Any) -> M | None:
        """Do what `get_or_none()` does, in a task."""
        return await self._arun(retrieval.get_or_none(self, args, lookups))

    def first(self) -> M | None:
        """The first record, or None. One request when nothing is filtered or sorted here."""
        return self._run(retrieval.first(self))

    async def afirst(self) -> M | None:
        """Do what `first()` does, in a task."""
        return await self._arun(retrieval.first(self))

    def last(self) -> M | None:
        """The last record, or None."""
        return self._run(retrieval.last(self))

    async def alast(self) -> M | None:
        """Do what `last()` does, in a task."""
        return await self._arun(retrieval.last(self))

    def earliest(self, name: str) -> M:
        """The record with the least value of a field; `DoesNotExist` when none has one."""
        return self._run(retrieval.extreme(self, name, greatest=False))

    async def aearliest(self, name: str) -> M:
        """Do what `earliest()` does, in a task."""
        return await self._arun(retrieval.extreme(self, name, greatest=False))

    def latest(self, name: str) -> M:
        """The record with the greatest value of a field; `DoesNotExist` when none has one."""
        return self._run(retrieval.extreme(self, name, greatest=True))

    async def alatest(self, name: str) -> M:
        """Do what `latest()` does, in a task."""
        return await self._arun(retrieval.extreme(self, name, greatest=True))

    def count(self) -> int:
        """How many there are. From the API: all pages, with the fewest fields that can tell."""
        return self._run(retrieval.count(self))

    async def acount(self) -> int:
        """Do what `count()` does, in a task."""
        return await self._arun(retrieval.count(self))

    def exists(self) -> bool:
        """Whether there is any. One request when the API does the whole filter."""
        return self._run(retrieval.exists(self))

    async def aexists(self) -> bool:
        """Do what `exists()` does, in a task."""
        return await self._arun(retrieval.exists(self))

    def in_bulk(self, keys: Iterable[K], *, key: str = "id") -> dict[K, M]:
        """The records of many ids by id, or by another field, under the keys as given; missing ones are absent.

        One GET each for a few, else the pages of the whole list, until all are found.
        """
        return self._run(retrieval.in_bulk(self, keys, key))

    async def ain_bulk(self, keys: Iterable[K], *, key: str = "id") -> dict[K, M]:
        """Do what `in_bulk()` does, in a task."""
        return await self._arun(retrieval.in_bulk(self, keys, key))

    def aggregate(self, **aggregates: Aggregate[Any]) -> dict[str, Any]:
        """Figures over the records: `aggregate(total=Sum("mrr"), n=Count())`. Fetches those fields only."""
        return Groups(self).aggregate(**aggregates)[0]

    async def aaggregate(self, **aggregates: Aggregate[Any]) -> dict[str, Any]:
        """Do what `aggregate()` does, in a task."""
        return (await Groups(self).aaggregate(**aggregates))[0]

    def group_by(self, *names: str | Field[Any], **values: Any) -> Groups:
        """The records by some values: `group_by("owner", month=Trunc("renewal_date", "month")).annotate(n=Count())`.

        A name may go over relations that lead to one record, and be a part of a date (`renewal_date__month`), a custom
        field, or a list: then a record is in the group of each of its elements.
        """
        if not names and not values:
            raise FieldError("group_by() needs a field: group_by('phase').")
        return Groups(self, names, values)

    def dates(
        self, name: str, unit: Literal["year", "quarter", "month", "week", "day"], order: Literal["ASC", "DESC"] = "ASC"
    ) -> GroupValues:
        """The years, months or days in which a field has a value, as their first days, each once."""
        found = Groups(self, (), {"first_day": Trunc(name, unit)}).filter(first_day__isnull=False)
        return found.order_by("-first_day" if order == "DESC" else "first_day").values_list("first_day", flat=True)

    def to_arrow(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """The records as an Arrow table with typed columns; custom fields are columns too. Needs `[frames]`."""
        return self._run(dataframes.table_of(self, names))

    async def ato_arrow(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """Do what `to_arrow()` does, in a task."""
        return await self._arun(dataframes.table_of(self, names))

    def to_polars(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """The records as a polars DataFrame. Needs `[frames]`."""
        return self._run(dataframes.polars(self, names))

    async def ato_polars(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """Do what `to_polars()` does, in a task."""
        return await self._arun(dataframes.polars(self, names))

    def to_pandas(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """The records as a pandas DataFrame with Arrow's types. Needs `[frames]`."""
        return self._run(dataframes.pandas(self, names))

    async def ato_pandas(self, *names: str | Field[Any] | Expression[Any]) -> Any:
        """Do what `to_pandas()` does, in a task."""
        return await self._arun(dataframes.pandas(self, names))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow's protocol: `polars.DataFrame(queryset)`, `pyarrow.table(queryset)`, and DuckDB by its name."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def explain(self) -> Plan:
        """Where this is answered, what the source filters, what is filtered here, and what it costs. No request."""
        plan = self._from().explain(self._asked())
        notes = [f"then the {path.replace('__', ', and their ')} of these records" for path in self._prefetch]
        return replace(plan, notes=(*plan.notes, *notes)) if notes else plan

    # --- writing ----------------------------------------------------------------------------------------

    def create(self, **values: object) -> M:
        """Create a record and return it: one POST, and a GET before it for each key given.

        Raises `AlreadyExists` when a key is taken.
        """
        record, flow = writing.create(self, values)
        self._run(flow)
        return record

    async def acreate(self, **values: object) -> M:
        """Do what `create()` does, in a task."""
        record, flow = writing.create(self, values)
        await self._arun(flow)
        return record

    def get_or_create(self, defaults: Mapping[str, object] | None = None, **key: object) -> tuple[M, bool]:
        """The record with a key, created with `defaults` when there is none: `(record, created)`."""
        return self._run(writing.get_or_create(self, {} if defaults is None else defaults, key))

    async def aget_or_create(self, defaults: Mapping[str, object] | None = None, **key: object) -> tuple[M, bool]:
        """Do what `get_or_create()` does, in a task."""
        return await self._arun(writing.get_or_create(self, {} if defaults is None else defaults, key))

    def update_or_create(self, defaults: Mapping[str, object] | None = None, **key: object) -> tuple[M, bool]:
        """Update the record with a key, or create it: one upsert, which is atomic on the server.

        `key` is one keyable: `external_id=...`, `source_id=...`, `id=...`, or a contact's `email=...`.
        """
        return self._run(writing.update_or_create(self, {} if defaults is None else defaults, key))

    async def aupdate_or_create(self, defaults: Mapping[str, object] | None = None, **key: object) -> tuple[M, bool]:
        """Do what `update_or_create()` does, in a task."""
        return await self._arun(writing.update_or_create(self, {} if defaults is None else defaults, key))

    def bulk_upsert(
        self,
        rows: Iterable[Row] | Frame,
        *,
        chunk_size: int = 5000,
        raise_on_error: bool = True,
        duplicates: Duplicates = "raise",
    ) -> BatchResult:
        """Upsert records, dicts or the rows of a data frame: ceil(n/5000) requests, an outcome for each.

        A dict has the names of the model or Planhat's own (`externalId`). It needs a key, or all that a new record
        needs. An empty cell of a frame is left out. Rows that share a key are refused; with `duplicates="merge"` they
        become one, later values over earlier ones, and the status of those that were put into another is `merged`.
        Raises `BulkError` with the complete result when a row fails, unless `raise_on_error=False`.
        """
        return self._run(writing.bulk_upsert(self, rows, chunk_size, raise_on_error, duplicates=duplicates))

    async def abulk_upsert(
        self,
        rows: Iterable[Row] | Frame,
        *,
        chunk_size: int = 5000,
        raise_on_error: bool = True,
        duplicates: Duplicates = "raise",
    ) -> BatchResult:
        """Do what `bulk_upsert()` does, in a task."""
        return await self._arun(writing.bulk_upsert(self, rows, chunk_size, raise_on_error, duplicates=duplicates))

    def bulk_create(self, records: Iterable[Row] | Frame, *, chunk_size: int = 5000) -> BatchResult:
        """`bulk_upsert()` of records that must be new: one with an id is refused before anything is sent."""
        return self._run(writing.bulk_upsert(self, records, chunk_size, True, must="create"))

    async def abulk_create(self, records: Iterable[Row] | Frame, *, chunk_size: int = 5000) -> BatchResult:
        """Do what `bulk_create()` does, in a task."""
        return await self._arun(writing.bulk_upsert(self, records, chunk_size, True, must="create"))

    def bulk_update(self, records: Iterable[Row] | Frame, *, chunk_size: int = 5000) -> BatchResult:
        """`bulk_upsert()` of records that must exist: one without an id is refused before anything is sent."""
        return self._run(writing.bulk_upsert(self, records, chunk_size, True, must="update"))

    async def abulk_update(self, records: Iterable[Row] | Frame, *, chunk_size: int = 5000) -> BatchResult:
        """Do what `bulk_update()` does, in a task."""
        return await self._arun(writing.bulk_upsert(self, records, chunk_size, True, must="update"))

    def reconcile(
        self,
        rows: Rows,
        key: str,
        mapping: Mapping[str, Mapped] | None = None,
        *,
        delete: bool = False,
        empty: Literal["skip", "clear"] = "skip",
        duplicates: Duplicates = "raise",
        dayfirst: bool | None = None,
        format: str | Mapping[str, str] | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        owner: Mapping[str, str] | None = None,
    ) -> ReconcilePlan[M]:
        """Compare rows of another system with these records, and return a plan to look at and `apply()`.

        `rows` are dicts, a data frame, an open file or the path of one (CSV, Excel, Parquet, JSON, JSON Lines, DuckDB;
        `-` is standard input); `key` is the field that matches (`source_id`, `external_id`, `id`, a contact's `email`);
        `mapping` says which column goes to which field: `{"Account ID": "source_id", "Tier": "custom.Tier",
        "Owner.Email": "owner__email", "ARR": ("mrr", lambda arr: float(arr) / 12)}`. A path such as `owner__email` is a
        key of related records, whose ids are looked up; rows whose key names none are left out and listed in
        `plan.unresolved`. Empty cells are left alone unless `empty="clear"`; records without a row are deleted only
        with `delete=True`; rows that share a key are refused unless `duplicates="merge"`. `dayfirst` and `format` (of
        `strptime`, for all columns or by column) are of dates in numbers, `encoding` and `sheet` of files.
        `owner={"phase": "planhat"}` says whose value wins: a field that Planhat owns is not taken from a row whose
        record exists, and comes out in `plan.outgoing`; other fields are the rows'.

        Costs the pages of the list, and one list for each kind of key that is looked up and that no mirror holds;
        `apply()` sends only what differs. Raises `ValidationError` naming the rows that cannot be read, by line.
        """
        return self._run(
            self._using().writer.reconcile(
                self, rows, key, mapping, delete=delete, empty=empty, duplicates=duplicates, dayfirst=dayfirst,
                format=format, encoding=encoding, sheet=sheet, owner=owner,
            )
        )  # fmt: skip

    async def areconcile(
        self,
        rows: Rows,
        key: str,
        mapping: Mapping[str, Mapped] | None = None,
        *,
        delete: bool = False,
        empty: Literal["skip", "clear"] = "skip",
        duplicates: Duplicates = "raise",
        dayfirst: bool | None = None,
        format: str | Mapping[str, str] | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        owner: Mapping[str, str] | None = None,
    ) -> ReconcilePlan[M]:
        """Do what `reconcile()` does, in a task."""
        return await self._arun(
            self._using().writer.reconcile(
                self, rows, key, mapping, delete=delete, empty=empty, duplicates=duplicates, dayfirst=dayfirst,
                format=format, encoding=encoding, sheet=sheet, owner=owner,
            )
        )  # fmt: skip

    def merge(self, keep: M | str, other: M | str, *, leave: Iterable[type[Model] | str] = ()) -> MergePlan:
        """The plan of merging two companies: look at it, then `apply()` it.

        What `keep` lacks it gets from `other`; fields that both have are listed, and those of `keep` stay. All that
        belongs to `other` moves, of each model whose declaration refers to companies; a contact whose email one of
        `keep` has gives what names it to that one, and goes. Then all is listed again: if something is left, it stops,
        but for records of the models in `leave`, which go with it. Then `other` is deleted, and its keys go to `keep`
        if that has none. Done again after a crash, it goes on.
        A list of each model that refers to companies for the plan, and one again before the deletion.

        >>> Company.objects.merge(keep="5f0c", other="5f0d")  # doctest: +SKIP
        """
        self._refuse_merge()
        return self._run(self._using().writer.merge(keep, other, leave))

    async def amerge(self, keep: M | str, other: M | str, *, leave: Iterable[type[Model] | str] = ()) -> MergePlan:
        """Do what `merge()` does, in a task."""
        self._refuse_merge()
        return await self._arun(self._using().writer.merge(keep, other, leave))

    def _refuse_merge(self) -> None:
        if self.model._meta.resource.name != "company":
            raise FieldError(f"merge() is for companies: a {self.model.__name__} is not merged.")

    def update(self, *, max_requests: int = 60, **values: object) -> BatchResult:
        """Set fields on every record found: the pages to read them, then ceil(n/5000) bulk upserts.

        Refuses before writing when that needs more than `max_requests` writes.
        """
        return self._run(writing.update(self, values, max_requests))

    async def aupdate(self, *, max_requests: int = 60, **values: object) -> BatchResult:
        """Do what `update()` does, in a task."""
        return await self._arun(writing.update(self, values, max_requests))

    def delete(self, *, max_requests: int = 60) -> int:
        """Delete every record found, one DELETE each (the API has no bulk delete), and say how many.

        Refuses before deleting when there are more than `max_requests`.
        """
        return self._run(writing.delete(self, max_requests))

    async def adelete(self, *, max_requests: int = 60) -> int:
        """Do what `delete()` does, in a task."""
        return await self._arun(writing.delete(self, max_requests))

    # --- managers ---------------------------------------------------------------------------------------

    @classmethod
    def as_manager(cls) -> ObjectsOf[Self]:
        """Make a custom queryset the `objects` of a model: `objects = AccountQuerySet.as_manager()`."""
        return ObjectsOf(cls)

    # --- displaying: no request -------------------------------------------------------------------------

    def __repr__(self) -> str:
        query = self._query
        parts = [f"{type(self).__name__} {self.model.__name__}: {describe(query.where)}"]
        if query.order:
            parts.append("by " + ", ".join(f"{'-' if down else ''}{item.name}" for item, down in query.order))
        if query.is_sliced:
            parts.append(f"[{query.start or ''}:{'' if query.stop is None else query.stop}]")
        return f"<{', '.join(parts)}, {self._shown()}>"

    def _repr_html_(self) -> str:
        from .notebook import records

        return records(self, self._rows, self._chosen)

    def __reduce__(self) -> Any:
        if self._source is not None and not isinstance(self._source, str):
            raise PlanhatError("A queryset that reads one moment of a mirror is not pickled: pickle list(it).")
        client = self._client or self._bound
        account = client.account.portable() if client is not None else self._account
        state = (self._query, self._source, self._prefetch, self._chosen, self._aliases, account)
        return _unpickle, (type(self), self.model, *state)

    # --- flows ------------------------------------------------------------------------------------------

    def _chosen_client(self) -> runtime.Client | None:
        return self._client

    def _using(self) -> runtime.Client:
        if self._client is not None:
            return self._client
        self._check_bound()
        client = self._bound or clients.current(self._scope)
        if self._account is not None and not self._account.matches(client.account):
            raise WhichClient(
                f"{self!r} comes from a pickle of the account {self._account}, and the current client is of "
                f"{client.account}: read it inside `with` of a client of its own account."
            )
        return client

    def _from(self) -> runtime.Source:
        if self._source is not None and not isinstance(self._source, str):
            return self._source  # type: ignore[no-any-return]
        return self._using().source(self._source, self._scope)

    def _run(self, flow: Flow[R]) -> R:
        return self._using().run(flow)

    async def _arun(self, flow: Flow[R]) -> R:
        return await self._using().arun(flow)

    def _before_fetch(self) -> None:
        """Warn of a list that is read whole."""
        self._warn(None)

    def _warn(self, plan: Plan | None) -> None:
        """Warn of a query that makes the API list everything; `plan` is its plan, where there is one already."""
        client = self._using()
        if client.scan != "allow" and self._from().name == "api":
            warn_full_scan(client, self.explain() if plan is None else plan)

    def _settled(self, query: Query) -> Query:
        """A query as it is asked now, in the client's time zone."""
        return settled(query, datetime.now(UTC), zone_name(self._using().zone))

    def _asked(self) -> Query:
        return self._settled(self._needed())

    def _needed(self) -> Query:
        """The query with the fields that the prefetches need added to `only()`."""
        if self._query.select is None or not self._prefetch:
            return self._query
        needed = prefetch.needed(self.model, self._prefetch)
        return self._query.changed(select=self._query.select | needed)

    def _pages(self, keep_peers: bool = True) -> Flow[None]:
        source = self._from()
        if self._owner is not None and keep_peers:
            at_hand = yield from prefetch.load_referring(*self._owner, source, self._shared)
            if at_hand is not None:
                yield Emit(at_hand)
                return
        query = self._asked()
        client, model, names, made = self._using(), self.model, self._prefetch, self._origin
        aliases, kinds = self._aliases, {name: expr.kind for name, expr in query.annotations}
        scope = innermost() or self._scope
        shared = made(client, source, query, scope)
        # The queryset holds this flow: knew the flow it too, what is open would stay so when both are forgotten.
        del self

        def build(rows: list[Any]) -> Flow[None]:
            origin = shared
            if not keep_peers:
                origin = made(client, source, query, scope)
                origin.related, origin.whole = shared.related, shared.whole
            values = [row.pop(ANNOTATIONS) for row in rows] if kinds else []
            with gc_paused():
                fresh = [model._made_of(row, origin) for row in rows]
            records = client.writer.unify(fresh)
            for record, annotated in zip(records, values, strict=False):
                annotating.attach(record, annotated, kinds, aliases)
            origin.add_peers(records)
            for name in names:
                yield from prefetch.load_path(records, name, source)
            yield Emit(records)

        yield from mapped(source.records(query), build)

    @staticmethod
    def _origin(client: runtime.Client, source: runtime.Source, query: Query, scope: Scope | None) -> Origin:
        synced_at = getattr(source, "synced_at", None)
        moment: Any = synced_at(query.resource) if callable(synced_at) else None
        return Origin(client, source.name, query.select, moment, scope=scope)

    def _all(self) -> Flow[list[M]]:
        return (yield from collected(self._pages()))

    # --- small helpers ----------------------------------------------------------------------------------

    def _related_to(self, record: Model, relation: Many[Any]) -> Self:
        """The queryset behind `company.licenses`."""
        if record.id is None:
            raise PlanhatError(f"A {type(record).__name__} that was never saved has no {relation.name}.")
        suffix = "__contains" if relation.model._meta.fields[relation.via].kind in LISTS else ""
        found = self._of(record).filter(**{f"{relation.via}{suffix}": record.id})
        found._owner = found._through = record, relation
        loaded_rows = record._origin.prefetched.get(relation.name)
        if loaded_rows is not None and record.id in loaded_rows:
            found._rows, found._complete = list(loaded_rows[record.id]), True
        return found

    def _walked(self, record: Model, relation: Tree[Any]) -> Self:
        """The queryset behind `company.descendants()`."""
        if record.id is None:
            raise PlanhatError(f"A {type(record).__name__} that was never saved has no {relation.name}.")
        own = Test(Target("id", ("_id",), ID), "exact", record.id)
        name = "descendants" if relation.up else "ancestors"
        return self._of(record)._narrowed(Related(name, relation.hop(type(record), back=True), own))

    def _of(self, record: Model) -> Self:
        """This queryset over what is related to a record: from the same source of the same client."""
        origin = record._origin
        found = self._clone(source=_named(record), client=origin.client)
        found._scope = found._scope or origin.scope
        return found

    def _listed_in(self, record: Model, relation: ManyToMany[Any]) -> Self:
        """The queryset behind `issue.companies`."""
        found = self._of(record)
        ids = list(dict.fromkeys(prefetch.referred(record, relation)))
        found = found.filter(id__in=ids).include_hidden()
        found._through = record, relation
        known = record._origin.related.get(relation.name, {})
        if ids and all(id in known for id in ids):
            found._rows = [known[id] for id in sorted(ids) if known[id] is not None]
            found._complete = True
        return found

    def _value_names(self, names: tuple[Any, ...]) -> tuple[str, ...]:
        if not names:
            return (*self.model._meta.fields, *dict(self._query.annotations))
        return tuple(self._value_name(name) for name in names)

    def _value_name(self, item: Any) -> str:
        """The name of a value: a path, or what an expression is called here."""
        if isinstance(item, Field):
            return field_of(self.model, item.name).name
        if isinstance(item, Expression):
            given = next((alias for alias, expression in self._aliases if expression is item), None)
            return repr(item) if given is None else given
        if not isinstance(item, str):
            raise FieldError(f"values() takes names of fields, not a {type(item).__name__}.")
        return item

    def _with_values(self, items: tuple[Any, ...]) -> Self:
        """With an annotation for each value that no record holds as it is: an expression, a part of a date, a label."""
        added: dict[str, Any] = {}
        for item in items:
            name = self._value_name(item)
            if name in dict(self._query.annotations) or self._is_held(name):
                continue
            added[name] = self._namespace().value(name if isinstance(item, str) else item)
        if not added:
            return self
        aliases = tuple((self._value_name(item), item) for item in items if isinstance(item, Expression))
        query = self._query.changed(annotations=(*self._query.annotations, *added.items()))
        return self._clone(query, aliases=(*self._aliases, *aliases))

    def _is_held(self, name: str) -> bool:
        """Whether a name is that of a field, perhaps of a related record."""
        if name in self.model._meta.fields:
            return True
        path = words(name)
        if len(path) == 1 and name not in self.model._meta.relations:
            raise annotating.unknown(self.model, dict(self._query.annotations), name)
        with runtime.asked_by(self._client):
            place = walk(self.model, path)
        if not place.to_one:
            raise FieldError(f"{name} has many values for one {self.model.__name__}: query the other model instead.")
        return isinstance(place.value, Target) and not place.rest

    def _as_values(self, shown: str) -> tuple[Query, Target, Resource | None]:
        """The query of this queryset as a condition takes it, the value that is compared, and whose id that is."""
        return self._query.changed(select=None, annotations=()), KEY, self.model._meta.resource

    def _refuse_slice(self, verb: str) -> None:
        if self._query.is_sliced:
            raise FieldError(f"{verb}() comes before a slice: queryset.{verb}(...)[:n].")


class ObjectsOf(Objects, Generic[QS]):
    """The descriptor that `as_manager()` returns."""

    def __init__(self, queryset: type[QS]) -> None:
        self._queryset = queryset

    def __get__(self, record: None, owner: type[Any]) -> QS:
        """Return a fresh custom queryset over `owner`."""
        if record is not None:
            raise AttributeError(f"objects belongs to the class: use {owner.__name__}.objects.")
        return self._queryset(owner)


def _named(record: Model) -> str | None:
    return record._origin.source if record._origin.source in ("api", "mirror") else None


def _unpickle(
    cls: type[QuerySet[Any]],
    model: type[Model],
    query: Query,
    source: str | None,
    prefetch: tuple[str, ...],
    chosen: tuple[str, ...] | None,
    aliases: annotating.Aliases = (),
    account: Account | None = None,
) -> QuerySet[Any]:
    made = cls(model)
    made._client, made._account = None, account
    made._query, made._source, made._prefetch, made._chosen = query, source, prefetch, chosen
    made._aliases = aliases
    return made


runtime.queryset_for = QuerySet
runtime.load_related = prefetch.load_related
runtime.load_named = prefetch.load_named
