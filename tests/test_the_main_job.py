"""The main job, end to end over HTTP: complete lists, few writes, the same answer from the API and the mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from planhat_orm import BulkError, Company, License, Planhat, User
from planhat_orm.emulator import Emulator

NONE = {"endusers": 0, "conversations": 0, "tasks": 0}


@pytest.mark.parametrize("page_cap", [None, 700], ids=["documented cap", "a lower cap"])
def test_2500_companies_are_2500_objects_with_every_field(page_cap: int | None) -> None:
    with Emulator(companies=2500, licenses=10, page_cap=page_cap, **NONE) as emulator, _client(emulator):  # type: ignore[arg-type]
        companies = list(Company.objects.all())
        stored = {row["_id"]: row for row in emulator.store.all("company")}
    assert len(companies) == len({company.id for company in companies}) == 2500
    missing = {
        wire
        for company in companies
        for wire, value in stored[company.id].items()
        if value is not None and wire not in company._wire
    }
    assert not missing


def test_10000_changed_companies_leave_as_two_requests_and_one_bad_row_stays_changed() -> None:
    with Emulator(companies=10_000, licenses=10, **NONE) as emulator, _client(emulator) as planhat:  # type: ignore[arg-type]
        companies = list(Company.objects.all())
        for company in companies:
            company.phase = "Moved"
        before = len(emulator.log)
        result = planhat.save_all(companies)
        puts = list(emulator.log)[before:]
        assert [(call.method, call.path, call.rows) for call in puts] == [("PUT", "/companies", 5000)] * 2
        # `_id` and `phase`, and nothing else: some sixty bytes a row.
        assert sum(call.bytes for call in puts) > 0
        assert len(result.updated) == 10_000

        before = len(emulator.log)
        assert len(planhat.save_all(companies).unchanged) == 10_000
        assert len(emulator.log) == before

        victim = companies[1234]
        emulator.refuse("company", lambda row: "this phase is not allowed" if row["_id"] == victim.id else None)
        for company in companies:
            company.phase = "Again"
        with pytest.raises(BulkError) as caught:
            planhat.save_all(companies)
        (failed,) = caught.value.result.failed
        assert failed.object is victim
        assert failed.error == "this phase is not allowed"
        assert victim.changes() == {"phase": ("Moved", "Again")}
        assert not companies[1233].changes()
        assert sum(row["phase"] == "Again" for row in emulator.store.all("company")) == 9_999


TWENTY = [
    {"status": "customer"},
    {"mrr__gte": 1000},
    {"h__lt": 4},
    {"name__icontains": "A"},
    {"tags__contains": "EMEA"},
    {"custom__Tier": "A"},
    {"custom__Seats__gte": 100},
    {"owner__email__contains": "a"},
    {"phase__in": ["Live", "Renewal"]},
    {"source_id__isnull": True},
    {"last_updated__gte": "2026-01-01"},
    {"name__startswith": "B"},
    {"mrr__range": (100, 900)},
    {"licenses__product": "Platform"},
    {"create_date__year": 2025},
    {"domains__contains": "x.example"},
    {"renewal_date__isnull": False},
    {"csm_score": 3},
    {"country__iexact": "NETHERLANDS"},
    {"name__regex": "^[A-F]"},
]


def test_the_same_twenty_filters_give_the_same_ids_from_the_api_and_from_the_mirror(tmp_path: Path) -> None:
    with Emulator(companies=150, **NONE) as emulator, _client(emulator, mirror=tmp_path / "planhat.db") as planhat:  # type: ignore[arg-type]
        planhat.sync(Company, License, User)
        for condition in TWENTY:
            found = Company.objects.filter(**condition).order_by("-mrr", "name")  # type: ignore[arg-type]
            others = Company.objects.exclude(**condition)  # type: ignore[arg-type]
            for queryset in (found, others):
                api = [company.id for company in queryset]
                assert [company.id for company in queryset.using("mirror")] == api, condition


def _client(emulator: Emulator, **options: object) -> Planhat:
    return Planhat(api_url=emulator.url, api_token=emulator.api_token, scan="allow", **options)  # type: ignore[arg-type]
