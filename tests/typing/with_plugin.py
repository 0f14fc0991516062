"""What `planhat_orm.mypy_plugin` sees: lines that end with this mark are errors with it. Never run."""

from __future__ import annotations

from typing import assert_type

from planhat_orm import Company, Count, Custom, F, License, Q, QuerySet, Sum, User


class Account(Company):
    tier = Custom("Tier", str)


class AtRisk(QuerySet["Managed"]):
    def at_risk(self) -> AtRisk:
        return self.filter(h__lte=3).filter(teir="A")  # E


class Managed(Account):
    objects = AtRisk.as_manager()


Company.objects.filter(mmr=1)  # E
Company.objects.filter(mmr__gte=1)  # E
Company.objects.exclude(nmae__icontains="x")  # E
Company.objects.get(externalid="x")  # E
Company.objects.filter(mrr__icontains="x")  # E
Company.objects.filter(owner__emial="x")  # E
Company.objects.filter(licenses__prodcut="x")  # E
Company.objects.filter(renewal_date__month__contains=1)  # E
Company.objects.filter(parent__nme="x")  # E
Company.objects.get("x").licenses.filter(mmr=1)  # E
Company.objects.annotate(n=Count("tickets")).filter(m__gte=2)  # E
Account.objects.filter(tear="A")  # E
License.objects.filter(company__owner__nickname="x")  # E
Managed.objects.filter(mmr=1)  # E

Company.objects.filter(Q(mrr__gte=1), mrr=1, owner__email="x", licenses__mrr__gte=5, tags__contains="vip")
Company.objects.filter(renewal_date__month=12, renewal_date__date__gte="2026-01-01", owner=None, licenses__isnull=True)
Company.objects.filter(custom__Tier="A", custom__Seats__gte=5, owner__in=[], descendants__tickets__status="open")
Company.objects.get(external_id="x").endusers.exclude(archived=True)
Account.objects.filter(tier="A", tier__in=["A"], mrr=1)
Managed.objects.filter(tier="A", h__lte=3).at_risk()
options = {"mrr__gte": 5}
Company.objects.filter(**options)
Company.objects.annotate(n=Count("tickets"), s=Sum("licenses__mrr")).filter(n__gte=2, s=5, mrr=1).order_by("-n")


class Busy(QuerySet["Kept"]):
    pass


class Kept(Company):
    objects = Busy.as_manager()


Kept.objects.annotate(n=Count("tickets")).filter(n__gte=2)

busy = Company.objects.annotate(n=Count("tickets"), s=Sum("licenses__mrr"), twice=F("mrr") * 2).filter(n__gte=2)
for company in busy:
    assert_type(company.n, int)
    assert_type(company.s, float | None)
    assert_type(company.twice, float)
    company.m  # E
assert_type(busy.values_list("name", "mrr", "n").first(), tuple[str, float, int] | None)
assert_type(Company.objects.values_list("name", "owner__email", "h").first(), tuple[str, str, int] | None)
assert_type(Account.objects.values_list("tier").first(), tuple[str] | None)
assert_type(busy.filter(owner=User()).first() is None, bool)
