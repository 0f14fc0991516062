"""Single records: ids, verbs, casts, references, custom fields, computed values, and the options that change them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.other_server import OtherServer
from tests.other_server.conftest import Start, call
from tests.other_server.models import RESOURCES

NEEDED: dict[str, dict[str, Any]] = {
    "company": {"name": "A"}, "custom_field": {"name": "Tier", "type": "text", "parent": "Company"},
    "user": {"email": "s@v.example", "nickName": "S", "firstName": "S", "lastName": "T"}, "product": {"name": "P"},
    "invoice": {"cId": "c", "currency": "EUR", "invoiceDate": 20_000}, "issue": {"title": "T", "companyIds": ["c"]},
    "license": {"companyId": "c", "_currency": "EUR", "fromDate": "2026-01-01", "value": 5},
    "line_item": {"dealId": "d" * 24, "fromDate": "2026-01-01", "mrr": 1}, "nps": {"email": "x@y.example", "score": 9},
    "sale": {"companyId": "c", "_currency": "EUR", "value": 5}, "time_entry": {"date": "2026-01-01", "hours": 1},
    "timesheet": {"dateFrom": 20_000}, "enduser": {"email": "a@b.example", "companyId": "c"},
    "task": {"companyId": "c", "mainType": "task"},
}  # fmt: skip
SINGLE = sorted(name for name, resource in RESOURCES.items() if "create" in resource.operations)


def new(name: str, company: str) -> dict[str, object]:
    """The least of a new record, with a company that exists."""
    given = NEEDED.get(name, {"name": "N", "companyId": "c"})
    return {key: company if value == "c" else [company] if value == ["c"] else value for key, value in given.items()}


def company(server: OtherServer, **more: object) -> str:
    return str(server.write("company", {"name": "Acme", **more})["_id"])


@pytest.mark.parametrize("name", SINGLE)
def test_every_resource_has_its_routes(start: Start, name: str) -> None:
    server, resource = start(), RESOURCES[name]
    keys = {key: f"{key}-1" for key in resource.forms.values()}
    made = call(server, "POST", f"/{resource.path}", {**new(name, company(server)), **keys})
    assert made.status == 200, made.raw
    record_id = made.json["_id"]
    assert re.fullmatch("[0-9a-f]{24}", record_id)
    for text in (record_id, *(f"{prefix}{keys[field]}" for prefix, field in resource.forms.items())):
        assert call(server, "GET", f"/{resource.path}/{text}").json == made.json
        assert call(server, "PUT", f"/{resource.path}/{text}", {"_id": record_id}).json["_id"] == record_id
    bulk = call(server, "PUT", f"/{resource.path}", [{"_id": record_id}])
    assert bulk.status == 404 if name == "custom_field" else bulk.json["nonupdates"] == 1
    assert record_id in [row["_id"] for row in call(server, "GET", f"/{resource.path}").json]
    assert call(server, "DELETE", f"/{resource.path}/{record_id}").status == 200
    assert call(server, "GET", f"/{resource.path}/{record_id}").status == 404
    assert server.record(name, record_id) is None


def test_ids_are_decoded_and_a_blank_one_is_the_list(start: Start) -> None:
    server = start()
    record_id = company(server, externalId="a/b ü")
    assert call(server, "GET", "/companies/extid-a%2Fb%20%C3%BC").json["_id"] == record_id
    assert call(server, "GET", "/companies/").json[0]["_id"] == record_id
    assert [call(server, "GET", f"/{path}").status for path in ("notes", "companies/x/y", "companies/ext-1")] == [
        404
    ] * 3
    assert call(server, "DELETE", "/companies/extid-a%2Fb%20%C3%BC").status == 404


def test_a_number_as_a_key_is_kept_as_text(start: Start) -> None:
    server = start()
    assert call(server, "POST", "/companies", {"name": "A", "externalId": 1234}).json["externalId"] == "1234"
    assert call(server, "GET", "/companies/extid-1234").status == 200


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("projects", {"name": "P", "companyId": "1234"}, 'Cast to ObjectId failed for value "1234" (type string) at path "companyId"'),
        ("projects", {"name": "P", "companyId": "extid-no"}, 'Company not found for value "extid-no"'),
        ("sales", {"companyId": "a" * 24, "_currency": "E", "value": "x"}, 'Cast to Number failed for value "x" (type string) at path "value"'),
        ("churn", {"companyId": "a" * 24, "churnDate": "soon"}, 'Cast to date failed for value "soon" (type string) at path "churnDate"'),
        ("companies", {"name": ["A"]}, 'Cast to string failed for value "["A"]" (type Array) at path "name"'),
        ("companies", {"phase": "x"}, "company validation failed: name: Path `name` is required."),
        ("companies", [{"name": "A"}], "Expected an object"),
        ("timeentries", {"date": "2026-01-01", "hours": 25}, "Path `hours` (25) must be between 0.1 and 24."),
        ("endusers", {"email": "a@nobody.example"}, "No company matches the email domain"),
    ],
)  # fmt: skip
def test_what_is_refused_is_quoted(start: Start, path: str, body: object, message: str) -> None:
    reply = call(start(), "POST", f"/{path}", body)
    assert (reply.status, reply.json) == (400, {"error": message})


def test_bodies_that_are_no_json_are_refused(start: Start) -> None:
    server = start()
    for body in (b"{", b'{"name": NaN}', b"\xff", b"[" * 100_000):
        assert call(server, "POST", "/companies", body).status == 400
    assert server.records("company") == []


@pytest.mark.parametrize(
    ("kind", "start_of_body"),
    [("json", b'{"error"'), ("message", b'{"message"'), ("text", b"Company"), ("html", b"<!doc")],
)
def test_errors_have_several_bodies(start: Start, kind: str, start_of_body: bytes) -> None:
    body = call(start(error_body=kind), "POST", "/projects", {"name": "P", "companyId": "srcid-no"})
    assert body.raw.startswith(start_of_body)


def test_values_are_cast_and_moments_normalised(start: Start) -> None:
    server = start()
    acme = company(server, externalId="acme", sourceId="crm")
    sent = {"companyId": "srcid-crm", "_currency": "EUR", "value": "12.5", "salesDate": "2026-05-01", "product": 7}
    stored = call(server, "POST", "/sales", sent).json
    assert (stored["companyId"], stored["companyName"]) == (acme, "Acme")
    assert (stored["value"], stored["salesDate"], stored["product"]) == (12.5, "2026-05-01T00:00:00.000Z", "7")
    server.behave(cast=False)
    assert call(server, "PUT", f"/sales/{stored['_id']}", {"value": "x"}).json["value"] == "x"


def test_a_put_is_partial_and_merges_custom(start: Start) -> None:
    server = start()
    record_id = company(server, tags=["a", "b"], custom={"Tier": "A", "Seats": 5})
    sent = {"custom": {"Tier": None, "Plan": ""}, "custom.Ünit": 1, "tags": {"$add": ["c"]}}
    stored = call(server, "PUT", f"/companies/{record_id}", sent).json
    assert (
        stored["custom"] == {"Seats": 5, "Plan": "", "Ünit": 1}
        and stored["tags"] == ["a", "b", "c"]
        and stored["name"] == "Acme"
    )
    assert call(server, "PUT", f"/companies/{record_id}", {"custom": {"x": 1, "X": 2}}).status == 400
    server.behave(custom_null="keep")
    assert call(server, "PUT", f"/companies/{record_id}", {"custom": {"Seats": None}}).json["custom"]["Seats"] is None


def test_a_put_may_answer_less_than_the_record(start: Start) -> None:
    server = start(put_answer="partial", post_answer="id")
    record_id = company(server, custom={"Tier": "A"})
    sent = {"phase": "Live", "custom": {"Seats": 1}}
    assert call(server, "PUT", f"/companies/{record_id}", sent).json == {"_id": record_id, **sent}
    server.behave(put_answer="empty")
    assert call(server, "PUT", f"/companies/{record_id}", sent).raw == b""
    server.behave(put_answer="id")
    assert call(server, "PUT", f"/companies/{record_id}", sent).json == {"_id": record_id}
    assert set(call(server, "POST", "/companies", {"name": "B"}).json) == {"_id"}


@pytest.mark.parametrize(("rule", "equal", "other"), [("equal", 200, 400), ("accept", 200, 200), ("refuse", 400, 400)])
def test_an_id_in_the_body_of_a_put(start: Start, rule: str, equal: int, other: int) -> None:
    server = start(body_id=rule)
    record_id = company(server)
    assert call(server, "PUT", f"/companies/{record_id}", {"_id": record_id, "phase": "x"}).status == equal
    assert call(server, "PUT", f"/companies/{record_id}", {"_id": "f" * 24, "phase": "y"}).status == other
    assert server.records("company")[0]["_id"] == record_id


def test_a_key_that_exists_is_refused_or_stored_twice_or_updated(start: Start) -> None:
    server = start()
    body = {"name": "A", "externalId": "a"}
    call(server, "POST", "/companies", body)
    refused = call(server, "POST", "/companies", body)
    assert (
        refused.status == 400
        and "E11000 duplicate key error" in refused.json["error"]
        and '"a"' in refused.json["error"]
    )
    server.behave(duplicates="update")
    assert (
        call(server, "POST", "/companies", {**body, "phase": "x"}).json["phase"] == "x"
        and len(server.records("company")) == 1
    )
    server.behave(duplicates="store")
    assert call(server, "POST", "/companies", body).status == 200 and len(server.records("company")) == 2


def test_unknown_keys_are_dropped_stored_or_refused(start: Start) -> None:
    server = start()
    record_id = company(server)
    assert "odd" not in call(server, "PUT", f"/companies/{record_id}", {"odd": 1}).json
    server.behave(unknown_keys="store")
    assert call(server, "PUT", f"/companies/{record_id}", {"odd": 1}).json["odd"] == 1
    server.behave(unknown_keys="refuse")
    assert call(server, "PUT", f"/companies/{record_id}", {"odd": 1}).status == 400


def test_what_the_server_computes_cannot_be_written(start: Start) -> None:
    server = start()
    made = call(server, "POST", "/companies", {"name": "A", "status": "customer", "mrr": 5, "h": 9}).json
    assert made["status"] == "prospect" and made["mrr"] == 0 and "h" not in made


def test_stamps_move_with_changes_alone_unless_told_otherwise(start: Start) -> None:
    server = start()
    record_id = company(server, phase="x")
    before = server.records("company")[0]
    server.clock.advance(60)
    call(server, "PUT", f"/companies/{record_id}", {"phase": "x"})
    assert server.records("company")[0] == before
    server.behave(touch_unchanged=True)
    assert call(server, "PUT", f"/companies/{record_id}", {"phase": "x"}).json["updatedAt"] > before["updatedAt"]
    assert server.records("company")[0]["createDate"] == before["createDate"]


def test_deleting_answers_in_several_ways(start: Start) -> None:
    server = start()
    acme = company(server)
    note = call(server, "POST", "/conversations", {"companyId": acme, "type": "note", "subject": "S"}).json
    assert call(server, "DELETE", f"/conversations/{note['_id']}").json == note
    for kind, body in (("counts", b'{"n":1,"ok":1,"deletedCount":1}'), ("text", b'"OK"'), ("empty", b"")):
        server.behave(delete_answer=kind)
        assert call(server, "DELETE", f"/companies/{company(server)}").raw == body
    server.write("project", {"name": "P", "companyId": acme})
    server.behave(delete_cascades=True)
    call(server, "DELETE", f"/companies/{acme}")
    assert server.records("project") == []


def test_endusers_find_their_company_by_domain(start: Start) -> None:
    server = start()
    acme = company(server, domains=["acme.example"])
    made = call(server, "POST", "/endusers", {"email": "ada@acme.example", "firstName": "Ada", "lastName": "L"}).json
    assert (made["companyId"], made["companyName"], made["name"], len(made["emailMd5"])) == (acme, "Acme", "Ada L", 32)
    other = company(server)
    assert call(server, "POST", "/endusers", {"email": "ada@acme.example", "companyId": other}).status == 200
    server.behave(email_unique="tenant")
    assert call(server, "POST", "/endusers", {"email": "ada@acme.example", "companyId": company(server)}).status == 400
    assert call(server, "POST", "/endusers", {"email": "x@nobody.example"}).status == 400
    server.behave(enduser_without_company="store")
    made = call(server, "POST", "/endusers", {"email": "x@nobody.example"})
    assert made.status == 200 and "companyId" not in made.json


def test_licences_make_the_figures_of_companies(start: Start) -> None:
    server = start()
    acme = company(server)
    sent = {
        "companyId": acme,
        "_currency": "EUR",
        "fromDate": "2020-01-01",
        "toDate": "2099-01-01",
        "mrr": 100,
        "product": "P",
    }
    made = call(server, "POST", "/licenses", sent).json
    seen = call(server, "GET", f"/companies/{acme}").json
    assert made["arr"] == 1_200 and made["length"] == 948 and made["renewalDate"] == made["toDate"]
    assert (seen["status"], seen["mrr"], seen["arr"], seen["products"]) == ("customer", 100, 1_200, ["P"])
    call(server, "DELETE", f"/licenses/{made['_id']}")
    assert call(server, "GET", f"/companies/{acme}").json["status"] == "prospect"
    server.behave(computed=False)
    assert "arr" not in call(server, "POST", "/licenses", sent).json
    assert call(server, "GET", f"/companies/{acme}").json["status"] == "prospect"


def test_completing_a_task_makes_a_conversation_with_its_id(start: Start) -> None:
    server = start()
    task = call(server, "POST", "/tasks", {"companyId": company(server), "action": "Call", "status": "To Do"}).json
    done = call(server, "PUT", f"/tasks/{task['_id']}", {"status": "Done"}).json
    assert done["noteId"] == task["_id"] and done["isArchived"] is True
    assert call(server, "GET", f"/conversations/{task['_id']}").json["subject"] == "Call"


def test_other_models_fill_in_what_is_documented(start: Start) -> None:
    server = start()
    acme = company(server)
    note = call(
        server, "POST", "/conversations", {"companyId": acme, "type": "email", "description": "<p>Hi &amp;\nbye</p>"}
    ).json
    assert (note["type"], note["snippet"], note["description"]) == (
        "note",
        "Hi & bye",
        "<p>Hi & bye</p>".replace("&", "&amp;"),
    )
    server.behave(one_line_html=False)
    kept = call(server, "PUT", f"/conversations/{note['_id']}", {"description": "<p>Hi\nbye</p>"}).json
    assert kept["description"] == "<p>Hi\nbye</p>"
    won = call(server, "POST", "/opportunities", {"companyId": acme, "status": "won", "recurringValue": 5}).json
    assert won["closeDate"] and won["landingDate"] and "recurringValue" not in won
    numbers = [call(server, "POST", "/invoices", {"cId": acme, "currency": "EUR"}).json for _ in range(3)]
    call(server, "DELETE", f"/invoices/{numbers[2]['_id']}")
    assert call(server, "POST", "/invoices", {"cId": acme, "currency": "EUR"}).json["invoiceNo"] == 4
    entry = call(server, "POST", "/timeentries", {"date": "2026-01-01", "hours": 2, "billableRate": 50}).json
    assert entry["totalBilled"] == 100
    sheet = call(server, "POST", "/timesheets", {"timeEntries": [{"_id": entry["_id"]}], "status": "approved"}).json
    assert sheet["timeEntries"] == [entry["_id"]] and sheet["dateOfApproval"]
    assert call(server, "GET", f"/timeentries/{entry['_id']}").json["timesheetStatus"] == "approved"
    copies = call(server, "POST", "/timeentries/duplicate", {"ids": [entry["_id"], "f" * 24]}).json
    assert copies["created"] == 1 and len(server.records("time_entry")) == 2
