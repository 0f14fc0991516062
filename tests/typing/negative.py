"""Lines that must be type errors: every one marked `# E`, for mypy --strict and pyright alike. Never run."""

from __future__ import annotations

from datetime import datetime

from planhat_orm import Company, Custom, Enduser, License, Planhat, Q, QuerySet


class Account(Company):
    tier = Custom("Tier", str)
    seats = Custom("Seats", int)


planhat = Planhat()
company = Company.objects.get("5f0c")
account = Account.objects.get("5f0c")

company.nmae  # E
company.phse = "Live"  # E
company.phase = 3  # E
company.tags = "vip"  # E
company.tags.append(3)  # E
company.last_renewal = "2026-01-01"  # E
company.csm_score = "high"  # E
company.custom = []  # E
company.owner = company  # E
company.licenses.first().product  # E
company.save("phase", "tier")  # E
company.owner.nmae  # E
account.seats = "many"  # E
account.tier = 3  # E
account.teir  # E
wrong_name: int = company.name  # E
wrong_mrr: str = company.mrr  # E
wrong_date: str = company.last_updated  # E
wrong_list: list[Enduser] = list(Company.objects.all())  # E
wrong_set: QuerySet[License] = Company.objects.all()  # E
wrong_count: str = Company.objects.count()  # E
wrong_first: Company = Company.objects.first()  # E
Company.objects.fliter(name="x")  # E
Company.objects.order_by(1)  # E
Company.objects.only(Company.name)  # E
Company.objects.get(5)  # E
Company.objects.filter("name")  # E
Company.mrr >= "much"  # E
Company.h < "low"  # E
Company.objects.get(None)  # E
Company.objects.values_list("name", named="yes")  # E
Company.objects.in_bulk(5)  # E
Q("name")  # E
planhat.compny  # E
planhat.company.get_by_idd("x")  # E
planhat.company.get_by_id(5)  # E
planhat.on("saev", print)  # E
Planhat(read="mirorr")  # E
Planhat(scan=True)  # E
License(product="x").from_date = "2026-01-01"  # E
wrong_when: datetime = company.name  # E
