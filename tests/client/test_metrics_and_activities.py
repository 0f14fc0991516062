"""Metrics, activities and segment events; days however they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BulkError, Planhat, PlanhatError, ValidationError

from ..online import TENANT_TOKEN, Online


def metric(**values: Any) -> dict[str, Any]:
    return {"dimensionId": "logins", "value": 3, "externalId": "a", "date": "2026-05-01", **values}


@pytest.mark.parametrize(
    ("day", "number"),
    [
        ("1970-01-01", 0),
        ("2026-01-01", 20454),
        ("2026-01-01T23:59:59", 20454),
        ("2026-01-01T23:30:00-05:00", 20455),
        ("2026-01-01T00:30:00+01:00", 20453),
        ("2026-01-01T12:00:00.000Z", 20454),
        (" 2026-01-01 ", 20454),
        (date(2026, 1, 1), 20454),
        (datetime(2026, 1, 1, 23, 59), 20454),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), 20453),
        (datetime(2026, 1, 1, tzinfo=UTC), 20454),
        (20454, 20454),
        ("1969-12-31", -1),
    ],
)
def test_days_are_counted_from_1970(day: Any, number: int) -> None:
    metrics = Planhat("token").metrics
    assert metrics.epoc_days_format(day) == metrics.epoch_days_format(day) == number
    assert metrics.epoc_days_format(day, "1970-01-02") == number - 1


@pytest.mark.parametrize("day", ["", "soon", "2026-13-01", True, None, 1.5, b"2026-01-01"])
def test_what_is_no_day_is_refused(day: Any) -> None:
    with pytest.raises(ValidationError):
        Planhat("token").metrics.epoc_days_format(day)


def test_metrics_are_pushed_and_read_back(online: Online) -> None:
    emulator, planhat = online()
    company = emulator.store.insert("company", {"name": "Acme", "externalId": "a"})["_id"]
    rows = [metric(value=n, date=f"2026-05-{n:02}") for n in range(1, 21)]
    assert planhat.metrics.bulk_insert_metrics(iter(rows)) == {"processed": 20, "errors": []}
    assert planhat.metrics.bulk_insert_metrics(metric(value=99, date=date(2026, 5, 30)))["processed"] == 1
    assert emulator.log[0].path == f"/dimensiondata/{TENANT_TOKEN}"

    def read(*arguments: Any, **options: Any) -> list[int]:
        pages = planhat.metrics.get_dimension_data(*arguments, **options)
        return [row["value"] for page in pages for row in page]

    assert read("2026-05-03", date(2026, 5, 5)) == [3, 4, 5]
    assert read(0, 99_999, company_id=company, limit=4) == [*range(1, 21), 99]
    assert read(0, 99_999, company_id="none") == read(0, 99_999, dimension_id="other") == []
    assert len(read(0, 99_999, limit=4, max_requests=2)) == 8


@pytest.mark.parametrize("auto_chunk", [True, False])
def test_what_holds_no_rows_is_refused(online: Online, auto_chunk: bool) -> None:
    emulator, planhat = online()
    for call in (
        planhat.metrics.bulk_insert_metrics,
        planhat.user_activity.create_activity,
        planhat.company.bulk_upsert,
    ):
        with pytest.raises(ValidationError, match="not"):
            call(None)  # type: ignore[arg-type]
        with pytest.raises(ValidationError):
            call("ab")  # type: ignore[arg-type]
    assert emulator.calls == 0


@pytest.mark.parametrize("auto_chunk", [True, False])
def test_nothing_to_push_makes_no_call(online: Online, auto_chunk: bool) -> None:
    emulator, planhat = online()
    assert planhat.metrics.bulk_insert_metrics([], auto_chunk=auto_chunk) == {}
    assert emulator.calls == 0


def test_verify_passes_for_what_arrived_dated_or_not(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    undated = {key: value for key, value in metric(value=7).items() if key != "date"}
    planhat.metrics.bulk_insert_metrics([metric(), metric(), undated, metric(value=2.0)], verify=True)
    planhat.metrics.bulk_insert_metrics(metric(value=8), verify=True)


def test_verify_names_what_is_missing(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    planhat.metrics.bulk_insert_metrics(metric(value=5, date="2026-04-30"))
    rows = [metric(), metric(value=5), metric(externalId="nobody"), metric(value=6)]
    with pytest.raises(PlanhatError, match=r"1 of 4 .*rows 2 \(counted from 0\)"):
        planhat.metrics.bulk_insert_metrics(rows, verify=True)


def test_verify_is_not_content_with_the_same_value_of_another_record(online: Online) -> None:
    emulator, planhat = online()
    company = emulator.store.insert("company", {"name": "Bolt", "externalId": "b"})["_id"]
    emulator.store.insert("enduser", {"companyId": company, "externalId": "a", "email": "ada@bolt.example"})
    planhat.metrics.bulk_insert_metrics([metric(externalId="b"), metric(externalId="a", model="EndUser")])
    with pytest.raises(BulkError, match=r"1 of 2 .*rows 1 \(counted from 0\)") as raised:
        planhat.metrics.bulk_insert_metrics([metric(externalId="b"), metric(externalId="a")], verify=True)
    assert raised.value.result["missing"] == [1]
    assert raised.value.result["processed"] == 2
    both = [metric(externalId="b"), metric(externalId="a", model="EndUser")]
    planhat.metrics.bulk_insert_metrics(both, verify=True)


def test_verify_looks_for_many_records_in_few_requests(online: Online) -> None:
    emulator, planhat = online()
    for number in range(300):
        emulator.store.insert("company", {"name": str(number), "externalId": f"c-{number}"})
    rows = [metric(externalId=f"c-{number}", value=number) for number in range(300)]
    planhat.metrics.bulk_insert_metrics(rows, verify=True)
    assert emulator.calls <= 5


def test_an_undated_value_and_a_dated_one_are_two(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    today = emulator.store.moments.now().date()
    undated = {key: value for key, value in metric().items() if key != "date"}

    def lose(exchange: Any) -> None:
        if exchange[0].method == "POST":
            emulator.store.delete("metric", emulator.store.all("metric")[0]["_id"])

    planhat.on("response", lose)
    with pytest.raises(BulkError, match="1 of 2"):
        planhat.metrics.bulk_insert_metrics([undated, metric(date=today)], verify=True)


@pytest.mark.parametrize("metric_company_param", ["both", "cId", "cid"])
def test_values_of_one_company_are_of_that_company_however_the_filter_is_spelt(
    online: Online, metric_company_param: str
) -> None:
    emulator, planhat = online(metric_company_param=metric_company_param)
    ids = [emulator.store.insert("company", {"name": key, "externalId": key})["_id"] for key in ("a", "b")]
    rows = [metric(value=n, externalId="ab"[n % 2]) for n in range(20)]
    planhat.metrics.bulk_insert_metrics(rows)
    pages = planhat.metrics.get_dimension_data(0, 99_999, company_id=ids[1], limit=3)
    assert [row["value"] for page in pages for row in page] == list(range(1, 20, 2))


def test_values_that_a_generator_makes_are_sent_while_it_goes_on(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planhat_orm.wire.analytics.MAX_BYTES", 1000)
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    sent: list[int] = []

    def values() -> Iterator[dict[str, Any]]:
        for number in range(100):
            sent.append(emulator.calls)
            yield metric(value=number)

    assert planhat.metrics.bulk_insert_metrics(values())["processed"] == 100
    assert sent[-1] > 1

    def broken() -> Iterator[dict[str, Any]]:
        yield from (metric(value=number) for number in range(30))
        raise KeyError("m@rker")

    with pytest.raises(BulkError, match=r"ended with KeyError after \d+ of them were sent") as raised:
        planhat.metrics.bulk_insert_metrics(broken())
    assert 0 < raised.value.result["processed"] < 30
    assert "m@rker" not in str(raised.value)
    with pytest.raises(BulkError, match="ended with ValidationError"):
        planhat.user_activity.create_activity({"email": f"{n}@x.example"} if n < 90 else 7 for n in range(91))  # type: ignore[misc]


def test_rows_the_server_calls_bad_raise_when_asked_to(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    rows = [metric(), metric(value="many")]
    assert len(planhat.metrics.bulk_insert_metrics(rows)["errors"]) == 1
    with pytest.raises(BulkError, match="named 1 metric rows as bad"):
        planhat.metrics.bulk_insert_metrics(rows, raise_on_error=True)
    with pytest.raises(BulkError):
        planhat.metrics.bulk_insert_metrics(metric(value="many"), raise_on_error=True)


def test_activities_are_created_one_by_one_and_in_bulk(online: Online) -> None:
    emulator, planhat = online()
    planhat.user_activity.create_activity({"email": "ada@acme.example", "action": "login"})
    planhat.user_activity.create_activity(
        {"externalId": "u-1", "action": "login", "date": datetime(2026, 5, 1, tzinfo=UTC)}
    )
    many = [{"email": f"{n}@acme.example", "action": "read"} for n in range(50)]
    planhat.user_activity.create_activity(iter(many), bulk=True)
    planhat.user_activity.create_activity(many[:1], bulk=True)
    assert len(emulator.store.all("user_activity")) == 53
    assert [call.path for call in emulator.log] == [
        f"/analytics/{TENANT_TOKEN}", f"/analytics/{TENANT_TOKEN}",
        f"/analytics/bulk/{TENANT_TOKEN}", f"/analytics/bulk/{TENANT_TOKEN}",
    ]  # fmt: skip


def test_segment_events_go_with_the_tenant_token(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a"})
    traits = {"name": "Ada Ek", "email": "ada@acme.example", "companyId": "a"}
    planhat.user_activity.segment({"type": "identify", "userId": "u1", "traits": traits})
    planhat.user_activity.segment({"type": "track", "userId": "u1", "event": "downloaded a report"})
    assert [record["email"] for record in emulator.store.all("enduser")] == ["ada@acme.example"]
    assert [record["action"] for record in emulator.store.all("user_activity")] == ["downloaded a report"]


def test_several_segment_events_go_one_by_one_and_all_are_checked_first(online: Online) -> None:
    emulator, planhat = online()
    events: list[dict[str, Any]] = [{"type": "track", "userId": f"u{n}", "event": "login"} for n in range(4)]
    with pytest.raises(ValidationError):
        planhat.user_activity.segment([*events, {"type": "page"}])
    assert emulator.calls == 0
    assert planhat.user_activity.segment([]) == {}
    planhat.user_activity.segment(iter(events), raise_on_error=True)
    assert (emulator.calls, len(emulator.store.all("user_activity"))) == (4, 4)
    emulator.faults.add("reset_after", after=1)
    with pytest.raises(AmbiguousWrite, match="rows 1 "):
        planhat.user_activity.segment(events)
    assert len(emulator.store.all("user_activity")) == 8
    emulator.faults.add(status=400, after=2)
    with pytest.raises(BulkError, match="from 2 on"):
        planhat.user_activity.segment(events)


def test_calls_of_cruds_interface_are_taken_as_they_are(online: Online) -> None:
    emulator, planhat = online()
    one = {"email": "a@x.example", "action": "login"}
    planhat.user_activity.create_activity([one, one], True, True, True)
    planhat.user_activity.create_activity([one], bulk=True, auto_chunk=False, raise_on_error=True)
    planhat.metrics.bulk_insert_metrics([metric()], True, True)
    assert len(emulator.store.all("user_activity")) == 3


@pytest.mark.parametrize("place", ["traits", "properties", "context"])
def test_an_email_tells_whose_an_event_is_wherever_it_stands(online: Online, place: str) -> None:
    emulator, planhat = online()
    person = {"email": "ada@acme.example"}
    event = {"type": "track", "event": "login", place: {"traits": person} if place == "context" else person}
    planhat.user_activity.segment(event)
    planhat.user_activity.segment({"type": "track", "event": "login", "email": "ada@acme.example"})
    assert emulator.calls == 2


@pytest.mark.parametrize(
    "event",
    [
        7,
        "page",
        {"type": "track", "traits": 7},
        {},
        {"type": "page", "userId": "u"},
        {"type": "track"},
        {"type": "identify", "traits": {}},
    ],
)
def test_events_that_planhat_ignores_are_refused(online: Online, event: dict[str, Any]) -> None:
    emulator, planhat = online()
    with pytest.raises(ValidationError):
        planhat.user_activity.segment(event)
    assert emulator.calls == 0


PUSHES: dict[str, Callable[[Planhat, bool], Any]] = {
    "metrics": lambda p, often: p.metrics.bulk_insert_metrics([metric()], at_least_once=often),
    "one metric": lambda p, often: p.metrics.bulk_insert_metrics(metric(), at_least_once=often),
    "activity": lambda p, often: p.user_activity.create_activity({"email": "a@x.example"}, at_least_once=often),
    "activities": lambda p, often: p.user_activity.create_activity(
        [{"email": "a@x.example"}], bulk=True, at_least_once=often
    ),
    "segment": lambda p, often: p.user_activity.segment({"type": "track", "userId": "u"}, at_least_once=often),
}


@pytest.mark.parametrize("name", PUSHES)
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "status", "html"])
def test_what_is_pushed_is_not_sent_again_unless_often_is_fine(online: Online, name: str, kind: Any) -> None:
    emulator, planhat = online()
    emulator.faults.add(kind)
    with pytest.raises(AmbiguousWrite, match="lost"):
        PUSHES[name](planhat, False)
    assert emulator.calls == 1
    emulator.faults.add(kind)
    PUSHES[name](planhat, True)
    assert emulator.calls == 3


def test_pushing_is_outside_of_the_quota(online: Online) -> None:
    emulator, planhat = online(calls_per_min=5)
    for _ in range(30):
        planhat.user_activity.create_activity({"email": "a@x.example"})
    assert {call.status for call in emulator.log} == {200}
    assert planhat._session.quota.budget() == 5
