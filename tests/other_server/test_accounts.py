"""Tokens, accounts, permissions, quota, clocks, analytics."""

from __future__ import annotations

import base64
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.other_server import Account, ServerClock
from tests.other_server.conftest import Start, call, names

FROM: Any = {"from": 20_455}
TWO = {"token-a": "tenant-a", "token-b": "tenant-b"}


def test_each_token_sees_its_own_account(start: Start) -> None:
    server = start(accounts=TWO)
    call(server, "POST", "/companies", {"name": "A"}, token="token-a")
    call(server, "POST", "/companies", {"name": "B"}, token="token-b")
    assert names(call(server, "GET", "/companies", token="token-b")) == ["B"]
    assert [server.records("company", account)[0]["name"] for account in ("token-a", "tenant-b")] == ["A", "B"]
    assert [(entry.token, entry.account) for entry in server.log[:2]] == [
        ("token-a", "tenant-a"),
        ("token-b", "tenant-b"),
    ]
    assert server.settings("token-b")["tenant_token"] == "tenant-b"


def test_tokens_come_as_bearer_or_basic_and_may_be_revoked(start: Start) -> None:
    server = start()
    for user, status in (("token-a:", 200), ("token-a", 401), ("token-a:x", 401), ("other:", 401)):
        basic = "Basic " + base64.b64encode(user.encode()).decode()
        assert call(server, "GET", "/users", headers={"Authorization": basic}).status == status
    server.admit("token-new", "tenant-a")
    server.revoke("token-a")
    assert call(server, "GET", "/users", token="token-a").status == 401
    assert call(server, "GET", "/users", token="token-new").status == 200


def test_permissions_are_set_for_each_resource(start: Start) -> None:
    limited = Account(
        "x", "t", missing=frozenset({"nps"}), forbidden=frozenset({"sale"}), read_only=frozenset({"company"})
    )
    server = start(accounts={"token-a": limited})
    acme = server.write("company", {"name": "A"})["_id"]
    assert call(server, "GET", "/nps").status == 404 and call(server, "GET", "/sales").status == 403
    assert call(server, "GET", f"/companies/{acme}").status == 200
    for method, path in (("POST", "/companies"), ("PUT", f"/companies/{acme}"), ("DELETE", f"/companies/{acme}")):
        assert call(server, method, path, {"name": "B"}).status == 403
    bulk = call(server, "PUT", "/companies", [{"name": "B"}])
    assert bulk.status == 403 and len(bulk.json["permissionErrors"]) == 1
    assert [record["name"] for record in server.records("company")] == ["A"]


def test_the_quota_is_counted_by_minute_and_account(start: Start) -> None:
    clock = ServerClock(start=6_000, speed=0)
    server = start(accounts=TWO, clock=clock, quota=2, retry_after="1e9")
    left = [call(server, "GET", "/users").headers.get("x-rate-limit-remaining") for _ in range(2)]
    over = call(server, "GET", "/users")
    assert left == ["1", "0"] and (over.status, over.headers["retry-after"]) == (429, "1e9")
    assert call(server, "GET", "/users", token="token-b").status == 200
    clock.advance(60)
    server.behave(quota_headers="x-ratelimit", headers={"X-Odd": "1e20"})
    fresh = call(server, "GET", "/users").headers
    assert fresh["x-ratelimit-limit"] == "2" and fresh["x-odd"] == "1e20" and "x-rate-limit-limit" not in fresh


def test_clocks_are_apart(start: Start) -> None:
    server = start(
        clock=ServerClock(start=1_700_000_000, speed=0), date_offset=300, id_offset=-100, stamp_offset=1, tick=0
    )
    reply = call(server, "POST", "/companies", {"name": "A"})
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == 1_700_000_300
    assert int(reply.json["_id"][:8], 16) == 1_699_999_900
    assert reply.json["createDate"] == reply.json["lastUpdated"] == "2023-11-14T22:13:21.000Z"
    server.behave(date_header=False, tick=60)
    assert "date" not in call(server, "GET", "/companies").headers and server.clock.now() == 1_700_000_060


@pytest.mark.parametrize("path", ["/analytics/tenant-b", "/analytics/bulk/tenant-b"])
def test_activities_go_to_the_account_of_the_tenant_token(start: Start, path: str) -> None:
    server = start(accounts=TWO)
    server.write("company", {"name": "B", "externalId": "b"}, "tenant-b")
    sent = [{"email": "a@b.example", "action": "Login", "companyExternalId": "b"}, {"action": "nobody"}]
    assert call(server, "POST", path, sent if "bulk" in path else sent[0], headers={"Authorization": ""}).status == 200
    assert server.activities() == [] and [a["action"] for a in server.activities("tenant-b")] == ["Login"]
    assert server.records("enduser", "tenant-b")[0]["email"] == "a@b.example"
    assert call(server, "POST", "/analytics/nobody", sent[0]).status == 200


def test_segment_events_come_with_the_tenant_token_as_user(start: Start) -> None:
    server = start()
    basic = {"Authorization": "Basic " + base64.b64encode(b"tenant-a:").decode()}
    event = {"type": "track", "userId": "u1", "event": "Report", "properties": {"rows": 3}}
    assert call(server, "POST", "/dock/segment", event, headers=basic).status == 200
    call(server, "POST", "/dock/segment", {"type": "page", "userId": "u1"}, headers=basic)
    assert [a["action"] for a in server.activities()] == ["Report"] and server.tenant().segment_events == [event]


def test_metrics_are_pushed_and_read(start: Start) -> None:
    server = start()
    acme = server.write("company", {"name": "A", "externalId": "a"})["_id"]
    values = [{"dimensionId": "seats", "value": n, "externalId": "a", "date": f"2026-01-0{n}"} for n in (1, 2, 3)]
    pushed = call(
        server, "POST", "/dimensiondata/tenant-a", [*values, {"dimensionId": "seats", "value": 1, "externalId": "no"}]
    ).json
    assert pushed["processed"] == 3 and len(pushed["errors"]) == 1
    rows = call(server, "GET", "/dimensiondata", cId=acme, dimid="seats", to=20_455, **FROM).json
    assert [(row["value"], row["companyName"], row["parentId"]) for row in rows] == [(2, "A", acme)]
    assert names(call(server, "GET", "/dimensiondata", limit=2, offset=1), "value") == [2, 3]


def test_other_writers_and_hooks_write_between_two_requests(start: Start) -> None:
    server = start()
    acme = server.write("company", {"name": "A", "custom": {"x": 1}})
    server.clock.advance(5)
    server.before(
        lambda request: (
            server.write("company", {"_id": acme["_id"], "phase": request.path, "custom": {"y": 2}}) and None
        )
    )
    seen = call(server, "GET", f"/companies/{acme['_id']}").json
    assert (
        seen["phase"].startswith("/companies/")
        and seen["custom"] == {"x": 1, "y": 2}
        and seen["updatedAt"] > acme["updatedAt"]
    )
    server.delete("company", acme["_id"])
    assert server.record("company", acme["_id"]) is None
