"""Relations: one load for all records that came together, on the server where it can, and never in a running loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Company, Deal, Issue, License, NotLoaded, Planhat, Task, User
from planhat_orm.emulator import Emulator

from .conftest import Calls, connect

Rows = Callable[[str], list[dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("planhat")


def test_a_loop_over_5000_licences_asks_for_their_companies_once() -> None:
    tenant = Emulator(companies=400, licenses=5000, endusers=0, conversations=0, tasks=0, seed=1)
    with tenant as emulator, connect(emulator):
        licences = list(License.objects.all())
        assert len(licences) == 5000
        emulator.log.clear()
        names = {licence.company.name for licence in licences}
        assert len(names) > 300
        pages = -(-400 // 5000)
        assert len(emulator.log) <= 1 + pages
        assert {call.path for call in emulator.log} == {"/companies"}
        emulator.log.clear()
        assert {record.company.name for record in License.objects.all()} == names
        # Three pages of licences and the proof that they are all, and again the companies.
        assert emulator.log.count("GET", "/licenses") == 4 and emulator.log.count("GET", "/companies") <= 1 + pages


def test_a_forward_relation_is_loaded_for_all_peers(calls: Calls) -> None:
    tasks = list(Task.objects.all())
    calls()
    owners = [task.owner for task in tasks]
    assert all(isinstance(owner, User) for owner in owners if owner is not None) and any(owners)
    assert set(calls()) == {"GET /users"}
    assert [task.owner for task in tasks] == owners and calls() == []


def test_a_reference_to_nothing_is_none(calls: Calls) -> None:
    company = Company.from_wire({"_id": "5" * 24, "owner": "0" * 24})
    assert company.owner is None and len(calls()) == 1
    assert Company.from_wire({"_id": "5" * 24}).owner is None and calls() == []


def test_reverse_relations_are_asked_by_company(emulator: Emulator, rows: Rows) -> None:
    row = next(row for row in rows("license") if row["value"] > 0)
    company = Company.objects.get(row["companyId"])
    emulator.log.clear()
    found = company.licenses.filter(value__gt=0).order_by("-value")
    assert row["_id"] in [record.id for record in found]
    assert company.licenses.count() >= len(found)
    assert {call.query.get("companyId") for call in emulator.log} == {company.id}


def test_lines_of_a_deal(rows: Rows) -> None:
    line = rows("line_item")[0]
    deal = Deal.objects.get(line["dealId"])
    assert line["_id"] in [line_item.id for line_item in deal.line_items]
    assert deal.line_items[0].deal == deal


def test_many_to_many(rows: Rows, calls: Calls) -> None:
    row = next(row for row in rows("issue") if row["companyIds"])
    issue = Issue.objects.get(row["_id"])
    assert [company.id for company in issue.companies] == sorted(set(row["companyIds"]))
    assert issue.companies.filter(id=row["companyIds"][0]).exists()
    back = Company.objects.get(row["companyIds"][0])
    assert issue in list(back.issues)
    calls()
    for record in Issue.objects.prefetch_related("companies"):
        assert [company.id for company in record.companies] == sorted(set(record.company_ids))
    assert len(calls()) <= 4


def test_prefetching_goes_on_over_relations(calls: Calls) -> None:
    licences = list(License.objects.prefetch_related("company__owner", "company__licenses"))
    calls()
    for licence in licences:
        assert licence in list(licence.company.licenses)
        assert licence.company.owner is None or licence.company.owner.email
    assert calls() == []


def test_only_and_prefetch_go_together(calls: Calls) -> None:
    licences = list(License.objects.only("product").prefetch_related("company"))
    calls()
    assert all(licence.company.name for licence in licences) and calls() == []


def test_conditions_over_one_relation_read_it_once(rows: Rows, calls: Calls) -> None:
    companies = {row["_id"]: row for row in rows("company")}
    found = License.objects.filter(company__status="customer", company__h__lte=5, company__owner__email__contains="@")
    assert [record.id for record in found] == [
        row["_id"]
        for row in rows("license")
        if (company := companies[row["companyId"]])["status"] == "customer"
        and company["h"] <= 5
        and company.get("owner")
    ]
    made = calls()
    assert made.count("GET /companies") == 2 and made.count("GET /users") == 2, "a page, and one to prove the end"


# --- in tasks -------------------------------------------------------------------------------------------


def test_an_unfetched_relation_in_a_running_loop_says_what_to_type(planhat: Planhat, calls: Calls) -> None:
    async def main() -> None:
        licences = [record async for record in License.objects.all()]
        calls()
        with pytest.raises(NotLoaded, match=r"await record\.aload\('company'\), or prefetch_related\('company'\)"):
            licences[0].company  # noqa: B018
        assert calls() == [] and licences[0].company_id
        await licences[0].aload("company")
        assert len(calls()) <= 2
        assert all(licence.company.name for licence in licences)
        ready = [record async for record in License.objects.prefetch_related("company__owner")]
        calls()
        assert [write.company.owner for write in ready] and calls() == []
        await planhat.aclose()

    asyncio.run(main())


def test_a_callback_of_a_loop_is_told_too(planhat: Planhat) -> None:
    licence = License.objects.first()
    assert licence is not None
    told: list[Exception] = []

    async def main() -> None:
        def call() -> None:
            try:
                licence.company  # noqa: B018
            except NotLoaded as error:
                told.append(error)

        asyncio.get_running_loop().call_soon(call)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(told) == 1
    assert asyncio.run(asyncio.to_thread(lambda: licence.company.name))
