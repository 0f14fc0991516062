"""Undoing: our writes go back where the server still holds them; what others wrote is named, and stays."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from planhat_orm import Company, Enduser, Invoice, Issue, License, Planhat
from planhat_orm.errors import BlockError, BulkError, ConfigurationError, FieldError, ReadOnlyError, ValidationError
from planhat_orm.mirror import Mirror
from planhat_orm.writes.revert_plan import RevertPlan

from .conftest import Start


def company(server: Any, name: str = "A", **values: Any) -> str:
    return str(server.store.insert("company", {"name": name, **values})["_id"])


def stored(server: Any, id: str, name: str = "company") -> dict[str, Any]:
    row: dict[str, Any] = server.store.get(name, id)
    return row


def left(plan: RevertPlan) -> list[tuple[str, str]]:
    return sorted((item.object.id or "", item.name) for item in plan.left)


def save(planhat: Planhat, id: str, **values: Any) -> Company:
    record = Company.objects.using(planhat).get(id)
    for name, value in values.items():
        setattr(record, name, value)
    record.save()
    return record


# --- fields -----------------------------------------------------------------------------------------------


def test_fields_go_back_where_the_server_holds_what_was_written(start: Start) -> None:
    server, planhat = start()
    ids = [company(server, f"C{n}", phase="Trial", tags=["a"], custom={"Tier": "A", "Seats": 3}) for n in range(3)]
    planhat.sync(Company)
    before = planhat.mirror.mark()
    with planhat.batch():
        for record in Company.objects.using(planhat).filter(id__in=ids[:2]):
            record.phase, record.tags, record.custom["Tier"] = "Live", ["a", "b"], "B"
            record.save()
    save(planhat, ids[2], phase="Won", description="new")
    plan = planhat.mirror.revert(since=before)
    assert len(plan.updates) == 3 and not plan.left and "phase" in str(plan)
    assert plan.apply().ok
    for id in ids:
        row = stored(server, id)
        assert (row["phase"], row["tags"], row["custom"]) == ("Trial", ["a"], {"Tier": "A", "Seats": 3})
        assert not row.get("description")
    assert planhat.mirror.revert(since=before).is_empty


def test_a_custom_field_that_was_not_there_is_cleared_alone(start: Start) -> None:
    server, planhat = start()
    id = company(server, custom={"Seats": 3})
    bare = company(server, "B")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    for name in (id, bare):
        record = Company.objects.using(planhat).get(name)
        record.custom["Tier"] = "B"
        record.save()
    planhat.mirror.revert(since=before).apply()
    assert {label: value for label, value in stored(server, id)["custom"].items() if value is not None} == {"Seats": 3}
    assert not any((stored(server, bare).get("custom") or {}).values())


@pytest.mark.parametrize("is_synced", [False, True])
def test_what_others_changed_since_is_named_and_stays(start: Start, is_synced: bool) -> None:
    server, planhat = start()
    id = company(server, phase="Trial", city="Ulm", custom={"Tier": "A", "Seats": 3})
    planhat.sync(Company)
    before = planhat.mirror.mark()
    record = Company.objects.using(planhat).get(id)
    record.phase, record.city, record.custom["Tier"], record.custom["Seats"] = "Live", "Rome", "B", 4
    record.save()
    server.store.update("company", id, {"phase": "Theirs", "custom": {"Tier": "C", "Seats": 4}})
    if is_synced:
        planhat.sync(Company, full=True)
    plan = planhat.mirror.revert(since=before)
    assert left(plan) == [(id, "custom.Tier"), (id, "phase")]
    assert {item.name: (item.wrote, item.now) for item in plan.left} == {
        "phase": ("Live", "Theirs"), "custom.Tier": ("B", "C"),
    }  # fmt: skip
    assert "Theirs" in str(plan) and "Theirs" not in repr(plan.left[0])
    assert plan.apply().ok
    row = stored(server, id)
    assert (row["phase"], row["city"], row["custom"]) == ("Theirs", "Ulm", {"Tier": "C", "Seats": 3})


def test_several_writes_go_back_to_before_the_first_or_to_what_others_wrote_between(start: Start) -> None:
    server, planhat = start()
    alone, met = company(server, "A", phase="0"), company(server, "B", phase="0")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    for id in (alone, met):
        save(planhat, id, phase="1")
    server.store.update("company", met, {"phase": "theirs"})
    planhat.sync(Company)
    for id in (alone, met):
        save(planhat, id, phase="2")
    plan = planhat.mirror.revert(since=before)
    assert not plan.left
    plan.apply()
    assert (stored(server, alone)["phase"], stored(server, met)["phase"]) == ("0", "theirs")


def test_undoing_the_undoing_is_doing_it_again(start: Start) -> None:
    server, planhat = start()
    id, gone = company(server, phase="Trial", custom={"Tier": "A"}), company(server, "Gone", externalId="g")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    record = Company.objects.using(planhat).get(id)
    record.phase, record.custom["Tier"] = "Live", "B"
    record.save()
    Company.objects.using(planhat).get(gone).delete()
    made = Company.objects.using(planhat).create(name="Made", external_id="m")
    undone = planhat.mirror.mark()
    planhat.mirror.revert(since=before).apply()
    assert stored(server, id)["phase"] == "Trial" and server.store.get("company", str(made.id)) is None
    assert {row["name"] for row in server.store.all("company")} == {"A", "Gone"}
    redone = planhat.mirror.mark()
    assert planhat.mirror.revert(since=undone).apply().ok
    assert {row["name"]: row["phase"] for row in server.store.all("company") if row.get("phase")} == {"A": "Live"}
    assert stored(server, id)["custom"]["Tier"] == "B"
    assert {row["name"] for row in server.store.all("company")} == {"A", "Made"}
    assert planhat.mirror.revert(since=redone).apply().ok
    assert {row["name"] for row in server.store.all("company")} == {"A", "Gone"}
    # All of it together comes to nothing.
    assert planhat.mirror.revert(since=before).is_empty


def test_only_some_writes_are_undone(start: Start) -> None:
    server, planhat = start()
    ids = [company(server, f"C{n}", phase="Trial") for n in range(3)]
    person = str(server.store.insert("enduser", {"name": "E", "email": "e@a.example", "companyId": ids[0]})["_id"])
    planhat.sync(Company, Enduser)
    save(planhat, ids[0], phase="1")
    middle = planhat.mirror.mark()
    save(planhat, ids[1], phase="1")
    end = planhat.mirror.mark()
    save(planhat, ids[2], phase="1")
    record = Enduser.objects.using(planhat).get(person)
    record.position = "CTO"
    record.save()

    def undone(**options: Any) -> set[str]:
        return {str(item.id) for item in planhat.mirror.revert(**options).updates}

    assert undone(since=middle, until=end) == {ids[1]}
    assert undone(since=end, models=Company) == {ids[2]}
    assert undone(since=end, models=["Enduser"]) == {person}
    op = planhat.mirror.changes(middle, until=end)[-1].op
    assert op and undone(op=op) == {ids[1]}


def test_writes_of_others_are_undone_where_that_is_asked_for(start: Start) -> None:
    server, planhat = start()
    id = company(server, phase="Trial")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    save(planhat, id, city="Ulm")
    server.store.update("company", id, {"phase": "Oops"})
    planhat.sync(Company)
    plan = planhat.mirror.revert(since=before, by="theirs")
    plan.apply()
    assert (stored(server, id)["phase"], stored(server, id)["city"]) == ("Trial", "Ulm")


def test_a_change_between_plan_and_apply_is_a_conflict(start: Start) -> None:
    server, planhat = start()
    ids = [company(server, f"C{n}", phase="Trial") for n in range(2)]
    planhat.sync(Company)
    before = planhat.mirror.mark()
    for id in ids:
        save(planhat, id, phase="Live")
    plan = planhat.mirror.revert(since=before)
    server.store.update("company", ids[0], {"phase": "Theirs"})
    with pytest.raises(BulkError) as failed:
        plan.apply()
    [row] = failed.value.result.failed
    assert (row.object.id, row.conflicts[0].name, row.conflicts[0].theirs) == (ids[0], "phase", "Theirs")
    assert len(failed.value.result) == 2 and len(failed.value.result.updated) == 1
    assert (stored(server, ids[0])["phase"], stored(server, ids[1])["phase"]) == ("Theirs", "Trial")
    assert len(planhat.mirror.outbox) == 0


def test_a_record_that_others_deleted_is_named(start: Start) -> None:
    server, planhat = start()
    id = company(server, phase="Trial")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    save(planhat, id, phase="Live")
    server.store.delete("company", id)
    plan = planhat.mirror.revert(since=before)
    assert left(plan) == [(id, "")] and plan.is_empty


def test_what_waits_in_the_outbox_is_named(start: Start) -> None:
    server, planhat = start()
    id = company(server, phase="Trial")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    with planhat.offline():
        save(planhat, id, phase="Live")
    plan = planhat.mirror.revert(since=before)
    assert left(plan) == [(id, "")] and "outbox" in str(plan)
    planhat.push()
    planhat.mirror.revert(since=before).apply()
    assert stored(server, id)["phase"] == "Trial"


def test_it_costs_a_list_a_model_or_a_get_for_each_record(start: Start) -> None:
    server, planhat = start()
    ids = [company(server, f"C{n}", phase="Trial") for n in range(30)]
    planhat.sync(Company)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).filter(id__in=ids[:2]).update(phase="Few")
    server.log.clear()
    planhat.mirror.revert(since=before)
    assert [call.path.count("/") for call in server.log] == [2, 2]
    before = planhat.mirror.mark()
    Company.objects.using(planhat).all().update(phase="Many")
    server.log.clear()
    planhat.mirror.revert(since=before)
    assert len(server.log) <= 2 and server.log.count("GET") == len(server.log)


# --- records that we made ---------------------------------------------------------------------------------


def test_what_was_made_goes_with_what_was_made_under_it_children_first(start: Start) -> None:
    server, planhat = start()
    planhat.sync(Company, Enduser)
    before = planhat.mirror.mark()
    made = Company.objects.using(planhat).create(name="Made", external_id="m")
    Enduser.objects.using(planhat).bulk_create([{"email": f"{n}@m.example", "company_id": made.id} for n in range(2)])
    plan = planhat.mirror.revert(since=before)
    assert len(plan.deletions) == 3 and not plan.left
    server.log.clear()
    assert plan.apply().ok
    deleted = [call.path for call in server.log if call.method == "DELETE"]
    assert [path.split("/")[1] for path in deleted] == ["endusers", "endusers", "companies"]
    [told] = [note for note in plan.notes() if "look" in note]
    assert f"about {len(server.log) - len(deleted)} more requests" in told
    assert not server.store.all("company") and not server.store.all("enduser")


def test_what_was_made_and_changed_by_others_is_named(start: Start) -> None:
    server, planhat = start()
    planhat.sync(Company)
    before = planhat.mirror.mark()
    ids = [str(Company.objects.using(planhat).create(name=f"M{n}", phase="Trial").id) for n in range(3)]
    server.store.update("company", ids[0], {"phase": "Theirs"})
    server.store.update("company", ids[1], {"city": "Ulm"})
    plan = planhat.mirror.revert(since=before)
    assert left(plan) == sorted([(ids[0], "phase"), (ids[1], "city")])
    plan.apply()
    assert {row["_id"] for row in server.store.all("company")} == set(ids[:2])


def test_what_something_hangs_on_is_named(start: Start) -> None:
    server, planhat = start()
    planhat.sync(Company, License)
    before = planhat.mirror.mark()
    made, _ = (Company.objects.using(planhat).create(name=name) for name in ("Made", "Free"))
    server.store.insert("license", {"companyId": made.id, "product": "P", "_currency": "EUR", "value": 1})
    plan = planhat.mirror.revert(since=before)
    assert left(plan) == [(made.id, "")] and "License P" in str(plan)
    plan.apply()
    assert [row["name"] for row in server.store.all("company")] == ["Made"]


def test_what_comes_to_hang_on_it_after_the_plan_keeps_it(start: Start) -> None:
    server, planhat = start()
    planhat.sync(Company, Enduser)
    before = planhat.mirror.mark()
    made = Company.objects.using(planhat).create(name="Made")
    plan = planhat.mirror.revert(since=before)
    server.store.insert("enduser", {"email": "e@m.example", "companyId": made.id})
    with pytest.raises(BulkError, match="failed 1"):
        plan.apply()
    assert server.store.get("company", str(made.id)) is not None


def test_what_is_moved_away_by_the_plan_hangs_on_it_no_more(start: Start) -> None:
    server, planhat = start()
    old = company(server, "Old")
    person = str(server.store.insert("enduser", {"email": "e@o.example", "companyId": old})["_id"])
    planhat.sync(Company, Enduser)
    before = planhat.mirror.mark()
    made = Company.objects.using(planhat).create(name="Made")
    record = Enduser.objects.using(planhat).get(person)
    record.company_id = made.id
    record.save()
    plan = planhat.mirror.revert(since=before)
    assert not plan.left
    plan.apply()
    assert stored(server, person, "enduser")["companyId"] == old
    assert [row["name"] for row in server.store.all("company")] == ["Old"]


def test_a_record_that_was_there_before_an_upsert_made_it_known_is_not_deleted(start: Start) -> None:
    server, planhat = start()
    planhat.sync(Company)
    theirs = company(server, "Theirs", externalId="x", phase="Live")
    before = planhat.mirror.mark()
    Company.objects.using(planhat).bulk_upsert([{"external_id": "x", "phase": "Won"}])
    plan = planhat.mirror.revert(since=before)
    assert not plan.deletions
    assert server.store.get("company", theirs) is not None


# --- records that we deleted ------------------------------------------------------------------------------


def test_what_was_deleted_is_made_anew_with_its_keys_and_what_named_it_names_it_again(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone", externalId="g", phase="Live", tags=["a"], custom={"Tier": "A"})
    other = company(server, "Other")
    people = [
        str(server.store.insert("enduser", {"email": f"{n}@g.example", "companyId": id})["_id"]) for n in range(3)
    ]
    bare = company(server, "Bare")
    theirs = str(server.store.insert("enduser", {"email": "b@b.example", "companyId": bare})["_id"])
    issue = str(server.store.insert("issue", {"title": "I", "companyIds": [other, id]})["_id"])
    planhat.sync(Company, Enduser, Issue)
    before = planhat.mirror.mark()
    for gone in (id, bare):
        Company.objects.using(planhat).get(gone).delete()
    server.store.update("enduser", people[1], {"companyId": other})
    plan = planhat.mirror.revert(since=before)
    assert len(plan.creates) == 2 and not plan.left
    assert "Metrics, activities, attachments" in str(plan)
    assert plan.apply().ok
    [row] = [row for row in server.store.all("company") if row["name"] == "Gone"]
    assert row["_id"] != id
    assert (row["externalId"], row["phase"], row["tags"], row["custom"]) == ("g", "Live", ["a"], {"Tier": "A"})
    [keyless] = [row for row in server.store.all("company") if row["name"] == "Bare"]
    assert stored(server, theirs, "enduser")["companyId"] == keyless["_id"] != bare
    companies = [stored(server, person, "enduser")["companyId"] for person in people]
    assert companies == [row["_id"], other, row["_id"]]
    assert sorted(stored(server, issue, "issue")["companyIds"]) == sorted([other, row["_id"]])
    planhat.sync(Company, Enduser, Issue)
    assert planhat.mirror.revert(since=before).is_empty


def test_what_planhat_deleted_along_is_made_anew_too(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone")
    person = str(server.store.insert("enduser", {"email": "e@g.example", "companyId": id, "position": "CTO"})["_id"])
    planhat.sync(Company, Enduser)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    server.store.delete("enduser", person)
    for is_synced in (False, True):
        if is_synced:
            planhat.sync(Company, Enduser, full=True)
        plan = planhat.mirror.revert(since=before)
        assert sorted(type(item).__name__ for item in plan.creates) == ["Company", "Enduser"] and not plan.left
    assert plan.apply().ok
    [made] = server.store.all("company")
    [row] = server.store.all("enduser")
    assert (row["companyId"], row["email"], row["position"]) == (made["_id"], "e@g.example", "CTO")


def test_a_deleted_company_comes_back_with_all_that_went_with_it(start: Start) -> None:
    server, planhat = start(cascade=True)
    id = company(server, "Gone", externalId="g")
    server.store.insert("enduser", {"email": "e@g.example", "companyId": id})
    server.store.insert("license", {"companyId": id, "product": "P", "_currency": "EUR", "value": 12})
    planhat.sync(Company, Enduser, License)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    assert not server.store.all("enduser") and not server.store.all("license")
    assert planhat.mirror.revert(since=before).apply().ok
    [made] = server.store.all("company")
    assert [row["companyId"] for row in (*server.store.all("enduser"), *server.store.all("license"))] == [
        made["_id"]
    ] * 2


def test_a_key_that_another_record_has_by_now_is_named(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone", externalId="g", sourceId="s")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    theirs = company(server, "Theirs", externalId="g")
    plan = planhat.mirror.revert(since=before)
    assert [item.name for item in plan.left] == ["external_id"]
    assert plan.apply().ok
    [row] = [row for row in server.store.all("company") if row["name"] == "Gone"]
    assert row.get("sourceId") == "s" and not row.get("externalId")
    assert stored(server, theirs)["externalId"] == "g" and stored(server, theirs)["name"] == "Theirs"


def test_a_key_that_is_taken_between_plan_and_apply_makes_nothing(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone", externalId="g")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    plan = planhat.mirror.revert(since=before)
    theirs = company(server, "Theirs", externalId="g")
    with pytest.raises(BulkError, match="failed 1"):
        plan.apply()
    assert [(row["_id"], row["name"]) for row in server.store.all("company")] == [(theirs, "Theirs")]


def test_a_key_of_a_record_that_the_plan_deletes_goes_to_the_new_one(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone", externalId="g")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    Company.objects.using(planhat).create(name="Made", external_id="g")
    plan = planhat.mirror.revert(since=before)
    assert not plan.left
    assert plan.apply().ok
    assert [(row["name"], row["externalId"]) for row in server.store.all("company")] == [("Gone", "g")]


def test_the_numbers_of_invoices_are_said_not_to_come_back(start: Start) -> None:
    server, planhat = start()
    id = company(server)
    values = {"cId": id, "currency": "EUR", "invoiceDate": 20_000, "amountTotal": 5, "invoiceNo": 7}
    invoice = str(server.store.insert("invoice", values)["_id"])
    planhat.sync(Company, Invoice)
    before = planhat.mirror.mark()
    Invoice.objects.using(planhat).get(invoice).delete()
    plan = planhat.mirror.revert(since=before)
    assert "nor the numbers of invoices (7)" in str(plan)
    assert plan.apply().ok
    [row] = server.store.all("invoice")
    assert row["invoiceDate"] == 20_000 and row["amountTotal"] == 5 and row["cId"] == id


def test_a_later_undoing_finds_the_record_under_its_new_id(start: Start) -> None:
    server, planhat = start()
    id, other = company(server, "Gone", phase="Trial"), company(server, "Other")
    person = str(server.store.insert("enduser", {"email": "e@g.example", "companyId": id})["_id"])
    planhat.sync(Company, Enduser)
    before = planhat.mirror.mark()
    save(planhat, id, phase="Live")
    record = Enduser.objects.using(planhat).get(person)
    record.company_id = other
    record.save()
    middle = planhat.mirror.mark()
    Company.objects.using(planhat).get(id).delete()
    planhat.mirror.revert(since=middle).apply()
    [new] = [row["_id"] for row in server.store.all("company") if row["name"] == "Gone"]
    planhat.mirror.revert(since=before, until=middle).apply()
    assert stored(server, new)["phase"] == "Trial"
    assert stored(server, person, "enduser")["companyId"] == new


def test_a_company_and_its_license_that_were_both_deleted_belong_together_again(start: Start) -> None:
    server, planhat = start()
    id = company(server, "Gone")
    server.store.insert("license", {"companyId": id, "product": "P", "_currency": "EUR", "value": 12})
    issue = str(server.store.insert("issue", {"title": "I", "companyIds": [id]})["_id"])
    planhat.sync(Company, License, Issue)
    before = planhat.mirror.mark()
    License.objects.using(planhat).all().delete()
    Issue.objects.using(planhat).get(issue).delete()
    Company.objects.using(planhat).get(id).delete()
    assert planhat.mirror.revert(since=before).apply().ok
    [made] = server.store.all("company")
    [contract], [row] = server.store.all("license"), server.store.all("issue")
    assert contract["companyId"] == made["_id"] and contract["value"] == 12
    assert row["companyIds"] == [made["_id"]]


# --- the verb ---------------------------------------------------------------------------------------------


def test_tasks_undo_too(start: Start) -> None:
    server, planhat = start()
    id = company(server, phase="Trial")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    save(planhat, id, phase="Live")

    async def undo() -> None:
        plan = await planhat.mirror.arevert(since=before)
        assert (await plan.aapply()).ok
        await planhat.aclose()

    asyncio.run(undo())
    assert stored(server, id)["phase"] == "Trial"


def test_the_plan_as_json_tells_changes_and_what_is_left(start: Start) -> None:
    server, planhat = start()
    ids = [company(server, f"C{n}", phase="Trial") for n in range(2)]
    planhat.sync(Company)
    before = planhat.mirror.mark()
    for id in ids:
        save(planhat, id, phase="Live")
    server.store.update("company", ids[0], {"phase": "Theirs"})
    told = json.loads(planhat.mirror.revert(since=before).to_json())
    assert [(row["id"], row["field"], row["old"], row["new"]) for row in told["changes"]] == [
        (ids[1], "phase", "Live", "Trial")
    ]
    assert [(row["id"], row["field"], row["wrote"], row["now"]) for row in told["left"]] == [
        (ids[0], "phase", "Live", "Theirs")
    ]


def test_a_memory_that_begins_later_says_so(start: Start) -> None:
    server, planhat = start()
    company(server)
    planhat.sync(Company)
    plan = planhat.mirror.revert(since=datetime(2020, 1, 1, tzinfo=UTC))
    assert "The mirror remembers company from" in str(plan) and plan.is_empty


def test_what_is_no_question_is_refused_before_a_request(start: Start) -> None:
    server, planhat = start()
    with pytest.raises(ValidationError, match="since"):
        planhat.mirror.revert()
    with pytest.raises(FieldError, match="mine"):
        planhat.mirror.revert(since="2026-10-01", by="me")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        planhat.mirror.revert(since="yesterday")
    assert not len(server.log)
    with Mirror(planhat.mirror.where) as alone, pytest.raises(ConfigurationError, match="no client"):
        alone.revert(since="2026-10-01")


def test_a_client_that_only_reads_plans_nothing_and_a_block_sends_nothing(start: Start) -> None:
    server, planhat = start()
    id = company(server, phase="Trial")
    planhat.sync(Company)
    before = planhat.mirror.mark()
    save(planhat, id, phase="Live")
    plan = planhat.mirror.revert(since=before)
    with planhat.batch(dry_run=True), pytest.raises(BlockError):
        plan.apply()
    reader = Planhat("test-token", api_url=server.url, mirror=planhat.mirror.where, read_only=True)
    with reader, pytest.raises(ReadOnlyError):
        reader.mirror.revert(since=before)
    assert stored(server, id)["phase"] == "Live"
