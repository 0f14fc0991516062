"""`planhat.request`: a route that the library does not know has the quota, the retries and the errors of all others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, NotFound, Planhat, ReadOnlyError, ValidationError
from planhat_orm.http.retry import Retry

from ..hostile.server import Asked, HostileServer, Step, respond
from ..online import Online

Call = Callable[..., Any]


def in_a_thread(planhat: Planhat, *args: Any, **options: Any) -> Any:
    return planhat.request(*args, **options)


def in_a_task(planhat: Planhat, *args: Any, **options: Any) -> Any:
    async def main() -> Any:
        async with planhat:
            return await planhat.arequest(*args, **options)

    return asyncio.run(main())


both = pytest.mark.parametrize("call", [in_a_thread, in_a_task])


def _echo(asked: Asked) -> Iterator[Step]:
    yield respond(json.dumps([asked.method, asked.target, asked.body.decode()]).encode())


@both
def test_what_is_asked_is_what_is_sent(call: Call) -> None:
    with HostileServer(_echo) as server:
        planhat = Planhat("token", api_url=server.url)
        params = {"limit": 10, "from": date(2026, 1, 2), "ids": ["a", "b"], "on": True, "none": None}
        answer = call(planhat, "get", "/segments/a b", params=params)
        assert answer.data == ["GET", "/segments/a%20b?limit=10&from=2026-01-02&ids=a,b&on=true", ""]
        assert call(planhat, "PATCH", "/x/1", json={"a": "\u00fc"}).data == ["PATCH", "/x/1", '{"a":"\u00fc"}']
        assert call(planhat, "DELETE", "/x/%7Btenant%7D").data[1] == "/x/%7Btenant%7D"
        assert server.asked[0].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("body", "data"), [(b"", None), (b" \n", None), (b"plain text", None), (b"7", 7), (b"null", None), (b"{}", {})]
)
def test_an_answer_may_be_anything(body: bytes, data: Any) -> None:
    with HostileServer(lambda asked: iter([respond(body)])) as server, Planhat("t", api_url=server.url) as planhat:
        answer = planhat.request("GET", "/data")
        assert (answer.data, answer.text, answer.status) == (data, body.decode(), 200)


@both
def test_quota_retries_and_errors_are_those_of_all_calls(online: Online, call: Call) -> None:
    emulator, planhat = online(companies=2)
    emulator.faults.add("status", status=503)
    assert len(call(planhat, "GET", "/companies").data) == 2
    assert planhat.calls == emulator.calls == 2
    with pytest.raises(NotFound):
        call(planhat, "GET", "/nothing/here")


@both
def test_a_write_is_sent_once_unless_it_may_be_repeated(online: Online, call: Call) -> None:
    emulator, planhat = online(retry=Retry(attempts=3, floor=0.01))
    emulator.faults.add("reset_after", times=2)
    with pytest.raises(AmbiguousWrite):
        call(planhat, "POST", "/companies", json={"name": "Acme"})
    assert emulator.calls == 1
    key = emulator.store.all("company")[0]["_id"]
    assert call(planhat, "PUT", f"/companies/{key}", json={"phase": "Live"}, idempotent=True).data["phase"] == "Live"
    assert emulator.calls == 3


def test_guards_hold_for_any_route(online: Online) -> None:
    _, planhat = online(read_only=True)
    with pytest.raises(ReadOnlyError):
        planhat.request("POST", "/companies", json={})
    _, keeping = online(allow_delete=False)
    with pytest.raises(ReadOnlyError):
        keeping.request("DELETE", "/companies/1")
    assert planhat.calls == keeping.calls == 0


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        (("GTE", "/x"), {}, "Did you mean 'GET'"),
        ((None, "/x"), {}, "A method takes text"),
        (("GET", "x"), {}, "begins with one slash"),
        (("GET", "//elsewhere.example/x"), {}, "begins with one slash"),
        (("GET", "https://elsewhere.example/x"), {}, "begins with one slash"),
        (("GET", None), {}, "A path takes text"),
        (("GET", "/x?a=1"), {}, "params="),
        (("GET", "/companies/../users"), {}, "dots"),
        (("GET", "/x\ud800"), {}, "surrogate"),
        (("GET", "/x"), {"params": {"a": "\ud800"}}, "surrogate"),
        (("GET", "/x"), {"params": {"a": ""}}, "filter a is empty"),
        (("GET", "/x"), {"json": {}}, "no body"),
        (("POST", "/x"), {"json": {"a": float("nan")}}, "not finite"),
    ],
)
def test_what_is_no_route_is_refused_before_anything_is_sent(
    args: Any, options: Any, words: str, online: Online
) -> None:
    emulator, planhat = online()
    with pytest.raises(ValidationError, match=words):
        planhat.request(*args, **options)
    assert emulator.calls == 0
