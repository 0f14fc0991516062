"""The verbs that find: what they return, when they raise, and how far they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import (
    Avg,
    Company,
    Count,
    Enduser,
    F,
    FieldError,
    Max,
    Metric,
    Min,
    PlanhatError,
    Sum,
    UserActivity,
    ValidationError,
)
from planhat_orm.emulator import Emulator
from planhat_orm.emulator.switches import Switches

from .conftest import Account, Calls

Rows = Callable[[str], list[dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("planhat")


# --- get ------------------------------------------------------------------------------------------------


def test_get_by_an_id_is_one_request(rows: Rows, calls: Calls) -> None:
    row = rows("company")[3]
    for find in (
        lambda: Company.objects.get(row["_id"]),
        lambda: Company.objects.get(id=row["_id"]),
        lambda: Company.objects.get(external_id=row["externalId"]),
        lambda: Company.objects.get(f"extid-{row['externalId']}"),
        lambda: Company.objects.get(row["_id"], status=row["status"]),
        lambda: Company.objects.get_or_none(row["_id"]),
    ):
        found = find()  # type: ignore[no-untyped-call]
        assert found is not None and found.id == row["_id"]
        assert len(calls()) == 1


def test_get_refuses_what_is_no_id(calls: Calls) -> None:
    for act in (
        lambda: Company.objects.get(None),  # type: ignore[arg-type]
        lambda: Company.objects.get_or_none(None),  # type: ignore[arg-type]
        lambda: Company.objects.get(""),
        lambda: Company.objects.get(id=None),
        lambda: Company.objects.get(external_id=""),
        lambda: Company.objects.get_or_none(source_id=None),
    ):
        with pytest.raises(ValidationError, match="needs the id of one record"):
            act()  # type: ignore[no-untyped-call]
    assert calls() == []


def test_get_is_about_exactly_one(rows: Rows) -> None:
    row = rows("company")[0]
    assert Company.objects.get(Company.name == row["name"]).id == row["_id"]
    with pytest.raises(Company.MultipleObjectsReturned, match="more than one Company"):
        Company.objects.get(name__contains="a")
    with pytest.raises(Account.DoesNotExist, match="no Account with this id"):
        Account.objects.get("0" * 24)
    with pytest.raises(Company.DoesNotExist):
        Company.objects.get(row["_id"], status="lost", phase="no such phase")
    assert Company.objects.get_or_none(name="no such name") is None


# --- one, some, how many --------------------------------------------------------------------------------


def test_the_first_and_the_last_follow_the_order(rows: Rows) -> None:
    by_mrr = sorted(rows("company"), key=lambda row: row["mrr"])
    assert Company.objects.order_by("mrr", "id").first().mrr == by_mrr[0]["mrr"]  # type: ignore[union-attr]
    assert Company.objects.order_by("mrr").last().mrr == by_mrr[-1]["mrr"]  # type: ignore[union-attr]
    assert Company.objects.latest("mrr").mrr == by_mrr[-1]["mrr"]
    assert Company.objects.earliest("mrr").mrr == by_mrr[0]["mrr"]
    assert Company.objects.filter(mrr__lt=0).first() is Company.objects.filter(mrr__lt=0).last() is None
    with pytest.raises(Company.DoesNotExist, match="has a value in source_id"):
        Company.objects.filter(mrr__lt=0).latest("source_id")
    with pytest.raises(FieldError, match="before a slice"):
        Company.objects.all()[:3].latest("mrr")


def test_slices_and_places(rows: Rows, calls: Calls) -> None:
    ids = [row["_id"] for row in rows("company")]
    queryset = Company.objects.all()
    assert [record.id for record in queryset[2:5]] == ids[2:5]
    assert [record.id for record in queryset[2:][1:3]] == ids[3:5]
    assert queryset[4].id == ids[4]
    calls()
    assert queryset[1].id == ids[1] and queryset[1:3].count() == 2 and bool(queryset)
    for wrong in (lambda: queryset[-1], lambda: queryset[-3:], lambda: queryset[::2]):
        with pytest.raises(FieldError, match=r"from the end|takes no step"):
            wrong()
    with pytest.raises(TypeError, match="not by str"):
        queryset["name"]  # type: ignore[call-overload]
    with pytest.raises(IndexError, match="there are 40"):
        queryset[40]
    with pytest.raises(FieldError, match="comes before a slice"):
        queryset[:3].filter(name="x")


def test_a_loop_that_stops_keeps_what_came(rows: Rows, calls: Calls) -> None:
    contacts = Enduser.objects.all()
    for contact in contacts:
        assert contact.id
        break
    assert len(calls()) == 2  # the first page, and beside it where the list ends
    assert bool(contacts) and contacts[0].id and contacts.exists() and contacts.first() is contacts[0]
    assert calls() == []
    assert len(contacts) == contacts.count() == sum(not row.get("archived") for row in rows("enduser"))


def test_in_bulk_by_id_and_by_key(rows: Rows, calls: Calls) -> None:
    companies = rows("company")
    ids = [row["_id"] for row in companies]
    found = Company.objects.in_bulk([*ids[:2], ids[0], "0" * 24])
    assert list(found) == ids[:2] and len(calls()) == 3
    keys = [row["externalId"] for row in companies if row.get("externalId")][:3]
    by_key = Company.objects.in_bulk([*keys, "no such key"], key="external_id")
    assert list(by_key) == keys
    assert calls() == [f"GET /companies/extid-{key}" for key in [*keys, "no such key"]]
    assert len(Company.objects.in_bulk(keys * 1 + [f"x{n}" for n in range(9)], key="external_id")) == 3
    assert len(calls()) == 2
    assert Company.objects.in_bulk([]) == {} and calls() == []
    with pytest.raises(ValidationError, match="takes a list"):
        Company.objects.in_bulk("abc")


def test_in_bulk_by_key_hides_what_lists_hide(rows: Rows) -> None:
    hidden = next(row for row in rows("enduser") if row.get("archived") and row.get("externalId"))
    keys = [hidden["externalId"]]
    assert Enduser.objects.in_bulk(keys, key="external_id") == {}
    assert list(Enduser.objects.include_hidden().in_bulk(keys, key="external_id")) == keys


def test_a_hidden_record_is_found_by_its_id_whatever_else_is_asked_of_it(rows: Rows) -> None:
    hidden = next(row for row in rows("enduser") if row.get("archived") and row.get("companyId"))
    company = next(row for row in rows("company") if row["_id"] == hidden["companyId"])
    for contacts in (
        Enduser.objects.all(),
        Enduser.objects.filter(company__name=company["name"]),
        Enduser.objects.annotate(customer=F("company__name")),
    ):
        assert contacts.get(hidden["_id"]).id == hidden["_id"]


def test_figures(rows: Rows) -> None:
    companies = rows("company")
    total = Account.objects.aggregate(
        n=Count(), with_tier=Count("tier"), mrr=Sum("mrr"), seats=Avg("seats"), least=Min("mrr"), tier=Max("tier")
    )
    assert total["n"] == len(companies) and total["mrr"] == sum(row["mrr"] for row in companies)
    assert total["least"] == min(row["mrr"] for row in companies) and total["tier"] == "C"
    groups = Account.objects.group_by("phase").aggregate(n=Count(), mrr=Sum("mrr"))
    assert sum(row["n"] for row in groups) == len(companies)
    for group in groups:
        assert group["mrr"] == sum(row["mrr"] for row in companies if row.get("phase") == group["phase"])
    with pytest.raises(FieldError, match="Sum needs a field of numbers"):
        Company.objects.aggregate(x=Sum("name"))


def test_activities_are_sent_and_never_listed(calls: Calls) -> None:
    for act in (UserActivity.objects.count, UserActivity.objects.first, UserActivity.objects.explain):
        with pytest.raises(PlanhatError, match="lists no user_activity records"):
            act()
    assert calls() == []


def test_the_list_of_issues_is_narrowed_by_company(emulator: Emulator, rows: Rows) -> None:
    linked = next(row for row in rows("issue") if row["companyIds"])
    [company] = list(Company.objects.prefetch_related("issues").filter(id=linked["companyIds"][0]))
    assert linked["_id"] in [issue.id for issue in company.issues]
    assert {call.query.get("companyId") for call in emulator.log.matching("GET", "/issues")} == {company.id}


@pytest.mark.parametrize("spelling", ["both", "cid"])
def test_values_of_a_metric_are_narrowed_by_company_and_metric(own: Any, spelling: str) -> None:
    emulator, client = own(
        companies=6,
        licenses=0,
        endusers=0,
        conversations=0,
        tasks=0,
        seed=1,
        switches=Switches(metric_company_param=spelling),  # type: ignore[arg-type]
    )
    rows = emulator.store.all("metric")
    one = rows[0]
    emulator.log.clear()
    found = Metric.objects.using(client).filter(company_id=one["companyId"], dimension_id=one["dimensionId"])
    assert {value.id for value in found} == {
        row["_id"] for row in rows if (row["companyId"], row["dimensionId"]) == (one["companyId"], one["dimensionId"])
    }
    asked = emulator.log[0].query
    assert (asked["cId"], asked["dimid"]) == (one["companyId"], one["dimensionId"])
    assert not found.explain().full_scan
