"""Merging companies: what the one lacks, what belongs to the other; nothing is deleted while something is left."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Enduser, Planhat
from planhat_orm.errors import BlockError, BulkError, ConflictError, FieldError, PlanhatError, ValidationError
from planhat_orm.http.effects import Request
from planhat_orm.models.labels import label_of
from planhat_orm.models.reference_fields import referring_fields
from planhat_orm.writes.merge_plan import MergePlan

from .conftest import Start, client

CHILDREN: dict[str, dict[str, Any]] = {
    "asset": {"name": "A", "companyId": "?"},
    "campaign": {"name": "C", "companyId": "?"},
    "conversation": {"subject": "S", "type": "note", "companyId": "?"},
    "deal": {"name": "D", "companyId": "?"},
    "enduser": {"email": "e@o.example", "companyId": "?"},
    "invoice": {"cId": "?", "currency": "EUR", "invoiceDate": 20_000},
    "issue": {"title": "I", "companyIds": ["?"]},
    "license": {"product": "P", "_currency": "EUR", "value": 5, "companyId": "?"},
    "nps": {"email": "e@o.example", "score": 7, "cId": "?"},
    "objective": {"name": "O", "companyId": "?"},
    "opportunity": {"title": "T", "companyId": "?"},
    "project": {"name": "P", "companyId": "?"},
    "sale": {"product": "S", "_currency": "EUR", "value": 5, "companyId": "?"},
    "task": {"action": "T", "mainType": "task", "companyId": "?"},
    "ticket": {"sourceId": "t-1", "email": "e@o.example", "title": "T", "companyId": "?"},
}


def insert(server: Any, name: str, company: str) -> str:
    values = {
        wire: company if value == "?" else [company] if value == ["?"] else value
        for wire, value in CHILDREN[name].items()
    }
    return str(server.store.insert(name, values)["_id"])


def two(server: Any) -> tuple[str, str]:
    keep = server.store.insert("company", {"name": "Keep", "phase": "Live", "custom": {"Tier": "A"}})
    other = server.store.insert(
        "company",
        {"name": "Other", "phase": "Trial", "city": "Ulm", "externalId": "o-1", "custom": {"Tier": "B", "Seats": 3}},
    )
    return str(keep["_id"]), str(other["_id"])


def companies_named(server: Any, name: str) -> list[Any]:
    """The companies that the records of a resource name."""
    wire = next(wire for wire, value in CHILDREN[name].items() if value in ("?", ["?"]))
    return [row[wire][0] if isinstance(row[wire], list) else row[wire] for row in server.store.all(name)]


@pytest.mark.parametrize("cascade", [False, True])
def test_every_child_moves_and_the_other_company_goes(start: Start, cascade: bool) -> None:
    server, planhat = start(cascade=cascade)
    keep, other = two(server)
    for name in CHILDREN:
        insert(server, name, other)
    plan = Company.objects.using(planhat).merge(keep, other)
    assert {type(record)._meta.resource.name for record in plan.updates} == {"company", *CHILDREN}
    assert "Not moved: metrics, activities" in str(plan) and not plan.left
    assert plan.apply().ok
    for name in CHILDREN:
        assert set(companies_named(server, name)) == {keep}, name
    [row] = server.store.all("company")
    assert (row["_id"], row["name"], row["phase"], row["city"], row["externalId"]) == (
        keep,
        "Keep",
        "Live",
        "Ulm",
        "o-1",
    )
    assert row["custom"] == {"Tier": "A", "Seats": 3}


def test_the_models_come_from_the_declarations() -> None:
    known = {model._meta.resource.name for model in referring_fields("company")}
    assert known >= set(CHILDREN) | {"churn", "line_item", "time_entry", "workflow", "workspace", "company"}
    assert not known & {"note", "metric", "user_activity"}


def test_fields_that_both_have_are_listed_and_those_of_the_kept_one_stay(start: Start) -> None:
    server, planhat = start()
    plan = Company.objects.using(planhat).merge(*two(server))
    assert {(item.name, item.kept, item.dropped) for item in plan.differences} == {
        ("name", "Keep", "Other"), ("phase", "Live", "Trial"), ("custom.Tier", "A", "B"),
    }  # fmt: skip
    told = json.loads(plan.to_json())
    assert {row["field"]: (row["old"], row["new"]) for row in told["changes"] if row["action"] == "update"} == {
        "city": (None, "Ulm"), "custom.Seats": (None, 3),
    }  # fmt: skip
    assert len(told["differences"]) == 3 and told["keys"][0]["value"] == "o-1"


def test_a_key_of_the_kept_company_stays(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    server.store.update("company", keep, {"externalId": "k-1"})
    plan = Company.objects.using(planhat).merge(keep, other)
    assert ("external_id", "k-1", "o-1") in {(item.name, item.kept, item.dropped) for item in plan.differences}
    plan.apply()
    assert [row["externalId"] for row in server.store.all("company")] == ["k-1"]


def test_a_contact_with_the_same_email_gives_what_names_it_and_goes(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    ours = str(server.store.insert("enduser", {"email": "a@x.example", "companyId": keep, "position": "CTO"})["_id"])
    theirs = {"email": "A@x.example", "companyId": other, "position": "Boss", "phone": "1", "externalId": "e-1"}
    double = str(server.store.insert("enduser", theirs)["_id"])
    issue = str(server.store.insert("issue", {"title": "I", "companyIds": [other], "enduserIds": [double]})["_id"])
    plan = Company.objects.using(planhat).merge(keep, other)
    assert plan.apply().ok
    [row] = server.store.all("enduser")
    assert (row["_id"], row["position"], row["phone"], row["externalId"]) == (ours, "CTO", "1", "e-1")
    stored = server.store.get("issue", issue)
    assert (stored["companyIds"], stored["enduserIds"]) == ([keep], [ours])


def test_what_cannot_be_moved_is_said_and_stops_the_deletion(start: Start, way: str) -> None:
    server, planhat = start()
    keep, other = two(server)
    insert(server, "license", other)
    server.store.insert("company", {"name": "Child", "orgPath": f",{other},"})
    plan = Company.objects.using(planhat).merge(keep, other)
    assert [label_of(record) for record in plan.left] == ["Company Child"] and "Child" in str(plan)
    with pytest.raises(PlanhatError, match="Child still belongs"):
        plan.apply()
    assert companies_named(server, "license") == [keep]
    assert server.store.get("company", other) is not None and server.log.count("DELETE") == 0


def test_what_may_go_with_the_other_company_is_said_and_goes(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    server.store.insert("company", {"name": "Child", "orgPath": f",{other},"})
    plan = Company.objects.using(planhat).merge(keep, other, leave=["Company"])
    assert not plan.left and "goes with the other company: Company Child" in str(plan)
    assert plan.apply().ok
    assert server.store.get("company", other) is None


def test_what_comes_between_plan_and_apply_moves_too(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    plan = Company.objects.using(planhat).merge(keep, other)
    insert(server, "license", other)
    assert plan.apply().ok
    assert companies_named(server, "license") == [keep]


def test_what_others_moved_or_changed_after_the_plan_is_a_conflict_before_anything_is_sent(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    third = str(server.store.insert("company", {"name": "Third"})["_id"])
    contract = insert(server, "license", other)
    plan = Company.objects.using(planhat).merge(keep, other)
    server.store.update("license", contract, {"companyId": third})
    server.store.update("company", keep, {"city": "Rome"})
    server.log.clear()
    with pytest.raises(ConflictError) as found:
        plan.apply()
    assert {conflict.name for conflict in found.value.conflicts} == {"company_id", "city"}
    assert server.log.count("GET") == len(server.log)


def test_a_refused_child_stops_the_deletion(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    insert(server, "license", other)
    insert(server, "enduser", other)
    plan = Company.objects.using(planhat).merge(keep, other)
    server.refuse("license", lambda row: "no")
    with pytest.raises(BulkError):
        plan.apply()
    assert server.log.count("DELETE") == 0
    assert companies_named(server, "license") == [other]


def test_tasks_merge_too(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    insert(server, "enduser", other)

    async def merge() -> None:
        plan: MergePlan = await Company.objects.using(planhat).amerge(keep, other)
        assert (await plan.aapply()).ok
        await planhat.aclose()

    asyncio.run(merge())
    assert companies_named(server, "enduser") == [keep]


def test_what_cannot_be_merged_is_refused(start: Start) -> None:
    server, planhat = start()
    keep, other = two(server)
    companies = Company.objects.using(planhat)
    with pytest.raises(FieldError, match="for companies"):
        Enduser.objects.using(planhat).merge(keep, other)
    with pytest.raises(ValidationError, match="two companies"):
        companies.merge(keep, keep)
    with pytest.raises(ValidationError, match="saved"):
        companies.merge(keep, Company(name="New"))
    for ids in (("0" * 24, other), (keep, "0" * 24)):
        with pytest.raises(Company.DoesNotExist):
            companies.merge(*ids)
    plan = companies.merge(keep, other)
    with planhat.batch(dry_run=True), pytest.raises(BlockError):
        plan.apply()


# --- crashes ----------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies."""


def scene(server: Any) -> tuple[str, str]:
    keep, other = two(server)
    for name in ("license", "issue", "invoice"):
        insert(server, name, other)
    server.store.insert("enduser", {"email": "a@x.example", "companyId": keep})
    server.store.insert("enduser", {"email": "a@x.example", "companyId": other, "externalId": "e-1"})
    return keep, other


def outcome(server: Any, keep: str) -> list[Any]:
    names = ("license", "issue", "invoice")
    rows = server.store.all("company")
    contacts = [(row["email"], row.get("externalId"), row["companyId"]) for row in server.store.all("enduser")]
    told = [(row["_id"], row["name"], row.get("city"), row.get("externalId")) for row in rows]
    return [told, contacts, *(companies_named(server, name) for name in names)]


def crash_at(planhat: Planhat, number: int, event: str) -> list[int]:
    """Have the process die at its write of a number, before it leaves or after its answer."""
    writes = [0]

    def count(payload: Any) -> None:
        request: Request = payload if event == "request" else payload[0]
        if request.method != "GET":
            writes[0] += 1
            if writes[0] == number:
                raise Crash

    planhat.on(event, count)  # type: ignore[call-overload]
    return writes


@pytest.mark.parametrize(
    ("event", "has_mirror"),
    [
        ("request", True),
        ("response", False),
        ("request", False),
        ("response", True),
    ],
)
@pytest.mark.torture
def test_after_a_crash_at_any_write_merging_again_finishes(
    start: Start, event: str, has_mirror: bool, tmp_path: Path
) -> None:
    number, crashed = 0, True
    while crashed:
        number += 1
        server, first = start()
        keep, other = scene(server)
        where = tmp_path / f"crash{number}.db" if has_mirror else None
        if has_mirror:
            first.close()
            first = client(server, where)
            first.sync(Company, Enduser)
        crash_at(first, number, event)
        gone = Company.objects.using(first).get(other)
        crashed = False
        try:
            Company.objects.using(first).merge(keep, gone).apply()
        except Crash:
            crashed = True
        first.close()
        second = client(server, where)
        if crashed and has_mirror:
            second.push()
        # Without a mirror nobody knows the keys of what is gone, but the record itself.
        Company.objects.using(second).merge(keep, other if has_mirror else gone).apply()
        second.close()
        keys = {"e-1"} if has_mirror or not crashed else {"e-1", None}
        companies, contacts, *children = outcome(server, keep)
        assert companies == [(keep, "Keep", "Ulm", "o-1")], number
        assert len(contacts) == 1 and contacts[0][1] in keys and contacts[0][2] == keep, number
        assert children == [[keep]] * 3, number
    assert number > 6


def test_deleting_before_the_list_is_read_again_turns_the_tests_red(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*arguments: Any) -> Any:
        return []
        yield

    monkeypatch.setattr(MergePlan, "_move_the_rest", nothing)
    with pytest.raises(AssertionError):
        test_what_comes_between_plan_and_apply_moves_too(start)


def test_overwriting_what_others_did_turns_the_tests_red(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*arguments: Any) -> Any:
        return
        yield

    monkeypatch.setattr(MergePlan, "_refuse_conflicts", nothing)
    with pytest.raises(pytest.fail.Exception):
        test_what_others_moved_or_changed_after_the_plan_is_a_conflict_before_anything_is_sent(start)
