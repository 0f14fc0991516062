"""Values that are worked out: `annotate`, lazy groups, sets of querysets, queries in conditions, relative time."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import (
    Avg,
    Case,
    Coalesce,
    Company,
    Count,
    Exists,
    F,
    FieldError,
    License,
    Max,
    Min,
    NotLoaded,
    Planhat,
    Q,
    Sum,
    Task,
    Ticket,
    Trunc,
    Value,
    When,
    days,
    now,
    today,
)
from planhat_orm.emulator import Emulator

from .conftest import Calls, connect

Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def mirrored(shared: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planhat]:
    path: Path = tmp_path_factory.mktemp("annotations") / "planhat.db"
    with connect(shared, mirror=path, read="mirror") as client:
        client.sync()
        yield client


@pytest.fixture(params=["api", "mirror"])
def source(request: pytest.FixtureRequest, planhat: Planhat, mirrored: Planhat) -> Any:
    """Where the questions are asked: both must say the same."""
    return planhat if request.param == "api" else mirrored


def company_of(row: dict[str, Any]) -> str:
    found = row["companyId"]
    return str(found["_id"] if isinstance(found, dict) else found)


# --- annotate -------------------------------------------------------------------------------------------


def test_figures_over_two_relations_do_not_multiply(source: Any, rows: Rows) -> None:
    licences = Counter(map(company_of, rows("license")))
    spent: dict[str, float] = defaultdict(float)
    for row in rows("license"):
        spent[company_of(row)] += row["mrr"]
    contacts = Counter(company_of(row) for row in rows("enduser") if not row.get("archived"))
    n, total = Count("licenses"), Sum("licenses__mrr")
    found = Company.objects.using(source).annotate(n=n, contacts=Count("endusers"), total=total)
    for company in found:
        assert n.of(company) == company.n == licences[company.id]  # type: ignore[attr-defined]
        assert company.contacts == contacts[company.id]  # type: ignore[attr-defined]
        assert total.of(company) == (round(spent[company.id], 9) if company.id in spent else None)


def test_each_value_counts_once_for_one_record_too(source: Any, rows: Rows) -> None:
    values: dict[str, set[float]] = defaultdict(set)
    for row in rows("license"):
        values[company_of(row)].add(row["mrr"])
    id = max(values, key=lambda company: len(values[company]))
    (found,) = Company.objects.using(source).filter(id=id).annotate(total=Sum("licenses__mrr", distinct=True))
    assert found.total == sum(values[id])  # type: ignore[attr-defined]


def test_a_figure_sees_what_its_own_filter_says_and_nothing_else(source: Any, rows: Rows) -> None:
    expected = Counter(company_of(row) for row in rows("license") if row["product"] == "Platform")
    figure = Count("licenses", filter=Q(licenses__product="Platform"))
    before = Company.objects.using(source).filter(licenses__product="Analytics").annotate(n=figure)
    after = Company.objects.using(source).annotate(n=figure).filter(licenses__product="Analytics")
    assert [(company.id, figure.of(company)) for company in before] == [(c.id, figure.of(c)) for c in after]
    assert len(before) > 3 and all(figure.of(company) == expected[company.id] for company in before)


def test_annotations_are_filtered_and_sorted_by(source: Any, rows: Rows) -> None:
    counted = Counter(map(company_of, rows("license")))
    expected = sorted((id for id, n in counted.items() if n >= 3), key=lambda id: (-counted[id], id))
    found = Company.objects.using(source).annotate(n=Count("licenses")).filter(n__gte=3).order_by("-n")
    assert [company.id for company in found] == expected
    assert found.count() == len(expected) > 1


def test_arithmetic_choices_and_dates_are_worked_out(source: Any, rows: Rows) -> None:
    found = Company.objects.using(source).annotate(
        year_=F("mrr") * 12,
        size=Case(When(mrr__gte=1000, then=Value("large")), default=Value("small")),
        first=Coalesce("custom__Tier", Value("none")),
        month=Trunc("renewal_date", "month"),
        short=F("renewal_date") - F("customer_from"),
    )
    by_id = {row["_id"]: row for row in rows("company")}
    for values in found.values("id", "year_", "size", "first", "month"):
        row = by_id[values["id"]]
        assert values["year_"] == row["mrr"] * 12
        assert values["size"] == ("large" if row["mrr"] >= 1000 else "small")
        assert values["first"] == ((row.get("custom") or {}).get("Tier") or "none")
        renewal = row.get("renewalDate")
        assert values["month"] == (None if renewal is None else date.fromisoformat(renewal[:10]).replace(day=1))


def test_a_value_over_zero_is_none(source: Any) -> None:
    found = Company.objects.using(source).annotate(x=F("mrr") / (F("mrr") - F("mrr")))
    assert set(found.values_list("x", flat=True)) == {None}


def test_an_annotation_is_never_saved_and_other_names_stay_unknown(source: Any) -> None:
    n = Count("licenses")
    company = Company.objects.using(source).annotate(n=n)[0]
    assert company.changes() == {}
    with pytest.raises(FieldError, match="Company has no field 'n'"):
        company.n = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'mmr'"):
        _ = company.mmr  # type: ignore[attr-defined]
    assert n.of(copy.copy(company)) == n.of(company)


def test_why_a_field_has_no_value_is_still_said(source: Any) -> None:
    company = Company.objects.using(source).only("name").annotate(n=Count("licenses"))[0]
    assert company.name
    with pytest.raises(NotLoaded, match="phase"):
        _ = company.phase


def test_an_alias_that_is_a_name_of_the_model_is_refused() -> None:
    for alias in ("mrr", "licenses", "save", "a__b", "_x"):
        with pytest.raises(FieldError, match=alias):
            Company.objects.annotate(**{alias: Count("licenses")})
    with pytest.raises(FieldError, match="mrr"):
        Company.objects.group_by("phase").annotate(mrr=Sum("mrr"))


def test_what_cannot_be_asked_says_what_to_ask_instead() -> None:
    for ask, words in [
        (lambda: Company.objects.order_by("tickets__status"), r"Min\('tickets__status'\)"),
        (lambda: Company.objects.annotate(x=Sum("mrr")), r"F\('mrr'\)"),
        (lambda: Company.objects.annotate(x="mrr"), r"F\('mrr'\) is the field, Value"),
        (lambda: Company.objects.annotate(x=Count("ticket")), "Did you mean 'tickets'"),
        (lambda: Company.objects.group_by("phase").filter(mrr__gt=1), r"Sum\('mrr'\)"),
        (lambda: Company.objects.filter(licenses__mrr__gt=F("mrr")), "Exists"),
        (lambda: Company.objects.annotate(x=F("name") * 2), "text"),
    ]:  # fmt: skip
        with pytest.raises(FieldError, match=words):
            ask()  # type: ignore[no-untyped-call]


# --- groups ---------------------------------------------------------------------------------------------


def test_groups_have_figures_conditions_an_order_and_a_slice(source: Any, rows: Rows) -> None:
    totals: dict[str, float] = defaultdict(float)
    for row in rows("license"):
        totals[row["product"]] += row["mrr"]
    expected = sorted(((name, total) for name, total in totals.items() if total > 1), key=lambda pair: -pair[1])[:2]
    found = License.objects.using(source).group_by("product").annotate(n=Count(), total=Sum("mrr"))
    found = found.filter(total__gt=1).order_by("-total")[:2]
    assert list(found.values_list("product", "total")) == expected
    assert found.count() == 2 and found.first() == found[0]


def test_groups_by_a_relation_show_the_name_beside_the_id(source: Any, rows: Rows) -> None:
    names = {row["_id"]: row["name"] for row in rows("company")}
    groups = list(License.objects.using(source).group_by("company").annotate(n=Count()))
    assert groups and all(group["company__label"] == names[group["company"]] for group in groups)


def test_a_record_that_several_of_a_group_lead_to_counts_once(source: Any, rows: Rows) -> None:
    contacts: dict[str, list[str]] = defaultdict(list)
    for row in rows("enduser"):
        if not row.get("archived"):
            contacts[company_of(row)].append(row["_id"])
    reached: dict[str, set[str]] = defaultdict(set)
    for row in rows("license"):
        reached[row["product"]].update(contacts[company_of(row)])
    found = License.objects.using(source).group_by("product").annotate(n=Count("company__endusers"))
    assert {group["product"]: group["n"] for group in found} == {name: len(ids) for name, ids in reached.items()}


def test_groups_by_the_items_of_a_list_count_a_record_in_each(source: Any, rows: Rows) -> None:
    expected: Counter[str] = Counter(tag for row in rows("company") for tag in set(row.get("tags") or ()))
    found = Company.objects.using(source).group_by("tags").annotate(n=Count())
    assert {group["tags"]: group["n"] for group in found if group["tags"] is not None} == expected


def test_groups_by_a_custom_field_that_no_class_declares(source: Any, rows: Rows) -> None:
    expected = Counter((row.get("custom") or {}).get("Tier") for row in rows("company"))
    found = Company.objects.using(source).group_by("custom.Tier").annotate(n=Count())
    assert {group["custom.Tier"]: group["n"] for group in found} == expected
    assert [group["n"] for group in found.filter(custom__Tier="A")] == [expected["A"]]
    assert [group["n"] for group in found.order_by("custom.Tier")] == [group["n"] for group in found]


def test_groups_by_parts_of_dates(source: Any, rows: Rows) -> None:
    expected = Counter(int(row["renewalDate"][5:7]) for row in rows("company") if row.get("renewalDate"))
    found = Company.objects.using(source).group_by("renewal_date__month").annotate(n=Count())
    assert {g["renewal_date__month"]: g["n"] for g in found if g["renewal_date__month"] is not None} == expected
    dates = Company.objects.using(source).dates("renewal_date", "year")
    assert {day.year for day in dates} == {int(r["renewalDate"][:4]) for r in rows("company") if r.get("renewalDate")}


def test_groups_are_read_in_a_task_as_well(source: Any) -> None:
    groups = License.objects.using(source).group_by("product").annotate(n=Count())

    async def read() -> list[Any]:
        return [group async for group in groups.all()] if hasattr(groups, "all") else [group async for group in groups]

    assert asyncio.run(read()) == list(License.objects.using(source).group_by("product").annotate(n=Count()))


def test_figures_of_all_records(source: Any, rows: Rows) -> None:
    values = [row["mrr"] for row in rows("company")]
    found = Company.objects.using(source).aggregate(n=Count(), least=Min("mrr"), most=Max("mrr"), mean=Avg("mrr"))
    assert found["n"] == len(values) and found["least"] == min(values) and found["most"] == max(values)
    assert found["mean"] == pytest.approx(sum(values) / len(values))


# --- sets, queries in conditions, relations -------------------------------------------------------------


def test_querysets_are_united_and_cut(source: Any) -> None:
    customers = Company.objects.using(source).filter(status="customer")
    large = Company.objects.using(source).filter(mrr__gte=1500)
    one, other = ({company.id for company in found} for found in (customers, large))
    assert {company.id for company in customers | large} == one | other
    assert {company.id for company in customers & large} == one & other
    assert {company.id for company in customers.difference(large)} == one - other
    assert (customers | large).count() == len(one | other)
    assert list(customers.none()) == []


def test_a_queryset_stands_in_a_condition(source: Any) -> None:
    large = Company.objects.using(source).order_by("-mrr")[:3]
    ids = {company.id for company in large}
    found = License.objects.using(source).filter(company__in=Company.objects.using(source).order_by("-mrr")[:3])
    assert {licence.company_id for licence in found} <= ids
    assert found.count() == sum(1 for licence in License.objects.using(source) if licence.company_id in ids) > 0


def test_exists_speaks_of_one_record_and_its_complement_is_exact(source: Any, rows: Rows) -> None:
    expected = {company_of(row) for row in rows("license") if row["product"] == "Platform" and row["mrr"] > 300}
    both = Exists("licenses", product="Platform", mrr__gt=300)
    found = {company.id for company in Company.objects.using(source).filter(both)}
    others = {company.id for company in Company.objects.using(source).filter(~both)}
    assert found == expected and others == {row["_id"] for row in rows("company")} - expected


# --- relative time --------------------------------------------------------------------------------------


def test_relative_time_is_that_of_the_moment_of_asking(source: Any, rows: Rows) -> None:
    limit = datetime.now(UTC) + timedelta(days=60)
    renewals = [datetime.fromisoformat(row["renewalDate"]) for row in rows("company") if row.get("renewalDate")]
    expected = sum(1 for renewal in renewals if renewal <= limit)
    for value in (days(60), now() + days(60)):
        assert Company.objects.using(source).filter(renewal_date__lte=value).count() == expected
    day = datetime.now(UTC).date() + timedelta(days=60)
    assert Company.objects.using(source).filter(renewal_date__date__lte=today() + days(60)).count() == sum(
        1 for renewal in renewals if renewal.date() <= day
    )


# --- what it costs --------------------------------------------------------------------------------------


def test_each_related_list_is_read_once(calls: Calls) -> None:
    found = Company.objects.using("api").annotate(
        n=Count("licenses"), total=Sum("licenses__mrr"), open=Count("tickets", filter=Q(tickets__status="open"))
    )
    plan = str(found.explain())
    assert "GET /licenses" in plan and "GET /tickets" in plan and "one after the other" in plan
    assert calls() == []
    list(found)
    paths = {call for call in calls() if call.startswith("GET")}
    assert paths == {"GET /companies", "GET /licenses", "GET /conversations"} or paths == {
        "GET /companies", "GET /licenses", "GET /tickets"
    }  # fmt: skip


def test_nothing_is_asked_for_a_question_that_nothing_answers(calls: Calls) -> None:
    assert list(Ticket.objects.none()) == [] and list(Task.objects.filter(id__in=[])) == []
    assert calls() == []


# --- frames ---------------------------------------------------------------------------------------------


def test_frames_hold_annotations_groups_and_named_values(source: Any) -> None:
    found = Company.objects.using(source).annotate(n=Count("licenses"), month=Trunc("renewal_date", "month"))
    table = found.to_arrow()
    assert table.column("n").to_pylist() == [company.n for company in found]  # type: ignore[attr-defined]
    assert table.column("month").to_pylist() == [company.month for company in found]  # type: ignore[attr-defined]
    chosen = found.to_pandas("name", "owner.email", "custom.Tier", "n")
    assert list(chosen.columns) == ["name", "owner.email", "custom.Tier", "n"] and len(chosen) == len(found)
    groups = found.group_by("custom.Tier").annotate(total=Sum("mrr"))
    assert groups.to_polars().rows() == [(group["custom.Tier"], group["total"]) for group in groups]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        ("Company.objects.alias", r"no attribute 'alias'. Use annotate\(\)"),
        ("Company.objects.values('name').annotate", r"Use group_by\(\.\.\.\)\.annotate"),
        ("Company.objects.raw", r"Use planhat\.mirror\.sql"),
        ("Company.objects.fliter", "Did you mean 'filter'"),
        ("Company.objects.group_by('phase').anotate", "Did you mean 'annotate'"),
    ],
)
def test_what_querysets_do_not_have_says_what_to_use(ask: str, told: str) -> None:
    with pytest.raises(AttributeError, match=told):
        eval(ask)
    assert not hasattr(Company.objects, "__html__")
