"""What conditions mean: filter and exclude, None, Q and F, relations, lists and custom fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm import (
    Company,
    Conversation,
    Enduser,
    F,
    FieldError,
    Issue,
    License,
    Note,
    Planhat,
    Q,
    Task,
    Ticket,
    UnknownNameWarning,
    User,
    ValidationError,
)

from .conftest import Account, Calls

Rows = Callable[[str], list[dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("planhat")


def ids(found: Any) -> list[str]:
    return [record.id for record in found]


def where(rows: list[dict[str, Any]], test: Callable[[dict[str, Any]], Any]) -> list[str]:
    found = [row["_id"] for row in rows if test(row)]
    assert 0 < len(found) < len(rows), "a condition that all or none satisfy shows nothing"
    return found


def custom(row: dict[str, Any]) -> dict[str, Any]:
    return row.get("custom") or {}


# --- filter and exclude ---------------------------------------------------------------------------------


def test_filter_and_exclude_are_complements(rows: Rows) -> None:
    companies = rows("company")
    for condition, test in [
        ({"status": "customer"}, lambda row: row["status"] == "customer"),
        ({"phase": "Onboarding"}, lambda row: row.get("phase") == "Onboarding"),
        ({"mrr__gte": 500}, lambda row: row["mrr"] >= 500),
        ({"name__icontains": "HAVEN"}, lambda row: "haven" in row["name"].lower()),
        ({"tags__contains": "Gold"}, lambda row: "Gold" in row["tags"]),
        ({"custom__Tier": "A"}, lambda row: custom(row).get("Tier") == "A"),
        ({"renewal_date__isnull": True}, lambda row: row.get("renewalDate") is None),
        ({"status": "customer", "mrr__lt": 2000}, lambda row: row["status"] == "customer" and row["mrr"] < 2000),
    ]:
        expected = where(companies, test)
        assert ids(Company.objects.filter(**condition)) == expected, condition  # type: ignore[arg-type]
        assert ids(Company.objects.exclude(**condition)) == [  # type: ignore[arg-type]
            row["_id"] for row in companies if row["_id"] not in expected
        ]


def test_conditions_add_up(rows: Rows) -> None:
    expected = where(
        rows("company"), lambda row: row["status"] == "customer" and row["mrr"] > 500 and "Gold" in row["tags"]
    )
    found = Company.objects.filter(status="customer").filter(mrr__gt=500).filter(tags__contains="Gold")
    assert ids(found) == ids(Company.objects.filter(Company.mrr > 500, status="customer", tags__contains="Gold"))
    assert ids(found) == expected


def test_none_is_null_or_absent(rows: Rows) -> None:
    expected = where(rows("company"), lambda row: row.get("renewalDate") is None)
    for lookups in ({"renewal_date": None}, {"renewal_date__isnull": True}, {"renewal_date__exact": None}):
        assert ids(Company.objects.filter(**lookups)) == expected
    assert ids(Company.objects.filter(Company.renewal_date == None)) == expected  # noqa: E711
    everybody = [row["_id"] for row in rows("company")]
    assert ids(Company.objects.filter(tags=None)) == []
    assert ids(Company.objects.exclude(tags=None)) == everybody
    assert ids(Company.objects.filter(co_owner_id__in=[None])) == ids(Company.objects.filter(co_owner_id=None))


def test_in_with_none_takes_what_is_missing_too(rows: Rows) -> None:
    date_ = next(row["renewalDate"] for row in rows("company") if row.get("renewalDate"))
    expected = where(rows("company"), lambda row: row.get("renewalDate") in (None, date_))
    assert ids(Company.objects.filter(renewal_date__in=[date_, None])) == expected


def test_nothing_is_in_an_empty_list_and_no_request_is_made(calls: Calls) -> None:
    for queryset in (
        Company.objects.filter(id__in=[]),
        Enduser.objects.filter(email__in=[]),
        License.objects.filter(company__in=[]),
        License.objects.filter(company_id__in=[], value__gt=5),
    ):
        assert list(queryset) == []
        assert queryset.count() == 0
        assert queryset.explain().requests == 0
    assert calls() == []
    assert len(Company.objects.exclude(id__in=[])) == 40


def test_one_condition_of_many(rows: Rows) -> None:
    companies = rows("company")
    for condition, test in [
        (Q(phase="Onboarding") | Q(tags__contains="Gold"), lambda row: row.get("phase") == "Onboarding" or "Gold" in row["tags"]),
        (~Q(phase="Onboarding") & Q(mrr__gt=0), lambda row: row.get("phase") != "Onboarding" and row["mrr"] > 0),
        (~(Q(mrr__gt=500) | Q(tags__contains="Gold")), lambda row: not (row["mrr"] > 500 or "Gold" in row["tags"])),
        (~~Q(mrr__gt=500), lambda row: row["mrr"] > 500),
        (Q(Company.mrr > 500, status="customer"), lambda row: row["mrr"] > 500 and row["status"] == "customer"),
        ((Company.mrr > 500) | (Company.name == companies[0]["name"]), lambda row: row["mrr"] > 500 or row is companies[0]),
    ]:  # fmt: skip
        assert ids(Company.objects.filter(condition)) == where(companies, test), condition


def test_an_empty_q_is_no_condition() -> None:
    assert len(Company.objects.filter(Q())) == len(Company.objects.filter()) == 40
    assert list(Company.objects.filter(~Q())) == list(Company.objects.exclude()) == []


def test_conditions_are_values() -> None:
    assert Q(phase="Live") == Q(phase="Live") != Q(phase="Trial")
    assert len({Q(phase="Live"), Q(phase="Live"), ~Q(phase="Live")}) == 2
    assert "phase='Live'" in repr(~(Q(phase="Live") | Q(mrr__gt=5)))
    with pytest.raises(TypeError, match="combine with & | ~"):
        bool(Q(phase="Live") and Q(mrr=5))
    with pytest.raises(FieldError, match=r"Q\(\) takes conditions"):
        Q("phase")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Q(phase="Live") & "x"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("company_owner", "owner"), ("monthly_mrr", "mrr"), ("customer_status", "status"), ("ownr", "owner")],
)
def test_a_name_with_a_word_too_many_gives_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(FieldError, match=f"Did you mean '{meant}'"):
        Account.objects.filter(tier="A", **{wrong: "Ada"})


def test_what_is_no_condition_is_refused() -> None:
    for wrong in ("phase", {"phase": "Live"}, True, Company.phase):
        with pytest.raises(FieldError, match=r"takes conditions such as Q\(\.\.\.\) or Company\.name == \.\.\."):
            Company.objects.filter(wrong)  # type: ignore[arg-type]


# --- F --------------------------------------------------------------------------------------------------


def test_two_fields_of_a_record(rows: Rows) -> None:
    companies = rows("company")
    for op, test in [
        ("mrr_total__gt", lambda row: row["mrrTotal"] > row["arr"]),
        ("mrr_total__lte", lambda row: row["mrrTotal"] <= row["arr"]),
    ]:
        assert ids(Company.objects.filter(**{op: F("arr")})) == where(companies, test)
    assert ids(Company.objects.filter(mrr=F("mr"))) == where(companies, lambda row: row["mrr"] == row["mr"])
    assert ids(Account.objects.filter(mrr__lt=F("seats"))) == [
        row["_id"] for row in companies if row["mrr"] < (custom(row).get("Seats") or -1)
    ]
    assert ids(Account.objects.filter(custom__Seats__gt=F("mrr"))) == ids(Account.objects.filter(mrr__lt=F("seats")))


def test_two_fields_of_a_class(rows: Rows) -> None:
    companies = rows("company")
    assert ids(Company.objects.filter(Company.mrr_total > Company.arr)) == where(
        companies, lambda row: row["mrrTotal"] > row["arr"]
    )
    assert ids(Account.objects.filter(Account.seats > Account.mrr)) == ids(Account.objects.filter(mrr__lt=F("seats")))
    assert ids(Company.objects.filter(Company.mrr != Company.mr)) == ids(Company.objects.exclude(mrr=F("mr")))
    assert ids(Account.objects.filter(Company.mrr_total > Account.arr)) == ids(
        Company.objects.filter(mrr_total__gt=Company.arr)
    )
    with pytest.raises(FieldError, match="is a field of another model"):
        Company.objects.filter(Company.mrr > License.mrr)


@pytest.mark.parametrize(
    ("lookups", "match"),
    [
        ({"mrr__gt": F("mmr")}, "Did you mean 'mrr'"),
        ({"mrr__in": F("arr")}, "not 'in'"),
        ({"name__contains": F("city")}, "not 'contains'"),
        ({"mrr__gt": F("owner__email")}, "cannot be compared"),
        ({"mrr__gt": F("licenses__value")}, "meets many values for one Company: take one figure of them"),
        ({"licenses__value__gt": F("mrr")}, r"meets many records, and F\(\) compares values of one"),
        ({"mrr__gt": F("name")}, "cannot be compared"),
        ({"name": F("renewal_date")}, "cannot be compared"),
        ({"mrr__gt": F("tags")}, "cannot be compared"),
    ],
)
def test_two_fields_that_cannot_be_compared(lookups: dict[str, Any], match: str) -> None:
    with pytest.raises(FieldError, match=match):
        Company.objects.filter(**lookups)


# --- relations ------------------------------------------------------------------------------------------


def test_a_forward_relation(rows: Rows) -> None:
    companies = {row["_id"]: row for row in rows("company")}
    expected = where(rows("license"), lambda row: companies[row["companyId"]].get("phase") == "Onboarding")
    assert ids(License.objects.filter(company__phase="Onboarding")) == expected
    assert ids(License.objects.exclude(company__phase="Onboarding")) == [
        row["_id"] for row in rows("license") if row["_id"] not in expected
    ]
    assert ids(License.objects.filter(~Q(company__phase="Onboarding"))) == ids(
        License.objects.exclude(company__phase="Onboarding")
    )


def test_a_reverse_relation_asks_for_any(rows: Rows) -> None:
    licenses = rows("license")
    rich = {row["companyId"] for row in licenses if row["mrr"] > 800}
    expected = where(rows("company"), lambda row: row["_id"] in rich)
    assert ids(Company.objects.filter(licenses__mrr__gt=800)) == expected
    assert ids(Company.objects.exclude(licenses__mrr__gt=800)) == where(
        rows("company"), lambda row: row["_id"] not in rich
    )
    some = {row["companyId"] for row in licenses}
    assert ids(Company.objects.filter(licenses__isnull=True)) == where(
        rows("company"), lambda row: row["_id"] not in some
    )
    assert ids(Company.objects.filter(licenses=None)) == ids(Company.objects.filter(licenses__isnull=True))
    assert ids(Company.objects.filter(licenses__isnull=False)) == where(rows("company"), lambda row: row["_id"] in some)


def test_conditions_of_one_call_over_a_relation_speak_of_one_record_there(rows: Rows) -> None:
    licenses, companies = rows("license"), rows("company")
    core = {row["companyId"] for row in licenses if row["product"] == "Analytics"}
    large = {row["companyId"] for row in licenses if row["mrr"] > 200}
    both = {row["companyId"] for row in licenses if row["product"] == "Analytics" and row["mrr"] > 200}
    assert both < core & large, "the two ways to read it differ"
    one_call = where(companies, lambda row: row["_id"] in both)
    for found in (
        Company.objects.filter(licenses__product="Analytics", licenses__mrr__gt=200),
        Company.objects.filter(Q(licenses__product="Analytics") & Q(licenses__mrr__gt=200)),
        Company.objects.filter(Q(licenses__product="Analytics"), Q(licenses__mrr__gt=200)),
        Company.objects.filter(Q(licenses__mrr__gt=200), licenses__product="Analytics", licenses__isnull=False),
    ):
        assert ids(found) == one_call
    outside = where(companies, lambda row: row["_id"] not in both)
    assert ids(Company.objects.exclude(licenses__product="Analytics", licenses__mrr__gt=200)) == outside
    assert ids(Company.objects.filter(~Q(licenses__product="Analytics", licenses__mrr__gt=200))) == outside


def test_conditions_of_two_calls_may_be_satisfied_by_two_records(rows: Rows) -> None:
    licenses = rows("license")
    one = {row["companyId"] for row in licenses if row["product"] == "Analytics"}
    other = {row["companyId"] for row in licenses if row["mrr"] > 200}
    expected = where(rows("company"), lambda row: row["_id"] in one & other)
    assert ids(Company.objects.filter(licenses__product="Analytics").filter(licenses__mrr__gt=200)) == expected


def test_what_is_under_not_speaks_of_its_own_record(rows: Rows) -> None:
    licenses = rows("license")
    one = {row["companyId"] for row in licenses if row["product"] == "Support"}
    other = {row["companyId"] for row in licenses if row["mrr"] > 800}
    expected = where(rows("company"), lambda row: row["_id"] in one - other)
    assert ids(Company.objects.filter(Q(licenses__product="Support") & ~Q(licenses__mrr__gt=800))) == expected


def test_alternatives_beside_a_condition_over_the_same_relation_speak_of_its_record(rows: Rows) -> None:
    licenses = rows("license")
    core = [row for row in licenses if row["product"] == "Analytics"]
    large = {row["companyId"] for row in core if row["mrr"] > 200}
    expected = where(
        rows("company"),
        lambda row: row["_id"] in large or (row["mrr"] > 5000 and row["_id"] in {item["companyId"] for item in core}),
    )
    asked = Q(licenses__product="Analytics") & (Q(licenses__mrr__gt=200) | Q(mrr__gt=5000))
    assert ids(Company.objects.filter(asked)) == expected


def test_too_many_alternatives_over_one_relation_are_refused() -> None:
    pairs = [Q(licenses__mrr=number) | Q(mrr=number) for number in range(12)]
    with pytest.raises(FieldError, match="too many ways"):
        Company.objects.filter(*pairs)


def test_the_plan_shows_which_conditions_speak_of_one_record() -> None:
    one = Company.objects.filter(licenses__product="Analytics", licenses__mrr__gt=200)
    assert "licenses[product = 'Analytics' and mrr > 200]" in repr(one)
    two = Company.objects.filter(licenses__product="Analytics").filter(licenses__mrr__gt=200)
    assert "licenses__product = 'Analytics' and licenses__mrr > 200" in repr(two)


def test_two_hops(rows: Rows) -> None:
    users = {row["_id"] for row in rows("user") if row["nickName"] == "Bela"}
    owned = {row["_id"] for row in rows("company") if row.get("owner") in users}
    expected = where(rows("license"), lambda row: row["companyId"] in owned)
    assert ids(License.objects.filter(company__owner__nick_name="Bela")) == expected
    sold = {row["companyId"] for row in rows("license") if row["mrr"] > 800}
    expected = where(rows("enduser"), lambda row: row["companyId"] in sold and not row["archived"])
    assert ids(Enduser.objects.filter(company__licenses__mrr__gt=800)) == expected


def test_a_list_of_references(rows: Rows) -> None:
    companies = {row["_id"]: row for row in rows("company")}
    customers = {company for company, row in companies.items() if row["status"] == "customer"}
    expected = where(rows("issue"), lambda row: customers & set(row["companyIds"]))
    assert ids(Issue.objects.filter(companies__status="customer")) == expected
    one = rows("issue")[0]["companyIds"][0]
    expected = where(rows("issue"), lambda row: one in row["companyIds"])
    for lookups in ({"company_ids__contains": one}, {"companies": one}, {"companies": Company(id=one)},
                    {"companies__in": [one]}, {"companies__id": one}, {"company_ids__overlap": [one]}):  # fmt: skip
        assert ids(Issue.objects.filter(**lookups)) == expected, lookups
    titles = {row["_id"] for row in rows("company") for issue in rows("issue") if issue["title"].startswith("Cannot") and row["_id"] in issue["companyIds"]}  # fmt: skip
    assert ids(Company.objects.filter(issues__title__startswith="Cannot")) == where(
        rows("company"), lambda row: row["_id"] in titles
    )


def test_a_relation_is_compared_with_records_and_ids(rows: Rows) -> None:
    one, two = (row["_id"] for row in rows("company")[:2])
    expected = where(rows("license"), lambda row: row["companyId"] == one)
    acme = Company.objects.get(one)
    for lookups in (
        {"company": acme},
        {"company": one},
        {"company_id": one},
        {"company__id": one},
        {"company_id": acme},
    ):
        assert ids(License.objects.filter(**lookups)) == expected
    assert ids(License.objects.filter(License.company == acme)) == expected
    both = where(rows("license"), lambda row: row["companyId"] in (one, two))
    assert ids(License.objects.filter(company__in=[acme, two])) == both
    assert ids(License.objects.filter(company__isnull=True)) == []
    assert len(License.objects.filter(company__isnull=False)) == 90


def test_a_relation_compared_with_something_else_is_refused() -> None:
    for lookups, match in [
        ({"company": User(id="u1")}, "User"),
        ({"company__in": [User(id="u1")]}, "User"),
        ({"company": Company(name="Acme")}, "never saved"),
        ({"company_id": User(id="u1")}, "User"),
        ({"name": Company(id="c1")}, "name is not compared with a Company"),
    ]:
        model = License if "name" not in lookups else Company  # type: ignore[operator]
        with pytest.raises(ValidationError, match=match):
            model.objects.filter(**lookups)  # type: ignore[arg-type]
    for lookups, match in [
        ({"company": Company.objects.all()}, "takes a queryset by the lookup in: company__in=queryset"),
        ({"company__in": User.objects.all()}, "takes a queryset of company, not of user"),
        ({"company__in": Company.objects.values("id")}, "takes a queryset, or values_list"),
        ({"company__in": Company.objects.values_list("mrr", flat=True)}, "company holds an id, and mrr a number"),
        ({"company__in": Company.objects.using("mirror")}, "read from different sources"),
    ]:
        with pytest.raises(FieldError, match=match):
            License.objects.filter(**lookups)  # type: ignore[arg-type]
    with pytest.raises(FieldError, match="takes exact, in and isnull, not 'gt'"):
        License.objects.filter(company__gt="x")
    with pytest.raises(FieldError, match="takes exact, in and isnull, not 'icontains'"):
        Company.objects.filter(licenses__icontains="x")


def test_more_hops_than_allowed_are_refused() -> None:
    with pytest.raises(FieldError, match="more than 4 relations"):
        License.objects.filter(company__org_root__org_root__org_root__org_root__name="x")


# --- kinds ----------------------------------------------------------------------------------------------


def test_lists(rows: Rows) -> None:
    companies = rows("company")
    gold = where(companies, lambda row: "Gold" in row["tags"])
    assert ids(Company.objects.filter(tags__contains="Gold")) == gold
    assert ids(Company.objects.filter(tags__overlap=["Gold", "At risk"])) == where(
        companies, lambda row: {"Gold", "At risk"} & set(row["tags"])
    )
    with pytest.raises(FieldError, match="tags holds a list, which takes contains, isnull, overlap, not 'exact'"):
        Company.objects.filter(tags="Gold")


def test_custom_fields_declared_and_not(rows: Rows) -> None:
    companies = rows("company")
    expected = where(companies, lambda row: custom(row).get("Tier") == "A")
    for queryset in (
        Account.objects.filter(tier="A"),
        Account.objects.filter(Account.tier == "A"),
        Account.objects.filter(custom__Tier="A"),
        Company.objects.filter(custom__Tier="A"),
        Company.objects.filter(custom__Tier__exact="A"),
        Company.objects.filter(custom__Tier__in=["A"]),
        Company.objects.filter(Q.custom("Tier", "A")),
        Company.objects.filter(Q.custom("Tier", iexact="a")),
    ):
        assert ids(queryset) == expected
    many = where(companies, lambda row: (custom(row).get("Seats") or 0) > 100)
    assert ids(Account.objects.filter(seats__gt=100)) == ids(Company.objects.filter(custom__Seats__gt=100)) == many
    plain = Company.objects.filter(Q.custom("Reference customer", True) & Q.custom("Seats", gte=10, lt=500))
    assert ids(plain) == where(
        companies, lambda row: custom(row).get("Reference customer") is True and 10 <= custom(row).get("Seats", 0) < 500
    )
    module = next(custom(row)["Modules"][0] for row in companies if custom(row).get("Modules"))
    assert ids(Account.objects.filter(modules__contains=module)) == ids(
        Company.objects.filter(custom__Modules__contains=module)
    )
    with pytest.warns(UnknownNameWarning, match="No company has a custom field 'Nowhere'"):
        assert ids(Company.objects.filter(custom__Nowhere="x")) == []
    assert len(Company.objects.filter(custom__isnull=False)) == sum(row["custom"] is not None for row in companies)


def test_dates_of_custom_fields(rows: Rows) -> None:
    companies = rows("company")
    live = where(companies, lambda row: (custom(row).get("Go-live") or "9") < "2025")
    assert ids(Account.objects.filter(golive__lt=datetime(2025, 1, 1, tzinfo=UTC))) == live
    day = date(1970, 1, 1).toordinal()
    limit = date(2026, 7, 1)
    soon = where(companies, lambda row: custom(row).get("Next review day", 0) > limit.toordinal() - day)
    assert ids(Account.objects.filter(review__gt=limit)) == soon


def test_moments(rows: Rows) -> None:
    companies = rows("company")
    expected = where(companies, lambda row: "2026-01" <= (row.get("renewalDate") or "") < "2027-01")
    for lookups in (
        {"renewal_date__year": 2026},
        {"renewal_date__range": (date(2026, 1, 1), "2026-12-31T23:59:59.999Z")},
        {"renewal_date__gte": datetime(2026, 1, 1, tzinfo=UTC), "renewal_date__lt": date(2027, 1, 1)},
    ):
        assert ids(Company.objects.filter(**lookups)) == expected


# --- what lists hide, and notes -------------------------------------------------------------------------


def test_hidden_records_come_when_they_are_asked_for(rows: Rows, calls: Calls) -> None:
    tasks = rows("task")
    shown = where(tasks, lambda row: not row["isArchived"])
    assert ids(Task.objects.all()) == shown
    assert Task.objects.count() == len(shown)
    assert ids(Task.objects.include_hidden()) == [row["_id"] for row in tasks]
    done = where(tasks, lambda row: row["isArchived"])
    assert ids(Task.objects.filter(is_archived=True)) == done
    assert ids(Task.objects.filter(is_archived=False)) == shown
    assert Task.objects.get(done[0]).is_archived


def test_a_condition_on_the_hidden_field_of_another_record_brings_none_in(rows: Rows) -> None:
    assert any(row["isArchived"] for row in rows("task"))
    assert not any(Task.objects.filter(~Q(parent__is_archived=True)).values_list("is_archived", flat=True))


def test_relations_reach_what_lists_hide(rows: Rows) -> None:
    done = {row["companyId"] for row in rows("task") if row["isArchived"]}
    assert ids(Company.objects.filter(tasks__is_archived=True)) == where(
        rows("company"), lambda row: row["_id"] in done
    )


def test_notes_are_conversations_of_one_type(rows: Rows) -> None:
    notes = where(rows("conversation"), lambda row: row["type"] == "note")
    assert ids(Note.objects.all()) == notes
    assert Note.objects.count() == len(notes)
    other = next(row["_id"] for row in rows("conversation") if row["type"] != "note")
    assert Note.objects.get_or_none(other) is None
    assert Conversation.objects.get(other).id == other
    assert ids(Note.objects.filter(id__in=[other, notes[0]])) == [notes[0]]


def test_a_ticket_is_got_as_the_conversation_it_is(rows: Rows, calls: Calls) -> None:
    ticket_id = rows("ticket")[3]["_id"]
    assert Ticket.objects.get(ticket_id).id == ticket_id
    assert calls() == [f"GET /conversations/{ticket_id}"]


# --- names ----------------------------------------------------------------------------------------------


def test_order_by_sorts(rows: Rows) -> None:
    companies = rows("company")
    expected = sorted(companies, key=lambda row: (-row["mrr"], row["_id"]))
    assert ids(Company.objects.order_by("-mrr")) == [row["_id"] for row in expected]
    assert ids(Company.objects.order_by("-mrr").order_by()) == [row["_id"] for row in companies]
    assert ids(Company.objects.order_by("status", "-name")) == [
        row["_id"]
        for row in sorted(sorted(companies, key=lambda row: row["name"], reverse=True), key=lambda row: row["status"])
    ]
    assert ids(Account.objects.order_by("-seats")) == ids(Account.objects.order_by("seats").reverse())
    assert ids(Account.objects.order_by("custom__Seats")) == ids(Account.objects.order_by("seats"))


def test_using_another_client(planhat: Planhat, rows: Rows) -> None:
    assert len(Company.objects.using(planhat)) == 40
    assert len(Company.objects.using("api").filter(status="customer")) == len(
        where(rows("company"), lambda row: row["status"] == "customer")
    )
