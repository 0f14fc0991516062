"""Querysets: lazy, refinable views over a source of records.

They know how a chain of verbs becomes a query, and its rows records, values or frames. Where rows come from is the
source's business: an API or a mirror, both behind one protocol.
"""

from .groups import Groups
from .queryset import QuerySet
from .values import Values, ValuesList

__all__ = ["Groups", "QuerySet", "Values", "ValuesList"]
