from __future__ import annotations

import httpx
import pytest

from planhat_orm.emulator import Emulator

from .conftest import Serve

Acme = tuple[Emulator, httpx.Client, str]


def test_metrics_are_taken_and_read_back_by_epoch_days(acme: Acme) -> None:
    emulator, client, id = acme
    asset = emulator.store.insert("asset", {"name": "a", "externalId": "site", "companyId": id})
    items = [
        {"dimensionId": "seats", "value": 87, "externalId": "acme", "date": "2026-05-10"},
        {"dimensionId": "seats", "value": 88, "externalId": "acme", "date": "2026-05-11T10:00:00Z"},
        {"dimensionId": "logins", "value": 1.5, "externalId": "site", "model": "Asset"},
    ]
    answer = httpx.post(f"{emulator.url}/dimensiondata/test-tenant", json=items)
    assert answer.status_code == 200 and answer.json() == {"processed": 3, "errors": []}
    rows = client.get("/dimensiondata").json()
    assert rows[0] | {"_id": ""} == {
        "_id": "", "dimensionId": "seats", "time": "2026-05-10T00:00:00.000Z", "value": 87, "model": "Company",
        "parentId": id, "companyId": id, "companyName": "Acme",
    }  # fmt: skip
    assert (rows[2]["parentId"], rows[2]["companyId"]) == (asset["_id"], id)
    assert [row["value"] for row in client.get("/dimensiondata?from=20583&to=20583").json()] == [87]
    assert [row["value"] for row in client.get("/dimensiondata?dimid=seats&limit=1&offset=1").json()] == [88]
    for spelling in ("cId", "cid"):
        assert len(client.get("/dimensiondata", params={spelling: id}).json()) == 3
        assert client.get("/dimensiondata", params={spelling: "other"}).json() == []


def test_metrics_that_nobody_owns_are_received_and_lost(acme: Acme) -> None:
    emulator, _, _ = acme
    good = {"dimensionId": "seats", "value": 1, "externalId": "acme"}
    for url, body in (
        ("test-tenant", {**good, "externalId": "none"}),
        ("test-tenant", {**good, "model": "Planet"}),
        ("wrong-tenant", good),
    ):
        answer = httpx.post(f"{emulator.url}/dimensiondata/{url}", json=body)
        assert answer.status_code == 200 and answer.json() == {"processed": 1, "errors": []}
    assert emulator.store.all("metric") == []


def test_wrong_metrics_are_reported(acme: Acme) -> None:
    emulator, _, _ = acme
    items = [
        {"value": 1},
        {"dimensionId": "a", "value": "1", "externalId": "acme"},
        5,
        {"dimensionId": "a", "value": 1},
    ]
    body = httpx.post(f"{emulator.url}/dimensiondata/test-tenant", json=items).json()
    assert body["processed"] == 0 and [error["index"] for error in body["errors"]] == [0, 1, 2, 3]


def test_metric_page_size_and_parameter_are_switches(serve: Serve) -> None:
    emulator, client = serve(3, metric_limit=2, metric_company_param="cid")
    company = emulator.store.all("metric")[0]["companyId"]
    assert len(client.get("/dimensiondata").json()) == 2
    assert {row["companyId"] for row in client.get("/dimensiondata", params={"cid": company}).json()} == {company}
    assert len(client.get("/dimensiondata", params={"cId": "ignored"}).json()) == 2


def test_activities_are_kept_and_unknown_people_met(acme: Acme) -> None:
    emulator, _, id = acme
    one = httpx.post(f"{emulator.url}/analytics/test-tenant", json={"email": "a@acme.example", "action": "Login"})
    items = [
        {"id": "u1", "cId": "acme", "action": "x", "name": "Uma One", "date": "2026-05-01", "info": {"a": 1}},
        {"action": "nobody's"},
        {"externalId": "u2", "action": "y"},
    ]
    many = httpx.post(f"{emulator.url}/analytics/bulk/test-tenant", json=items)
    assert one.status_code == many.status_code == 200
    kept = emulator.store.all("user_activity")
    assert [row["action"] for row in kept] == ["Login", "x", "y"]
    assert kept[0]["weight"] == kept[0]["count"] == 1 and kept[0]["date"].startswith("2026-06-01")
    assert kept[1]["date"] == "2026-05-01T00:00:00.000Z" and kept[1]["externalId"] == "u1"
    people = emulator.store.all("enduser")
    assert [(row.get("email"), row.get("externalId"), row["companyId"]) for row in people] == [
        ("a@acme.example", None, id),
        (None, "u1", id),
    ]
    assert people[1]["firstName"] == "Uma"


def test_the_short_names_of_2017_are_a_switch(serve: Serve) -> None:
    emulator, _ = serve(activity_short_names=False)
    assert httpx.post(f"{emulator.url}/analytics/bulk/test-tenant", json=[{"id": "u1"}]).status_code == 200
    assert emulator.store.all("user_activity") == []


def test_segment_events(acme: Acme) -> None:
    emulator, _, id = acme
    auth = ("test-tenant", "")
    traits = {"name": "Ada Ex", "email": "ada@acme.example", "companyId": "acme"}
    for event in (
        {"type": "identify", "userId": "u1", "traits": traits},
        {"type": "track", "userId": "u1", "event": "downloaded", "properties": {"n": 1}},
        {"type": "identify", "user_id": "u1", "traits": {"name": "Ada New"}},
        {"type": "page", "userId": "u1"},
        {"type": "track", "event": "nobody's"},
    ):
        assert httpx.post(f"{emulator.url}/dock/segment", json=event, auth=auth).status_code == 200
    person = emulator.store.all("enduser")[0]
    assert (person["externalId"], person["email"], person["companyId"]) == ("u1", "ada@acme.example", id)
    assert person["name"] == "Ada New"
    activities = emulator.store.all("user_activity")
    assert [(row["action"], row["externalId"], row["info"]) for row in activities] == [("downloaded", "u1", {"n": 1})]


@pytest.mark.parametrize("path", ["/analytics/wrong", "/analytics/bulk/wrong", "/dock/segment"])
def test_wrong_tenants_get_200_and_nothing_is_kept(acme: Acme, path: str) -> None:
    emulator, _, _ = acme
    event = {"type": "track", "userId": "u", "event": "x", "externalId": "u"}
    assert httpx.post(f"{emulator.url}{path}", json=event, auth=("wrong", "")).status_code == 200
    assert emulator.store.all("user_activity") == []


def test_bodies_above_32_mb_are_413(acme: Acme) -> None:
    emulator, _, _ = acme
    limit = 32 * 1024 * 1024
    shell = '[{"email":"a@acme.example","action":""}]'
    for extra, status in ((0, 200), (1, 413)):
        body = shell.replace('""', f'"{"x" * (limit + extra - len(shell))}"')
        answer = httpx.post(f"{emulator.url}/analytics/bulk/test-tenant", content=body)
        assert (len(body), answer.status_code) == (limit + extra, status)
    assert len(emulator.store.all("user_activity")) == 1


def test_analytics_calls_do_not_use_the_quota(serve: Serve) -> None:
    emulator, client = serve(calls_per_min=1)
    for _ in range(5):
        answer = httpx.post(f"{emulator.url}/analytics/test-tenant", json={})
        assert answer.status_code == 200 and "x-rate-limit-limit" not in answer.headers
    assert client.get("/users").status_code == 200
    assert emulator.calls == 6
