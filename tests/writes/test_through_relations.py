"""What is made through a relation belongs to the record that the relation is read from."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from planhat_orm import Company, Enduser, Issue, License, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.errors import AlreadyExists, ValidationError

from .conftest import Plain

TERMS: dict[str, Any] = {"currency": "EUR", "value": 1, "from_date": date(2026, 1, 1)}


@pytest.fixture
def two(plain: Plain) -> tuple[Emulator, Planhat, Company, Company]:
    emulator, planhat = plain
    for name in ("acme", "other"):
        emulator.store.insert("company", {"name": name, "externalId": name, "domains": [f"{name}.example"]})
    acme, other = Company.objects.using(planhat).order_by("name")
    return emulator, planhat, acme, other


Two = tuple[Emulator, Planhat, Company, Company]


def owners(emulator: Emulator, kind: str = "enduser") -> dict[str, Any]:
    return {str(row.get("email") or row.get("externalId")): row.get("companyId") for row in emulator.store.all(kind)}


def test_a_parent_that_was_saved_with_its_child_is_not_read_again(two: Two) -> None:
    emulator, planhat, *_ = two
    with planhat.batch():
        parent = Company(name="New", external_id="new")
        parent.save()
        licences = [License(company=parent, external_id=f"l-{n}", **TERMS) for n in range(3)]
        planhat.save_all(licences)
    calls = planhat.calls
    assert [licence.company is parent for licence in licences] == [True] * 3
    assert planhat.calls == calls and owners(emulator, "license")["l-0"] == parent.id


def test_every_verb_that_makes_sets_the_relation_also_after_refining(two: Two) -> None:
    emulator, planhat, acme, other = two
    people = acme.endusers
    # The domain of its email is another company's: what is said counts, not what the server would guess.
    assert people.create(email="a@other.example").company_id == acme.id
    assert people.get_or_create(email="b@other.example")[1] is True
    assert people.filter(featured=True).update_or_create(email="c@other.example")[1] is True
    people.bulk_create([Enduser(email="d@other.example"), {"email": "e@other.example", "company_id": acme.id}])
    people.order_by("email").bulk_upsert([{"email": "f@other.example", "companyId": "extid-acme"}])
    people.reconcile([{"email": "g@other.example"}], key="email").apply()

    async def work() -> None:
        await people.acreate(email="h@other.example")
        await planhat.aclose()

    asyncio.run(work())
    with planhat.batch():
        people.create(email="i@other.example")
        acme.licenses.create(external_id="l", **TERMS)
    assert owners(emulator) == {f"{letter}@other.example": acme.id for letter in "abcdefghi"}
    assert owners(emulator, "license") == {"l": acme.id}
    other.endusers.create(email="z@acme.example")
    assert owners(emulator)["z@acme.example"] == other.id


def test_a_record_that_names_another_owner_is_refused_before_anything_is_sent(two: Two) -> None:
    emulator, _, acme, other = two
    emulator.log.clear()
    for make in (
        lambda: acme.endusers.create(email="a@x.example", company_id=other.id),
        lambda: acme.endusers.get_or_create(email="a@x.example", defaults={"company": other}),
        lambda: acme.endusers.update_or_create(email="a@x.example", defaults={"company": Company(name="new")}),
        lambda: acme.endusers.bulk_create([Enduser(email="a@x.example"), Enduser(email="b@x.example", company=other)]),
        lambda: acme.licenses.create(external_id="l", company_id="extid-other", **TERMS),
    ):
        with pytest.raises(
            ValidationError, match=r"through Company\.(endusers|licenses) belongs to that Company.*company_id"
        ):
            make()
    assert len(emulator.log) == 0


def test_a_list_of_references_gets_the_owner_too_and_the_list_of_the_owner_is_not_written_by_halves(two: Two) -> None:
    emulator, _, acme, other = two
    issue = acme.issues.create(title="Slow", source_id="i-1")
    assert issue.company_ids == [acme.id]
    assert set(acme.issues.create(title="Both", company_ids=[other.id]).company_ids) == {acme.id, other.id}
    emulator.log.clear()
    with pytest.raises(ValidationError, match=r"Issue\.companies is the list Issue\.company_ids"):
        issue.companies.create(name="New")
    assert len(emulator.log) == 0 and [row["name"] for row in emulator.store.all("company")] == ["acme", "other"]


def test_get_or_create_of_a_key_that_another_owner_has_says_so(two: Two) -> None:
    emulator, planhat, acme, other = two
    License(external_id="l", company=other, **TERMS).save(using=planhat)
    with pytest.raises(AlreadyExists):
        acme.licenses.get_or_create(external_id="l", defaults=TERMS)
    assert owners(emulator, "license") == {"l": other.id}


def test_changing_what_exists_through_a_relation_moves_nothing(two: Two) -> None:
    emulator, planhat, acme, other = two
    License(external_id="l", company=other, **TERMS).save(using=planhat)
    found = License.objects.using(planhat).get(external_id="l")
    found.value = 2
    acme.licenses.bulk_update([found])
    assert owners(emulator, "license") == {"l": other.id}
    assert Issue.objects.using(planhat).count() == 0
