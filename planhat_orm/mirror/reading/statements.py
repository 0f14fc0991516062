"""Parts of a statement that need no compiler: the slice of a query, and many conditions at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any as Anything

from sqlalchemy import Boolean, Select, type_coerce
from sqlalchemy.sql.elements import Grouping

from ...query.query import Query
from .joins import Sql

_MOST_ROWS = 2**63 - 1
"""The largest number that databases take."""
_WIDE = 100


def sliced(statement: Select[Anything], query: Query) -> Select[Anything]:
    """The statement within a query's slice."""
    if query.limit is not None:
        statement = statement.limit(min(query.limit, _MOST_ROWS))
    return statement.offset(min(query.start, _MOST_ROWS)) if query.start else statement


def joined(join: Callable[..., Sql], start: Sql, conditions: list[Sql]) -> Sql:
    """Many conditions, in groups: databases bound how deep a tree is, and `a AND b AND c` is as deep as it is long."""
    while len(conditions) > _WIDE:
        groups = [conditions[first : first + _WIDE] for first in range(0, len(conditions), _WIDE)]
        # Of a bare Grouping, SQLAlchemy takes the brackets away again.
        conditions = [type_coerce(Grouping(join(start, *group)), Boolean()) for group in groups]
    return join(start, *conditions)
