"""Lists: whole, within each resource's maximum, narrowed by documented parameters only."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm import BadAnswer, FieldError, ValidationError

from ..online import Online

MAXIMA = {
    "company": 5000, "conversation": 2000, "note": 2000, "ticket": 10_000, "task": 10_000, "user": 10_000,
    "nps": 10_000, "asset": 2000, "campaign": 2000, "custom_field": 2000, "enduser": 2000, "invoice": 2000,
    "issue": 2000, "license": 2000, "objective": 2000, "opportunity": 2000, "project": 2000, "time_entry": 2000,
    "timesheet": 2000, "sale": 2000, "workspace": 2000, "churn": 2000, "deal": 2000, "line_item": 2000,
    "product": 2000, "workflow": 2000,
}  # fmt: skip


def rows(pages: Any) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


@pytest.mark.parametrize("over_max_limit", ["cap", "reject"])
def test_every_list_asks_for_its_documented_maximum(online: Online, over_max_limit: str) -> None:
    emulator, planhat = online(over_max_limit=over_max_limit)
    for name, maximum in MAXIMA.items():
        emulator.log.clear()
        rows(getattr(planhat, name).get_list())
        rows(getattr(planhat, name).get_list(limit=1_000_000))
        assert {int(call.query["limit"]) for call in emulator.log} == {maximum}


@pytest.mark.parametrize("name", ["company", "user", "conversation"])
@pytest.mark.parametrize("page_cap", [None, 7])
def test_thin_lists_come_back_whole(online: Online, name: str, page_cap: int | None) -> None:
    emulator, planhat = online(companies=20, page_cap=page_cap)
    found = rows(getattr(planhat, name).get_list())
    assert len(found) == len(emulator.store.all(name))
    for row in found[:5]:
        whole = getattr(planhat, name).get_by_id(row["_id"])
        known = {key: value for key, value in whole.items() if key in getattr(planhat, name)._resource.fields}
        known.pop("roles", None)  # objects in lists, ids by id (docs/reference/planhat-api.md section 6)
        assert {key: row.get(key) for key in known} == known


@pytest.mark.parametrize("odd", [
    {"sort": "ignored", "default_order": "random"}, {"sort": "ignored", "default_order": "newest"}, {"sort": "lies"},
    {"honours_select": False}, {"page_cap": 9}, {"page_cap": 25, "sort": "lies"},
])  # fmt: skip
def test_odd_servers_are_read_completely(online: Online, odd: dict[str, Any]) -> None:
    emulator, planhat = online(companies=60, **odd)
    for name in ("company", "enduser", "license"):
        found = [row["_id"] for row in rows(getattr(planhat, name).get_list())]
        hidden = {row["_id"] for row in emulator.store.all(name) if row.get("archived")}
        assert len(found) == len(set(found))
        assert set(found) == {row["_id"] for row in emulator.store.all(name)} - hidden


def test_a_server_that_ignores_offset_ends_or_raises(online: Online) -> None:
    emulator, planhat = online(companies=60, honours_offset=False)
    assert len(rows(planhat.company.get_list())) == 60
    with pytest.raises(BadAnswer, match="every offset"):
        rows(planhat.company.get_list(limit=10))
    assert emulator.calls < 10


@pytest.mark.parametrize("seed", range(12))
def test_a_list_is_complete_while_others_insert_and_delete(online: Online, seed: int) -> None:
    rng = random.Random(seed)
    emulator, planhat = online(page_cap=rng.choice([3, 10, None]))
    for number in range(60):
        emulator.store.insert("company", {"name": f"Company {number}"})
    throughout = {row["_id"] for row in emulator.store.all("company")}

    def others(_: Any) -> None:
        for _ in range(rng.randint(0, 3)):
            if rng.random() < 0.6 and throughout:
                gone = min(throughout) if rng.random() < 0.5 else rng.choice(sorted(throughout))
                emulator.store.delete("company", gone)
                throughout.discard(gone)
            else:
                emulator.store.insert("company", {"name": "New"})

    planhat.on("response", others)
    options = {"limit": rng.choice([5, 20, 5000]), "sort": rng.choice([None, "-_id", "name"])}
    found = [row["_id"] for row in rows(planhat.company.get_list(**options))]  # type: ignore[arg-type]
    assert len(found) == len(set(found))
    assert throughout <= set(found)


@pytest.mark.parametrize("filters", [{"stauts": "x"}, {"ofset": 1}, {"updatedSince": "2026-01-01"}, {"archived": True}])
def test_a_parameter_that_is_not_documented_is_refused_with_the_nearest(
    online: Online, filters: dict[str, Any]
) -> None:
    emulator, planhat = online()
    with pytest.raises(FieldError, match="has no parameter"):
        planhat.company.get_list(**filters)
    assert emulator.calls == 0
    with pytest.raises(FieldError, match="Did you mean 'companyId'"):
        planhat.license.get_list(companyID="1")


@pytest.mark.parametrize(
    "options",
    [{"limit": 0}, {"limit": -1}, {"limit": True}, {"limit": "10"}, {"max_requests": -1}, {"max_requests": 1.5}],
)
def test_an_impossible_number_is_refused_where_it_is_given(online: Online, options: dict[str, Any]) -> None:
    _, planhat = online()
    with pytest.raises(ValidationError, match="must be a whole number"):
        planhat.company.get_list(**options)


def test_a_list_takes_no_offset(online: Online) -> None:
    """It would be sent with every page, so that a list had one page again and again."""
    emulator, planhat = online(companies=3)
    for offset in ("x", 2, -1, None):
        with pytest.raises(FieldError, match="takes no offset.*planhat.request"):
            planhat.company.get_list(offset=offset)
        with pytest.raises(FieldError, match="takes no offset"):
            planhat.license.aget_list(offset=offset)
    assert emulator.calls == 0


@pytest.mark.parametrize(
    "filters",
    [
        {"companyId": True}, {"companyId": [None]}, {"companyId": ["5" * 24, None]}, {"companyId": [True]},
        {"companyId": {"a": 1}}, {"companyId": " "}, {"companyId": ["", ""]}, {"companyId": float("nan")},
        {"select": {"name": 1}}, {"select": "\ud83d"}, {"select": ["name", "\ud83d"]}, {"sort": "\ud83d"},
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_filter_is_refused_where_it_is_given(online: Online, filters: dict[str, Any]) -> None:
    emulator, planhat = online(companies=1)
    with pytest.raises((ValidationError, FieldError)):
        planhat.license.get_list(**filters)
    assert emulator.calls == 0


@pytest.mark.parametrize("value", ["", []])
def test_an_empty_filter_is_refused_and_not_taken_for_everything(online: Online, value: Any) -> None:
    _, planhat = online(companies=2)
    with pytest.raises(ValidationError, match="companyId is empty"):
        planhat.license.get_list(companyId=value)
    with pytest.raises(FieldError, match="names no field"):
        planhat.company.get_list(select=" , ")


def test_selected_fields_come_with_the_id(online: Online) -> None:
    _, planhat = online(companies=3)
    for select in ("name, phase", ["name", "phase"], iter(["name", "phase"])):
        assert {frozenset(row) for row in rows(planhat.company.get_list(select=select, limit=2))} == {
            frozenset({"_id", "name", "phase"})
        }


@pytest.mark.parametrize("sort", ["", " ", "name,-mr", ["name"], 7])
def test_an_order_that_is_no_field_is_refused(online: Online, sort: Any) -> None:
    _, planhat = online()
    with pytest.raises(ValidationError, match="one field"):
        planhat.company.get_list(sort=sort)


def test_a_misspelt_field_is_told_of_in_the_log(online: Online, caplog: pytest.LogCaptureFixture) -> None:
    _, planhat = online(companies=3)
    rows(planhat.company.get_list(sort="-name", select="name, custom.Tier, owner"))
    assert caplog.text == ""
    rows(planhat.company.get_list(sort="nmae", select="phse"))
    assert "no field 'nmae' as far as is known. Did you mean 'name'?" in caplog.text
    assert "'phse'" in caplog.text


def test_an_order_of_the_callers_is_kept(online: Online) -> None:
    emulator, planhat = online(companies=30)
    names = [row["name"] for row in rows(planhat.company.get_list(sort="-name", limit=7))]
    assert names == sorted((row["name"] for row in emulator.store.all("company")), reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_max_requests_is_kept_to(online: Online, limit: int) -> None:
    emulator, planhat = online(companies=30)
    for number in (1, 2, 3):
        emulator.log.clear()
        found = rows(planhat.company.get_list(limit=limit, max_requests=number))
        assert emulator.calls == number
        assert len(found) <= limit * number
    assert len(rows(planhat.company.get_list(max_requests=50))) == 30


def test_long_lists_of_companies_are_split_by_the_length_of_the_url(online: Online) -> None:
    emulator, planhat = online()
    companies = [emulator.store.insert("company", {"name": str(n)})["_id"] for n in range(300)]
    for company in companies:
        emulator.store.insert("enduser", {"companyId": company, "email": f"{company}@x.example"})
    for many in (companies, ",".join(companies), set(companies)):
        emulator.log.clear()
        found = rows(planhat.enduser.get_list(companyId=many))
        assert sorted(row["companyId"] for row in found) == companies
        assert len(emulator.log.matching("GET")) == 2 * 4
        assert max(len(call.query["companyId"]) for call in emulator.log) <= 2000


def test_companies_are_asked_one_by_one_where_a_list_is_not_documented(online: Online) -> None:
    emulator, planhat = online()
    companies = [emulator.store.insert("company", {"name": str(n)})["_id"] for n in range(3)]
    for company in companies:
        emulator.store.insert("asset", {"companyId": company, "name": "x"})
    both = rows(planhat.asset.get_list(companyId=companies[:2]))
    assert sorted(row["companyId"] for row in both) == companies[:2]
    assert {call.query["companyId"] for call in emulator.log} == set(companies[:2])


def test_an_issue_of_several_companies_comes_once(online: Online) -> None:
    emulator, planhat = online()
    companies = [emulator.store.insert("company", {"name": str(n)})["_id"] for n in range(3)]
    emulator.store.insert("issue", {"companyIds": companies, "title": "x"})
    assert len(rows(planhat.issue.get_list(companyId=companies))) == 1


def test_many_values_of_another_parameter_are_refused(online: Online) -> None:
    _, planhat = online()
    with pytest.raises(ValidationError, match="takes one value"):
        planhat.enduser.get_list(email=["a@x.example", "b@x.example"])


def test_hidden_records_are_asked_for(online: Online) -> None:
    emulator, planhat = online()
    company = emulator.store.insert("company", {"name": "Acme"})["_id"]
    emulator.store.insert("enduser", {"companyId": company, "email": "a@x.example", "archived": True})
    emulator.store.insert("task", {"companyId": company, "mainType": "task", "isArchived": True})
    emulator.store.insert("nps", {"email": "a@x.example", "score": 9, "dateAnswered": "2020-01-01T00:00:00.000Z"})
    assert rows(planhat.enduser.get_list()) == rows(planhat.task.get_list()) == []
    assert len(rows(planhat.enduser.get_list(archived=True))) == len(rows(planhat.task.get_list(isArchived=True))) == 1
    assert len(rows(planhat.nps.get_list())) == 1
    assert rows(planhat.nps.get_list(npsExpiryDay=30)) == []


def test_days_are_written_as_the_filter_wants_them(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("churn", {"companyId": emulator.store.insert("company", {"name": "A"})["_id"],
                                    "churnDate": "2026-05-10"})  # fmt: skip
    for first in (date(2026, 5, 10), datetime(2026, 5, 10, 1, tzinfo=UTC), datetime(2026, 5, 10, 23), "2026-05-10"):
        assert len(rows(planhat.churn.get_list(from_=first, to=date(2026, 5, 11)))) == 1
        assert emulator.log[-1].query["from"] == "2026-05-10"
    assert rows(planhat.churn.get_list(from_=date(2026, 5, 11))) == []


@pytest.mark.parametrize("companies", ["extid-a", ["65f0c1a2912265b1f5000019", "srcid-a"]])
def test_a_key_where_the_filter_takes_ids_is_refused_and_no_empty_list(online: Online, companies: Any) -> None:
    emulator, planhat = online()
    with pytest.raises(ValidationError, match="takes Planhat's own ids"):
        planhat.license.get_list(companyId=companies)
    assert emulator.calls == 0


def test_every_documented_parameter_is_passed_on(online: Online) -> None:
    emulator, planhat = online()
    cases: list[tuple[str, dict[str, Any]]] = [
        ("enduser", {"companyId": "1", "email": "a@x.example", "archived": False, "euId": "2"}),
        ("task", {"companyId": "1,2", "isArchived": True, "enduserIds": "3,4"}),
        ("nps", {"companyId": "1", "npsExpiryDay": 5}),
        ("churn", {"companyId": "1", "downgrades": "only", "from": "2026-01-01", "to": "2026-02-01"}),
        ("ticket", {"companyId": "1", "status": "open", "email": "a@x.example", "search": "help me"}),
    ]
    for name, filters in cases:
        rows(getattr(planhat, name).get_list(**filters))
        sent = emulator.log[len(emulator.log) - 1].query
        assert {key: sent[key] for key in filters} == {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in filters.items()
        }
