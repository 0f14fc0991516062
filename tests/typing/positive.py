"""What the types of ordinary code are. Checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, assert_type

from planhat_orm import (
    Batch,
    BatchResult,
    BulkError,
    Company,
    Conversation,
    Count,
    Custom,
    Enduser,
    F,
    Groups,
    License,
    Plan,
    Planhat,
    Q,
    QuerySet,
    RowResult,
    SaveResult,
    Sum,
    Task,
    User,
    WritePlan,
)
from planhat_orm.writes.reconcile_plan import ReconcilePlan


class Account(Company):
    tier = Custom("Tier", str)
    seats = Custom("Seats", int)
    score = Custom("Score", float)
    reference = Custom("Reference customer", bool)
    go_live = Custom("Go-live", datetime)
    review = Custom("Next review day", date)


class AtRisk(QuerySet["Managed"]):
    def at_risk(self) -> AtRisk:
        return self.filter(h__lte=3)


class Managed(Account):
    objects = AtRisk.as_manager()


planhat = Planhat()
company = Company.objects.get("5f0c")
assert_type(company, Company)
assert_type(company.id, str)
assert_type(company.name, str)
assert_type(company.mrr, float)
assert_type(company.h, int)
assert_type(company.tags, list[str])
assert_type(company.last_updated, datetime)
assert_type(company.custom, dict[str, Any])
assert_type(company.owner_id, str)
assert_type(company.owner, User)
assert_type(company.owner.email, str)
assert_type(company.licenses, QuerySet[License])
assert_type(company.endusers.first(), Enduser | None)
assert_type(company.changes(), dict[str, Any])
assert_type(company.save(), SaveResult)
assert_type(company.refresh(), Company)
assert_type(company.delete(), None)
assert_type(company.synced_at, datetime | None)
assert_type(company.to_wire(), dict[str, Any])
assert_type(company.clone(), Company)

account = Account.objects.get(external_id="a-1")
assert_type(account, Account)
assert_type(account.tier, str)
assert_type(account.seats, int)
assert_type(account.score, float)
assert_type(account.reference, bool)
assert_type(account.go_live, datetime)
assert_type(account.review, date)
assert_type(account.name, str)
assert_type(account.refresh(), Account)

customers = Company.objects.filter(Company.h < 4, status="customer")
assert_type(customers, QuerySet[Company])
assert_type(customers.exclude(name="x"), QuerySet[Company])
assert_type(customers.order_by("-mrr"), QuerySet[Company])
assert_type(customers.only("name"), QuerySet[Company])
assert_type(customers.using("mirror"), QuerySet[Company])
assert_type(customers.prefetch_related("licenses"), QuerySet[Company])
assert_type(customers[:10], QuerySet[Company])
assert_type(customers[0], Company)
assert_type(customers.first(), Company | None)
assert_type(customers.last(), Company | None)
assert_type(customers.latest("last_updated"), Company)
assert_type(customers.get_or_none(name="x"), Company | None)
assert_type(customers.count(), int)
assert_type(customers.exists(), bool)
assert_type(customers.in_bulk(["a"]), dict[str, Company])
assert_type(customers.explain(), Plan)
assert_type(customers.iterator(), Iterator[Company])
assert_type(list(customers), list[Company])
assert_type(list(customers.values("name")), list[dict[str, Any]])
assert_type(customers.aggregate(total=Sum("mrr"), n=Count()), dict[str, Any])
assert_type(customers.group_by("phase").aggregate(n=Count()), list[dict[str, Any]])
assert_type(Company.objects.create(name="x"), Company)
assert_type(Company.objects.get_or_create(external_id="x"), tuple[Company, bool])
assert_type(Company.objects.update_or_create(external_id="x"), tuple[Company, bool])
assert_type(Managed.objects, AtRisk)
assert_type(Managed.objects.at_risk().first(), Managed | None)

assert_type(Company.mrr >= 1000, Q)
assert_type(Company.mrr < Company.arr, Q)
assert_type(Company.h >= F("mrr"), Q)
assert_type(Account.seats > Account.mrr, Q)
assert_type(Company.objects.get(Company.name == "Acme"), Company)
assert_type(customers.defer("tags"), QuerySet[Company])
assert_type(customers.select_related("owner"), QuerySet[Company])
assert_type(customers.earliest("mrr"), Company)
assert_type(customers.delete(max_requests=5), int)
assert_type(customers.values("name").first(), dict[str, Any] | None)
assert_type((Company.h < 4) | Q(phase="Live"), Q)
assert_type(~Q(phase="Live"), Q)

n = Count("licenses")
assert_type(n.of(company), int)
assert_type(customers.annotate(n=n), QuerySet[Company])
assert_type(customers.values_list(Company.name, n).first(), tuple[str, int] | None)
assert_type(customers.values_list(Company.name, flat=True).first(), str | None)
assert_type(customers | customers, QuerySet[Company])
assert_type(customers.group_by("phase").annotate(n=n), Groups)

license = License(product="Platform", currency="EUR", company=company)
assert_type(license.company, Company)
assert_type(license.company_id, str)
assert_type(license.from_date, datetime)
assert_type(license.auto_renews, bool)
assert_type(Task.objects.first(), Task | None)
assert_type(Conversation.objects.all(), QuerySet[Conversation])

with planhat.batch() as batch:
    assert_type(batch, Batch)
    assert_type(batch.plan(), WritePlan)
assert_type(batch.result, BatchResult)
assert_type(batch.result.failed, list[RowResult])
assert_type(batch.retry(), BatchResult)
assert_type(planhat.save_all([company]), BatchResult)
assert_type(Company.objects.bulk_upsert([{"name": "Acme"}, company]), BatchResult)
assert_type(Company.objects.update(phase="Live"), BatchResult)
assert_type(Company.objects.reconcile([{"source_id": "a"}], key="source_id"), ReconcilePlan[Company])
assert_type(Company.objects.reconcile("a.csv", key="source_id").apply(), BatchResult)
assert_type(Company.objects.update_or_create(external_id="a", defaults={"name": "Acme"}), tuple[Company, bool])
assert_type(planhat.calls, int)
assert_type(planhat.company.get_by_id("x"), dict[str, Any])
assert_type(planhat.company.get_list(), Iterator[list[dict[str, Any]]])

try:
    company.phase = None
    company.tags = ["vip"]
    company.owner = company.owner
    account.seats = 3
except Company.DoesNotExist as missing:
    assert_type(missing.attempts, int)
except BulkError as failure:
    assert_type(failure.result, Any)


async def in_a_task() -> None:
    assert_type(await Company.objects.aget("x"), Company)
    assert_type(await Company.objects.acount(), int)
    assert_type(await Company.objects.ain_bulk(["x"]), dict[str, Company])
    assert_type(await Company.objects.aget_or_create(external_id="x"), tuple[Company, bool])
    assert_type(await Company.objects.afirst(), Company | None)
    assert_type(await company.asave(), SaveResult)
    assert_type(await company.aload("owner"), Company)
    async for record in Company.objects.all():
        assert_type(record, Company)
