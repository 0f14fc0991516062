"""A server whose lists show what was stored three seconds ago: no key looks free that is taken, no record gone that is there.

What a list lacks is asked for by its key or id. Where that is too much, the answer to the upsert tells who was first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.http.retry import Retry
from tests.other_server import OtherServer, faults, on

Pair = tuple[OtherServer, Planhat]


@pytest.fixture
def lagging(tmp_path: Path) -> Iterator[Pair]:
    with OtherServer() as server:
        server.fill("company", 3, lambda number: {"name": "Old", "externalId": f"old-{number}"})
        settings = {**server.settings(), "mirror": tmp_path / "m.db", "retry": Retry(attempts=1, floor=0.001)}
        with Planhat(**settings, calls_per_min=1e6) as planhat:
            planhat.sync(Company)
            server.clock.run(0)
            server.clock.advance(60)
            server.behave(lag=3.0)
            yield server, planhat


def names(server: OtherServer, key: str) -> list[str]:
    return [str(record["name"]) for record in server.records("company") if record.get("externalId") == key]


def make_offline(planhat: Planhat, count: int) -> None:
    with planhat.offline():
        for number in range(count):
            Company(external_id=f"k{number}", name="Ours").save()


@pytest.mark.parametrize("count", [7, 50])
def test_keys_that_no_list_shows_yet_are_taken(lagging: Pair, count: int) -> None:
    server, planhat = lagging
    make_offline(planhat, count)
    server.fill("company", count, lambda number: {"externalId": f"k{number}", "name": "Theirs"})
    result = planhat.push()
    assert {row.error for row in result.rows} == {"a record with this externalId exists already"}
    assert all(names(server, f"k{number}") == ["Theirs"] for number in range(count))
    assert not server.requests("PUT")


def test_a_few_taken_keys_among_many_are_taken_where_the_list_has_the_others(lagging: Pair) -> None:
    """Creates that were cut off: the list shows nearly all, and what it lacks is asked for."""
    server, planhat = lagging
    make_offline(planhat, 200)
    server.fault(faults.close_after(), on("PUT", "/companies"), times=None)
    assert len(planhat.push().unknown) == 200
    server.clear_faults()
    assert len(server.records("company")) == 203
    late = [record["_id"] for record in server.records("company") if record.get("externalId") in ("k3", "k150")]
    for id in late:
        server.delete("company", id)
    server.clock.advance(10)
    server.fill("company", 2, lambda number: {"externalId": ("k3", "k150")[number], "name": "Theirs"})
    result = planhat.push()
    held = [row for row in result.rows if row.conflicts]
    assert len(held) == 2 and len(result.created) == 198
    assert names(server, "k3") == names(server, "k150") == ["Theirs"]


def test_of_hundreds_the_answer_tells_which_were_taken(lagging: Pair) -> None:
    server, planhat = lagging
    make_offline(planhat, 300)
    server.fill("company", 20, lambda number: {"externalId": f"k{number}", "name": "Theirs"})
    result = planhat.push()
    assert len(result.created) == 280
    lost = [row for row in result.rows if row.status == "failed"]
    assert len(lost) == 20 and all("at the same moment" in row.error for row in lost)
    assert len(server.records("company")) == 303


def test_fresh_records_are_not_gone(lagging: Pair) -> None:
    server, planhat = lagging
    fresh = server.fill("company", 40, lambda number: {"name": "Fresh", "externalId": f"f{number}", "phase": "A"})
    companies = [Company.objects.using(planhat).get(str(record["_id"])) for record in fresh[:20]]
    with planhat.offline():
        for company in companies:
            company.phase = "B"
        planhat.save_all(companies)
    assert planhat.push().ok
    assert [record["phase"] for record in server.records("company")[3:23]] == ["B"] * 20


def test_a_batch_that_compares_finds_fresh_records_too(lagging: Pair) -> None:
    server, planhat = lagging
    fresh = server.fill("company", 20, lambda number: {"name": "Fresh", "externalId": f"f{number}", "phase": "A"})
    companies = [Company.objects.using(planhat).get(str(record["_id"])) for record in fresh]
    with planhat.batch(on_conflict="raise"):
        for company in companies:
            company.phase = "B"
            company.save()
    assert {record["phase"] for record in server.records("company")[3:]} == {"B"}
