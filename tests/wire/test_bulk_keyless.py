"""Rows without a key: sent once, never repeated, and which id is whose is told only without a doubt."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm.http.effects import Response
from planhat_orm.wire.bulk import upsert
from planhat_orm.wire.resources import resource

from .direct import Direct, lost_after, lost_before, status, times

NOTE = resource("conversation")
ENTRY = resource("time_entry")


@pytest.fixture
def direct() -> Direct:
    one = Direct()
    for name in ("acme", "bolt"):
        one.store.insert("company", {"name": name, "externalId": name})
    return one


def note(subject: str, company: str = "acme", **more: Any) -> dict[str, Any]:
    return {"type": "note", "subject": subject, "companyId": f"extid-{company}", **more}


def stored_as(direct: Direct, name: str = "conversation") -> dict[str, dict[str, Any]]:
    return {record["_id"]: record for record in direct.store.all(name)}


def test_keyed_and_keyless_rows_travel_apart(direct: Direct) -> None:
    rows = [note("a"), note("b", externalId="n-b"), note("c")]
    answer = direct.run(upsert(NOTE, rows))
    assert [outcome.status for outcome in answer.outcomes] == ["created"] * 3
    stored = stored_as(direct)
    assert [stored[str(outcome.id)]["subject"] for outcome in answer.outcomes] == ["a", "b", "c"]
    assert [len(body) for body in direct.bodies()] == [1, 2]
    assert direct.count("GET") == 1


@pytest.mark.parametrize("weather", [lost_before, lost_after, status(500), status(502), status(200, b"<html>")])
def test_a_lost_answer_is_not_asked_for_again(direct: Direct, weather: Any) -> None:
    direct.weather = times(1, weather)
    answer = direct.run(upsert(NOTE, [note("a"), note("b")]))
    assert [outcome.status for outcome in answer.outcomes] == ["unknown", "unknown"]
    assert direct.count("PUT") == 1


def test_a_429_means_that_nothing_was_done_so_they_go_again(direct: Direct) -> None:
    direct.weather = times(2, status(429))
    answer = direct.run(upsert(NOTE, [note("a"), note("b")]))
    assert [outcome.status for outcome in answer.outcomes] == ["created", "created"]
    assert len(stored_as(direct)) == 2


@pytest.mark.parametrize("error_item", ["object", "string", "indexed"])
@pytest.mark.parametrize("bulk_errors", ["partial", "whole"])
def test_bad_rows_are_named_and_no_good_one_is_stored_twice(error_item: str, bulk_errors: str) -> None:
    direct = Direct(error_item=error_item, bulk_errors=bulk_errors)
    direct.store.insert("company", {"name": "acme", "externalId": "acme"})
    rows = [note(f"subject {n}", company="acme" if n != 5 else "nobody") for n in range(20)]
    answer = direct.run(upsert(NOTE, rows))
    assert {outcome.index for outcome in answer.outcomes if outcome.status == "failed"} == {5}
    assert {outcome.status for outcome in answer.outcomes if outcome.index != 5} == {"created"}
    assert sorted(stored_a["subject"] for stored_a in stored_as(direct).values()) == sorted(
        row["subject"] for row in rows if row["companyId"] == "extid-acme"
    )


def test_rows_that_are_the_same_get_an_id_each(direct: Direct) -> None:
    answer = direct.run(upsert(NOTE, [note("same")] * 4))
    assert len({outcome.id for outcome in answer.outcomes}) == 4
    assert set(stored_as(direct)) == {outcome.id for outcome in answer.outcomes}


def test_an_id_is_not_given_where_two_rows_could_be_meant(direct: Direct) -> None:
    """Both notes read alike but for a company that the server spells as it likes: no guess."""
    answer = direct.run(upsert(NOTE, [note("same", "acme"), note("same", "bolt")]))
    assert [outcome.status for outcome in answer.outcomes] == ["created", "created"]
    assert [outcome.id for outcome in answer.outcomes] == [None, None]


def test_references_by_id_tell_records_apart(direct: Direct) -> None:
    acme, bolt = (record["_id"] for record in direct.store.all("company"))
    rows = [{"type": "note", "subject": "same", "companyId": company} for company in (bolt, acme, bolt, acme)]
    answer = direct.run(upsert(NOTE, rows))
    stored = stored_as(direct)
    assert [stored[str(outcome.id)]["companyId"] for outcome in answer.outcomes] == [bolt, acme, bolt, acme]


def test_a_row_that_says_less_is_told_from_one_that_says_more(direct: Direct) -> None:
    rows = [{"date": "2026-06-01", "hours": 1}, {"date": "2026-06-01", "hours": 1, "billable": True}]
    answer = direct.run(upsert(ENTRY, rows))
    assert [outcome.status for outcome in answer.outcomes] == ["created", "created"]
    stored = stored_as(direct, "time_entry")
    told = [stored[outcome.id] for outcome in answer.outcomes if outcome.id]
    assert all(bool(item.get("billable")) == bool(row.get("billable")) for item, row in zip(told, rows, strict=False))


def test_thousands_are_told_apart_in_one_list(direct: Direct) -> None:
    rows = [note(f"subject {n}") for n in range(1500)]
    answer = direct.run(upsert(NOTE, rows))
    stored = stored_as(direct)
    assert [stored[str(outcome.id)]["subject"] for outcome in answer.outcomes] == [row["subject"] for row in rows]
    assert (direct.count("PUT"), direct.count("GET")) == (1, 1)


def test_where_the_list_cannot_be_read_the_rows_are_created_all_the_same(direct: Direct) -> None:
    direct.weather = times(99, status(403), method="GET")
    answer = direct.run(upsert(NOTE, [note("a"), note("b")]))
    assert [(outcome.status, outcome.id) for outcome in answer.outcomes] == [("created", None)] * 2


def test_rows_ignored_without_a_word_are_dropped() -> None:
    direct = Direct(enduser_no_domain_match="drop")
    direct.weather = lambda request, work: work()
    answer = direct.run(upsert(ENTRY, [{"date": "2026-06-01", "hours": 1}]))
    assert answer.outcomes[0].status == "created"
    direct.weather = times(1, lambda request, work: Response(200, {}, b'{"created": 0, "nonupdates": 0}'))
    answer = direct.run(upsert(ENTRY, [{"hours": 1}, {"hours": 2}]))
    assert [outcome.status for outcome in answer.outcomes] == ["dropped", "dropped"]
    assert "date is missing" in answer.outcomes[0].error
