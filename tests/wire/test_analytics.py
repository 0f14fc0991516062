"""The analytics host: bodies by their bytes, nothing sent twice, and what was lost is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BulkError, ConnectionFailed, InvalidRequest, ValidationError
from planhat_orm.http.effects import Request, Response, Unanswered
from planhat_orm.wire import analytics
from planhat_orm.wire.resources import resource

from .direct import Direct, lost_after, lost_before, status, times

PATH = analytics.metrics_path()


@pytest.fixture
def direct() -> Direct:
    one = Direct()
    one.store.insert("company", {"name": "Acme", "externalId": "a"})
    return one


def metrics(count: int) -> list[dict[str, Any]]:
    return [{"dimensionId": "logins", "value": n, "externalId": "a"} for n in range(count)]


def values(direct: Direct) -> list[int]:
    return [record["value"] for record in direct.store.all("metric")]


def test_one_huge_row_among_many_small_ones_costs_one_request_more(direct: Direct) -> None:
    rows = metrics(100_000)
    rows[50_000]["dimensionId"] = "x" * 27_000_000
    answer = direct.run(analytics.push_many(PATH, rows))
    sizes = [len(attempt.body) for attempt in direct.tries]  # type: ignore[arg-type]
    assert len(sizes) == 2
    assert max(sizes) <= 32_000_000
    assert answer["processed"] == 100_000


def test_bodies_are_cut_by_their_bytes_and_answers_added_up(direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "MAX_BYTES", 500)
    rows = metrics(40)
    rows[20]["dimensionId"] = "é" * 100
    answer = direct.run(analytics.push_many(PATH, iter(rows)))
    assert answer == {"processed": 40, "errors": []}
    assert all(len(attempt.body) <= 500 for attempt in direct.tries)  # type: ignore[arg-type]
    assert values(direct) == list(range(40))
    assert len(direct.tries) < 9
    assert direct.run(analytics.push_many(PATH, metrics(40), whole=True))["processed"] == 40
    assert len(direct.tries[-1].body) > 500  # type: ignore[arg-type]


def test_a_bad_row_keeps_its_number_when_it_went_in_a_later_body(direct: Direct, monkeypatch: Any) -> None:
    monkeypatch.setattr(analytics, "MAX_BYTES", 550)
    rows: list[dict[str, Any]] = metrics(30)
    rows[25]["value"] = "many"
    assert [item["index"] for item in direct.run(analytics.push_many(PATH, rows))["errors"]] == [25]


@pytest.mark.parametrize("spell", [lost_before, lost_after, status(500), status(502), status(200, b"<html>")])
def test_a_lost_answer_is_ambiguous_and_the_other_bodies_go(direct: Direct, monkeypatch: Any, spell: Any) -> None:
    monkeypatch.setattr(analytics, "MAX_BYTES", 550)
    direct.weather = times(1, spell, after=1)
    with pytest.raises(AmbiguousWrite, match=r"rows 10 to 19 \(counted from 0\)"):
        direct.run(analytics.push_many(PATH, metrics(30)))
    assert len(direct.tries) == 3
    assert {*range(10), *range(20, 30)} <= set(values(direct))
    assert len(values(direct)) == len(set(values(direct)))


@pytest.mark.parametrize("spell", [lost_before, lost_after, status(500), status(200, b"<html>")])
def test_at_least_once_sends_again(direct: Direct, spell: Any) -> None:
    direct.weather = times(2, spell)
    assert direct.run(analytics.push_many(PATH, metrics(3), at_least_once=True))["processed"] == 3
    assert set(values(direct)) == {0, 1, 2}
    direct.weather = times(2, spell)
    direct.run(analytics.push_one(PATH, metrics(1)[0], at_least_once=True))


def test_what_was_never_sent_or_refused_raises_as_it_is(direct: Direct) -> None:
    def refused(request: Request, work: Callable[[], Response]) -> Response:
        raise Unanswered("nothing listens", sent=False, kind="refused")

    direct.weather = refused
    for flow in (analytics.push_many(PATH, metrics(1)), analytics.push_one(PATH, metrics(1)[0])):
        with pytest.raises(ConnectionFailed):
            direct.run(flow)
    direct.weather = status(413)
    for flow in (analytics.push_many(PATH, metrics(1)), analytics.push_one(PATH, metrics(1)[0])):
        with pytest.raises(InvalidRequest):
            direct.run(flow)


def test_a_body_refused_after_others_arrived_says_where_it_stopped(direct: Direct, monkeypatch: Any) -> None:
    monkeypatch.setattr(analytics, "MAX_BYTES", 550)
    direct.weather = times(1, status(413), after=1)
    with pytest.raises(BulkError, match="from 10 on") as raised:
        direct.run(analytics.push_many(PATH, metrics(30)))
    assert raised.value.result["processed"] == 10


def test_a_429_is_waited_for(direct: Direct) -> None:
    direct.weather = times(3, status(429))
    assert direct.run(analytics.push_many(PATH, metrics(2)))["processed"] == 2
    assert values(direct) == [0, 1]


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"7", b'{"processed": tru'])
def test_whatever_a_good_answer_says_is_taken(direct: Direct, body: bytes) -> None:
    direct.weather = status(200, body)
    assert direct.run(analytics.push_many(PATH, metrics(2))) == {}
    assert direct.run(analytics.push_one(PATH, metrics(1)[0])) == {}


@pytest.mark.parametrize(
    ("kind", "row", "lacks"),
    [
        ("metric", {"dimensionId": "d", "value": 1}, "externalId"),
        ("metric", {"dimensionId": "", "value": 1, "externalId": "a"}, "dimensionId"),
        ("user_activity", {"action": "login"}, "email or externalId"),
        ("user_activity", {"action": "login", "email": ""}, "email or externalId"),
    ],
)
def test_rows_that_are_ignored_silently_are_told_of(kind: str, row: Any, lacks: str, caplog: Any) -> None:
    assert list(analytics.check_rows(resource(kind), [row])) == [row]
    assert f"lacks {lacks}:" in caplog.text
    with pytest.raises(ValidationError, match=f"lacks {lacks}"):
        list(analytics.check_rows(resource(kind), [row], strict=True))


def test_a_row_that_has_all_it_needs_is_not_told_of(caplog: Any) -> None:
    list(analytics.check_rows(resource("metric"), [{"dimensionId": "d", "value": 0, "externalId": "a"}]))
    assert caplog.text == ""


def test_metrics_are_read_page_by_page_without_repeats(direct: Direct) -> None:
    direct.run(analytics.push_many(PATH, metrics(95)))
    pages = direct.emitted(analytics.dimension_data({}, limit=20))
    assert [row["value"] for page in pages for row in page] == list(range(95))
    assert direct.count("GET") == 6
    assert len(direct.emitted(analytics.dimension_data({}, limit=20, max_requests=2))) == 2


def test_metrics_from_a_server_that_ignores_the_offset_end(direct: Direct) -> None:
    for body in (b'[{"_id": "1"}]', b'[{"value": 1}]'):
        direct.weather = status(200, body)
        assert len(direct.emitted(analytics.dimension_data({}, limit=1))) == 1
