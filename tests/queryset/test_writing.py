"""The verbs that write through a manager: what they send, what they refuse, and what is known afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import (
    AlreadyExists,
    Company,
    FieldError,
    NotLoaded,
    Planhat,
    PlanhatError,
    ReadOnlyError,
    ValidationError,
)
from planhat_orm.emulator import Emulator
from planhat_orm.writes.facade import RecordWriter

from .conftest import Account

Own = Callable[..., tuple[Emulator, Planhat]]
SMALL = {"companies": 70, "licenses": 0, "endusers": 0, "conversations": 0, "tasks": 0, "seed": 4}


def writes(emulator: Emulator) -> list[str]:
    found = [f"{call.method} {call.path}" for call in emulator.log if call.method != "GET"]
    emulator.log.clear()
    return found


def test_get_or_create(own: Own) -> None:
    emulator, planhat = own(**SMALL)
    made, created = Account.objects.get_or_create(external_id="new-1", defaults={"name": "New", "tier": "A"})
    assert created and made.tier == "A" and writes(emulator) == ["POST /companies"]
    again, created = Account.objects.get_or_create(external_id="new-1", defaults={"name": "Other"})
    assert not created and again == made and again.name == "New" and writes(emulator) == []

    async def task() -> None:
        found, new = await Account.objects.aget_or_create(external_id="new-1", defaults={"name": "Other"})
        assert found == made and not new
        await planhat.aclose()

    asyncio.run(task())


def test_get_or_create_gets_when_somebody_else_was_faster(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator, _ = own(**SMALL)
    save = RecordWriter.save

    def slow(writer: RecordWriter, record: Any, *args: Any) -> Any:
        emulator.store.insert("company", {"name": "Theirs", "externalId": "race-1"})
        return save(writer, record, *args)

    monkeypatch.setattr(RecordWriter, "save", slow)
    found, created = Company.objects.get_or_create(external_id="race-1", defaults={"name": "Mine"})
    assert not created and found.name == "Theirs"
    with pytest.raises(AlreadyExists):
        Company.objects.create(name="Mine", external_id="race-1")


def test_update_or_create_is_one_upsert(own: Own) -> None:
    emulator, _ = own(**SMALL)
    made, created = Account.objects.update_or_create(external_id="new-1", defaults={"name": "New", "tier": "A"})
    assert created and made.id and writes(emulator) == ["PUT /companies"]
    emulator.store.update("company", made.id, {"tags": ["theirs"], "custom": {"Tier": "A", "Plan": "Pro"}})
    same, created = Account.objects.update_or_create(external_id="new-1", defaults={"tier": "B"})
    assert not created and same == made and writes(emulator) == ["PUT /companies"]
    assert emulator.store.get("company", made.id)["custom"] == {"Tier": "B", "Plan": "Pro"}  # type: ignore[index]
    assert same.tier == "B"
    for name in ("tags", "mrr", "owner"):
        with pytest.raises(NotLoaded):
            getattr(same, name)
    same.refresh().tags.append("mine")
    same.save()
    assert emulator.store.get("company", made.id)["tags"] == ["theirs", "mine"]  # type: ignore[index]
    with pytest.raises(ValidationError, match="defaults cannot give it another value"):
        Account.objects.update_or_create(external_id="a", defaults={"external_id": "b"})
    with pytest.raises(FieldError, match="finds one Account by one of its keys"):
        Account.objects.update_or_create(name="New")
    with pytest.raises(ValidationError, match="is empty"):
        Account.objects.update_or_create(external_id="")


def test_update_sends_only_what_differs(own: Own) -> None:
    emulator, _ = own(**SMALL)
    some = Account.objects.all()[:10]
    result = some.update(phase="Moved", tags=["a"])
    assert len(result.updated) == 10 and writes(emulator) == ["PUT /companies"]
    assert len(some.all().update(phase="Moved").unchanged) == 10 and writes(emulator) == []
    owner = emulator.store.all("user")[0]["_id"]
    assert len(Account.objects.all()[:3].update(owner=owner).rows) == 3
    assert {record.owner_id for record in Account.objects.all()[:3]} == {owner}


def test_update_of_custom_leaves_other_labels(own: Own) -> None:
    emulator, _ = own(**SMALL)
    before = emulator.store.all("company")[0]
    Account.objects.filter(id=before["_id"]).update(custom={"Plan": "Moved"})
    assert emulator.store.get("company", before["_id"])["custom"] == {**before["custom"], "Plan": "Moved"}  # type: ignore[index]


def test_what_cannot_be_set_is_refused_before_anything_is_asked(own: Own) -> None:
    emulator, _ = own(**SMALL)
    wrong: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"mrr": 5}, ReadOnlyError),
        ({"phase": 5}, ValidationError),
        ({"licenses": []}, FieldError),
        ({}, FieldError),
        ({"custom": ["x"]}, ValidationError),
    ]
    for values, error in wrong:
        with pytest.raises(error):
            Account.objects.update(**values)
    assert len(emulator.log) == 0


def test_one_line_does_not_eat_an_hour_of_quota(own: Own) -> None:
    emulator, _ = own(**SMALL)
    with pytest.raises(
        PlanhatError, match=r"delete\(\) of 70 records takes as many requests.*delete\(max_requests=70\)"
    ):
        Company.objects.all().delete()
    with pytest.raises(PlanhatError, match="more than max_requests=0"):
        Company.objects.update(phase="x", max_requests=0)
    assert writes(emulator) == [] and len(emulator.store.all("company")) == 70
    assert Company.objects.all()[:5].delete() == 5 and len(writes(emulator)) == 5
    assert Company.objects.all().delete(max_requests=65) == 65 and len(writes(emulator)) == 65
    assert Company.objects.all().delete() == 0


def test_bulk_verbs_check_who_exists(own: Own) -> None:
    emulator, _ = own(**SMALL)
    company = Company.objects.first()
    assert company is not None
    emulator.log.clear()
    with pytest.raises(ValidationError, match=r"Row 1 of bulk_create\(\) has an id"):
        Company.objects.bulk_create([Company(name="x", external_id="x"), company])
    with pytest.raises(ValidationError, match=r"Row 0 of bulk_update\(\) has no id"):
        Company.objects.bulk_update([{"name": "x"}])
    with pytest.raises(ValidationError, match="Row 0 is a int"):
        Company.objects.bulk_upsert([5])  # type: ignore[list-item]
    assert len(emulator.log) == 0
    made = Company.objects.bulk_create([Company(name=f"Bulk {n}", external_id=f"bulk-{n}") for n in range(3)])
    assert len(made.created) == 3 and all(row.object.id for row in made.rows)
    changed = Company.objects.bulk_update([{"id": row.object.id, "phase": "Moved"} for row in made.rows])
    assert len(changed.updated) == 3 and writes(emulator) == ["PUT /companies"] * 2


def test_numbers_of_other_libraries_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    account = Account(name="x", seats=numpy.int64(5))
    assert type(account.seats) is int and account._payload()["custom"] == {"Seats": 5}
    assert "mrr > 2.5" in repr(Company.objects.filter(mrr__gt=numpy.float32(2.5), h__in=[numpy.int32(3)]))
    with pytest.raises(ValidationError, match="whole number"):
        Account(seats=numpy.float64(1.5))
