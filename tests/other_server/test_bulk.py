"""Bulk upserts: keys, order, outcomes, and every shape of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.other_server import OtherServer
from tests.other_server.bulk import SHAPES
from tests.other_server.conftest import Reply, Start, call

COUNTS = ("created", "updated", "nonupdates")


def put(server: OtherServer, *rows: Any, path: str = "/companies") -> Reply:
    return call(server, "PUT", path, list(rows))


def counts(reply: Reply) -> tuple[int, ...]:
    return tuple(reply.json[name] for name in COUNTS)


def test_one_new_one_changed_one_equal(start: Start) -> None:
    server = start()
    changed = server.write("company", {"name": "A", "externalId": "a", "phase": "x"})["_id"]
    server.write("company", {"name": "B", "externalId": "b"})
    reply = put(
        server, {"externalId": "a", "phase": "y"}, {"externalId": "b", "name": "B"}, {"externalId": "c", "name": "C"}
    )
    new = server.records("company")[2]["_id"]
    assert reply.status == 200 and reply.json == {
        "created": 1, "createdErrors": [], "insertsKeys": [{"_id": new, "externalId": "c"}],
        "updated": 1, "updatedErrors": [], "updatesKeys": [{"_id": changed, "externalId": "a"}],
        "nonupdates": 1, "modified": [changed], "upsertedIds": [new], "permissionErrors": [],
    }  # fmt: skip
    assert [record["phase"] for record in server.records("company")[:1]] == ["y"]


def test_what_is_no_array_or_too_long_is_refused(start: Start) -> None:
    server = start(bulk_most=2)
    assert call(server, "PUT", "/companies", {"name": "A"}).status == put(server, 1).status == 400
    assert put(server, *[{"name": str(n)} for n in range(3)]).status == 400 and server.records("company") == []


def test_statuses_tell_all_some_and_none(start: Start) -> None:
    server = start()
    good, bad = {"externalId": "a", "name": "A"}, {"externalId": "b"}
    assert (put(server, good, bad).status, put(server, bad).status, put(server, good).status) == (206, 400, 200)


def test_a_bad_row_may_refuse_the_whole_call(start: Start) -> None:
    server = start(bad_row="all")
    reply = put(server, {"externalId": "a", "name": "A"}, {"externalId": "b"})
    assert reply.status == 400 and "required" in reply.json["error"] and server.records("company") == []


@pytest.mark.parametrize(
    ("shape", "item"),
    [
        ("string", "TEXT"),
        ("message", {"message": "TEXT"}),
        ("index", {"index": 1, "message": "TEXT"}),
        ("index1", {"index": 2, "message": "TEXT"}),
        ("local", {"index": 0, "message": "TEXT"}),
        ("item", {"message": "TEXT", "item": {"externalId": "b", "owner": "a"}}),
        ("keys", {"externalId": "b", "message": "TEXT"}),
        ("keyValue", {"code": 11000, "message": "TEXT", "keyValue": {"externalId": "b"}}),
        ("code", {"code": 11, "errmsg": "TEXT"}),
        ("error", {"error": {"name": "CastError", "path": "owner", "message": "TEXT", "value": "a"}}),
    ],
)
def test_errors_have_many_shapes(start: Start, shape: str, item: Any) -> None:
    """The message quotes a value that is another row's external id."""
    server = start(error_shapes=(shape,))
    text = 'Cast to ObjectId failed for value "a" (type string) at path "owner"'
    reply = put(server, {"externalId": "a", "name": "A"}, {"externalId": "b", "owner": "a"})
    assert repr(reply.json["createdErrors"]) == repr([item]).replace("TEXT", text).replace(f"'{text}'", repr(text))
    assert [record["externalId"] for record in server.records("company")] == ["a"]


def test_shapes_are_mixed_in_one_answer(start: Start) -> None:
    server = start(error_shapes=SHAPES, error_lists="created")
    server.write("company", {"name": "A", "externalId": "r0"})
    errors = put(server, *[{"externalId": f"r{n}", "owner": "x"} for n in range(len(SHAPES))]).json["createdErrors"]
    assert len({repr(type(item)) + repr(sorted(item) if isinstance(item, dict) else "") for item in errors}) >= 8


def test_errors_stand_in_several_lists(start: Start) -> None:
    server = start()
    server.write("company", {"name": "A", "externalId": "a"})
    rows = ({"externalId": "a", "owner": "x"}, {"externalId": "b"})
    answer = put(server, *rows).json
    assert (len(answer["createdErrors"]), len(answer["updatedErrors"])) == (1, 1)
    server.behave(error_lists="validation")
    assert len(put(server, *rows).json["validationErrors"]) == 2


@pytest.mark.parametrize(
    ("rule", "status", "own_id"), [("error", 400, False), ("insert", 200, False), ("keep", 200, True)]
)
def test_an_unknown_id_is_an_error_a_fragment_or_kept(start: Start, rule: str, status: int, own_id: bool) -> None:
    server = start(unknown_id=rule)
    reply = put(server, {"_id": "f" * 24, "name": "A"})
    assert reply.status == status
    assert [record["_id"] == "f" * 24 for record in server.records("company")] == ([] if rule == "error" else [own_id])
    assert put(server, {"_id": "1234", "name": "A"}).status == 400


def test_keys_have_priority_and_change_only_through_a_higher_one(start: Start) -> None:
    server = start()
    record_id = server.write("company", {"name": "A", "sourceId": "s", "externalId": "e"})["_id"]
    assert counts(put(server, {"sourceId": "s", "externalId": "e2"})) == (0, 1, 0)
    assert counts(put(server, {"sourceId": "other", "externalId": "e2", "name": "B"})) == (0, 0, 0)
    server.behave(key_priority="any")
    assert counts(put(server, {"sourceId": "other", "externalId": "e2", "name": "B"})) == (0, 1, 0)
    stored = server.record("company", record_id)
    assert stored is not None and (stored["sourceId"], stored["externalId"], stored["name"]) == ("s", "e2", "B")


def test_two_rows_with_one_key(start: Start) -> None:
    server = start()
    rows = [{"externalId": "a", "name": "A"}, {"externalId": "a", "name": "B"}]
    answer = put(server, *rows)
    assert answer.status == 206 and answer.json["createdErrors"] + answer.json["updatedErrors"] == [
        {"message": "externalId duplicated"}
    ]
    server.behave(twice="merge")
    assert counts(put(server, {"externalId": "b", "name": "A"}, {"externalId": "b", "name": "B"})) == (1, 1, 0)


def test_rows_are_applied_in_several_orders(start: Start) -> None:
    server = start(twice="merge")
    server.write("company", {"name": "old", "externalId": "z"})

    def last(order: str) -> str:
        server.behave(bulk_order=order)
        put(server, {"externalId": order, "name": "first"}, {"externalId": order, "name": "second"})
        return str(server.records("company")[-1]["name"])

    assert (last("sent"), last("reversed")) == ("second", "first")
    server.behave(bulk_order="updates", duplicates="refuse")
    rows = [{"externalId": "key", "name": "new"}, {"_id": server.records("company")[0]["_id"], "externalId": "key"}]
    assert put(server, *rows).json["updated"] == 2


def test_the_answer_names_less(start: Start) -> None:
    server = start(names="ids")
    assert set(put(server, {"externalId": "a", "name": "A"}).json["insertsKeys"][0]) == {"_id"}
    server.behave(names="inserts")
    answer = put(server, {"externalId": "a", "name": "B"}, {"externalId": "b", "name": "B"}).json
    assert [set(answer[name][0]) for name in ("insertsKeys", "updatesKeys")] == [{"_id", "externalId"}, {"_id"}]
    server.behave(names="none", leave_out=frozenset({"permissionErrors", "validationErrors", "insertsKeys"}))
    answer = put(server, {"externalId": "c", "name": "C"}).json
    assert "insertsKeys" not in answer and answer["updatesKeys"] == [] and len(answer["upsertedIds"]) == 1


def test_the_answer_may_be_shuffled(start: Start) -> None:
    server = start(shuffled=True)
    answer = put(server, *[{"externalId": str(n), "name": "A"} for n in range(30)]).json
    assert [row["_id"] for row in answer["insertsKeys"]] != sorted(row["_id"] for row in answer["insertsKeys"])


def test_rows_may_vanish(start: Start) -> None:
    server = start(dropped=lambda row: row["name"] == "DROP")
    assert counts(put(server, {"externalId": "a", "name": "DROP"}, {"externalId": "b", "name": "B"})) == (1, 0, 0)


def test_a_contact_is_matched_by_email_in_its_company(start: Start) -> None:
    server = start()
    acme, other = (server.write("company", {"name": name, "externalId": name})["_id"] for name in ("acme", "other"))
    server.write("enduser", {"email": "a@x.example", "companyId": acme})
    assert counts(put(server, {"email": "a@x.example", "position": "CEO"}, path="/endusers")) == (0, 1, 0)
    for company, expected in ((other, (1, 0, 0)), ("extid-other", (0, 0, 1)), ("extid-nobody", (0, 0, 0))):
        assert counts(put(server, {"email": "a@x.example", "companyId": company}, path="/endusers")) == expected


def test_users_are_named_by_email(start: Start) -> None:
    server = start()
    row = {"email": "s@v.example", "externalId": "u", "nickName": "S", "firstName": "S", "lastName": "T"}
    assert set(put(server, row, path="/users").json["insertsKeys"][0]) == {"_id", "email"}


def test_bulk_needs_other_fields_than_a_create(start: Start) -> None:
    server = start()
    row = {"companyId": "a" * 24, "_currency": "EUR", "fromDate": "2026-01-01"}
    assert call(server, "POST", "/licenses", row).status == 200
    assert put(server, row, path="/licenses").status == 400
    server.behave(required="little")
    assert put(server, {"companyId": "a" * 24}, path="/licenses").status == 200
    assert put(server, {"product": "P"}, path="/licenses").status == 400


def test_references_of_no_record_may_be_refused(start: Start) -> None:
    server = start(dangling="refuse")
    assert put(server, {"name": "P", "companyId": "a" * 24}, path="/projects").status == 400
