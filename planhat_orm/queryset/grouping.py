"""Figures over a queryset: which ones can be asked for, and those of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import runtime
from ..errors import FieldError
from ..http.effects import Flow
from ..models.base import Model
from ..query.kinds import ANY, LISTS, OBJECT
from ..query.lookups import noun
from .aggregates import Aggregate, Wanted, loaded
from .resolve import target

if TYPE_CHECKING:
    from .queryset import QuerySet


def aggregate(queryset: QuerySet[Any], aggregates: dict[str, Aggregate]) -> Flow[dict[str, Any]]:
    """The figures of all records of a queryset, by alias."""
    with runtime.asked_by(queryset._client):
        wanted = checked(queryset.model, aggregates)
    queryset._before_fetch()
    rows = yield from queryset._from().aggregate(queryset._query, wanted)
    return loaded(wanted, rows[0])


def checked(model: type[Model], aggregates: dict[str, Aggregate]) -> Wanted:
    """What a source is to work out; `FieldError` for a figure that a field does not have."""
    if not aggregates:
        raise FieldError("aggregate() needs a figure by name: aggregate(total=Sum('mrr')).")
    wanted: dict[str, Any] = {}
    for alias, aggregate in aggregates.items():
        if not isinstance(aggregate, Aggregate) or not aggregate.function:
            raise FieldError(f"{alias} must be Count(), Sum(), Avg(), Min() or Max(), not {type(aggregate).__name__}.")
        if aggregate.name is None and aggregate.function != "count":
            raise FieldError(f"{type(aggregate).__name__}() needs a field: {type(aggregate).__name__}('mrr').")
        found = target(model, aggregate.name) if aggregate.name is not None else None
        if found is not None and aggregate.function in ("sum", "avg") and found.kind.name not in ("number", "integer"):
            raise FieldError(
                f"{type(aggregate).__name__} needs a field of numbers; {aggregate.name} holds {noun(found.kind)}."
            )
        if found is not None and found.hops:
            raise FieldError(f"{aggregate.name} goes over a relation: aggregate the other model instead.")
        if found is not None and aggregate.function in ("min", "max") and found.kind in (ANY, *LISTS, OBJECT):
            hint = f"; declare it with Custom({found.keys[-1]!r}, ...)" if found.kind is ANY else ""
            raise FieldError(f"{aggregate.name} has no order: it holds {noun(found.kind)}{hint}.")
        wanted[alias] = (aggregate.function, found)
    return wanted


class Grouped:
    """Records grouped by the values of some fields; `aggregate()` gives a row of figures for each group."""

    def __init__(self, queryset: QuerySet[Any], names: tuple[str, ...]) -> None:
        if not names:
            raise FieldError("group_by() needs a field: group_by('phase').")
        self._queryset = queryset
        self._names = names
        with runtime.asked_by(queryset._client):
            self._by = tuple(target(queryset.model, name) for name in names)
        for item in self._by:
            if item.kind in (*LISTS, OBJECT, ANY) or item.hops:
                raise FieldError(f"{item.name} cannot be grouped by: it is no single value of a declared field.")

    def aggregate(self, **aggregates: Aggregate) -> list[dict[str, Any]]:
        """The figures of each group, as dicts with the group's values under their names, in their order."""
        return self._queryset._run(self._aggregate(aggregates))

    async def aaggregate(self, **aggregates: Aggregate) -> list[dict[str, Any]]:
        """Do what `aggregate()` does, in a task."""
        return await self._queryset._arun(self._aggregate(aggregates))

    def _aggregate(self, aggregates: dict[str, Aggregate]) -> Flow[list[dict[str, Any]]]:
        queryset = self._queryset
        with runtime.asked_by(queryset._client):
            wanted = checked(queryset.model, aggregates)
        taken = set(wanted) & set(self._names)
        if taken:
            raise FieldError(f"{', '.join(sorted(taken))} is a field that is grouped by: give the figure another name.")
        queryset._before_fetch()
        rows = yield from queryset._from().aggregate(queryset._query, wanted, self._by)
        rows.sort(key=lambda row: [(row[item.name] is None, row[item.name] or 0) if not isinstance(row[item.name], str)
                                   else (False, row[item.name]) for item in self._by])  # fmt: skip
        return [
            {**{item.name: item.kind.load(row[item.name]) for item in self._by}, **loaded(wanted, row)} for row in rows
        ]
