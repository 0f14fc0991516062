"""Metrics and activities wait in the outbox, leave by `push()`, and are neither lost nor doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.errors import BlockError, ConfigurationError, MirrorError, ReadOnlyError, ValidationError
from planhat_orm.wire import analytics

from .conftest import Start, client


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.torture)])
def begin(start: Start, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], tuple[Any, Planhat]]:
    """A server with the companies a, b and c, and a client whose mirror is in either database."""

    def open() -> tuple[Any, Planhat]:
        emulator, planhat = start()
        if request.param == "postgres":
            planhat = client(emulator, tmp_path, mirror=request.getfixturevalue("postgres")())
            request.addfinalizer(planhat.close)
        for key in "abc":
            emulator.store.insert("company", {"name": key.upper(), "externalId": key})
        return emulator, planhat

    return open


def metric(key: str = "a", value: Any = 1, **others: Any) -> dict[str, Any]:
    return {"dimensionId": "logins", "externalId": key, "value": value, "date": "2026-05-01", **others}


def activity(number: int = 0, **others: Any) -> dict[str, Any]:
    return {"email": f"u{number}@a.example", "action": f"login {number}", **others}


def values(emulator: Any) -> list[tuple[str, float]]:
    names = {row["_id"]: row["externalId"] for row in emulator.store.all("company")}
    return sorted((names[row["parentId"]], row["value"]) for row in emulator.store.all("metric"))


def actions(emulator: Any) -> list[str]:
    return sorted(row["action"] for row in emulator.store.all("user_activity"))


def statuses(result: Any) -> list[str]:
    return [row.status for row in result]


def test_what_is_recorded_waits_and_a_push_sends_it(begin: Any) -> None:
    emulator, planhat = begin()
    assert planhat.metrics.record(metric("a", 3)) == 1
    assert planhat.metrics.record(metric(key, 4) for key in "bc") == 2
    assert planhat.user_activity.record([activity(1), activity(2)]) == 2
    assert emulator.calls == 0
    assert planhat.outbox.counts() == {"metric": 3, "user_activity": 2}
    assert [(entry.op, entry.state) for entry in planhat.outbox] == [("send", "pending")] * 5
    result = planhat.push()
    assert str(result) == "sent 5, in 2 requests"
    assert values(emulator) == [("a", 3), ("b", 4), ("c", 4)]
    assert actions(emulator) == ["login 1", "login 2"]
    assert not len(planhat.outbox)
    assert str(planhat.push()) == "nothing to send, in 0 requests"


def test_a_day_a_dimension_and_a_record_have_one_value_the_newest(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record([metric("a", 1), metric("a", 2), metric("b", 5)])
    planhat.metrics.record(metric("a", 3, date=datetime(2026, 5, 1, 17, tzinfo=UTC), model="Company"))
    planhat.metrics.record(metric("a", 9, date=date(2026, 5, 2)))
    planhat.metrics.record(metric("a", 8, dimensionId="seats"))
    assert len(planhat.outbox) == 4
    planhat.push()
    assert values(emulator) == [("a", 3), ("a", 8), ("a", 9), ("b", 5)]


def test_a_value_without_a_day_is_of_the_day_it_was_recorded_on(begin: Any) -> None:
    _, planhat = begin()
    row = metric()
    del row["date"]
    planhat.metrics.record(row)
    planhat.user_activity.record(activity())
    first, second = planhat.outbox
    assert first.patch["date"] == datetime.now(UTC).date().isoformat()
    assert second.patch["date"].startswith(datetime.now(UTC).date().isoformat())


def test_offline_and_tasks_record_too(begin: Any) -> None:
    emulator, planhat = begin()
    with planhat.offline():
        planhat.metrics.record(metric())
        asyncio.run(planhat.user_activity.arecord(activity()))
    assert asyncio.run(planhat.metrics.arecord(metric("b"))) == 1
    assert (emulator.calls, len(planhat.outbox)) == (0, 3)
    assert asyncio.run(planhat.apush()).ok


def test_a_batch_holds_what_is_recorded_until_it_ends_well(begin: Any) -> None:
    _, planhat = begin()
    with planhat.batch() as batch:
        planhat.metrics.record([metric("a"), metric("b")])
        with planhat.batch():
            planhat.user_activity.record(activity())
        assert len(planhat.outbox) == 0
        assert str(batch.plan()) == "2 metric to wait for push(), 1 user_activity to wait for push()"
    assert planhat.outbox.counts() == {"metric": 2, "user_activity": 1}
    with pytest.raises(KeyError), planhat.batch():
        planhat.metrics.record(metric("c"))
        raise KeyError
    assert planhat.outbox.counts()["metric"] == 2


def test_a_dry_run_records_nothing(begin: Any) -> None:
    _, planhat = begin()
    with planhat.batch(dry_run=True) as batch:
        planhat.metrics.record(metric())
        with planhat.offline():
            planhat.user_activity.record(activity())
        with pytest.raises(BlockError):
            planhat.push()
    assert '"recorded": {\n    "metric": 1,\n    "user_activity": 1\n  }' in batch.plan().to_json()
    assert len(planhat.outbox) == 0


def test_what_cannot_be_kept_is_refused_before_it_waits(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator, planhat = begin()
    bad: list[Any] = [
        {"dimensionId": "logins", "value": 1}, metric(value="many"), metric(value=True), metric(date="soon"),
        metric(value=float("nan")), 7, metric(externalId=["a", "b"]),
    ]  # fmt: skip
    for row in bad:
        with pytest.raises(ValidationError):
            planhat.metrics.record([metric(), row])
    for row in ({"action": "login"}, 7, {"email": "a@b.example", "info": object()}):
        with pytest.raises(ValidationError):
            planhat.user_activity.record([activity(), row])
    monkeypatch.setattr(analytics, "MAX_BYTES", 1000)
    with pytest.raises(ValidationError, match="32 MB"):
        planhat.user_activity.record(activity(info={"text": "x" * 1000}))
    assert len(planhat.outbox) == emulator.calls == 0


def test_recording_needs_a_mirror_and_a_client_that_writes(begin: Any, tmp_path: Path) -> None:
    emulator, _ = begin()
    with pytest.raises(ConfigurationError, match=r"Planhat\(mirror="):
        client(emulator, tmp_path, mirror=None).metrics.record(metric())
    with pytest.raises(ReadOnlyError):
        client(emulator, tmp_path, read_only=True).user_activity.record(activity())


def test_without_a_tenant_token_values_wait_and_a_push_says_what_is_missing(begin: Any) -> None:
    emulator, planhat = begin()
    bare = Planhat("test-token", api_url=emulator.url, mirror=planhat.settings.mirror)
    bare.metrics.record(metric())
    with bare.offline():
        Company(name="New", external_id="n").save()
    with pytest.raises(ConfigurationError, match=r"1 metrics and activities.*PLANHAT_TENANT_TOKEN"):
        bare.push()
    assert emulator.calls == 0
    assert planhat.push().ok
    assert values(emulator) == [("a", 1)]
    assert bare.push().ok
    bare.close()


def test_bodies_hold_no_more_than_the_host_takes(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator, planhat = begin()
    bodies: list[bytes] = []
    planhat.on("request", lambda request: bodies.append(request.body or b""))
    planhat.user_activity.record(activity(number, info={"text": "x" * 300}) for number in range(40))
    monkeypatch.setattr(analytics, "MAX_BYTES", 4000)
    assert planhat.push().requests == len(bodies) > 3
    assert max(map(len, bodies)) <= 4000
    monkeypatch.undo()
    planhat.metrics.record(metric(date=f"2026-05-{day:02}") for day in range(1, 31))
    monkeypatch.setattr(analytics, "MAX_ROWS", 7)
    assert planhat.push().requests == 5
    assert len(values(emulator)) == 30 and len(actions(emulator)) == 40


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", pytest.param("status", marks=pytest.mark.torture)])
def test_a_value_whose_answer_was_lost_is_looked_for_and_stored_once(begin: Any, fault: str) -> None:
    emulator, planhat = begin()
    planhat.metrics.record([metric("a", 1), metric("b", 2)])
    emulator.faults.add(fault, method="POST")
    result = planhat.push()
    assert statuses(result) == ["unknown", "unknown"] and not result.ok
    planhat.metrics.record(metric("c", 3))
    assert planhat.push().ok
    assert values(emulator) == [("a", 1), ("b", 2), ("c", 3)]
    assert not len(planhat.outbox)


def test_values_are_sent_again_where_they_cannot_be_read(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("a", 1))
    emulator.faults.add("reset_before", method="POST")
    planhat.push()
    emulator.faults.add(status=403, method="GET", times=None)
    assert planhat.push().ok
    assert values(emulator) == [("a", 1)]


def test_values_that_cannot_be_looked_for_now_stay_in_doubt(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("a", 1))
    emulator.faults.add("reset_after", method="POST")
    planhat.push()
    emulator.faults.add(status=500, method="GET", times=None)
    assert statuses(planhat.push()) == ["unknown"]
    emulator.faults.clear()
    assert planhat.push().ok
    assert values(emulator) == [("a", 1)]


def test_a_newer_value_goes_instead_of_one_in_doubt(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("a", 1))
    emulator.faults.add("reset_before", method="POST")
    planhat.push()
    planhat.metrics.record(metric("a", 2))
    assert str(planhat.push()) == "sent 1, in 1 request"
    assert values(emulator) == [("a", 2)]


def test_a_value_that_is_recorded_while_an_older_one_travels_goes_after_it(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("a", 1))
    again: list[Any] = [metric("a", 2)]
    planhat.on("request", lambda request: request.host == "analytics" and again and planhat.metrics.record(again.pop()))
    emulator.faults.add("reset_before", method="POST")
    planhat.push()
    assert [entry.state for entry in planhat.outbox] == ["unknown", "pending"]
    assert planhat.push().ok and not len(planhat.outbox)
    assert values(emulator) == [("a", 2)]


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", pytest.param("status", marks=pytest.mark.torture)])
def test_an_activity_in_doubt_is_held_named_and_decided_on(begin: Any, fault: str) -> None:
    emulator, planhat = begin()
    planhat.user_activity.record([activity(1), activity(2)])
    emulator.faults.add(fault, method="POST")
    result = planhat.push()
    assert statuses(result) == ["unknown", "unknown"]
    assert "planhat outbox retry" in result.rows[0].error
    arrived = actions(emulator)
    planhat.user_activity.record(activity(3))
    assert str(planhat.push()) == "sent 1, in 1 request"
    assert actions(emulator) == [*arrived, "login 3"]
    assert planhat.outbox.retry() == 0
    held = planhat.outbox.entries("unknown")
    assert [entry.record for entry in held] == ["u1@a.example", "u2@a.example"]
    assert planhat.outbox.discard(held[0].seq) == 1
    assert planhat.outbox.retry(held[1].seq) == 1
    assert planhat.push().ok and not len(planhat.outbox)
    assert actions(emulator) == sorted([*arrived, "login 2", "login 3"])


def test_after_a_death_values_are_settled_and_activities_named(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("a", 1))
    planhat.user_activity.record(activity(1))
    dying: list[str] = ["/analytics", "/dimensiondata"]

    def die(exchange: Any) -> None:
        if dying and exchange[0].path.startswith(dying[0]):
            dying.pop(0)
            raise KeyboardInterrupt

    planhat.on("response", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            planhat.push()
    assert [entry.state for entry in planhat.outbox] == ["inflight", "unknown"]
    result = planhat.push()
    assert statuses(result) == ["sent"] and result.ok
    assert values(emulator) == [("a", 1)]
    (held,) = planhat.outbox
    assert "process died" in held.error
    assert planhat.outbox.retry(in_doubt=True) == 1 and planhat.push().ok
    assert actions(emulator) == ["login 1", "login 1"]


def test_rows_that_the_server_names_fail_and_the_others_are_done(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record([metric("a", 1), metric("b", 2)])
    refused = planhat.outbox.entries()[1]
    database = planhat.mirror.database
    from planhat_orm.mirror.db import tables

    with database.writing() as connection:  # what a server refuses that the library does not know of
        connection.execute(
            tables.outbox.update().where(tables.outbox.c.seq == refused.seq)
            .values(patch='{"dimensionId": "", "externalId": "b", "value": 2, "date": "2026-05-01"}')
        )  # fmt: skip
    result = planhat.push()
    assert statuses(result) == ["sent", "failed"] and result.rows[1].error
    assert values(emulator) == [("a", 1)]
    assert [entry.state for entry in planhat.outbox] == ["failed"]
    planhat.metrics.record(metric("b", 2))
    assert planhat.push().ok and not len(planhat.outbox)
    assert values(emulator) == [("a", 1), ("b", 2)]


def test_a_refusal_of_all_is_a_failure_and_one_of_the_token_waits(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record([metric("a", 1), metric("b", 2)])
    emulator.faults.add(status=400, method="POST")
    assert statuses(planhat.push()) == ["failed", "failed"]
    assert planhat.outbox.retry() == 2
    emulator.faults.add(status=401, method="POST", times=None)
    result = planhat.push()
    assert "still waits" in result.rows[0].error
    assert [entry.state for entry in planhat.outbox] == ["pending", "pending"]
    emulator.faults.clear()
    assert planhat.push().ok
    assert values(emulator) == [("a", 1), ("b", 2)]


def test_values_are_sent_after_the_records_they_are_of(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.metrics.record(metric("new", 7))
    with planhat.offline():
        Company(name="New", external_id="new").save()
    assert planhat.push().ok
    assert values(emulator) == [("new", 7)]


def test_two_pushes_at_once_send_nothing_twice(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.user_activity.record(activity())

    def push_too(request: Any) -> None:
        if request.host == "analytics":
            with pytest.raises(MirrorError):
                planhat.push()

    planhat.on("request", push_too)
    assert planhat.push().ok
    assert actions(emulator) == ["login 0"]


def test_the_status_knows_what_waits_and_a_sync_leaves_it(begin: Any) -> None:
    _, planhat = begin()
    planhat.metrics.record(metric())
    planhat.user_activity.record(activity())
    from planhat_orm import Metric

    planhat.sync(Company, Metric)
    status = planhat.mirror.status()
    assert (status["metric"].pending, status["metric"].rows) == (1, 0)
    assert status.waiting == {"metric": 1, "user_activity": 1}
    assert "user_activity" in str(status)
    assert len(planhat.outbox) == 2
    assert planhat.outbox.discard() == 2


def test_a_person_is_forgotten_in_what_waits(begin: Any) -> None:
    emulator, planhat = begin()
    planhat.user_activity.record([activity(1), activity(2)])
    emulator.faults.add("reset_after", method="POST")
    planhat.push()
    planhat.mirror.forget("u1@a.example").apply()
    assert [entry.record for entry in planhat.outbox] == ["u2@a.example"]
