"""One frozen expression tree with three readings: API parameters, Python predicate, SQL (in `mirror`).

It knows what a question means, so that the three give the same answer. It knows neither records nor where rows are.
"""

from .conditions import Exists, Q
from .expressions import Avg, Case, Coalesce, Count, Expression, F, Max, Min, Sum, Trunc, Value, When
from .moments import (
    days,
    hours,
    minutes,
    month_start,
    months,
    now,
    quarter_start,
    quarters,
    today,
    week_start,
    weeks,
    year_start,
    years,
)
from .plan import Plan, Step
from .query import Query

__all__ = [
    "Avg",
    "Case",
    "Coalesce",
    "Count",
    "Exists",
    "Expression",
    "F",
    "Max",
    "Min",
    "Plan",
    "Q",
    "Query",
    "Step",
    "Sum",
    "Trunc",
    "Value",
    "When",
    "days",
    "hours",
    "minutes",
    "month_start",
    "months",
    "now",
    "quarter_start",
    "quarters",
    "today",
    "week_start",
    "weeks",
    "year_start",
    "years",
]
