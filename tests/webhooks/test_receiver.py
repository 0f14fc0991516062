"""Webhooks that the emulator fires are in the mirror after the quiet time, and with the handlers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from planhat_orm import Company, ConfigurationError, FieldError, License, Planhat
from planhat_orm.http.events import WebhookEvent
from planhat_orm.mirror.inbox import MOST_TRIES, Event
from planhat_orm.webhooks import Change, Receiver, template

from .conftest import SECRET, is_empty, post, until

Serve = Callable[..., Any]


def body(id: str, model: str = "Company", **more: Any) -> str:
    return json.dumps({"model": model, "id": id, **more})


def row(planhat: Planhat, id: str) -> Company | None:
    return Company.objects.using(planhat).using("mirror").get_or_none(id=id)


def settled(hooks: Receiver) -> None:
    until(lambda: is_empty(hooks.planhat.mirror.inbox) and hooks.counts.pulled)


def test_an_edit_on_the_server_is_in_the_mirror_and_with_the_handler(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    told: list[tuple[Company, Change]] = []

    @hooks.on(Company, fields=["phase"])
    async def changed(company: Company, change: Change) -> None:
        told.append((company, change))

    served = serve(hooks)
    emulator.add_webhook(served.url, "company", template(Company), secret=SECRET)
    company = emulator.store.all("company")[0]
    emulator.store.update("company", company["_id"], {"phase": "Renewal", "description": "new"})
    emulator.store.update("company", emulator.store.all("company")[1]["_id"], {"description": "of no interest"})
    until(lambda: told)
    settled(hooks)
    [(record, change)] = told
    assert (record.id, record.phase, change.old["phase"]) == (company["_id"], "Renewal", company["phase"])
    assert {"phase", "description"} <= set(change.fields) and (change.kind, change.origin) == ("updated", "theirs")
    assert row(planhat, company["_id"]).description == "new"  # type: ignore[union-attr]
    assert emulator.calls <= 2
    emulator.webhooks.wait()
    assert emulator.webhooks.answers == [202, 202]


def test_a_burst_costs_as_many_lists_as_hold_its_ids(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored(100)
    hooks = Receiver(planhat, secret=SECRET, quiet=20.0)  # of the client's clock, which runs a hundredfold
    served = serve(hooks)
    ids = [company["_id"] for company in emulator.store.all("company")]
    for id in ids:
        emulator.store.update("company", id, {"description": f"of {id}"})
    assert post(served.url, json.dumps([json.loads(body(id)) for id in ids * 2])) == 202
    settled(hooks)
    assert {company.id: company.description for company in Company.objects.using(planhat).using("mirror")} == {
        id: f"of {id}" for id in ids
    }
    assert emulator.calls == hooks.counts.requests == 2 and hooks.counts.pulled == 100


def test_many_records_that_are_not_listed_by_id_cost_a_sync(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored(20)
    hooks = Receiver(planhat, secret=SECRET, quiet=20.0)
    served = serve(hooks)
    ids = [record["_id"] for record in emulator.store.all("license")][:40]
    emulator.store.delete("license", ids[0])
    for id in ids[1:]:
        emulator.store.update("license", id, {"product": "Other"})
    bodies = [json.loads(body(id, "License", event="deleted" if id == ids[0] else "changed")) for id in ids]
    post(served.url, json.dumps(bodies))
    settled(hooks)
    held = {record.id: record.product for record in License.objects.using(planhat).using("mirror")}
    assert ids[0] not in held and {held[id] for id in ids[1:]} == {"Other"}
    assert emulator.calls <= 6


def test_a_deleted_record_leaves_the_mirror_and_the_handler_gets_its_last_state(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    told: list[tuple[Company, Change]] = []
    hooks.on(Company)(lambda company, change: told.append((company, change)))
    served = serve(hooks)
    emulator.add_webhook(served.url, "company", template(Company))
    emulator.webhooks.clear()
    emulator.add_webhook(served.url, "company", template(Company, event="deleted"), secret=SECRET, events=["delete"])
    company = emulator.store.all("company")[0]
    emulator.store.delete("company", company["_id"])
    until(lambda: told)
    [(record, change)] = told
    assert (record.name, change.kind) == (company["name"], "deleted")
    assert row(planhat, company["_id"]) is None
    assert hooks.counts.removed == 1 and emulator.calls == 1


@pytest.mark.parametrize(
    ("data", "secret", "status", "count"),
    [
        ("{}", None, 401, "forged"),
        ("{}", "wrong", 401, "forged"),
        (body("5f" * 12), "", 401, "forged"),
        (b" " * 2001, SECRET, 413, "oversized"),
        ("{", SECRET, 202, "unreadable"),
        ("[]", SECRET, 202, "unreadable"),
        (b"\xff", SECRET, 202, "unreadable"),
        (body("../5f"), SECRET, 202, "unreadable"),
        (body("5f" * 12, "Nothing"), SECRET, 202, "unreadable"),
        (body("5f" * 12), SECRET, 202, "accepted"),
        (json.dumps({"_id": "5f" * 12}), SECRET, 202, "unreadable"),
    ],
)
def test_what_is_refused_is_counted(
    mirrored: Any, serve: Serve, data: Any, secret: str | None, status: int, count: str
) -> None:
    _, planhat = mirrored(0)
    hooks = Receiver(planhat, secret=SECRET, max_bytes=2000)
    events: list[WebhookEvent] = []
    planhat.on("webhook", events.append)
    assert post(serve(hooks).url, data, secret) == status
    assert getattr(hooks.counts, count) == 1
    assert events == [WebhookEvent(count, int(count == "accepted"))]  # type: ignore[arg-type]
    counts = hooks.counts
    assert counts.accepted + counts.forged + counts.oversized + counts.unreadable == 1


def test_a_body_without_a_length_is_cut_off_too(mirrored: Any, serve: Serve) -> None:
    import http.client

    _, planhat = mirrored(0)
    hooks = Receiver(planhat, secret=SECRET, max_bytes=2000)
    connection = http.client.HTTPConnection(serve(hooks).url.removeprefix("http://"))
    parts = (b" " * 1000 for _ in range(4))
    connection.request("POST", "/", parts, {"X-Hook-Secret": SECRET}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_secrets_are_changed_without_a_gap_and_shown_nowhere(mirrored: Any, serve: Serve) -> None:
    _, planhat = mirrored(0)
    hooks = Receiver(planhat, secret=["old-secret", "new-secret"], header="X-Other")
    url = serve(hooks).url
    assert post(url, body("5f" * 12), "old-secret") == 401  # in the wrong header
    assert "secret" not in repr(hooks)
    hooks._header = b"x-hook-secret"
    assert [post(url, body("5f" * 12), secret) for secret in ("old-secret", "new-secret")] == [202, 202]


def test_it_mounts_into_an_application_that_tells_it_of_no_start(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    served = serve(Starlette(routes=[Mount("/planhat", hooks)]), "off", hooks.close)
    id = emulator.store.all("company")[0]["_id"]
    emulator.store.update("company", id, {"description": "mounted"})
    # The path may name the model, for bodies that do not.
    assert post(f"{served.url}/planhat/companies", json.dumps({"_id": id})) == 202
    settled(hooks)
    assert row(planhat, id).description == "mounted"  # type: ignore[union-attr]


def test_a_body_is_believed_where_it_is_trusted(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET, trust="body")
    served = serve(hooks)
    emulator.add_webhook(served.url, "company", template(Company, whole=True), secret=SECRET)
    id = emulator.store.all("company")[0]["_id"]
    emulator.store.update("company", id, {"description": 'said "so"', "h": 7})
    settled(hooks)
    held = row(planhat, id)
    assert (held.description, held.h, emulator.calls) == ('said "so"', 7, 0)  # type: ignore[union-attr]
    wire = planhat.company.get_by_id(id)
    assert {key: value for key, value in held.to_wire().items() if value != wire.get(key)} == {}  # type: ignore[union-attr]


def test_what_a_sync_saw_first_reaches_the_handlers_too(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    told: list[Any] = []
    hooks.on(Company, fields=["description"])(lambda company, change: told.append(company.description))
    serve(hooks)
    until(lambda: hooks._running is not None and hooks._running.worker._is_prepared)
    emulator.store.update("company", emulator.store.all("company")[0]["_id"], {"description": "synced"})
    planhat.sync(Company)
    assert until(lambda: told) == ["synced"]


def test_what_was_accepted_survives_and_handlers_go_on_where_they_were(mirrored: Any, serve: Serve) -> None:
    emulator, planhat = mirrored()
    told: list[Any] = []

    def receiver() -> Receiver:
        hooks = Receiver(planhat, secret=SECRET, quiet=20.0)
        hooks.on(Company, name="told")(lambda company, change: told.append((change.id, company.description)))
        return hooks

    first = serve(receiver())
    id = emulator.store.all("company")[0]["_id"]
    planhat.mirror.inbox.add([Event("company", "5f" * 12)])
    until(lambda: is_empty(planhat.mirror.inbox))
    first.stop()
    planhat.mirror.inbox.add([Event("company", id)])  # accepted, and the receiver died
    emulator.store.update("company", id, {"description": "later"})
    serve(receiver())
    assert [description for _, description in until(lambda: told)] == ["later"]


def test_a_handler_that_fails_is_called_again_in_order_and_parked_at_last(
    mirrored: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("planhat_orm.webhooks.handlers.pause", lambda tries: 0.0)
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    calls: list[Any] = []
    ids = [company["_id"] for company in emulator.store.all("company")[:3]]

    @hooks.on(Company, name="fails")
    def fails(company: Company, change: Change) -> None:
        calls.append((company.id, change.old["description"]))
        if company.id == ids[0] or (company.id == ids[1] and calls.count(calls[-1]) < 3):
            raise RuntimeError("a name of a customer")

    served = serve(hooks)
    for text in ("1", "2"):
        for id in ids:
            emulator.store.update("company", id, {"description": text})
        post(served.url, json.dumps([json.loads(body(id)) for id in ids]))
        until(lambda: is_empty(planhat.mirror.inbox))
    until(lambda: hooks.counts.parked == 2)
    by_record = {id: [old for record, old in calls if record == id] for id in ids}
    assert len(by_record[ids[0]]) == 2 * MOST_TRIES
    assert by_record[ids[0]][0] == by_record[ids[0]][MOST_TRIES - 1] != by_record[ids[0]][-1]
    assert by_record[ids[1]][-1] == "1" and len(by_record[ids[1]]) == 6
    assert len(by_record[ids[2]]) == 2
    assert [(name, record) for name, record, _ in planhat.mirror.inbox.parked()] == [("fails", ids[0])] * 2
    assert "customer" not in caplog.text
    assert planhat.mirror.inbox.unpark() == 2


def test_a_record_that_cannot_be_read_is_parked_and_the_others_are_not(
    mirrored: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planhat_orm.mirror.inbox.inbox.pause", lambda tries: 0.0)
    emulator, planhat = mirrored()
    ids = [record["_id"] for record in emulator.store.all("license")][:2]
    emulator.faults.add("status", path=f"/licenses/{ids[0]}", times=1000, status=400)
    hooks = Receiver(planhat, secret=SECRET)
    for id in ids:
        emulator.store.update("license", id, {"product": "Other"})
    post(serve(hooks).url, json.dumps([json.loads(body(id, "License")) for id in ids]))
    until(lambda: hooks.counts.parked)
    assert [name[:2] for name in planhat.mirror.inbox.parked()] == [("license", ids[0])]
    assert License.objects.using(planhat).using("mirror").get(id=ids[1]).product == "Other"


def test_webhooks_of_a_model_that_was_never_synced_wait(
    mirrored: Any, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    emulator, planhat = mirrored()
    hooks = Receiver(planhat, secret=SECRET)
    id = emulator.store.all("enduser")[0]["_id"]
    with caplog.at_level(logging.WARNING):
        post(serve(hooks).url, body(id, "Enduser"))
        until(lambda: "wait until it was synced" in caplog.text)
    assert planhat.mirror.inbox.counts() == (1, 0) and emulator.calls == 0


def test_a_mirror_in_postgresql_has_its_inbox_in_it(mirrored: Any, serve: Serve, postgres: Any) -> None:
    emulator, planhat = mirrored(mirror=postgres())
    hooks = Receiver(planhat, secret=SECRET)
    told: list[Any] = []
    hooks.on(Company)(lambda company, change: told.append(company.description))
    served = serve(hooks)
    emulator.add_webhook(served.url, "company", template(Company), secret=SECRET)
    id = emulator.store.all("company")[0]["_id"]
    emulator.store.update("company", id, {"description": "in a table"})
    assert until(lambda: told) == ["in a table"]
    assert {"mirror_inbox", "mirror_handler"} <= planhat.mirror.database.tables()


def test_settings_that_make_no_sense_are_refused(mirrored: Any, online: Any) -> None:
    _, planhat = mirrored(0)
    for secret in ("", [], [""], ["one", " "]):
        with pytest.raises(ConfigurationError, match="secret"):
            Receiver(planhat, secret=secret)
    with pytest.raises(FieldError, match="trust.*body, hint"):
        Receiver(planhat, secret=SECRET, trust="bodies")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="mirror"):
        Receiver(online(0)[1], secret=SECRET)
    hooks = Receiver(planhat, secret=SECRET)
    with pytest.raises(FieldError, match="phase"):
        hooks.on(Company, fields=["phaze"])(print)
    with pytest.raises(FieldError, match="list of names"):
        hooks.on(Company, fields="phase")(print)
    hooks.on(Company, name="same")(print)
    with pytest.raises(ConfigurationError, match="same"):
        hooks.on(License, name="same")(print)
