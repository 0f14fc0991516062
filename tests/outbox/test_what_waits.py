"""What is written offline shows in the mirror at once, joins what waits already, and can be given up."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from planhat_orm import Company, License, Note, Planhat, PlanhatError
from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorError

from .conftest import Start


def entries(planhat: Planhat) -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.op, entry.state, entry.patch) for entry in planhat.mirror.outbox.entries()]


def shown(planhat: Planhat, id: str) -> dict[str, Any] | None:
    record = Company.objects.using("mirror").filter(id=id).first()
    return None if record is None else record._wire


@pytest.fixture
def acme(start: Start) -> tuple[Emulator, Planhat, str]:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "Acme", "phase": "Trial", "tags": ["a"], "custom": {"T": 1}})["_id"]
    planhat.sync(Company, License)
    return emulator, planhat, id


Acme = tuple[Emulator, Planhat, str]


def test_edits_of_one_record_become_one_write_with_the_first_base(acme: Acme) -> None:
    _, planhat, id = acme
    with planhat.offline():
        company = Company.objects.get(id)
        for phase in ("Onboarding", "Live"):
            company.phase = phase
            company.save()
        company.custom["T"] = 2
        company.save()
    [entry] = planhat.mirror.outbox.entries()
    assert entry.patch == {"phase": "Live", "custom": {"T": 2}}
    assert entry.base == {"phase": "Trial", "custom": {"T": 1}}
    assert shown(planhat, id)["phase"] == "Live"  # type: ignore[index]


def test_a_field_that_is_set_back_is_not_sent(acme: Acme) -> None:
    emulator, planhat, id = acme
    with planhat.offline():
        company = Company.objects.get(id)
        company.phase, company.name = "Live", "Acme Ltd"
        company.save()
        company.phase = "Trial"
        company.save()
        assert entries(planhat) == [("update", "pending", {"name": "Acme Ltd"})]
        company.name = "Acme"
        company.save()
    assert entries(planhat) == []
    stored = emulator.store.get("company", id)
    row = shown(planhat, id)
    assert row is not None and stored is not None
    assert {**row, "licenses": [], "sales": []} == {**stored, "licenses": [], "sales": []}


def test_a_new_record_that_is_edited_is_one_create_and_one_deleted_is_nothing(acme: Acme) -> None:
    _, planhat, _ = acme
    with planhat.offline():
        new = Company.objects.create(name="New")
        new.phase = "Live"
        new.save()
        assert entries(planhat) == [("create", "pending", {"name": "New", "phase": "Live"})]
        assert Company.objects.filter(phase="Live").count() == 1
        new.delete()
        assert entries(planhat) == []
        assert Company.objects.count() == 1


def test_discarding_a_deletion_of_an_edited_record_brings_the_servers_record_back_whole(acme: Acme) -> None:
    _, planhat, id = acme
    before = shown(planhat, id)
    with planhat.offline():
        company = Company.objects.only("phase").get(id)
        company.phase = "Lost"
        company.save()
        company.delete()
        assert Company.objects.count() == 0
    [entry] = planhat.mirror.outbox.entries()
    assert planhat.mirror.outbox.discard(entry.seq) == 1
    assert shown(planhat, id) == before


def test_giving_up_the_first_of_two_writes_leaves_the_second_on_the_servers_values(acme: Acme) -> None:
    emulator, planhat, id = acme
    box = planhat.mirror.outbox
    with planhat.offline():
        company = Company.objects.get(id)
        company.phase = "Live"
        company.save()
        box.mark({box.entries()[0].seq: "lost"}, "unknown")  # as if a push had been cut off
        company.phase, company.name = "Renewal", "Acme Ltd"
        company.save()
    first, second = box.entries()
    assert second.base["phase"] == "Live"
    box.discard(first.seq)
    [left] = box.entries()
    assert left.base["phase"] == "Trial"
    assert shown(planhat, id)["phase"] == "Renewal"  # type: ignore[index]
    assert planhat.push().ok
    stored = emulator.store.get("company", id)
    assert stored is not None and (stored["phase"], stored["name"]) == ("Renewal", "Acme Ltd")


def test_a_sync_puts_the_servers_values_under_the_edits(acme: Acme) -> None:
    emulator, planhat, id = acme
    with planhat.offline():
        company = Company.objects.get(id)
        company.phase = "Live"
        company.save()
    emulator.store.update("company", id, {"phase": "Lost", "name": "Renamed"})
    planhat.sync(Company)
    now = shown(planhat, id)
    assert now is not None and (now["phase"], now["name"]) == ("Live", "Renamed")
    planhat.mirror.outbox.discard()
    assert shown(planhat, id)["phase"] == "Lost"  # type: ignore[index]


def test_a_write_past_the_outbox_does_not_hide_what_waits(acme: Acme) -> None:
    _, planhat, id = acme
    with planhat.offline():
        company = Company.objects.get(id)
        company.phase = "Live"
        company.save()
    planhat.company.update(id, {"name": "Renamed"})
    now = shown(planhat, id)
    assert now is not None and (now["phase"], now["name"]) == ("Live", "Renamed")


def test_children_name_an_unsent_parent_and_get_its_id(acme: Acme) -> None:
    emulator, planhat, _ = acme
    with planhat.offline():
        new = Company.objects.create(name="New", external_id="n-1")
        licence = License.objects.create(company_id=new.id, currency="EUR", value=1, from_date=date(2026, 1, 1))
        assert [record.id for record in License.objects.filter(company__name="New")] == [licence.id]
    assert planhat.push().ok
    [company] = [row for row in emulator.store.all("company") if row["name"] == "New"]
    [stored] = emulator.store.all("license")
    assert stored["companyId"] == company["_id"]
    [there] = License.objects.using("mirror")
    assert (there.id, there.company_id) == (stored["_id"], company["_id"])
    # The objects that were made offline learn their ids when they are next used.
    new.phase = "Live"
    new.save()
    assert new.id == company["_id"] and emulator.store.get("company", new.id)["phase"] == "Live"  # type: ignore[index]
    licence.refresh()
    assert licence.id == stored["_id"]


def test_what_was_made_offline_and_not_pushed_waits_with_its_later_edits(acme: Acme) -> None:
    emulator, planhat, _ = acme
    with planhat.offline():
        new = Company.objects.create(name="New")
    new.phase = "Live"
    assert new.save().queued
    assert entries(planhat) == [("create", "pending", {"name": "New", "phase": "Live"})]
    assert emulator.log.count("PUT") == emulator.log.count("POST") == 0


def test_a_note_waits_in_the_table_of_conversations(start: Start) -> None:
    emulator, planhat = start(companies=1)
    planhat.sync(Company, Note)
    with planhat.offline():
        note = Note.objects.create(company_id=Company.objects.first().id, subject="Called", type="note")  # type: ignore[union-attr]
        assert Note.objects.count() == 1
    assert planhat.push().ok
    assert [row["subject"] for row in emulator.store.all("conversation") if row["type"] == "note"] == ["Called"]
    assert Note.objects.using("mirror").count() == 1
    assert note.id is not None


def test_writing_offline_needs_a_mirror(start: Start) -> None:
    emulator, _ = start()
    bare = Planhat("test-token", api_url=emulator.url)
    with bare.offline(), pytest.raises(PlanhatError, match=r"Planhat\(mirror="):
        Company(name="New").save()
    with pytest.raises(PlanhatError, match="no outbox without a mirror"):
        bare.push()
    bare.close()


def test_discarding_names_a_number_that_does_not_wait(acme: Acme) -> None:
    _, planhat, _ = acme
    with pytest.raises(MirrorError, match="number 7"):
        planhat.mirror.outbox.discard(7)


def test_the_memory_of_a_record_made_offline_follows_it_to_its_real_id(acme: Acme) -> None:
    emulator, planhat, _ = acme
    with planhat.offline():
        new = Company.objects.create(name="New", external_id="n-1")
    planhat.push()
    [row] = [record for record in emulator.store.all("company") if record["name"] == "New"]
    stored = Company.objects.using("mirror").get(row["_id"])
    assert [(change.kind, change.origin) for change in planhat.mirror.history(stored)][:1] == [("created", "mine")]
    assert new.id != row["_id"]
