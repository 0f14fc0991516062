"""Querysets made of querysets: `a | b`, `a & b`, `union()`, `intersection()`, `difference()`."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import FieldError
from ..query.combine import disjunction
from ..query.kinds import ID
from ..query.query import Query
from ..query.tree import InQuery, Node, Not, Target, both

if TYPE_CHECKING:
    from .queryset import QuerySet

Q = TypeVar("Q", bound="QuerySet[Any]")
KEY = Target("id", ("_id",), ID)


def combined(how: str, first: Q, others: tuple[QuerySet[Any], ...]) -> Q:
    """The records of any, all, or none but the first of some querysets of one model and source."""
    for other in others:
        _check(how, first, other)
    queries = [first._query, *(other._query for other in others)]
    hidden = any(query.hidden for query in queries)
    parts = [_condition(query, hidden) for query in queries]
    if how == "difference":
        where = both(parts[0], Not(disjunction(parts[1:])))
    else:
        where = disjunction(parts) if how == "union" else reduce(both, parts)
    query = Query(first._query.resource, where, hidden=hidden, max_age=first._query.max_age, fresh=first._query.fresh)
    return first._clone(query.changed(select=first._query.select, annotations=first._query.annotations))


def _condition(query: Query, hidden: bool) -> Node:
    """A queryset as a condition on a record: its own, or by its ids where those do not say it all."""
    if not query.picks and query.hidden == hidden:
        return query.where
    return InQuery(KEY, query.changed(select=None, annotations=()), KEY)


def _check(how: str, first: QuerySet[Any], queryset: Any) -> None:
    if not hasattr(queryset, "_query") or not hasattr(queryset, "model"):
        raise FieldError(f"{how}() takes querysets, not a {type(queryset).__name__}.")
    if queryset.model._meta.resource is not first.model._meta.resource:
        raise FieldError(f"{how}() is of one model: {first.model.__name__} and {queryset.model.__name__} differ.")
    if queryset._source is not first._source or queryset._client is not first._client:
        raise FieldError(f"{how}(): the querysets are read from different sources: call using(...) on both alike.")
