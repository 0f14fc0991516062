"""Single reads bring the mirror up to date: what changed, what is gone, and nothing that was acknowledged since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Planhat, PlanhatError, ValidationError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import guards, state
from planhat_orm.mirror.sync import full, single_reads
from planhat_orm.wire import list_page
from tests.other_server import OtherServer

from .conftest import mirror_rows


@pytest.fixture(scope="module")
def server() -> Iterator[OtherServer]:
    with OtherServer(body_id="equal", required="little") as server:
        yield server


@pytest.fixture
def ids(server: OtherServer) -> list[str]:
    for row in server.records("company"):
        server.delete("company", row["_id"])
    values = {"phase": "A", "custom": {"L": 1, "M": 2}}
    return [server.write("company", {"name": f"C{n}", "externalId": f"k{n}", **values})["_id"] for n in range(4)]


@pytest.fixture
def planhat(server: OtherServer, ids: list[str], either: Mirror) -> Iterator[Planhat]:
    with Planhat(**server.settings(), mirror=either.where, calls_per_min=1e9) as planhat:
        planhat.sync(Company)
        yield planhat


def changed(server: OtherServer, planhat: Planhat, id: str) -> None:
    """Somebody else edits a record, and takes the value of a custom field away."""
    with server.lock:
        row = server.tenant().of("company").get(id)
        assert row is not None and row.record is not None
        row.record["custom"].pop("M")
    server.write("company", {"_id": id, "phase": "B"})


def get(planhat: Planhat, id: str) -> None:
    Company.objects.get(id)


def plain_call(planhat: Planhat, id: str) -> None:
    planhat.company.get_by_id(id)


def refresh(planhat: Planhat, id: str) -> None:
    Company.from_wire({"_id": id}).refresh(using=planhat)


def pull(planhat: Planhat, id: str) -> None:
    planhat.mirror.pull(Company, [id])


def test_keys_that_nobody_documents_are_learned_from_a_record_that_is_read_alone_now_and_then(
    server: OtherServer, planhat: Planhat, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in ids:
        server.write("company", {"_id": id, "phase": "B", "weird": 1})

    def sync() -> tuple[int, set[Any]]:
        monkeypatch.setattr(list_page, "_learned", {})  # as in another process
        report = planhat.sync(Company)
        return report.requests, {row.get("weird") for row in mirror_rows(planhat.mirror, "company").values()}

    assert sync() == (2, {None})
    with monkeypatch.context() as patched:
        patched.setattr(full, "LEARN_EVERY", timedelta(0))
        assert sync() == (3, {1})
    assert sync() == (2, {1})
    with planhat.mirror.database.reading() as connection:
        assert not state.load(connection, "company").traits.volatile


def apull(planhat: Planhat, id: str) -> None:
    asyncio.run(planhat.mirror.apull("company", [id]))


@pytest.mark.parametrize("read", [get, plain_call, refresh, pull, apull])
def test_a_record_that_is_read_by_its_id_is_current_in_the_mirror(
    server: OtherServer, planhat: Planhat, ids: list[str], read: Callable[[Planhat, str], None]
) -> None:
    changed(server, planhat, ids[0])
    calls = planhat.calls
    read(planhat, ids[0])
    assert planhat.calls == calls + 1
    row = mirror_rows(planhat.mirror, "company")[ids[0]]
    assert (row["phase"], row["custom"]) == ("B", {"L": 1})
    stored = server.record("company", ids[0])
    assert stored is not None and row["name"] == stored["name"]
    (change,) = planhat.mirror.changes()
    assert (change.origin, change.fields["phase"]) == ("theirs", ("A", "B"))
    report = planhat.sync(Company)
    assert report["company"].changed == 0


@pytest.mark.parametrize("read", [get, plain_call, refresh, pull, apull])
def test_a_record_that_is_not_found_by_its_id_leaves_the_mirror(
    server: OtherServer, planhat: Planhat, ids: list[str], read: Callable[[Planhat, str], None]
) -> None:
    server.delete("company", ids[1])
    try:
        read(planhat, ids[1])
    except Exception as error:
        assert "NotFound" in {kind.__name__ for kind in type(error).__mro__}
    assert mirror_rows(planhat.mirror, "company").keys() == {ids[0], *ids[2:]}
    (change,) = planhat.mirror.changes()
    assert (change.kind, change.origin, change.id) == ("deleted", "theirs", ids[1])


def test_a_record_that_others_made_is_new(server: OtherServer, planhat: Planhat, ids: list[str]) -> None:
    new = server.write("company", {"name": "New"})["_id"]
    assert planhat.mirror.pull(Company, [new, "0" * 24]) == {new: True, "0" * 24: False}
    assert mirror_rows(planhat.mirror, "company")[new]["name"] == "New"


def test_a_key_that_is_not_found_is_no_deletion(server: OtherServer, planhat: Planhat, ids: list[str]) -> None:
    server.write("company", {"_id": ids[0], "externalId": "moved"})
    with pytest.raises(Company.DoesNotExist):
        Company.objects.get("extid-k0")
    assert ids[0] in mirror_rows(planhat.mirror, "company")


def test_a_record_made_here_shortly_before_stays_where_it_is_not_found_yet(
    server: OtherServer, planhat: Planhat, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = Company(name="Mine", external_id="mine")
    company.save(using=planhat)
    server.delete("company", str(company.id))  # as good as a server that lags
    assert planhat.mirror.pull(Company, [str(company.id)]) == {company.id: False}
    assert company.id in mirror_rows(planhat.mirror, "company")
    monkeypatch.setattr(guards, "LAG", -1)
    planhat.mirror.pull(Company, [str(company.id)])
    assert company.id not in mirror_rows(planhat.mirror, "company")


def test_what_was_acknowledged_while_a_record_was_read_stays(
    server: OtherServer, planhat: Planhat, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, resource = planhat.mirror, Company._meta.resource
    asked = mirror.asked_at(resource)
    old: Any = server.record("company", ids[0])
    company = Company.objects.using("mirror").get(ids[0])
    company.phase = "ours"
    company.save(using=planhat)
    assert asked is not None
    assert single_reads.learn(mirror.database, resource, {ids[0]: old}, asked, history=True) == [ids[0]]
    assert single_reads.learn(mirror.database, resource, {ids[0]: None}, asked, history=True) == [ids[0]]
    assert mirror_rows(mirror, "company")[ids[0]]["phase"] == "ours"


def test_what_cannot_be_pulled_says_so(server: OtherServer, planhat: Planhat) -> None:
    with pytest.raises(ValidationError, match="list of ids"):
        planhat.mirror.pull(Company, "5f0c")
    with pytest.raises(ValidationError, match="no reading by id"):
        planhat.mirror.pull("metric", ["5f0c"])


# --- plain calls that write ------------------------------------------------------------------------------


def test_the_first_write_of_a_client_is_in_its_mirror_where_it_is_a_plain_call(
    server: OtherServer, ids: list[str], planhat: Planhat
) -> None:
    for verb in ("create", "update", "delete"):
        with Planhat(**server.settings(), mirror=planhat.mirror.where, calls_per_min=1e9) as fresh:
            if verb == "create":
                id = fresh.company.create({"name": "new", "externalId": "k9"})["_id"]
            elif verb == "update":
                id = fresh.company.update(ids[0], {"phase": "B"})["_id"]
            else:
                id = ids[1]
                fresh.company.delete(id)
            [*_, change] = fresh.mirror.changes()
            assert (change.id, change.kind, change.origin) == (id, f"{verb}d", "mine")
    rows = mirror_rows(planhat.mirror, "company")
    assert rows[ids[0]]["phase"] == "B" and ids[1] not in rows and len(rows) == 4


def test_a_plain_call_whose_mirror_cannot_be_opened_sends_nothing(server: OtherServer, tmp_path: Path) -> None:
    where = tmp_path / "mirror.db"
    where.write_bytes(b"no database" * 500)
    for verb in ("create", "update", "delete"):
        with Planhat(**server.settings(), mirror=where) as planhat, pytest.raises(PlanhatError):
            requests = list[object]()
            planhat.on("request", requests.append)
            endpoints = planhat.company
            if verb == "create":
                endpoints.create({"name": "new"})
            elif verb == "update":
                endpoints.update("5f0c", {"phase": "B"})
            else:
                endpoints.delete("5f0c")
        assert requests == []
