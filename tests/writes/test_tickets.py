"""The whole life of a ticket: made, found by each key, changed, closed, deleted, against both servers.

Tickets are written by bulk upserts only, read in the shape of conversations, and dropped without an email.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planhat_orm import AlreadyExists, BulkError, Company, Planhat, Ticket, ValidationError
from planhat_orm.emulator import Emulator
from planhat_orm.http.retry import Retry
from tests.other_server import OtherServer

Rows = Callable[[], list[dict[str, Any]]]
Desk = tuple[Planhat, Company, Rows]


@pytest.fixture(params=["emulator", "other server"])
def desk(request: pytest.FixtureRequest, mirror: Path | None) -> Iterator[Desk]:
    """A client, a company, and the tickets that the server holds."""
    options: dict[str, Any] = {"mirror": mirror, "calls_per_min": 1e6, "retry": Retry(attempts=2, floor=0.001)}
    acme = {"name": "Acme", "externalId": "acme", "domains": ["acme.example"]}
    if request.param == "emulator":
        with Emulator(0) as emulator:
            emulator.store.insert("company", acme)
            planhat = Planhat("test-token", api_url=emulator.url, **options)
            with planhat:
                yield from started(planhat, lambda: emulator.store.all("ticket"))
    else:
        with OtherServer() as server:
            server.write("company", acme)
            with Planhat(**server.settings(), **options) as planhat:
                yield from started(planhat, lambda: server.records("ticket"))


def started(planhat: Planhat, rows: Rows) -> Iterator[Desk]:
    if planhat.settings.mirror:
        planhat.sync(Company, Ticket)
    yield planhat, Company.objects.get(external_id="acme"), rows


def ticket(acme: Company, number: int = 1, **values: Any) -> Ticket:
    return Ticket(company=acme, source_id=f"T-{number}", email="ada@acme.example", title=f"Fails {number}", **values)


def test_a_ticket_is_made_found_by_each_key_changed_closed_and_deleted(desk: Desk) -> None:
    planhat, acme, rows = desk
    made = ticket(acme, status="open")
    assert made.save().created and made.id and not made.changes()
    ticket(acme, 2).save()
    for found in (
        Ticket.objects.get(made.id),
        Ticket.objects.get(source_id="T-1"),
        Ticket.objects.filter(email="ada@acme.example", title="Fails 1").get(),
        Ticket.objects.get("srcid-T-1"),
        acme.tickets.get(source_id="T-1"),
    ):
        assert (found.id, found.source_id, found.title, found.subject) == (made.id, "T-1", "Fails 1", "Fails 1")
    bodies: list[Any] = []
    planhat.on("request", lambda request: bodies.append(msgspec.json.decode(request.body or b"null")))
    found.title, found.status = "Solved", "closed"
    assert found.save().updated and found.subject == "Solved"
    assert bodies == [[{"_id": made.id, "email": "ada@acme.example", "title": "Solved", "status": "closed"}]]
    assert not found.save().updated and len(bodies) == 1
    assert {row["externalId"]: (row["subject"], row.get("status")) for row in rows()} == {
        "T-1": ("Solved", "closed"), "T-2": ("Fails 2", None)}  # fmt: skip
    made.refresh()
    assert (made.title, made.status) == ("Solved", "closed")
    if planhat.settings.mirror:
        [mirrored] = Ticket.objects.using("mirror").filter(source_id="T-1")
        assert (mirrored.title, mirrored.subject, mirrored.status) == ("Solved", "Solved", "closed")
    made.delete()
    assert [row["externalId"] for row in rows()] == ["T-2"]
    with pytest.raises(Ticket.DoesNotExist):
        Ticket.objects.get(made.id)


def test_a_ticket_that_was_loaded_without_its_email_is_saved_with_it(desk: Desk) -> None:
    planhat, acme, rows = desk
    ticket(acme).save()
    for status, change in (("pending", "save"), ("closed", "batch")):
        [narrow] = Ticket.objects.only("status")
        narrow.status = status
        if change == "save":
            narrow.save()
        else:
            with planhat.batch():
                narrow.save()
        assert [row["status"] for row in rows()] == [status]


def test_a_new_ticket_says_what_it_needs_and_changes_none_that_exists(desk: Desk) -> None:
    _, acme, rows = desk
    for lacking in (Ticket(source_id="T-1", company=acme), Ticket(email="ada@acme.example", company=acme)):
        with pytest.raises(ValidationError, match="A new Ticket needs"):
            lacking.save()
    ticket(acme).save()
    with pytest.raises(AlreadyExists, match="sourceId"):
        Ticket(company=acme, source_id="T-1", email="ada@acme.example", title="Another").save()
    assert [row["subject"] for row in rows()] == ["Fails 1"]
    result = Ticket.objects.bulk_upsert([ticket(acme, 1, status="open"), ticket(acme, 2)])
    assert [row.status for row in result] == ["updated", "created"] and all(row.object.id for row in result)
    with pytest.raises(BulkError, match=r"Ticket T-3: Planhat drops tickets without an email"):
        Ticket.objects.bulk_upsert([{"source_id": "T-3", "status": "open"}])
    assert sorted(row["externalId"] for row in rows()) == ["T-1", "T-2"]


def test_a_ticket_is_found_and_changed_by_its_source_id_in_one_upsert(desk: Desk) -> None:
    _, acme, rows = desk
    ticket(acme).save()
    found, created = Ticket.objects.update_or_create(
        source_id="T-1", defaults={"email": "ada@acme.example", "status": "closed"}
    )
    assert not created and found.id == Ticket.objects.get(source_id="T-1").id
    assert Ticket.objects.get_or_create(source_id="T-1")[0].status == "closed"
    assert len(rows()) == 1


def test_a_ticket_lives_offline_too(desk: Desk) -> None:
    planhat, acme, rows = desk
    if not planhat.settings.mirror:
        pytest.skip("offline writes need a mirror")
    ticket(acme, 1).save()
    with planhat.offline():
        old = Ticket.objects.get(source_id="T-1")
        old.status = "closed"
        assert old.save().queued
        new = ticket(acme, 2)
        assert new.save().queued
        new.status = "pending"
        new.save()
        assert Ticket.objects.filter(status="pending", source_id="T-2").count() == 1
    assert [row.get("status") for row in rows()] == [None]
    assert planhat.push().ok and not len(planhat.mirror.outbox)
    assert {row["externalId"]: row["status"] for row in rows()} == {"T-1": "closed", "T-2": "pending"}
    with planhat.offline():
        for doomed in Ticket.objects.all():
            doomed.delete()
    assert planhat.push().ok and rows() == []
