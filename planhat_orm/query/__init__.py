"""One frozen expression tree with three readings: API parameters, Python predicate, SQL (in `mirror`)."""

from .plan import Plan, Step
from .query import Query
from .tree import F, Q

__all__ = ["F", "Plan", "Q", "Query", "Step"]
