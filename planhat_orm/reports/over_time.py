"""What the customers came to on each day that the mirror remembers: figures for a line of sparks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from ..models.resources import Company

if TYPE_CHECKING:
    from ..mirror.mirror import Mirror

_CUSTOMER = "customer"
Held = dict[str, tuple[Any, Any]]


def over_time(mirror: Mirror) -> dict[str, list[tuple[date, float]]]:
    """Customers and their MRR at the end of each day on which one was seen to change, oldest first.

    The first value of each is that of before. Makes no request; raises `MirrorIncomplete` without companies.
    """
    queryset = Company.objects.using(mirror.source)
    held: Held = {id: (status, mrr) for id, status, mrr in queryset.values_list("id", "status", "mrr")}
    count = sum(status == _CUSTOMER for status, _ in held.values())
    sum_of_mrr = sum(map(_mrr, held.values()))
    customers: list[tuple[date, float]] = []
    revenue: list[tuple[date, float]] = []
    seen = mirror.changes(models=[Company], fields=["status", "mrr"])
    for change in reversed(seen):
        day = change.at.date()
        if not customers or customers[-1][0] != day:
            customers.append((day, count))
            revenue.append((day, sum_of_mrr))
        now = held.pop(change.id, (None, None))
        before = (change.fields.get("status", now)[0], change.fields.get("mrr", (now[1],))[0])
        if change.kind != "created":
            held[change.id] = before
        count += (change.kind != "created" and before[0] == _CUSTOMER) - (now[0] == _CUSTOMER)
        sum_of_mrr += (0 if change.kind == "created" else _mrr(before)) - _mrr(now)
    if not seen:
        return {"customers": [], "mrr": []}
    day = seen[0].at.date()
    return {"customers": [(day, count), *customers[::-1]], "mrr": [(day, round(sum_of_mrr, 2)), *revenue[::-1]]}


def _mrr(record: tuple[Any, Any]) -> float:
    status, mrr = record
    return float(mrr) if status == _CUSTOMER and isinstance(mrr, (int, float)) else 0.0
