"""The Python that the demo shows is the Python that it runs: these functions are printed and called.

What a user would type is the body of each function; its docstring says in words what it is for.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from ... import Company, Count, Enduser, License, Planhat, Sum
from ...models.results import BatchResult
from ...writes import WritePlan


def renewals_at_risk() -> Any:
    """Which licences renew within 90 days at companies of poor health?"""
    due = License.objects.filter(renewal_status="ongoing", renewal_days_from_now__range=(0, 90))
    poor = due.filter(company__h__lte=3).order_by("-mrr")
    return poor.values("company__name", "company__h", "product", "mrr", "renewal_date")[:5]


def large_a_accounts() -> Any:
    """Which large customers of tier A bring in the most? Tier and Seats are custom fields."""
    large = Company.objects.filter(status="customer", custom__Tier="A", custom__Seats__gte=300)
    return large.order_by("-mrr").values("name", "custom__Tier", "custom__Seats", "mrr")[:5]


def revenue_by_phase() -> Any:
    """How many customers are in each phase, and what do they bring in a month?"""
    phases = Company.objects.filter(status="customer").group_by("phase")
    return phases.aggregate(customers=Count(), mrr=Sum("mrr"))


QUESTIONS = (renewals_at_risk, large_a_accounts, revenue_by_phase)


def change(planhat: Planhat, print: Callable[[WritePlan | BatchResult], None]) -> None:
    """Rescue customers in poor health, close renewals that are due, and mark the contacts of companies in renewal."""
    with planhat.batch() as batch:
        for company in Company.objects.filter(status="customer", h__lte=2):
            company.phase = "At risk"
            company.custom["Tier"] = "A"
            company.save()
        due = License.objects.filter(renewal_status="ongoing", renewal_days_from_now__range=(0, 60))
        for licence in due:
            licence.renewal_status = "renewed"
            licence.save()
        # The copy knows which contacts these are, so finding them takes no request.
        for contact in Enduser.objects.using("mirror").filter(primary=True, company__phase="Renewal"):
            contact.tags.append("Renewal 2026")
            contact.save()
        print(batch.plan())
    print(batch.result)


def shown(function: Callable[..., Any]) -> str:
    """The body of a function as a user would type it."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith('    """')) + 1
    return textwrap.dedent("\n".join(lines[first:])).replace("\nreturn ", "\n")
