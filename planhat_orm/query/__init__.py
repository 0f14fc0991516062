"""One frozen expression tree with three readings: API parameters, Python predicate, SQL (in `mirror`).

It knows what a question means, so that the three give the same answer. It knows neither records nor where rows are.
"""

from .plan import Plan, Step
from .query import Query
from .tree import F, Q

__all__ = ["F", "Plan", "Q", "Query", "Step"]
