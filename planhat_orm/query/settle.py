"""What a query leaves open until it runs: relative moments become fixed ones, and dates get their time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .moments import Relative
from .query import Query
from .tree import Constant, InQuery
from .walk import replaced


def settled(query: Query, now: datetime, zone: str = "UTC") -> Query:
    """The query as it is asked at `now` by a client in `zone`; that of the queries inside it, too."""

    def settle(part: Any) -> Any:
        match part:
            case Relative():
                return part.at(now, zone)
            case Constant(Relative() as relative, kind):
                return Constant(relative.at(now, zone), kind)
            case InQuery(target, inner, value):
                return InQuery(target, settled(inner, now, zone), value)
        return part

    parts = (query.where, query.order, query.annotations, query.distinct, query.groups, query.having)
    where, order, annotations, distinct, groups, having = replaced(parts, settle)
    return query.changed(
        where=where, order=order, annotations=annotations, distinct=distinct, groups=groups, having=having, zone=zone
    )
