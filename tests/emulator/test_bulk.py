from __future__ import annotations

from typing import Any

import httpx
import pytest

from planhat_orm.emulator import Emulator

from .conftest import Serve

Acme = tuple[Emulator, httpx.Client, str]
KEYS = [
    "created", "createdErrors", "insertsKeys", "updated", "updatedErrors", "updatesKeys", "nonupdates", "modified",
    "upsertedIds", "permissionErrors", "validationErrors",
]  # fmt: skip


def test_the_answer_sums_up_new_changed_and_unchanged(acme: Acme) -> None:
    emulator, client, id = acme
    other = emulator.store.insert("company", {"name": "Other", "sourceId": "o"})["_id"]
    items = [
        {"sourceId": "o", "name": "Other"},
        {"externalId": "new", "sourceId": 77, "name": "New"},
        {"externalId": "acme", "city": "Lyon"},
    ]
    answer = client.put("/companies", json=items)
    body = answer.json()
    assert answer.status_code == 200 and list(body) == KEYS
    new = body["upsertedIds"][0]
    assert body["insertsKeys"] == [{"_id": new, "sourceId": "77", "externalId": "new"}]
    assert body["updatesKeys"] == [{"_id": id, "externalId": "acme"}] and body["modified"] == [id]
    assert (body["created"], body["updated"], body["nonupdates"]) == (1, 1, 1)
    assert other not in str(body)
    assert client.get("/companies/srcid-77").json()["name"] == "New"
    stamps = {row["_id"]: row["updatedAt"] for row in emulator.store.all("company")}
    assert stamps[other] < stamps[id]


def test_keyables_have_priority_and_the_first_present_decides(acme: Acme) -> None:
    emulator, client, id = acme
    assert client.put("/companies", json=[{"_id": id, "sourceId": "s2", "externalId": "e2"}]).json()["updated"] == 1
    assert client.put("/companies", json=[{"sourceId": "s2", "externalId": "e3"}]).json()["updated"] == 1
    assert emulator.store.get("company", id)["externalId"] == "e3"  # type: ignore[index]
    body = client.put("/companies", json=[{"sourceId": "s9", "externalId": "e3", "name": "Twin"}]).json()
    assert body["created"] == 1


def test_a_later_key_may_match_when_the_first_does_not(serve: Serve) -> None:
    emulator, client = serve(key_priority="any")
    emulator.store.insert("company", {"name": "x", "externalId": "e"})
    assert client.put("/companies", json=[{"sourceId": "s9", "externalId": "e"}]).json()["updated"] == 1


def test_email_is_the_last_key_of_endusers(acme: Acme) -> None:
    emulator, client, id = acme
    person = emulator.store.insert("enduser", {"email": "a@acme.example", "companyId": id})
    items = [{"email": "a@acme.example", "position": "Boss"}]
    assert client.put("/endusers", json=items).json()["updatesKeys"] == [
        {"_id": person["_id"], "email": "a@acme.example"}
    ]
    items = [{"externalId": "u1", "email": "a@acme.example"}]
    assert client.put("/endusers", json=items).json()["created"] == 1


def test_items_without_a_key_are_inserted(acme: Acme) -> None:
    _, client, _ = acme
    for _ in range(2):
        body = client.put("/assets", json=[{"name": "a", "companyId": "extid-acme"}]).json()
        assert body["created"] == 1 and body["insertsKeys"] == [{"_id": body["upsertedIds"][0]}]


def test_an_unknown_id_inserts_or_fails(serve: Serve) -> None:
    item = {"_id": "65f0c1a2b3d4e5f6070010ff", "name": "x"}
    _, client = serve()
    assert client.put("/companies", json=[item]).json()["upsertedIds"] == [item["_id"]]
    assert client.put("/companies", json=[{"_id": "short", "name": "x"}]).status_code == 400
    _, client = serve(unknown_id="error")
    assert client.put("/companies", json=[item]).json()["createdErrors"][0]["_id"] == item["_id"]


def test_bad_items_fail_alone_with_206(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.refuse("company", lambda row: "locked" if row.get("phase") == "Locked" else None)
    items: list[Any] = [
        {"externalId": "ok", "name": "Ok"},
        {"externalId": "nameless"},
        {"externalId": "acme", "phase": "Locked"},
        {"externalId": "bad", "name": "x", "csmScore": "high"},
        7,
    ]
    answer = client.put("/companies", json=items)
    body = answer.json()
    assert answer.status_code == 206 and body["created"] == 1 and body["updated"] == 0
    assert body["updatedErrors"] == [{"message": "locked", "externalId": "acme"}]
    assert [error.get("externalId") for error in body["createdErrors"]] == ["nameless", "bad", None]
    assert body["createdErrors"][0]["message"] == "name required"
    assert len(emulator.store.all("company")) == 2


def test_nothing_but_failures_is_400_with_the_same_body(acme: Acme) -> None:
    _, client, _ = acme
    answer = client.put("/licenses", json=[{"companyId": "extid-none", "value": 1, "_currency": "EUR"}])
    assert answer.status_code == 400 and list(answer.json()) == KEYS
    assert answer.json()["createdErrors"][0]["message"] == "Company not found"


def test_one_bad_item_may_fail_the_whole_request(serve: Serve) -> None:
    emulator, client = serve(bulk_errors="whole")
    company = emulator.store.insert("company", {"name": "x", "domains": ["x.example"]})["_id"]
    items = [{"email": "a@x.example"}, {"email": "a@nowhere.example"}]
    answer = client.put("/endusers", json=items)
    assert answer.status_code == 400 and len(answer.json()["createdErrors"]) == 1
    assert emulator.store.all("enduser") == []
    assert client.put("/endusers", json=items[:1]).status_code == 200
    entries = [{"date": "2026-01-01", "hours": hours, "companyId": company} for hours in (1, 25)]
    assert client.put("/timeentries", json=entries).status_code == 400 and not emulator.store.all("time_entry")


def test_a_key_twice_in_one_request_fails_it(acme: Acme) -> None:
    emulator, client, _ = acme
    items = [
        {"externalId": "u", "email": "u@acme.example", "companyId": "extid-acme"},
        {"externalId": "v", "email": "v@acme.example"},
        {"externalId": "u", "email": "u@acme.example"},
    ]
    answer = client.put("/endusers", json=items)
    assert answer.status_code == 400 and emulator.store.all("enduser") == []
    assert [error["message"] for error in answer.json()["createdErrors"]] == ["externalId,email duplicated"]


def test_only_the_repetition_may_fail(serve: Serve) -> None:
    _, client = serve(duplicate_keys="item")
    answer = client.put("/companies", json=[{"externalId": "a", "name": "1"}, {"externalId": "a", "name": "2"}])
    assert answer.status_code == 206 and answer.json()["created"] == 1
    assert client.get("/companies/extid-a").json()["name"] == "1"


@pytest.mark.parametrize(
    ("shape", "error"), [("string", "name required"), ("indexed", {"index": 1, "message": "name required"})]
)
def test_error_items_have_several_shapes(serve: Serve, shape: str, error: Any) -> None:
    _, client = serve(error_item=shape)
    answer = client.put("/companies", json=[{"name": "ok"}, {"externalId": "x"}])
    assert answer.json()["createdErrors"] == [error]


def test_a_request_takes_5000_items(empty: tuple[Emulator, httpx.Client]) -> None:
    emulator, client = empty
    items = [{"externalId": str(number), "name": f"n{number}"} for number in range(5001)]
    assert client.put("/companies", json=items).status_code == 400
    assert client.put("/companies", json=items[1:]).json()["created"] == 5000
    assert len(emulator.store.all("company")) == 5000
    assert client.put("/companies", json={"name": "x"}).status_code == 400
    assert client.put("/companies", json=[]).json()["created"] == 0


@pytest.mark.parametrize("noop", [False, True])
def test_an_upsert_that_changes_nothing_may_bump_the_stamp(serve: Serve, noop: bool) -> None:
    emulator, client = serve(noop_bumps_stamp=noop, speed=1000)
    id = emulator.store.insert("company", {"name": "x", "externalId": "x"})["_id"]
    before = emulator.store.get("company", id)
    assert client.put("/companies", json=[{"externalId": "x", "name": "x"}]).json()["nonupdates"] == 1
    assert (emulator.store.get("company", id) != before) is noop


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"$add": ["c", "a"]}, ["a", "b", "c"]),
        ({"Add": ["c"]}, ["a", "b", "c"]),
        ({"$remove": ["a"]}, ["b"]),
        ({"Remove": ["a", "x"]}, ["b"]),
        ({"$replace": ["z"]}, ["z"]),
    ],
)
def test_arrays_take_operations(acme: Acme, operation: Any, after: list[str]) -> None:
    _, client, id = acme
    client.put(f"/companies/{id}", json={"tags": ["a", "b"], "custom": {"Modules": ["a", "b"]}})
    client.put("/companies", json=[{"_id": id, "tags": operation, "custom": {"Modules": operation}}])
    record = client.get(f"/companies/{id}").json()
    assert record["tags"] == record["custom"]["Modules"] == after


def test_the_spelling_of_operations_is_a_switch(serve: Serve) -> None:
    for spelling, good, bad in (("dollar", "$add", "Add"), ("word", "Add", "$add")):
        emulator, client = serve(array_operation=spelling)
        id = emulator.store.insert("company", {"name": "x"})["_id"]
        assert client.put(f"/companies/{id}", json={"tags": {good: ["a"]}}).json()["tags"] == ["a"]
        assert client.put(f"/companies/{id}", json={"tags": {bad: ["b"]}}).status_code == 400


def test_bulk_asks_for_other_fields_than_create(serve: Serve) -> None:
    emulator, client = serve(enforce_required="documented")
    id = emulator.store.insert("company", {"name": "x"})["_id"]
    assert client.post("/tasks", json={"companyId": id}).status_code == 200
    assert client.put("/tasks", json=[{"companyId": id}]).json()["createdErrors"][0]["message"] == "mainType required"
    assert (
        client.put("/invoices", json=[{"cId": id}]).json()["createdErrors"][0]["message"]
        == "currency, invoiceDate required"
    )
    assert client.post("/invoices", json={"cId": id}).status_code == 200
    license = {"companyId": id, "_currency": "EUR", "value": 1}
    assert client.put("/licenses", json=[license]).status_code == 200
    assert client.post("/licenses", json=license).status_code == 400  # wants fromDate


def test_issues_need_companies_in_bulk(acme: Acme) -> None:
    _, client, _ = acme
    assert client.post("/issues", json={"title": "t"}).status_code == 200
    assert client.put("/issues", json=[{"title": "t"}]).status_code == 400


def test_notes_are_matched_among_conversations(acme: Acme) -> None:
    _, client, id = acme
    body = client.put("/conversations", json=[{"externalId": "c", "companyId": id, "subject": "s"}]).json()
    assert body["insertsKeys"][0]["externalId"] == "c"
    assert client.put("/conversations", json=[{"externalId": "c", "subject": "s2"}]).json()["updated"] == 1
    assert client.get("/conversations/extid-c").json()["subject"] == "s2"
