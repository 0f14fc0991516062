"""Groups of records: `group_by("owner").annotate(total=Sum("mrr")).filter(total__gt=5000).order_by("-total")[:10]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, overload

from .. import arguments
from ..errors import FieldError
from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from ..query.conditions import Q
from ..query.expressions import Aggregate
from ..query.plan import Plan, describe
from ..query.query import Query
from ..query.tree import EVERYTHING, Expr, InQuery, Not, Target, both
from . import annotating
from .framed import Framed
from .group_keys import grouped, key_of, label_of, name_of_label
from .namespace import Namespace
from .order import ordered_by
from .paths import words
from .results import Results

if TYPE_CHECKING:
    from ..runtime import Client
    from .queryset import QuerySet

Row = dict[str, Any]


class Groups(Framed, Results[Row]):
    """The groups of a queryset's records by some values, lazily; each a dict of those values and the figures.

    `annotate()` adds figures, `filter()` keeps groups by them, `order_by()` sorts, a slice takes some. Without an order
    they come in that of their values, missing ones last. A group by a relation has the name of the record there
    beside its id: `group_by("owner")` gives `owner` and `owner__label`.
    """

    __slots__ = ("_names", "_query", "_queryset")

    def __init__(
        self, queryset: QuerySet[Any], names: tuple[Any, ...] = (), values: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._queryset = queryset
        query = records_of(queryset)
        namespace = queryset._namespace()
        groups: dict[str, Expr] = {}
        labels: dict[str, Expr] = {}
        for name in names:
            key, expr = key_of(namespace, name)
            groups[key] = expr
            label = label_of(namespace, key, expr)
            if label is not None:
                labels[name_of_label(key)] = label
        for name, value in (values or {}).items():
            annotating.check_alias(queryset.model, name)
            groups[name] = grouped(namespace.value(value))
        self._query = query.changed(groups=tuple(groups.items()), annotations=tuple(labels.items()))
        self._names = tuple(
            name for key in groups for name in (key, name_of_label(key)) if name == key or name in labels
        )

    def _clone(self, query: Query, names: tuple[str, ...] | None = None) -> Self:
        other = type(self).__new__(type(self))
        Results.__init__(other)
        other._queryset, other._query = self._queryset, query
        other._names = self._names if names is None else names
        return other

    def _namespace(self) -> Namespace:
        """What names mean after grouping: keys and annotations. Fields of the records go into figures only."""
        named = (*(self._query.groups or ()), *self._query.annotations)
        # However a path was spelled: `custom.Tier`, `custom__Tier`.
        known = dict((*(("__".join(words(name)), expr) for name, expr in named), *named))
        grouped = self._queryset._namespace()
        return Namespace(grouped.model, known, grouped, source=grouped.source, client=grouped.client)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values of each group: its keys with their labels, then its figures."""
        return self._names

    # --- refining: no request ---------------------------------------------------------------------------

    def annotate(self, **figures: Any) -> Self:
        """The groups with figures of their records: `annotate(total=Sum("mrr"), n=Count())`, and sums of those."""
        self._refuse_slice("annotate")
        if not figures:
            raise FieldError("annotate() needs a figure by name: annotate(total=Sum('mrr')).")
        known = dict((*(self._query.groups or ()), *self._query.annotations))
        taken = figures.keys() & known.keys()
        if taken:
            raise FieldError(f"{', '.join(sorted(taken))} is there already: give the figure another name.")
        found = annotating.named(self._namespace(), self._queryset.model, figures)
        return self._with_figures({name: found[name] for name in figures})

    def _with_figures(self, figures: Mapping[str, Expr]) -> Self:
        query = self._query.changed(annotations=(*self._query.annotations, *figures.items()))
        return self._clone(query, (*self._names, *figures))

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Only groups whose values and figures satisfy the conditions: SQL's HAVING."""
        self._refuse_slice("filter")
        having = both(self._query.having, self._namespace().condition(*conditions, **lookups))
        return self._clone(self._query.changed(having=having))

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Only groups that do not satisfy the conditions: the exact complement of `filter()`."""
        self._refuse_slice("exclude")
        having = both(self._query.having, Not(self._namespace().condition(*conditions, **lookups)))
        return self._clone(self._query.changed(having=having))

    def order_by(self, *names: Any) -> Self:
        """Sort by values or figures, `"-total"` descending; missing ones last, ties in the order of the groups."""
        self._refuse_slice("order_by")
        return self._clone(self._query.changed(order=ordered_by(self._namespace(), names)))

    def using(self, source: Any, *, max_age: float | None = None) -> Self:
        """Read from another source or client, as `QuerySet.using()` does."""
        other = self._clone(self._query.changed(max_age=max_age))
        other._queryset = self._queryset.using(source, max_age=max_age)
        return other

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> Row | Self:
        if not isinstance(place, slice):
            row: Row = self._at(place)
            return row
        start, stop = bounds(place)
        part = self._clone(self._query.sliced(start, stop))
        if self._complete:
            part._rows, part._complete = self._rows[start:stop], True
        return part

    def values_list(self, *names: str, flat: bool = False) -> GroupValues:
        """Tuples of values and figures instead of dicts; with `flat=True` the values of one."""
        chosen = names or self._names
        for name in chosen:
            if arguments.name(name) not in self._names:
                raise annotating.unknown(self._queryset.model, dict.fromkeys(self._names), name)
        if flat and len(chosen) != 1:
            raise FieldError(f"values_list(flat=True) takes one name, not {len(chosen)}.")
        return GroupValues(self, chosen, flat)

    # --- reading ----------------------------------------------------------------------------------------

    def aggregate(self, **figures: Aggregate[Any]) -> list[Row]:
        """The groups with these figures, at once, as a list."""
        return self._queryset._run(collected(self._with_aggregates(figures)._pages(warn=True)))

    async def aaggregate(self, **figures: Aggregate[Any]) -> list[Row]:
        """Do what `aggregate()` does, in a task."""
        return await self._queryset._arun(collected(self._with_aggregates(figures)._pages(warn=True)))

    def _with_aggregates(self, figures: Mapping[str, Aggregate[Any]]) -> Self:
        found = checked(self._namespace(), figures)
        taken = figures.keys() & set(self._names)
        if taken:
            raise FieldError(f"{', '.join(sorted(taken))} is a field that is grouped by: give the figure another name.")
        return self._with_figures(found)

    def count(self) -> int:
        """How many groups there are."""
        return self._queryset._run(self._count())

    async def acount(self) -> int:
        """Do what `count()` does, in a task."""
        return await self._queryset._arun(self._count())

    def _count(self) -> Flow[int]:
        if self._complete:
            return len(self._rows)
        self._before_fetch()
        return (yield from self._queryset._from().count(self._asked()))

    def first(self) -> Row | None:
        """The first group, or None."""
        return next(iter(self if self._rows else self[:1]), None)

    async def afirst(self) -> Row | None:
        """Do what `first()` does, in a task."""
        async for row in self if self._complete else self[:1]:
            return row
        return None

    def explain(self) -> Plan:
        """Where this is answered, and what it costs. No request."""
        return self._queryset._from().explain(self._asked())

    # --- displaying: no request -------------------------------------------------------------------------

    def __repr__(self) -> str:
        parts = [f"Groups of {self._queryset.model.__name__} by {', '.join(self._names)}"]
        if self._query.having != EVERYTHING:
            parts.append(describe(self._query.having))
        if self._query.is_sliced:
            parts.append(f"[{self._query.start or ''}:{'' if self._query.stop is None else self._query.stop}]")
        return f"<{', '.join(parts)}, {self._shown()}>"

    def _repr_html_(self) -> str:
        from .notebook import rows

        return rows(self, self._names, self._queryset)

    # --- inside -----------------------------------------------------------------------------------------

    def _kinds(self) -> dict[str, Any]:
        known = dict((*(self._query.groups or ()), *self._query.annotations))
        return {name: known[name].kind for name in self._names}

    def _asked(self) -> Query:
        return self._queryset._settled(self._query)

    def _using(self) -> Client:
        return self._queryset._using()

    def _chosen_client(self) -> Client | None:
        return self._queryset._chosen_client()

    def _before_fetch(self) -> None:
        self._queryset._warn(self.explain())

    def _pages(self, warn: bool = False) -> Flow[None]:
        if warn:
            self._before_fetch()
        kinds = self._kinds()

        def build(rows: list[Row]) -> Flow[None]:
            yield Emit(
                [{name: annotating.from_comparable(kind, row[name]) for name, kind in kinds.items()} for row in rows]
            )

        yield from mapped(self._queryset._from().pages(self._asked()), build)

    def _refuse_slice(self, verb: str) -> None:
        if self._query.is_sliced:
            raise FieldError(f"{verb}() comes before a slice: groups.{verb}(...)[:n].")


class GroupValues(Results[Any]):
    """Tuples, or bare values, of groups."""

    __slots__ = ("_chosen", "_flat", "_groups")

    def __init__(self, groups: Groups, names: tuple[str, ...], flat: bool) -> None:
        super().__init__()
        self._groups, self._chosen, self._flat = groups, names, flat

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return type(self)(self._groups[place], self._chosen, self._flat)
        return self._at(place)

    def _using(self) -> Client:
        return self._groups._using()

    def _chosen_client(self) -> Client | None:
        return self._groups._chosen_client()

    def _before_fetch(self) -> None:
        self._groups._before_fetch()

    def _pages(self) -> Flow[None]:
        names, flat = self._chosen, self._flat

        def build(rows: list[Row]) -> Flow[None]:
            yield Emit([row[names[0]] if flat else tuple(row[name] for name in names) for row in rows])

        yield from mapped(self._groups._pages(), build)

    def __repr__(self) -> str:
        return f"<values {', '.join(self._chosen)} of {self._groups!r}>"


# --- what groups are made of ----------------------------------------------------------------------------


def records_of(queryset: QuerySet[Any]) -> Query:
    """The query of the records that are grouped; the very records of a slice, where one was taken."""
    query = queryset._query
    plain = Query(query.resource, query.where, hidden=query.hidden, max_age=query.max_age, fresh=query.fresh)
    if not query.picks:
        return plain
    field = queryset.model._meta.fields["id"]
    key = Target("id", field.keys, field.kind)
    inner = query.changed(select=None, annotations=())
    return plain.changed(where=InQuery(key, inner, key), hidden=True)


def checked(namespace: Namespace, figures: Mapping[str, Any]) -> dict[str, Expr]:
    """The figures of `aggregate()`; `FieldError` for a figure that a field does not have."""
    if not figures:
        raise FieldError("aggregate() needs a figure by name: aggregate(total=Sum('mrr')).")
    for alias, figure in figures.items():
        if not annotating.is_expression(figure):
            raise FieldError(f"{alias} must be Count(), Sum(), Avg(), Min() or Max(), not {type(figure).__name__}.")
    return {alias: namespace.value(figure) for alias, figure in figures.items()}


def bounds(place: slice) -> tuple[int, int | None]:
    """The start and stop of a slice."""
    if place.step is not None:
        raise FieldError("A slice takes no step: use list(...)[::step].")
    start, stop = place.start or 0, place.stop
    if start < 0 or (stop is not None and stop < 0):
        raise FieldError("Counting from the end is not possible: order_by('-...') and count from the front.")
    return start, stop
