from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError

from .conftest import Serve

Acme = tuple[Emulator, httpx.Client, str]


def names(emulator: Emulator) -> list[str]:
    return [row["name"] for row in emulator.store.all("company")]


@pytest.mark.parametrize("status", [500, 502, 504, 403])
def test_a_status_comes_before_the_work(acme: Acme, status: int) -> None:
    emulator, client, _ = acme
    emulator.faults.add(status=status)
    answer = client.post("/companies", json={"name": "x"})
    assert answer.status_code == status and names(emulator) == ["Acme"]
    assert client.post("/companies", json={"name": "x"}).status_code == 200
    assert [(call.status, call.fault) for call in emulator.log] == [(status, "status"), (200, None)]


def test_a_status_may_come_after_the_work(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.faults.add(status=502, done=True)
    assert client.post("/companies", json={"name": "x"}).status_code == 502
    assert names(emulator) == ["Acme", "x"]


@pytest.mark.parametrize(("kind", "kept"), [("reset_before", ["Acme"]), ("reset_after", ["Acme", "x"])])
def test_resets_close_the_connection_before_or_after_the_work(acme: Acme, kind: Any, kept: list[str]) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind=kind, method="POST", path="/companies")
    with pytest.raises(httpx.ReadError):
        client.post("/companies", json={"name": "x"})
    assert names(emulator) == kept
    assert (emulator.log[-1].status, emulator.log[-1].fault) == (0, kind)
    assert client.get("/companies").status_code == 200


def test_a_reset_meets_large_bodies_too(acme: Acme) -> None:
    emulator, client, _ = acme
    items = [{"externalId": str(n), "name": "x" * 500} for n in range(5000)]
    emulator.faults.add(kind="reset_after", method="PUT")
    with pytest.raises(httpx.TransportError):
        client.put("/companies", json=items)
    assert len(names(emulator)) == 5001


def test_timeout_after_does_the_work_and_holds_the_answer(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind="timeout_after")
    with pytest.raises(httpx.ReadTimeout):
        client.post("/companies", json={"name": "x"}, timeout=0.1)
    assert names(emulator) == ["Acme", "x"]
    assert client.get("/companies").status_code == 200


def test_late_work_is_done_although_the_client_gave_up(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind="late", delay=0.3)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/companies", json={"name": "x"}, timeout=0.1)
    assert names(emulator) == ["Acme"]
    deadline = time.monotonic() + 5
    while len(names(emulator)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert names(emulator) == ["Acme", "x"]
    emulator.faults.add(kind="late", delay=0.05)
    assert client.post("/companies", json={"name": "y"}).json()["name"] == "y"


def test_a_rate_on_a_path_follows_the_clock(serve: Serve) -> None:
    emulator, client = serve(speed=30)
    emulator.faults.add(kind="rate_limit", path="/companies", calls_per_min=3, times=None)
    assert [client.get("/companies").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert client.get("/users").status_code == 200
    time.sleep(2.1)  # a minute of a clock that runs thirtyfold
    assert client.get("/companies").status_code == 200
    emulator.faults.clear()
    assert {client.get("/companies").status_code for _ in range(5)} == {200}


def test_slow_answers_are_good(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind="slow", delay=0.2)
    start = time.monotonic()
    assert len(client.get("/companies").json()) == 1 and time.monotonic() - start >= 0.2


def test_a_held_answer_does_not_keep_the_server_from_stopping(serve: Serve) -> None:
    emulator, client = serve()
    emulator.faults.add(kind="timeout_after", delay=30)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/companies", timeout=0.05)
    start = time.monotonic()
    emulator.stop()
    assert time.monotonic() - start < 2


def test_truncated_answers_break_off_in_the_body(acme: Acme) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind="truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/companies", json={"name": "x"})
    assert names(emulator) == ["Acme", "x"] and client.get("/companies").status_code == 200


@pytest.mark.parametrize(
    ("kind", "content", "kept"),
    [
        ("html", "text/html", 1),
        ("cut_json", "application/json", 2),
        ("empty", "application/json", 2),
        ("wrong_shape", "application/json", 2),
    ],
)
def test_bad_bodies_come_with_200(acme: Acme, kind: Any, content: str, kept: int) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind=kind, times=2)
    made = client.post("/companies", json={"name": "x"})
    listed = client.get("/companies")
    for answer in (made, listed):
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(content)
        assert int(answer.headers["content-length"]) == len(answer.content)
        if kind != "wrong_shape":
            with pytest.raises(ValueError):
                answer.json()
    if kind == "wrong_shape":
        assert isinstance(made.json(), list) and isinstance(listed.json(), dict)
    assert len(names(emulator)) == kept


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (7, "7"), (0.5, "0.5")])
def test_rate_limit_with_and_without_retry_after(acme: Acme, retry_after: float | None, header: str | None) -> None:
    emulator, client, _ = acme
    emulator.faults.add(kind="rate_limit", retry_after=retry_after)
    answer = client.get("/companies")
    assert (answer.status_code, answer.text, answer.headers.get("retry-after")) == (429, "Too many requests", header)


def test_rules_choose_method_path_and_times(acme: Acme) -> None:
    emulator, client, id = acme
    emulator.faults.add(status=500, method="put", path="/companies", after=1, times=2)
    assert client.get("/companies").status_code == 200
    assert client.put("/assets", json=[]).status_code == 200
    statuses = [client.put(f"/companies/{id}", json={}).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    emulator.faults.add(status=503, path=r"/(users|tasks)$", times=None)
    assert [client.get(f"/{path}").status_code for path in ("users", "tasks", "users", "users/1")] == [
        503,
        503,
        503,
        404,
    ]
    emulator.faults.clear()
    assert client.get("/users").status_code == 200


def test_faults_meet_the_analytics_paths(acme: Acme) -> None:
    emulator, _, _ = acme
    emulator.faults.add(kind="reset_after", path="/dimensiondata")
    metric = {"dimensionId": "a", "value": 1, "externalId": "acme"}
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{emulator.url}/dimensiondata/test-tenant", json=metric)
    assert len(emulator.store.all("metric")) == 1


def test_wrong_rules_are_refused(empty: tuple[Emulator, httpx.Client]) -> None:
    emulator, _ = empty
    for options in ({"pth": "/x"}, {"path": "("}):
        with pytest.raises(ConfigurationError):
            emulator.faults.add("status", **options)
    with pytest.raises(ConfigurationError, match="reset_after"):
        emulator.faults.add(kind="rset_after")  # type: ignore[arg-type]


def test_rules_can_be_set_over_http(acme: Acme) -> None:
    emulator, client, _ = acme
    url = f"{emulator.url}/__emulator__/faults"
    rule = {"kind": "status", "status": 503, "method": "GET", "path": "/companies", "times": None}
    assert httpx.post(url, json=rule).json()[0]["status"] == 503
    assert client.get("/companies").status_code == client.get("/companies").status_code == 503
    assert httpx.get(url).json()[0]["met"] == 2
    for bad in ({"kind": "storm"}, {"kind": "status", "after": "x"}, [1], {}):
        answer = httpx.post(url, json=bad)
        assert answer.status_code == (200 if bad == {} else 400), bad
    assert httpx.delete(url).json() == [] and client.get("/companies").status_code == 200
