from __future__ import annotations

import time

import httpx

from planhat_orm.emulator import Switches
from planhat_orm.emulator.quota import Quota

from .conftest import Serve


def test_calls_above_the_quota_get_429_with_headers(serve: Serve) -> None:
    emulator, client = serve(calls_per_min=3)
    answers = [client.get("/users") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert {answer.headers["X-Rate-Limit-Limit"] for answer in answers} == {"3"}
    assert answers[4].text == "Too many requests" and "retry-after" not in answers[4].headers
    assert [call.status for call in emulator.log] == [200, 200, 200, 429, 429]


def test_the_window_slides() -> None:
    quota = Quota(2, Switches())
    assert [quota.admit(at) for at in (0, 30, 59.9, 60, 60.1, 90, 120.1)] == [
        True,
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_a_fast_clock_passes_the_minute_quickly(serve: Serve) -> None:
    _, client = serve(calls_per_min=1, speed=200, retry_after=True)
    assert client.get("/users").status_code == 200
    refused = client.get("/users")
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    time.sleep(0.35)
    assert client.get("/users").status_code == 200


def test_headers_have_two_styles_or_none(serve: Serve) -> None:
    _, client = serve(calls_per_min=5, header_style="x-ratelimit")
    headers = client.get("/users").headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("5", "4")
    assert 1 <= int(headers["x-ratelimit-reset"]) <= 60 and "x-rate-limit-limit" not in headers
    for options in ({"calls_per_min": 5, "header_style": "none"}, {}):
        _, client = serve(**options)
        assert not [name for name in client.get("/users").headers if "rate" in name]


def test_the_soft_quota_may_only_tell(serve: Serve) -> None:
    _, client = serve(calls_per_min=1, over_quota="tolerate")
    answers = [client.get("/users") for _ in range(3)]
    assert [(a.status_code, a.headers["x-rate-limit-remaining"]) for a in answers] == [(200, "0")] * 3


def test_own_pages_are_outside_quota_and_log(serve: Serve) -> None:
    emulator, client = serve(calls_per_min=1)
    for _ in range(3):
        assert httpx.get(f"{emulator.url}/__emulator__/state").status_code == 200
    assert emulator.calls == 0 and client.get("/users").status_code == 200
