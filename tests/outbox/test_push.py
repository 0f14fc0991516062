"""Pushing what waits: merged with what others wrote, nothing overwritten unasked, nothing doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Conversation, Enduser, License, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConnectionFailed, MirrorError, PlanhatError
from planhat_orm.models.conflict import Conflict
from planhat_orm.runtime import WriteIntent

from .conftest import Start, client


def named(emulator: Emulator, kind: str = "company", key: str = "name") -> list[Any]:
    return sorted(row[key] for row in emulator.store.all(kind))


def edit_offline(planhat: Planhat, **values: Any) -> list[Company]:
    with planhat.offline():
        companies = list(Company.objects.order_by("external_id"))
        for company in companies:
            for name, value in values.items():
                setattr(company, name, value)
        planhat.save_all(companies)
    return companies


# --- two writers ------------------------------------------------------------------------------------------


def test_two_writers_of_500_records_lose_nothing_and_the_conflicts_are_exact(start: Start) -> None:
    emulator, planhat = start()
    ids = [emulator.store.insert("company", {
        "name": f"C{n}", "externalId": f"{n:03d}", "phase": "Trial", "description": "", "tags": ["a"],
        "custom": {"Tier": "C", "Seats": 1}})["_id"] for n in range(500)]  # fmt: skip
    planhat.sync(Company)
    with planhat.offline():
        mine = list(Company.objects.order_by("external_id"))
        for company in mine:
            company.phase = "Mine"
            company.custom["Tier"] = "A"
            company.tags.append("mine")
        planhat.save_all(mine)
    wanted: set[tuple[str, str]] = set()
    for n, id in enumerate(ids):
        theirs: dict[str, Any] = {"name": f"Renamed {n}", "tags": ["a", "theirs"], "custom": {"Tier": "C", "Seats": 2}}
        if n % 5 == 0:
            theirs["phase"] = "Theirs"
            wanted.add((id, "phase"))
        if n % 7 == 0:
            theirs["custom"]["Tier"] = "B"
            wanted.add((id, "custom.Tier"))
        if n % 11 == 0:
            theirs["phase"] = "Mine"  # the same change is no conflict
            wanted.discard((id, "phase"))
        emulator.store.update("company", id, theirs)

    result = planhat.push()
    found = {(conflict.object.record, conflict.name): conflict for conflict in result.conflicts}
    assert found.keys() == wanted
    assert {record.base for record in found.values() if record.name == "phase"} == {"Trial"}
    assert {record.mine for record in found.values()} == {"Mine", "A"}
    assert {record.theirs for record in found.values() if record.name == "custom.Tier"} == {"B"}
    held = {id for id, _ in wanted}
    assert {entry.record for entry in planhat.mirror.outbox.entries("conflict")} == held
    assert {(conflict.object.record, conflict.name) for conflict in planhat.mirror.outbox.conflicts()} == wanted
    for n, row in enumerate(emulator.store.get("company", id) or {} for id in ids):
        assert row["name"] == f"Renamed {n}" and row["custom"]["Seats"] == 2
        sent = row["_id"] not in held
        assert row["tags"] == (["a", "theirs", "mine"] if sent else ["a", "theirs"])
        assert row["custom"]["Tier"] == ("A" if sent else "B" if n % 7 == 0 else "C")

    settled = planhat.push(on_conflict=lambda conflict: f"{conflict.mine}+{conflict.theirs}")
    assert settled.ok and len(settled) == len(held) and not len(planhat.mirror.outbox)
    for n, row in enumerate(emulator.store.get("company", id) or {} for id in ids):
        assert row["phase"] == ("Mine+Theirs" if n % 5 == 0 and n % 11 else "Mine")
        assert row["custom"] == {"Tier": "A+B" if n % 7 == 0 else "A", "Seats": 2}
        assert row["tags"] == ["a", "theirs", "mine"]


@pytest.mark.parametrize(("policy", "phase"), [("ours", "Mine"), ("theirs", "Theirs")])
def test_a_policy_settles_what_was_held_back(start: Start, policy: Any, phase: str) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A", "phase": "Trial"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="Mine", name="B")
    emulator.store.update("company", id, {"phase": "Theirs"})
    [row] = planhat.push().rows
    assert row.status == "failed" and row.conflicts == (Conflict(row.object, "phase", "Trial", "Mine", "Theirs"),)
    assert planhat.push(on_conflict=policy).ok
    stored = emulator.store.get("company", id)
    assert stored is not None and (stored["phase"], stored["name"]) == (phase, "B")
    shown = Company.objects.using("mirror").get(id)
    assert (shown.phase, shown.name) == (phase, "B")


def test_discarding_a_conflict_shows_what_the_server_holds_now(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A", "phase": "Trial"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="Mine")
    emulator.store.update("company", id, {"phase": "Theirs"})
    planhat.push()
    planhat.mirror.outbox.discard()
    assert Company.objects.using("mirror").get(id).phase == "Theirs"


def test_a_field_that_was_never_read_cannot_conflict(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A", "phase": "Trial"})["_id"]
    planhat.sync(Company)
    with planhat.offline():
        company = Company(id=id)
        company.phase = "Mine"
        company.save()
    assert planhat.push().ok
    assert emulator.store.get("company", id)["phase"] == "Mine"  # type: ignore[index]


def test_a_record_that_is_gone_fails_and_is_not_made_again(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="Mine")
    emulator.store.delete("company", id)
    [row] = planhat.push().rows
    assert (row.status, row.error) == ("failed", "the record is not there any more")
    assert emulator.store.all("company") == []


# --- what was sent before ---------------------------------------------------------------------------------


def test_a_create_without_a_key_whose_answer_was_lost_is_found(start: Start) -> None:
    emulator, planhat = start()
    company = emulator.store.insert("company", {"name": "A"})["_id"]
    planhat.sync(Company, Conversation)
    with planhat.offline():
        planhat.save_all([Conversation(company_id=company, subject=f"N{n // 2}", type="note") for n in range(40)])
    emulator.faults.add(kind="reset_after", method="PUT", path="/conversations", times=1)
    first = planhat.push()
    assert len(first.unknown) == 40
    assert named(emulator, "conversation", "subject") == sorted(f"N{n // 2}" for n in range(40))
    second = planhat.push()
    assert len(second.created) == 40 and emulator.log.count("PUT", "/conversations") == 1
    assert Conversation.objects.using("mirror").filter(id__startswith="tmp:").count() == 0
    planhat.sync(Conversation)
    assert Conversation.objects.using("mirror").count() == 40


def test_a_new_record_whose_id_could_not_be_read_leaves_no_ghost_in_the_mirror(start: Start) -> None:
    emulator, planhat = start()
    company = emulator.store.insert("company", {"name": "A"})["_id"]
    planhat.sync(Company, Conversation)
    with planhat.offline():
        planhat.save_all([Conversation(company_id=company, subject=f"N{n}", type="note") for n in range(3)])
    emulator.faults.add(kind="status", status=403, method="GET", path="/conversations")
    assert len(planhat.push().unknown) == 3
    assert len(planhat.push().created) == 3 and not len(planhat.mirror.outbox)
    mirrored = {record.id: record.subject for record in Conversation.objects.using("mirror")}
    assert mirrored == {row["_id"]: row["subject"] for row in emulator.store.all("conversation")}


def test_a_create_without_a_key_that_never_arrived_is_sent(start: Start) -> None:
    emulator, planhat = start()
    company = emulator.store.insert("company", {"name": "A"})["_id"]
    planhat.sync(Company, Conversation)
    with planhat.offline():
        Conversation(company_id=company, subject="N", type="note").save()
    emulator.faults.add(kind="reset_before", method="PUT", path="/conversations", times=1)
    assert len(planhat.push().unknown) == 1
    assert len(planhat.push().created) == 1
    assert named(emulator, "conversation", "subject") == ["N"]


def test_a_lost_create_that_others_look_like_is_left_to_you(start: Start) -> None:
    emulator, planhat = start()
    company = emulator.store.insert("company", {"name": "A"})["_id"]
    planhat.sync(Company, Conversation)
    with planhat.offline():
        Conversation(company_id=company, subject="N", type="note").save()
    emulator.faults.add(kind="reset_after", method="PUT", path="/conversations", times=1)
    planhat.push()
    emulator.store.insert("conversation", {"companyId": company, "subject": "N", "type": "note"})
    [row] = planhat.push().rows
    assert row.status == "unknown" and "look like it" in row.error
    assert len(emulator.store.all("conversation")) == 2
    assert planhat.mirror.outbox.discard(row.object.seq) == 1


def test_a_lost_update_is_compared_and_a_lost_delete_repeated(start: Start) -> None:
    emulator, planhat = start()
    for n in range(3):
        emulator.store.insert("company", {"name": f"C{n}", "externalId": str(n), "phase": "Trial"})
    planhat.sync(Company)
    with planhat.offline():
        one, two, three = Company.objects.order_by("external_id")
        one.phase = two.phase = "Mine"
        planhat.save_all([one, two])
        three.delete()
    for method in ("PUT", "DELETE"):
        emulator.faults.add(kind="reset_after", method=method, times=None)
    assert [row.status for row in planhat.push().rows] == ["unknown"] * 3
    emulator.faults.clear()
    emulator.store.update("company", two.id, {"phase": "Theirs"})
    emulator.log.clear()
    again = planhat.push()
    assert [row.status for row in again.rows if row.object.op == "update"] == ["updated", "failed"]
    assert emulator.log.count("PUT") == 0, "what is there already is not sent again"
    assert emulator.store.get("company", two.id)["phase"] == "Theirs"  # type: ignore[index]
    assert len(emulator.store.all("company")) == 2


# --- new records ------------------------------------------------------------------------------------------


def test_a_taken_key_fails_the_create_and_changes_nobodys_record(start: Start) -> None:
    emulator, planhat = start()
    planhat.sync(Company)
    with planhat.offline():
        for n in range(10):
            Company(name=f"Mine {n}", external_id=f"k-{n}").save()
        Company(name="Twice", external_id="k-9").save()
    for n in range(3):
        emulator.store.insert("company", {"name": f"Theirs {n}", "externalId": f"k-{n}"})
    result = planhat.push()
    assert [row.error for row in result.failed] == [
        *["a record with this externalId exists already"] * 3,
        "another new record in the outbox has this externalId",
    ]
    assert len(result.created) == 7 and len(emulator.store.all("company")) == 10
    assert {f"Theirs {n}" for n in range(3)} < set(named(emulator))
    assert result.requests == 12, "a GET for the key of each, as a list may lag, and one upsert"


def test_a_failed_create_is_mended_by_editing_it(start: Start) -> None:
    emulator, planhat = start()
    emulator.refuse("company", lambda row: "no such phase" if row.get("phase") == "Wrong" else None)
    planhat.sync(Company)
    with planhat.offline():
        Company(name="New", external_id="n", phase="Wrong").save()
    assert [row.error for row in planhat.push().failed] == ["no such phase"]
    with planhat.offline():
        new = Company.objects.get(external_id="n")
        new.phase = "Live"
        new.save()
    assert planhat.push().ok and not len(planhat.mirror.outbox)
    assert named(emulator, key="phase") == ["Live"]


# --- what the server did not look at ----------------------------------------------------------------------


def test_what_a_server_that_is_down_or_a_refused_token_stops_waits_for_the_next_push(
    start: Start, tmp_path: Path
) -> None:
    emulator, planhat = start()
    emulator.store.insert("company", {"name": "A"})
    planhat.sync(Company)
    with planhat.offline():
        Company.objects.get(name="A").delete()
        planhat.save_all([Company(name=f"N{n}") for n in range(5)])
    planhat.close()
    wrong = Planhat("wrong", api_url=emulator.url, mirror=tmp_path / "planhat.db", calls_per_min=1e6)
    wrong.adopt_mirror(force=True)
    result = wrong.push()
    wrong.close()
    planhat.adopt_mirror(force=True)
    assert len(result.failed) == 6 and "still waits" in result.failed[0].error
    assert {entry.state for entry in planhat.mirror.outbox} == {"pending"}
    emulator.stop()
    down = planhat.push()
    assert len(down.failed) == 6 and {entry.state for entry in planhat.mirror.outbox} == {"pending"}
    emulator.start()
    back = client(emulator, tmp_path)
    assert back.push().ok
    back.close()
    assert named(emulator) == [f"N{n}" for n in range(5)]


def test_reading_from_a_server_that_is_down_raises_and_loses_nothing(start: Start) -> None:
    emulator, planhat = start()
    emulator.store.insert("company", {"name": "A"})
    planhat.sync(Company)
    edit_offline(planhat, phase="Mine")
    emulator.stop()
    with pytest.raises(ConnectionFailed):
        planhat.push()
    assert [entry.state for entry in planhat.mirror.outbox] == ["pending"]


def test_a_model_that_the_token_may_not_read_does_not_keep_the_others_waiting(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A"})["_id"]
    emulator.store.insert("license", {"companyId": id, "_currency": "EUR", "value": 1})
    planhat.sync(Company, License)
    with planhat.offline():
        licence = License.objects.all()[0]
        licence.value = 2
        licence.save()
        company = Company.objects.get(id)
        company.phase = "Mine"
        company.save()
    emulator.forbid("license")
    result = planhat.push()
    assert len(result.updated) == 1 and "still waits" in result.failed[0].error
    emulator.allow()
    assert planhat.push().ok
    assert emulator.store.all("license")[0]["value"] == 2


# --- who pushes -------------------------------------------------------------------------------------------


def test_a_newer_edit_takes_its_field_out_of_every_older_one_that_waits(start: Start) -> None:
    """Else the older value would be sent after all, over the newer one."""
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C", "phase": "Trial", "description": "old"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, description="wrong")
    hand = planhat.mirror.outbox.claim_session()
    hand.claim("pending")
    edit_offline(planhat, phase="Live")  # what is in somebody's hand is left alone, so this stands beside it
    hand.release()
    assert len(planhat.mirror.outbox) == 2
    edit_offline(planhat, description="old")
    assert [entry.patch for entry in planhat.mirror.outbox] == [{"phase": "Live"}]
    assert planhat.push().ok
    row = emulator.store.get("company", id)
    assert row is not None and (row["phase"], row["description"]) == ("Live", "old")


def test_what_a_newer_write_brought_to_the_server_is_not_undone_by_an_older_one(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C", "phase": "Trial", "description": "old"})["_id"]
    planhat.sync(Company)
    emulator.store.refusals["company"] = [lambda row: "refused" if row.get("phase") == "wrong" else None]
    edit_offline(planhat, phase="wrong", description="new")
    assert not planhat.push().ok
    company = Company.objects.using(planhat).using("mirror").get(id)
    company.phase = "Live"
    company.save(using=planhat)
    assert [(entry.state, entry.patch) for entry in planhat.mirror.outbox] == [("failed", {"description": "new"})]
    emulator.store.refusals.clear()
    planhat.mirror.outbox.retry()
    assert planhat.push().ok
    row = emulator.store.get("company", id)
    assert row is not None and (row["phase"], row["description"]) == ("Live", "new")
    shown = Company.objects.using(planhat).using("mirror").get(id)
    assert (shown.phase, shown.description) == ("Live", "new")


def test_a_newer_value_that_the_server_has_already_counts_as_brought_there(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C", "phase": "Trial", "description": "old", "city": "w"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="wrong", description="mine")
    hand = planhat.mirror.outbox.claim_session()
    hand.claim("pending")
    edit_offline(planhat, phase="Trial", city="x")
    hand.release()
    emulator.store.update("company", id, {"description": "theirs"})
    assert planhat.push().conflicts
    assert [entry.patch for entry in planhat.mirror.outbox] == [{"description": "mine"}]
    assert planhat.push(on_conflict="ours").ok
    row = emulator.store.get("company", id)
    assert row is not None and (row["phase"], row["description"], row["city"]) == ("Trial", "mine", "x")


def test_what_an_older_write_will_bring_is_sent_again_by_the_newer_one(start: Start) -> None:
    """The older one may fail, and the newer one's value must not be lost with it."""
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C", "phase": "Trial", "description": "old"})["_id"]
    planhat.sync(Company)
    outbox = planhat.mirror.outbox
    for patch in ({"phase": "Live", "description": "wrong"}, {"phase": "Live", "city": "x"}):
        hand = outbox.claim_session()
        hand.record([WriteIntent("update", "company", id, patch, {"phase": "Trial", "description": "old"})], "pending")
        hand.release()
    emulator.store.refusals["company"] = [lambda row: "no" if row.get("description") == "wrong" else None]
    assert len(planhat.push().failed) == 2  # one record is one row
    outbox.discard(outbox.entries()[0].seq)
    outbox.retry()
    assert planhat.push().ok
    row = emulator.store.get("company", id)
    assert row is not None and (row["phase"], row["city"], row["description"]) == ("Live", "x", "old")


def test_a_conflict_over_a_field_that_was_written_since_is_none(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C", "phase": "Trial", "description": "old"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="Mine", description="new")
    emulator.store.update("company", id, {"phase": "Theirs"})
    assert planhat.push().conflicts
    company = Company.objects.using(planhat).get(id)
    company.phase = "Live"
    company.save(using=planhat)
    assert planhat.push().ok
    row = emulator.store.get("company", id)
    assert row is not None and (row["phase"], row["description"]) == ("Live", "new")
    assert not len(planhat.mirror.outbox)


def test_a_deletion_leaves_no_older_change_of_the_record_behind(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "C"})["_id"]
    planhat.sync(Company)
    edit_offline(planhat, phase="Live")
    Company.objects.using(planhat).get(id).delete(using=planhat)
    assert not len(planhat.mirror.outbox)
    assert emulator.store.get("company", id) is None


def test_only_one_pushes_at_a_time(start: Start) -> None:
    emulator, planhat = start()
    planhat.sync(Company)
    with planhat.offline():
        planhat.save_all([Company(name=f"N{n}") for n in range(3)])
    first = planhat.mirror.outbox.claim_session()
    first.reserve()
    with pytest.raises(MirrorError, match="being pushed by process"):
        planhat.push()
    first.release()
    assert planhat.push().ok and len(emulator.store.all("company")) == 3


def test_what_another_one_is_sending_is_left_alone_until_he_is_gone(start: Start, tmp_path: Path) -> None:
    _, planhat = start()
    planhat.sync(Company)
    other = planhat.mirror.outbox.claim_session()
    other.record([WriteIntent("create", "company", None, {"name": "N"}, {})], "inflight")
    assert len(planhat.push()) == 0
    assert planhat.mirror.outbox.discard() == 0
    other.release()
    assert len(planhat.push().created) == 1
    other = planhat.mirror.outbox.claim_session()
    [(seq, _)] = other.record([WriteIntent("create", "company", None, {"name": "M"}, {})], "pending")
    assert seq is not None
    for file in tmp_path.glob("*.lock"):
        file.unlink()  # so it looks as after a crash
    taken = planhat.mirror.outbox.claim_session()
    taken.reserve()
    assert [entry.seq for entry in taken.claim("pending")] == [seq]
    assert other.send({seq: ({"name": "M"}, {}, None)}) == set(), "it was taken over, so it does not travel twice"
    taken.release()


def test_saves_events_and_pushes_in_tasks(start: Start) -> None:
    emulator, planhat = start()
    seen: list[tuple[str, str]] = []
    planhat.on("saved", lambda row: seen.append(("saved", row.status)))
    planhat.on("failed", lambda row: seen.append(("failed", row.status)))
    emulator.refuse("company", lambda row: "no" if row.get("name") == "Bad" else None)
    planhat.sync(Company)

    async def work() -> None:
        with planhat.offline():
            await Company.objects.acreate(name="Good", external_id="1")
            await Company(name="Bad", external_id="2").asave()
        assert seen == []
        result = await planhat.apush()
        assert (len(result.created), len(result.failed)) == (1, 1)
        await planhat.aclose()

    asyncio.run(work())
    assert sorted(seen) == [("failed", "failed"), ("saved", "created")]


def test_deleting_offline_sends_children_before_their_company(start: Start) -> None:
    emulator, planhat = start()
    id = emulator.store.insert("company", {"name": "A", "domains": ["a.example"]})["_id"]
    emulator.store.insert("enduser", {"companyId": id, "email": "x@a.example"})
    planhat.sync(Company, Enduser)
    with planhat.offline():
        Company.objects.get(id).delete()
        Enduser.objects.all()[0].delete()
    assert len(planhat.push().deleted) == 2
    assert [call.path.split("/")[1] for call in emulator.log if call.method == "DELETE"] == ["endusers", "companies"]
    assert not emulator.store.all("company") and not emulator.store.all("enduser")


def test_a_refused_policy_is_named(start: Start) -> None:
    _, planhat = start()
    with pytest.raises(PlanhatError, match="on_conflict is"):
        planhat.push(on_conflict="mine")  # type: ignore[arg-type]
