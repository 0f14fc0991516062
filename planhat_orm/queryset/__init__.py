"""Querysets: lazy, refinable views over a source of records."""

from .aggregates import Avg, Count, Max, Min, Sum
from .grouping import Grouped
from .queryset import QuerySet
from .values import Values, ValuesList

__all__ = ["Avg", "Count", "Grouped", "Max", "Min", "QuerySet", "Sum", "Values", "ValuesList"]
