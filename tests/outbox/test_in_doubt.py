"""New records with a key that may have been made already: looked up before anything is sent, and never shown twice.

Each case with a mirror in SQLite that threads push, and with one in PostgreSQL that tasks push.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BatchResult, Company, Enduser, Planhat
from planhat_orm.http.retry import Retry
from planhat_orm.runtime import WriteIntent
from tests.other_server import OtherServer, faults, on

ROOT = Path(__file__).parents[2]
Start = Callable[..., tuple[OtherServer, Planhat]]
OLD = "650000000000000000000001"


@pytest.fixture(params=["sqlite, threads", "postgres, tasks"])
def way(request: pytest.FixtureRequest) -> list[str]:
    """The database of the mirror, and what pushes."""
    return str(request.param).split(", ")


@pytest.fixture
def start(request: pytest.FixtureRequest, way: list[str], tmp_path: Path) -> Iterator[Start]:
    """Start a server and a client with a mirror of its companies."""
    with ExitStack() as stack:

        def begin(**behaviour: Any) -> tuple[OtherServer, Planhat]:
            server = stack.enter_context(OtherServer(**behaviour))
            server.write("company", {"_id": OLD, "name": "Old", "externalId": "old"})
            where = tmp_path / "m.db" if way[0] == "sqlite" else request.getfixturevalue("postgres")()
            retry = Retry(attempts=1, floor=0.001)
            planhat = Planhat(**server.settings(), mirror=where, calls_per_min=1e6, retry=retry, custom="warn")
            stack.enter_context(planhat)
            planhat.sync(Company)
            return server, planhat

        yield begin


@pytest.fixture
def push(way: list[str]) -> Callable[..., BatchResult]:
    """Push in a thread, or in a task."""

    def run(planhat: Planhat, **options: Any) -> BatchResult:
        return planhat.push(**options) if way[1] == "threads" else asyncio.run(planhat.apush(**options))

    return run


def leave_in_doubt(planhat: Planhat, patch: dict[str, Any], op: str = "create", resource: str = "company") -> None:
    """What a process leaves that dies after it wrote down that it sends, and before it does."""
    session = planhat.mirror.outbox.claim_session()
    floor = planhat.seen_ids.greatest(Company._meta.resource)
    session.record([WriteIntent(op, resource, None, patch, {}, floor)], "inflight")
    session.release()


def of_key(server: OtherServer, key: str) -> list[dict[str, Any]]:
    return [record for record in server.records("company") if record.get("externalId") == key]


def shown(planhat: Planhat, key: str) -> list[tuple[bool, Any]]:
    """Whether each record of a key in the mirror has a real id, and its name."""
    found = Company.objects.using(planhat).using("mirror").filter(external_id=key)
    return [(not str(record.id).startswith("tmp:"), record.name) for record in found]


OURS: dict[str, Any] = {"externalId": "k", "name": "Ours", "custom": {"Tier": "A"}}


def test_a_create_in_doubt_that_the_server_lacks_is_sent(start: Start, push: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("planhat_orm.writes.server_state.QUIET", 0.0)
    server, planhat = start()
    leave_in_doubt(planhat, OURS)
    assert len(push(planhat).created) == 1
    assert [(record["name"], record["custom"]) for record in of_key(server, "k")] == [("Ours", {"Tier": "A"})]
    assert shown(planhat, "k") == [(True, "Ours")] and not len(planhat.mirror.outbox)


def test_a_create_in_doubt_that_the_server_has_is_acknowledged_and_not_sent(start: Start, push: Any) -> None:
    server, planhat = start()
    leave_in_doubt(planhat, OURS)
    id = server.write("company", dict(OURS))["_id"]
    assert [row.status for row in push(planhat).rows] == ["created"]
    assert not server.requests("PUT") and not server.requests("POST") and not len(planhat.mirror.outbox)
    [record] = Company.objects.using(planhat).using("mirror").filter(external_id="k")
    assert (record.id, record.name) == (id, "Ours")


@pytest.mark.parametrize("op", ["create", "upsert"])
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_key_that_somebody_else_took_meanwhile_is_a_conflict(start: Start, push: Any, op: str, many: bool) -> None:
    server, planhat = start()
    keys = [f"k{number}" for number in range(60 if many else 1)]
    for key in keys:
        leave_in_doubt(planhat, {**OURS, "externalId": key}, op)
        server.write("company", {"externalId": key, "name": "Theirs", "custom": {"Tier": "B"}, "phase": "Live"})
    result = push(planhat)
    assert {row.status for row in result.rows} == {"failed"} and "externalId" in result.rows[0].error
    wanted = {("name", "Ours", "Theirs"), ("custom.Tier", "A", "B")}
    assert {(item.name, item.mine, item.theirs) for item in result.rows[0].conflicts} == wanted
    held = planhat.mirror.outbox.conflicts()
    assert {(item.name, item.mine, item.theirs) for item in held} == wanted and len(held) == 2 * len(keys)
    for key in keys:
        [theirs] = of_key(server, key)
        assert (theirs["name"], theirs["custom"], theirs["phase"]) == ("Theirs", {"Tier": "B"}, "Live")
    assert not server.requests("PUT") and not server.requests("POST")


@pytest.mark.parametrize(("policy", "name", "tier"), [("ours", "Ours", "A"), ("theirs", "Theirs", "B")])
@pytest.mark.parametrize("synced", [False, True])
def test_a_policy_decides_about_a_key_that_somebody_else_took(
    start: Start, push: Any, policy: Any, name: str, tier: str, synced: bool
) -> None:
    server, planhat = start()
    leave_in_doubt(planhat, OURS)
    id = server.write("company", {"externalId": "k", "name": "Theirs", "custom": {"Tier": "B"}})["_id"]
    push(planhat)
    if synced:
        planhat.sync(Company)
    assert push(planhat, on_conflict=policy).ok and not len(planhat.mirror.outbox)
    [record] = of_key(server, "k")
    assert (record["_id"], record["name"], record["custom"]["Tier"]) == (id, name, tier)
    planhat.sync(Company)
    assert shown(planhat, "k") == [(True, name)]


def test_a_key_that_was_taken_before_is_no_new_record(start: Start, push: Any) -> None:
    server, planhat = start()
    server.write("company", {"name": "Newer"})
    list(Company.objects.using(planhat).all())
    leave_in_doubt(planhat, {"externalId": "old", "name": "Ours"})
    [row] = push(planhat).rows
    assert (row.status, row.error) == ("failed", "a record with this externalId exists already")
    assert (server.record("company", OLD) or {})["name"] == "Old"


def test_fields_that_others_changed_after_a_lost_answer_are_not_overwritten(start: Start, push: Any) -> None:
    server, planhat = start()
    with planhat.offline():
        Company(external_id="k", name="Ours", phase="Trial").save()
    server.fault(faults.close_after(), on("PUT", "/companies"), times=None)
    assert len(push(planhat).unknown) == 1
    server.clear_faults()
    [record] = of_key(server, "k")
    server.write("company", {"_id": record["_id"], "name": "Theirs"})
    planhat.sync(Company)
    assert shown(planhat, "k") == [(True, "Theirs")]
    [row] = push(planhat).rows
    assert [(item.name, item.mine, item.theirs) for item in row.conflicts] == [("name", "Ours", "Theirs")]
    assert of_key(server, "k")[0]["name"] == "Theirs"


def test_a_sync_before_the_push_shows_a_record_once(start: Start, push: Any) -> None:
    server, planhat = start()
    with planhat.offline():
        Company(external_id="k", name="Ours").save()
        Company(name="Keyless", phase="P").save()
    server.fault(faults.close_after(), on("PUT", "/companies"), times=None)
    assert len(push(planhat).unknown) == 2
    server.clear_faults()
    report = planhat.sync(Company)
    assert report.models["company"].notes == ["2 new records whose answer was lost are stored"]
    assert Company.objects.using(planhat).using("mirror").filter(name="Keyless").count() == 1
    assert shown(planhat, "k") == [(True, "Ours")]
    assert not len(planhat.mirror.outbox) and not len(push(planhat))
    everything = [record.id for record in Company.objects.using(planhat).using("mirror")]
    assert sorted(everything) == sorted(record["_id"] for record in server.records("company"))


def test_a_sync_that_brings_the_key_of_a_record_that_was_never_sent_makes_it_a_conflict(
    start: Start, push: Any
) -> None:
    server, planhat = start()
    with planhat.offline():
        Company(external_id="k", name="Ours").save()
    server.write("company", {"externalId": "k", "name": "Theirs"})
    planhat.sync(Company)
    [conflict] = planhat.mirror.outbox.conflicts()
    assert (conflict.name, conflict.mine, conflict.theirs) == ("name", "Ours", "Theirs")
    assert shown(planhat, "k") == [(True, "Theirs")]
    planhat.mirror.outbox.discard()
    assert shown(planhat, "k") == [(True, "Theirs")]
    assert not len(push(planhat))


def test_a_new_record_is_shown_again_when_the_one_with_its_key_is_deleted(start: Start, push: Any) -> None:
    server, planhat = start()
    with planhat.offline():
        Company(external_id="k", name="Ours").save()
    id = server.write("company", {"externalId": "k", "name": "Theirs"})["_id"]
    planhat.sync(Company)
    server.delete("company", id)
    planhat.sync(Company, full=True)
    assert shown(planhat, "k") == [(False, "Ours")]
    assert push(planhat, on_conflict="ours").ok
    assert shown(planhat, "k") == [(True, "Ours")]


def test_a_contact_is_matched_by_its_email_in_any_case(start: Start, push: Any) -> None:
    server, planhat = start()
    planhat.sync(Enduser)
    leave_in_doubt(planhat, {"email": "Ann@Acme.test", "companyId": OLD, "firstName": "Ann"}, resource="enduser")
    server.write("enduser", {"email": "ann@acme.test", "companyId": OLD, "firstName": "Ann"})
    planhat.sync(Enduser)
    assert Enduser.objects.using(planhat).using("mirror").count() == 1
    assert not len(push(planhat)) and len(server.records("enduser")) == 1


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("arrives", ["by a sync", "by its id"])
def test_an_older_edit_of_a_lost_create_does_not_undo_a_newer_one(
    start: Start, push: Any, key: str | None, arrives: str
) -> None:
    server, planhat = start()
    company = Company(external_id=key, name="Made", phase="P")
    server.fault(faults.close_after(), on("POST", "/companies"), times=None)
    server.fault(faults.close_after(), on("PUT", "/companies"), times=None)
    with planhat.offline():
        company.save()
    assert len(push(planhat).unknown) == 1
    server.clear_faults()
    with planhat.offline():
        company.phase, company.description = "Offline", "Kept"
        company.save()
    [id] = [record["_id"] for record in server.records("company") if record["_id"] != OLD]
    if arrives == "by a sync":
        planhat.sync(Company)
    else:
        Company.objects.using(planhat).using("api").get(id=id)
    later = Company.objects.using(planhat).using("mirror").get(id=id)
    assert (later.phase, later.description) == ("Offline", "Kept")
    later.phase = "Newer"
    later.save(using=planhat)
    assert push(planhat, on_conflict="ours").ok and not len(planhat.mirror.outbox)
    stored = server.record("company", id)
    assert stored is not None
    assert (stored["phase"], stored["description"]) == ("Newer", "Kept")


def test_a_key_that_is_taken_between_the_look_and_the_sending_is_no_success(start: Start, push: Any) -> None:
    server, planhat = start()
    with planhat.offline():
        Company(external_id="k", name="Ours").save()

    def somebody(request: Any) -> None:
        if request.method == "PUT" and not of_key(server, "k"):
            server.write("company", {"externalId": "k", "name": "Theirs"})

    server.before(somebody)
    [row] = push(planhat).rows
    [theirs] = of_key(server, "k")
    assert row.status == "failed" and "at the same moment" in row.error and theirs["_id"] in row.error
    planhat.sync(Company)
    assert shown(planhat, "k") == [(True, "Ours")]


def test_a_single_create_does_not_take_over_what_somebody_else_made_while_its_answer_was_lost(start: Start) -> None:
    server, planhat = start()

    def somebody(request: Any) -> None:
        if request.method == "POST":
            server.write("company", {"externalId": "k", "name": "Theirs"})

    server.before(somebody)
    server.fault(faults.close_before(), on("POST"))
    with pytest.raises(AmbiguousWrite, match="says something else"):
        Company.objects.using(planhat).create(external_id="k", name="Ours")
    assert [record["name"] for record in of_key(server, "k")] == ["Theirs"]
    [row] = planhat.push().rows
    assert [(item.name, item.mine, item.theirs) for item in row.conflicts] == [("name", "Ours", "Theirs")]


DIE = """
import os, sys
from planhat_orm import Company, Planhat
with Planhat("token-a", api_url=sys.argv[1], mirror=sys.argv[2], calls_per_min=1e6) as planhat:
    planhat.on("request", lambda request: os._exit(9) if request.method in ("POST", "PUT") else None)
    Company.objects.create(external_id="k", name="Ours")
"""


def test_a_process_that_dies_before_its_create_leaves_overwrites_nothing(tmp_path: Path) -> None:
    with OtherServer() as server:
        mirror = tmp_path / "m.db"
        with Planhat(**server.settings(), mirror=mirror, calls_per_min=1e6) as planhat:
            planhat.sync(Company)
        command = [sys.executable, "-c", DIE, server.url, str(mirror)]
        assert subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == 9
        assert not server.records("company")
        server.write("company", {"externalId": "k", "name": "Theirs"})
        with Planhat(**server.settings(), mirror=mirror, calls_per_min=1e6) as planhat:
            [row] = planhat.push().rows
            assert [(item.name, item.mine, item.theirs) for item in row.conflicts] == [("name", "Ours", "Theirs")]
        assert [record["name"] for record in server.records("company")] == ["Theirs"]
