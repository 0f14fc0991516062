"""Queries on a mirror, without a request; against a loop over the same records as dicts in memory, already parsed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planhat_orm import Company, Custom, Planhat, Sum

from .data_sets import companies
from .measure import Line, Scale, medians
from .server import serving


class Subscriber(Company):
    """Companies with their plan, found by an index."""

    plan = Custom("Plan", str, index=True)


def run(scale: Scale) -> Iterator[Line]:
    rows = list(companies(scale.rows))
    with tempfile.TemporaryDirectory() as folder, serving(scale.rows) as url:
        where = Path(folder) / "mirror.db"
        with Planhat(api_url=url, api_token="test-token", mirror=where, read="mirror") as planhat:
            planhat.sync(Subscriber)
            for what, (query, plain) in _cases(rows).items():
                assert query() == plain(), what
                mine, other = medians(scale.times, query, plain)
                yield Line(what, mine, mine / other, "a loop over dicts")
            chosen = Subscriber.objects.filter(plan="Enterprise", status="customer")
            # A queryset keeps what it fetched, so each time is a new one's.
            (seconds,) = medians(scale.times, lambda: list(chosen.all()))
            yield Line(
                "the customers on one plan, as objects", seconds, beside=f"{chosen.count() / seconds:,.0f} a second"
            )
            everything = Subscriber.objects.all()
            (seconds,) = medians(scale.times, lambda: sum(1 for _ in everything.iterator()))
            yield Line("all companies, as objects", seconds, beside=f"{scale.rows / seconds:,.0f} a second")


def _cases(rows: list[dict[str, Any]]) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    objects = Subscriber.objects
    late = max(row["updatedAt"] for row in rows[::7])
    customers = [row for row in rows if row["status"] == "customer"]
    return {
        "count by a field": (
            lambda: objects.filter(phase="Renewal").count(),
            lambda: sum(row.get("phase") == "Renewal" for row in rows),
        ),
        "count by an indexed field": (
            lambda: objects.filter(updated_at__gt=late).count(),
            lambda: sum(row["updatedAt"] > late for row in rows),
        ),
        "count by an indexed custom field": (
            lambda: objects.filter(plan="Enterprise").count(),
            lambda: sum((row["custom"] or {}).get("Plan") == "Enterprise" for row in rows),
        ),
        "count by a part of a text, case aside": (
            lambda: objects.filter(name__icontains="ENERGY").count(),
            lambda: sum("energy" in row["name"].lower() for row in rows),
        ),
        "a sum by a filter": (
            lambda: objects.filter(status="customer", mrr__lte=500).aggregate(sum=Sum("mrr"))["sum"],
            lambda: sum(row["mrr"] for row in rows if row["status"] == "customer" and row["mrr"] <= 500),
        ),
        "the ten greatest": (
            lambda: [record.id for record in objects.filter(status="customer").order_by("-mrr")[:10]],
            lambda: [row["_id"] for row in sorted(customers, key=lambda row: (-row["mrr"], row["_id"]))[:10]],
        ),
    }
