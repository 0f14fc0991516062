"""A batch: what it holds back, sends together, and says of every object afterwards, with and without an outbox."""

from __future__ import annotations

import asyncio
import random
from datetime import date
from typing import Any

import pytest

from planhat_orm import Company, Conversation, Custom, CustomField, Enduser, License, Ticket
from planhat_orm.emulator import Emulator
from planhat_orm.errors import BulkError, ConflictError, FieldError, PlanhatError, ValidationError
from planhat_orm.writes import server_state
from tests.scale import LONG, sized

from .conftest import Plain

K = sized(100, 1000)
"""A thousand, or a hundred where nobody has the time."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_state, "QUIET", 0.0)


def companies(emulator: Emulator, count: int, **fields: Any) -> list[str]:
    return [
        emulator.store.insert("company", {"name": f"C{n}", "externalId": f"c-{n}", "phase": "Trial", **fields})["_id"]
        for n in range(count)
    ]


# --- the whole of it --------------------------------------------------------------------------------------


def test_12000_rows_of_three_models_each_have_one_outcome_though_rows_are_bad_and_an_answer_is_lost(
    plain: Plain,
) -> None:
    emulator, planhat = plain
    rng = random.Random(3)
    companies(emulator, 2 * K)
    bad = {f"bad-{n}": f"refused for reason {n}" for n in range(5)}
    for kind in ("company", "enduser", "license"):
        emulator.refuse(kind, lambda row: bad.get(str(row.get("externalId"))))
    emulator.faults.add(kind="reset_after", method="PUT", path="/companies", times=1, after=LONG)
    old = list(Company.objects.using(planhat))
    new = [Company(name=f"New {n}", external_id=f"new-{n}") for n in range(4 * K)]
    for company in old:
        company.phase = "Moved"
    # Bad parents are such as no child refers to.
    for n, name in enumerate(("bad-0", "bad-1")):
        new[rng.randrange(3 * K, 3 * K + K // 2) + K // 2 * n].external_id = name
    people = [Enduser(company=new[n], email=f"p{n}@new.example", external_id=f"p-{n}") for n in range(3 * K)]
    licences = [
        License(company=new[n], currency="EUR", value=n, product="P", from_date=date(2026, 1, 1), external_id=f"l-{n}")
        for n in range(3 * K)
    ]
    people[rng.randrange(3 * K)].external_id = "bad-2"
    licences[rng.randrange(K)].external_id = "bad-3"
    licences[rng.randrange(K, 3 * K)].external_id = "bad-4"
    everything = [*people, *old, *licences, *new]
    rng.shuffle(everything)
    with pytest.raises(BulkError) as caught, planhat.batch() as batch:
        for record in everything:
            record.save()
    result = batch.result
    assert caught.value.result is result and len(result) == 12 * K
    assert {id(row.object) for row in result} == {id(record) for record in everything}
    assert {row.object.external_id: row.error for row in result.failed} == bad
    assert not result.unknown and not result.dropped
    # Rows of the request whose answer was lost were found equal when they were repeated.
    assert len(result.created) + len(result.updated) + len(result.unchanged) == 12 * K - 5

    def once(kind: str, wanted: int) -> None:
        keys = [row["externalId"] for row in emulator.store.all(kind)]
        assert len(keys) == len(set(keys)) == wanted

    once("company", 6 * K - 2)
    once("enduser", 3 * K - 1)
    once("license", 3 * K - 2)
    good = [row.object for row in result if row.ok]
    assert all(record.id is not None and not record.changes() for record in good)
    stored = {row["externalId"]: row for row in emulator.store.all("license")}
    assert all(
        stored[licence.external_id]["companyId"] == licence.company.id == licence.company_id
        for licence in licences
        if licence.id
    )

    emulator.allow()
    emulator.log.clear()
    sent: list[Any] = []
    planhat.on("request", lambda request: sent.append(request))
    assert len(batch.retry().created) == 5
    rows = sum(call.rows for call in emulator.log if call.method == "PUT")
    assert rows == 5
    once("company", 6 * K)
    once("enduser", 3 * K)
    once("license", 3 * K)
    if planhat.settings.mirror:
        assert not len(planhat.mirror.outbox)


# --- one unit of work -------------------------------------------------------------------------------------


def test_inside_a_batch_one_record_is_one_object(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1, custom={"Tier": "A"})
    emulator.store.insert("license", {"companyId": id, "_currency": "EUR", "value": 1})
    with planhat.batch() as batch:
        one = Company.objects.get(id)
        one.phase = "Live"
        assert Company.objects.get(external_id="c-0") is one
        assert next(iter(Company.objects.all())) is one and License.objects.all()[0].company is one
        assert one.phase == "Live", "an unsaved edit stays"
        emulator.store.update("company", id, {"name": "Renamed"})
        narrow = Company.objects.only("phase")[0]
        assert narrow is one and one.custom == {"Tier": "A"}
        Company.objects.get(id)
        assert one.name == "Renamed", "what is read later is newer"
        one.name = "Mine"
        one.save()
    assert len(batch.result.updated) == 1
    assert emulator.log.count("PUT") == 1
    assert Company.objects.get(id) is not one


def test_an_exception_inside_sends_nothing(plain: Plain) -> None:
    emulator, planhat = plain
    companies(emulator, 1)
    with pytest.raises(ZeroDivisionError), planhat.batch():
        company = Company.objects.all()[0]
        company.phase = "Live"
        company.save()
        Company(name="New").save()
        company.delete()
        raise ZeroDivisionError
    assert emulator.log.count("PUT") == emulator.log.count("DELETE") == 0
    assert company.changes()


def test_everything_that_writes_many_waits_too(plain: Plain) -> None:
    emulator, planhat = plain
    companies(emulator, 4)
    with planhat.batch() as batch:
        assert len(Company.objects.all()[:2].update(phase="Live").queued) == 2
        planhat.save_all([Company(name="New", external_id="n-1")])
        Company.objects.bulk_upsert([{"external_id": "c-2", "phase": "Lost"}])
        assert Company.objects.update_or_create(external_id="c-3", defaults={"phase": "Won"})[1] is False
        assert emulator.log.count("PUT") == 0
    assert emulator.log.count("PUT") == 1 and len(batch.result) == 5
    phases = {row["externalId"]: row.get("phase") for row in emulator.store.all("company")}
    assert [phases[f"c-{n}"] for n in range(4)] == ["Live", "Live", "Lost", "Won"] and "n-1" in phases


def test_a_child_goes_with_the_parent_that_is_made_with_it_and_fails_with_it(plain: Plain) -> None:
    emulator, planhat = plain
    emulator.refuse("company", lambda row: "no" if row.get("name") == "Bad" else None)
    with pytest.raises(BulkError), planhat.batch() as batch:
        for name in ("Good", "Bad"):
            company = Company(name=name)
            company.save()
            Conversation(company=company, subject=name, type="note").save()
    assert {(type(row.object).__name__, row.status) for row in batch.result.failed} == {
        ("Company", "failed"), ("Conversation", "failed"),
    }  # fmt: skip
    assert [row["subject"] for row in emulator.store.all("conversation")] == ["Good"]
    assert [row.object.changes() != {} for row in batch.result.failed] == [True, True]
    emulator.allow()
    assert len(batch.retry().created) == 2
    assert len(emulator.store.all("conversation")) == len(emulator.store.all("company")) == 2


def test_a_record_that_is_there_goes_with_a_new_one_that_it_names_though_that_has_no_key(plain: Plain) -> None:
    emulator, planhat = plain
    (id,) = companies(emulator, 1)
    person = emulator.store.insert("enduser", {"email": "e@c.example", "companyId": id})["_id"]
    record = Enduser.objects.using(planhat).get(person)
    with planhat.batch() as batch:
        record.company = Company(name="New")
        record.company.save()
        record.save()
        assert batch.plan().summary().startswith("create 1 Company, update 1 Enduser")
    made = next(row["_id"] for row in emulator.store.all("company") if row["name"] == "New")
    stored = emulator.store.get("enduser", person)
    assert stored is not None and stored["companyId"] == made == record.company_id


def test_only_what_was_acknowledged_is_clean_and_only_the_chosen_fields_travel(plain: Plain) -> None:
    emulator, planhat = plain
    ids = companies(emulator, 3)
    emulator.refuse("company", lambda row: "no" if row.get("_id") == ids[1] else None)
    with pytest.raises(BulkError), planhat.batch() as batch:
        found = list(Company.objects.order_by("external_id"))
        for company in found:
            company.phase, company.name = "Live", f"{company.name}!"
            company.save(fields=["phase"])
        assert [change.field for change in batch.plan().changes] == ["phase"] * 3
    assert [sorted(company.changes()) for company in found] == [["name"], ["name", "phase"], ["name"]]
    assert [row["name"] for row in emulator.store.all("company")] == ["C0", "C1", "C2"]
    emulator.allow()
    batch.retry()
    assert [sorted(company.changes()) for company in found] == [["name"]] * 3


def test_deletes_go_last_children_first_and_what_is_gone_is_deleted(plain: Plain) -> None:
    emulator, planhat = plain
    one, two, three = companies(emulator, 3)
    emulator.store.insert("license", {"companyId": one, "_currency": "EUR", "value": 1})
    with planhat.batch() as batch:
        doomed = {company.id: company for company in Company.objects.all()}
        licence = License.objects.all()[0]
        new = Company(name="New")
        new.save()
        doomed[one].delete()
        licence.delete()
        doomed[two].phase = "Live"
        doomed[two].save()
        doomed[two].delete()
        new.delete()
        assert batch.plan().summary().startswith("delete 2 Company, delete 1 License")
        with pytest.raises(PlanhatError, match="deleted"):
            batch.add(doomed[two])
        emulator.store.delete("company", two)
    assert [row.status for row in batch.result] == ["deleted"] * 3
    assert emulator.log.count("PUT") == 0
    assert [row["_id"] for row in emulator.store.all("company")] == [three]
    with pytest.raises(PlanhatError, match="was deleted"):
        doomed[one].save()


def test_a_dry_run_sends_nothing_and_shows_the_plan(plain: Plain) -> None:
    emulator, planhat = plain
    companies(emulator, 1)
    with planhat.batch(dry_run=True) as batch:
        company = Company.objects.all()[0]
        company.phase = "Live"
        company.save()
        Company.objects.create(name="New")
    assert emulator.log.count("PUT") == emulator.log.count("POST") == 0
    assert batch.plan().summary().startswith("update 1 Company, create 1 Company (2 fields), 2 requests")
    assert company.changes() == {"phase": ("Trial", "Live")}


def test_an_invalid_row_stops_the_batch_before_its_first_request_and_retry_sends_all(plain: Plain) -> None:
    emulator, planhat = plain
    companies(emulator, 1)
    with pytest.raises(ValidationError, match="needs name"), planhat.batch() as batch:
        company = Company.objects.all()[0]
        company.phase = "Live"
        company.save()
        bad = Company()
        bad.save()
    assert emulator.log.count("PUT") == 0
    bad.name = "Mended"
    result = batch.retry()
    assert (len(result.updated), len(result.created)) == (1, 1)


def test_an_upsert_that_finds_its_values_there_is_unchanged_and_has_the_id(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    with planhat.batch() as batch:
        company = Company(name="C0", external_id="c-0")
        company.save()
    assert [row.status for row in batch.result] == ["unchanged"] and company.id == id and not company.changes()


def test_models_without_a_bulk_upsert_are_written_one_by_one(plain: Plain) -> None:
    emulator, planhat = plain
    with planhat.batch() as batch:
        CustomField(name="Tier", type="text", parent="company").save()
        Company(name="New").save()
        assert batch.plan().requests == 2
    assert len(batch.result.created) == 2
    assert [row["name"] for row in emulator.store.all("custom_field")] == ["Tier"]


def test_a_ticket_that_the_server_ignores_is_dropped_with_the_reason(plain: Plain) -> None:
    emulator, planhat = plain
    with pytest.raises(BulkError) as caught:
        Ticket.objects.using(planhat).bulk_upsert([{"source_id": "t-1"}])
    [row] = caught.value.result.dropped
    assert "drops tickets without an email" in row.error
    assert emulator.store.all("ticket") == []


def test_tasks_use_batches_as_threads_do(plain: Plain) -> None:
    emulator, planhat = plain
    emulator.refuse("company", lambda row: "no" if row.get("name") == "Bad" else None)

    async def work() -> None:
        with pytest.raises(BulkError):
            async with planhat.batch() as batch:
                await Company.objects.acreate(name="Good")
                await Company(name="Bad").asave()
        assert (len(batch.result.created), len(batch.result.failed)) == (1, 1)
        emulator.allow()
        assert len((await batch.aretry()).created) == 1
        await planhat.aclose()

    asyncio.run(work())
    assert sorted(row["name"] for row in emulator.store.all("company")) == ["Bad", "Good"]


# --- answers that are lost --------------------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [True, False])
def test_a_retry_of_rows_without_a_key_looks_first_and_doubles_nothing(plain: Plain, arrived: bool) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    emulator.faults.add(kind="reset_after" if arrived else "reset_before", method="PUT", path="/conversations")
    notes = [Conversation(company_id=id, subject=f"N{n}", type="note") for n in range(6)]
    with pytest.raises(BulkError), planhat.batch() as batch:
        for note in notes:
            note.save()
    assert len(batch.result.unknown) == 6
    assert len(batch.retry().created) == 6
    assert sorted(row["subject"] for row in emulator.store.all("conversation")) == [f"N{n}" for n in range(6)]
    assert len({note.id for note in notes}) == 6 and not any(note.changes() for note in notes)
    stored = {row["_id"]: row["subject"] for row in emulator.store.all("conversation")}
    assert all(stored[str(note.id)] == note.subject for note in notes)
    if planhat.settings.mirror:
        assert not len(planhat.mirror.outbox)


def test_new_records_whose_ids_cannot_be_read_are_looked_for_by_a_retry(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    emulator.faults.add(kind="status", status=403, method="GET", path="/conversations")
    notes = [Conversation(company_id=id, subject=f"N{n}", type="note") for n in range(3)]
    with pytest.raises(BulkError), planhat.batch() as batch:
        for note in notes:
            note.save()
    assert "its id could not be read" in batch.result.unknown[2].error and not any(note.id for note in notes)
    assert len(batch.retry().created) == 3
    stored = {row["_id"]: row["subject"] for row in emulator.store.all("conversation")}
    assert stored == {note.id: note.subject for note in notes}


def test_a_lost_row_that_others_look_like_stays_unknown(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    emulator.faults.add(kind="reset_after", method="PUT", path="/conversations")
    with pytest.raises(BulkError), planhat.batch() as batch:
        Conversation(company_id=id, subject="N", type="note").save()
    emulator.store.insert("conversation", {"companyId": id, "subject": "N", "type": "note"})
    with pytest.raises(BulkError):
        batch.retry()
    assert [row.status for row in batch.result] == ["unknown"]
    assert len(emulator.store.all("conversation")) == 2


# --- two writers ------------------------------------------------------------------------------------------


def test_two_writers_of_500_records_disjoint_edits_meet_and_the_conflicts_are_exact(plain: Plain) -> None:
    emulator, planhat = plain
    ids = companies(emulator, 500, tags=["a"], custom={"Tier": "C"})
    mine = list(Company.objects.using(planhat).order_by("external_id"))
    wanted = {}
    for n, (company, id) in enumerate(zip(sorted(mine, key=lambda one: str(one.id)), sorted(ids), strict=True)):
        company.phase = "Mine"
        company.tags.append("mine")
        company.custom["Tier"] = "A"
        theirs: dict[str, Any] = {"name": f"Renamed {n}", "tags": ["theirs"]}
        if n % 3 == 0:
            theirs["phase"] = "Theirs"
            wanted[id, "phase"] = ("Trial", "Mine", "Theirs")
        if n % 4 == 0:
            theirs["custom"] = {"Tier": "B"}
            wanted[id, "custom.Tier"] = ("C", "A", "B")
        emulator.store.update("company", id, theirs)
    with pytest.raises(ConflictError) as caught, planhat.batch(on_conflict="raise") as batch:
        for company in mine:
            company.save()
    found = {
        (conflict.object.id, conflict.name): (conflict.base, conflict.mine, conflict.theirs)
        for conflict in caught.value.conflicts
    }
    assert found == wanted and all(conflict.object in mine for conflict in caught.value.conflicts)
    assert emulator.log.count("PUT") == 0
    batch.on_conflict = "ours"
    assert len(batch.retry().updated) == 500
    for n, id in enumerate(sorted(ids)):
        row = emulator.store.get("company", id)
        assert row is not None
        assert (row["name"], row["phase"], row["tags"]) == (f"Renamed {n}", "Mine", ["theirs", "mine"])
        assert row["custom"] == {"Tier": "A"}


@pytest.mark.parametrize(
    ("policy", "phase", "puts"),
    [("ours", "Mine", 1), ("theirs", "Theirs", 0), (lambda one: f"{one.mine}/{one.theirs}", "Mine/Theirs", 1)],
)
def test_a_single_save_settles_a_conflict_by_policy(plain: Plain, policy: Any, phase: str, puts: int) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    company = Company.objects.using(planhat).get(id)
    company.phase = "Mine"
    emulator.store.update("company", id, {"phase": "Theirs", "name": "Renamed"})
    company.save(on_conflict=policy)
    assert emulator.log.count("PUT") == puts
    stored = emulator.store.get("company", id)
    assert stored is not None and (stored["phase"], stored["name"]) == (phase, "Renamed")
    assert (company.phase, company.name, company.changes()) == (phase, "Renamed", {})


def test_a_conflict_in_a_field_that_is_not_saved_is_none(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    company = Company.objects.using(planhat).get(id)
    company.phase, company.name = "Mine", "Mine"
    emulator.store.update("company", id, {"phase": "Theirs"})
    company.save(fields=["name"], on_conflict="raise")
    assert company.changes() == {"phase": ("Trial", "Mine")}
    with pytest.raises(ConflictError):
        company.save(on_conflict="raise")
    with pytest.raises(FieldError, match="on_conflict is"):
        company.save(on_conflict="mine")  # type: ignore[arg-type]


def test_a_record_that_is_gone_is_a_conflict_without_a_name(plain: Plain) -> None:
    emulator, planhat = plain
    [id] = companies(emulator, 1)
    company = Company.objects.using(planhat).get(id)
    company.phase = "Mine"
    emulator.store.delete("company", id)
    with pytest.raises(ConflictError) as caught:
        company.save(on_conflict="ours")
    assert [conflict.name for conflict in caught.value.conflicts] == [""]


# --- hooks ------------------------------------------------------------------------------------------------


class Stamped(Company):
    """A company that says who wrote it."""

    writer = Custom("Writer", str)

    def before_save(self) -> None:
        self.writer = "hook"


def test_before_save_and_events_are_the_same_for_one_and_for_many(plain: Plain) -> None:
    emulator, planhat = plain
    ids = companies(emulator, 2)
    emulator.refuse("company", lambda row: "no" if row.get("phase") == "Bad" else None)
    seen: list[tuple[str, str, str | None]] = []
    planhat.on("saved", lambda row: seen.append(("saved", row.status, row.object.external_id)))
    planhat.on("failed", lambda row: seen.append(("failed", row.status, row.object.external_id)))
    one, two = Stamped.objects.using(planhat).order_by("external_id")
    one.save()
    assert seen == [] and emulator.log.count("PUT") == 0, "what did not change is not touched by the hook"
    one.phase = "Live"
    one.save()
    two.phase = "Bad"
    with pytest.raises(PlanhatError):
        two.save()
    with pytest.raises(BulkError), planhat.batch():
        one.phase = "Won"
        one.save()
        two.save()
        Stamped(name="New", external_id="n").save()
    one.delete()
    assert seen == [
        ("saved", "updated", "c-0"), ("failed", "failed", "c-1"), ("saved", "updated", "c-0"),
        ("failed", "failed", "c-1"), ("saved", "created", "n"), ("saved", "deleted", "c-0"),
    ]  # fmt: skip
    rows = {row["externalId"]: row["custom"] for row in emulator.store.all("company")}
    assert rows["n"] == {"Writer": "hook"} and ids


def test_requests_and_answers_can_be_watched(plain: Plain) -> None:
    emulator, planhat = plain
    methods: list[str] = []
    statuses: list[int] = []
    planhat.on("request", lambda request: methods.append(request.method))
    planhat.on("response", lambda pair: statuses.append(pair[1].status))
    with planhat.batch():
        Company(name="New", external_id="n").save()
    assert methods == ["PUT"] and statuses == [200]
    with pytest.raises(PlanhatError, match="no event 'saves'"):
        planhat.on("saves", print)  # type: ignore[call-overload]
    assert emulator.calls == 1


# --- what a person sees -----------------------------------------------------------------------------------


def test_an_error_says_what_the_server_said_of_which_record(plain: Plain) -> None:
    emulator, planhat = plain
    companies(emulator, 1)
    emulator.refuse("company", lambda row: None if row.get("phase") == "Live" else f"too long: {row.get('phase')}")
    with pytest.raises(BulkError) as caught, planhat.batch():
        Company(name="Acme", external_id="a", phase="one").save()
        Company(external_id="b", phase="one").save()
        Company(external_id="c", phase="two").save()
        Company(name="Good", phase="Live", external_id="d").save()
        old = Company.objects.get(external_id="c-0")
        old.phase = "three"
        old.save()
        Company(external_id="e", phase="four").save()
    first, *reasons = str(caught.value).splitlines()
    assert first.startswith("created 1, failed 5, in ")
    assert first.endswith(". See .result.failed, .dropped and .unknown: each has .object and .error.")
    assert reasons == [
        "  Company Acme and 1 more: too long: one",
        "  Company c: too long: two",
        "  Company C0: too long: three",
        "  ... and 1 other reason",
    ]
    assert "too long" not in repr(caught.value)


def test_a_ticket_without_an_email_is_refused_with_the_reason_in_the_error(plain: Plain) -> None:
    _, planhat = plain
    with pytest.raises(BulkError, match=r"(?s)dropped 1, in 1 request\..*Ticket t-1: .*without an email"):
        Ticket.objects.using(planhat).bulk_upsert([{"source_id": "t-1"}])
