"""The odd life of tickets: bulk alone, other names where they are read, dropped without an email."""

from __future__ import annotations

from typing import Any

from tests.other_server.conftest import Start, call

SENT: dict[str, Any] = {
    "sourceId": "T-1",
    "email": "ada@acme.example",
    "title": "Fails",
    "description": "<b>Row 500</b>",
    "status": "open",
}


def test_tickets_have_no_route_of_their_own_but_list_bulk_and_delete(start: Start) -> None:
    server = start()
    server.write("company", {"name": "A", "domains": ["acme.example"]})
    ticket = call(server, "PUT", "/tickets", SENT).json["upsertedIds"][0]
    assert call(server, "POST", "/tickets", SENT).status == 404
    assert (
        call(server, "GET", f"/tickets/{ticket}").status
        == call(server, "PUT", f"/tickets/{ticket}", SENT).status
        == 404
    )
    assert call(server, "DELETE", f"/tickets/{ticket}").status == 200 and server.records("ticket") == []


def test_a_ticket_is_read_as_a_conversation(start: Start) -> None:
    server = start()
    acme = server.write("company", {"name": "A", "domains": ["acme.example"]})
    assert call(server, "PUT", "/tickets", [{**SENT, "type": "bug"}]).json["created"] == 1
    (row,) = call(server, "GET", "/tickets").json
    assert {
        "subject": "Fails",
        "snippet": "Row 500",
        "externalId": "T-1",
        "type": "ticket",
        "companyId": acme["_id"],
    }.items() <= row.items()
    assert "title" not in row and "sourceId" not in row
    assert (
        call(server, "GET", f"/conversations/{row['_id']}").json
        == call(server, "GET", "/conversations/extid-T-1").json
        == row
    )
    assert call(server, "GET", "/conversations/srcid-T-1").status == 404
    server.behave(conversation_srcid=True)
    assert call(server, "GET", "/conversations/srcid-T-1").json == row
    assert server.records("enduser")[0]["email"] == row["email"] == "ada@acme.example"


def test_tickets_change_through_bulk_with_an_email_or_through_conversations(start: Start) -> None:
    server = start()
    server.write("company", {"name": "A", "domains": ["acme.example"]})
    ticket = call(server, "PUT", "/tickets", [SENT]).json["upsertedIds"][0]
    dropped = call(
        server, "PUT", "/tickets", [{"_id": ticket, "status": "closed"}, {"sourceId": "T-1", "status": "closed"}]
    )
    assert dropped.status == 200 and not any(
        dropped.json[key] for key in ("created", "updated", "nonupdates", "createdErrors")
    )
    assert call(server, "PUT", "/tickets", [{**SENT, "status": "closed"}]).json["modified"] == [ticket]
    assert [entry["status"] for entry in server.records("ticket")[0]["history"]] == ["open", "closed"]
    assert call(server, "PUT", f"/conversations/{ticket}", {"subject": "New"}).json["subject"] == "New"
    server.behave(ticket_needs_email=False)
    assert call(server, "PUT", "/tickets", [{"_id": ticket, "status": "new"}]).json["updated"] == 1


def test_tickets_are_filtered_also_by_the_short_names(start: Start) -> None:
    server = start()
    acme = server.write("company", {"name": "A", "domains": ["acme.example"]})["_id"]
    call(server, "PUT", "/tickets", [SENT, {**SENT, "sourceId": "T-2", "status": "closed", "description": "x"}])
    server.write("note", {"companyId": acme, "subject": "no ticket"})
    assert len(call(server, "GET", "/tickets").json) == 2 and len(call(server, "GET", "/conversations").json) == 3
    for query in ({"status": "closed"}, {"s": "closed"}, {"search": "x"}, {"cid": acme, "l": 1, "sort": "-externalId"}):
        assert [row["externalId"] for row in call(server, "GET", "/tickets", **query).json] == ["T-2"], query


def test_a_ticket_needs_a_company(start: Start) -> None:
    server = start()
    server.write("company", {"name": "A", "externalId": "a"})
    rows = [SENT, {**SENT, "sourceId": "T-2", "companyExternalId": "a"}, {**SENT, "sourceId": None}]
    answer = call(server, "PUT", "/tickets", rows)
    assert (answer.status, answer.json["created"], len(answer.json["createdErrors"])) == (206, 1, 2)


def test_a_ticket_made_through_conversations_may_become_a_note(start: Start) -> None:
    server = start()
    sent = {
        "type": "ticket",
        "companyId": server.write("company", {"name": "A"})["_id"],
        "subject": "S",
        "externalId": "T-9",
    }
    assert call(server, "POST", "/conversations", sent).json["type"] == "ticket"
    server.behave(tickets_by_conversations=False)
    assert call(server, "POST", "/conversations", {**sent, "externalId": "T-10"}).json["type"] == "note"
