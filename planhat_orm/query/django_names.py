"""What is written here instead of names that Django has and this library has not."""

from __future__ import annotations

_PART = "Write a part of a date as a lookup: group_by('renewal_date__year'), filter(renewal_date__month=12)."
_DAY = "Write Trunc('renewal_date', 'month') with the unit: year, quarter, month, week or day."
_TEXT = "Fields are compared as they are; filter(name__icontains='acme') and its like leave case aside."
_SQL = "Ask the mirror in SQL: planhat.mirror.sql('select ...')."
_SPREAD = "Work it out of a frame: queryset.to_pandas('mrr')['mrr'].std()."
_OUTER = (
    "Exists('tickets', status='open') follows a relation, and its conditions are about the records there; "
    "F('mrr') is a field of the record itself."
)

INSTEAD = {
    "OuterRef": _OUTER,
    "Subquery": "Write a queryset as a value, filter(company__in=queryset), or a figure, Max('tickets__created_at').",
    "StdDev": _SPREAD,
    "Variance": _SPREAD.replace("std", "var"),
    "Window": _SQL,
    "RowNumber": _SQL,
    "Rank": _SQL,
    "RawSQL": _SQL,
    "Func": _SQL,
    "Cast": _SQL,
    "Concat": "Select the fields, values_list('name', 'phase'), and join the texts in Python.",
    "StringAgg": "Read the related records, company.licenses, and join the texts in Python.",
    "ArrayAgg": "Read the related records: prefetch_related('licenses'), then company.licenses.",
    "Lower": _TEXT,
    "Upper": _TEXT,
    "Length": _SQL,
    "Greatest": "Write Case(When(F('mrr') > F('renewal_mrr'), then=F('mrr')), default=F('renewal_mrr')).",
    "Least": "Write Case(When(F('mrr') < F('renewal_mrr'), then=F('mrr')), default=F('renewal_mrr')).",
    "NullIf": "Write Case(When(~Q(mrr=0), then=F('mrr'))).",
    "Now": "Write now(), or days(-30) for a moment from now.",
    "ExpressionWrapper": "Write the arithmetic alone, F('mrr') * 12: its type is known.",
    "FilteredRelation": "Give the figure its condition: Count('tickets', filter=Q(tickets__status='open')).",
    "Prefetch": "Name the relation, prefetch_related('licenses'), or ask it: company.licenses.filter(...).",
    **{f"Extract{part}": _PART for part in ("Year", "Quarter", "Month", "Week", "Day", "WeekDay", "Hour")},
    **{f"Trunc{unit}": _DAY for unit in ("Year", "Quarter", "Month", "Week", "Day", "Date")},
}
"""What to write, by Django's name."""


def missing(module: str, name: str) -> Exception:
    """The error for a name that a module has not.

    It is an ImportError where there is something to say: of an AttributeError, `from ... import` shows no word.
    """
    if name in INSTEAD:
        return ImportError(f"{module} has no {name}. {INSTEAD[name]}", name=name)
    return AttributeError(f"module {module!r} has no attribute {name!r}")
