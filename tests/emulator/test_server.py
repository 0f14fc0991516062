from __future__ import annotations

import ast
import importlib.util
import threading
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import planhat_orm.emulator
from planhat_orm.emulator import Call, Emulator
from planhat_orm.errors import ConfigurationError
from planhat_orm.wire.resources import resource, resources

from .conftest import Serve

ROOT = Path(planhat_orm.emulator.__file__).parent
ALLOWED = (
    "planhat_orm.wire.resources", "planhat_orm.http.clock", "planhat_orm.errors", "planhat_orm.names",
    "planhat_orm.forks",
)  # fmt: skip


def test_it_imports_nothing_of_the_client() -> None:
    for path in ROOT.rglob("*.py"):
        package = ".".join(("planhat_orm", *path.relative_to(ROOT.parent).parent.parts))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                name = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            elif isinstance(node, ast.Import):
                name = node.names[0].name
            else:
                continue
            ours = name.startswith("planhat_orm") and not name.startswith("planhat_orm.emulator")
            assert not ours or name in ALLOWED, f"{path.name} imports {name}"


def test_the_public_names_are_sorted_and_documented() -> None:
    names = planhat_orm.emulator.__all__
    assert names == sorted(names) and all(getattr(planhat_orm.emulator, name).__doc__ for name in names)


def test_it_listens_on_loopback_only(empty: tuple[Emulator, httpx.Client]) -> None:
    emulator, _ = empty
    assert emulator.url.startswith("http://127.0.0.1:")


def test_two_run_side_by_side(serve: Serve) -> None:
    (one, _), (two, client) = serve(1), serve(2)
    assert one.url != two.url and len(client.get("/companies").json()) == 2


def test_a_stopped_server_keeps_its_records_and_its_port(serve: Serve) -> None:
    emulator, client = serve(2)
    url = emulator.url
    client.post("/companies", json={"name": "kept"})
    emulator.stop()
    emulator.stop()
    with pytest.raises(httpx.ConnectError):
        client.get("/companies")
    emulator.start()
    assert emulator.url == url and len(client.get("/companies").json()) == 3
    assert [call.method for call in emulator.log] == ["POST", "GET"]


def test_a_taken_port_is_said(empty: tuple[Emulator, httpx.Client]) -> None:
    port = int(empty[0].url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=str(port)):
        Emulator(0, port=port).start()
    with pytest.raises(ConfigurationError, match="start"):
        _ = Emulator(0).url


def test_the_log_tells_calls_apart(serve: Serve) -> None:
    emulator, client = serve(3)
    client.get("/companies", params={"limit": "2"})
    client.put("/companies", json=[{"name": "x"}, {"name": "y"}])
    client.get("/companies/none")
    assert emulator.calls == len(emulator.log) == 3
    first = emulator.log[0]
    assert isinstance(first, Call) and (first.method, first.path, first.query, first.status, first.rows) == (
        "GET", "/companies", {"limit": "2"}, 200, 2,
    )  # fmt: skip
    assert first.bytes > 100 and first.at <= emulator.log[1].at
    assert (emulator.log[1].rows, emulator.log[2].status) == (2, 404)
    assert (emulator.log.count("get"), emulator.log.count(path="/companies"), emulator.log.count("PUT", "/users")) == (
        2,
        3,
        0,
    )
    emulator.log.clear()
    assert emulator.calls == 0


def test_the_same_seed_gives_the_same_tenant() -> None:
    one, two, other = Emulator(30, seed=5), Emulator(30, seed=5), Emulator(30, seed=6)
    for name in one.store.counts():
        assert one.store.all(name) == two.store.all(name), name
    assert one.store.all("company") != other.store.all("company")


def test_sizes_and_the_day_are_options() -> None:
    emulator = Emulator(50, endusers=1000, licenses=150, tickets=0, users=3, today=date(2030, 1, 15))
    counts = emulator.store.counts()
    assert {name: counts[name] for name in ("company", "enduser", "license", "ticket", "user")} == {
        "company": 50, "enduser": 1000, "license": 150, "ticket": 0, "user": 3,
    }  # fmt: skip
    assert emulator.store.moments.iso().startswith("2030-01-15T09:00")
    stamps = [row["updatedAt"] for row in emulator.store.all("company")]
    assert max(stamps) < "2030-01-15" and len(set(stamps)) > 40
    assert not any(Emulator(0).store.counts().values())
    for options in ({"endusrs": 1}, {"endusers": -1}):
        with pytest.raises(ConfigurationError):
            Emulator(1, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Emulator(0, licenses=5)


def test_the_tenant_is_invented_and_hangs_together() -> None:
    store = Emulator(60).store
    companies = {row["_id"]: row for row in store.all("company")}
    users = {row["_id"] for row in store.all("user")}
    assert len({row["name"] for row in companies.values()}) == 60
    assert all(row["domains"][0].endswith(".example") and row["owner"] in users for row in companies.values())
    for person in store.all("enduser"):
        assert person["email"].rpartition("@")[2] in companies[person["companyId"]]["domains"]
    for name in ("license", "conversation", "task", "asset", "deal", "line_item", "sale", "workspace", "time_entry"):
        for row in store.all(name):
            assert row["companyId"] in companies, name
            if "companyName" in row:
                assert row["companyName"] == companies[row["companyId"]]["name"]
    assert len({row["phase"] for row in companies.values()}) >= 5
    assert any(row["custom"] is None for row in companies.values()) and any(
        "shareable" not in r for r in companies.values()
    )
    labels = {row["name"] for row in store.all("custom_field") if row["parent"] == "Company"}
    assert labels >= {"Tier", "Plan", "Seats", "Reference customer", "Go-live", "Next review day", "Modules"}
    unknown = [set(row["custom"] or ()) - labels for row in companies.values()]
    assert {"Old segment"} in unknown and all(found <= {"Old segment"} for found in unknown)
    domains = Counter(domain for row in companies.values() for domain in row["domains"])
    assert set(domains.values()) == {1, 2}, "some companies share a domain with their mother"
    people = store.all("enduser")
    assert 0 < sum("position" not in person for person in people) < len(people) / 10
    assert {row["orgLevel"] for row in companies.values()} == {1, 2, 3}


def test_the_store_can_be_used_from_outside_while_calls_come(serve: Serve) -> None:
    emulator, client = serve(50)
    stop = threading.Event()

    def colleague() -> None:
        while not stop.is_set():
            id = emulator.store.insert("company", {"name": "new"})["_id"]
            emulator.store.update("company", id, {"city": "x"})
            emulator.store.delete("company", id)

    thread = threading.Thread(target=colleague)
    thread.start()
    try:
        for _ in range(30):
            assert 50 <= len(client.get("/companies?sort=-name").json()) <= 51
    finally:
        stop.set()
        thread.join()
    assert len(emulator.store.all("company")) == 50


def test_records_of_the_store_are_copies(serve: Serve) -> None:
    emulator, client = serve(1)
    record = emulator.store.all("company")[0]
    record["domains"].append("spoilt.example")
    for copy in (emulator.store.get("company", record["_id"]), emulator.store.insert("company", {"name": "x"})):
        assert copy is not None
        copy["name"] = "spoilt"
    assert "spoilt" not in [row["name"] for row in emulator.store.all("company")]
    found = emulator.store.get("company", record["_id"])
    assert found is not None and found["domains"] == client.get(f"/companies/{record['_id']}").json()["domains"]
    assert "spoilt.example" not in found["domains"]


def test_the_store_sets_computed_fields_and_keeps_stamps_when_told(acme: tuple[Emulator, httpx.Client, str]) -> None:
    emulator, client, id = acme
    before = client.get(f"/companies/{id}").json()
    emulator.store.update("company", id, {"h": 3}, touch=False)
    after = client.get(f"/companies/{id}").json()
    assert after == {**before, "h": 3}
    emulator.store.update("company", id, {"h": 4})
    assert client.get(f"/companies/{id}").json()["lastUpdated"] >= before["lastUpdated"]
    with pytest.raises(KeyError):
        emulator.store.update("company", "none", {})
    assert emulator.store.delete("company", "none") is None and emulator.store.get("company", "none") is None
    with pytest.raises(ConfigurationError):
        emulator.store.all("planet")


def test_answers_carry_the_emulated_date(serve: Serve) -> None:
    _, client = serve()
    assert client.get("/companies").headers["date"].startswith("Mon, 01 Jun 2026 09:")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.just("2026-01-01"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
_KEYS = sorted(
    {key for name in ("enduser", "license", "timesheet", "ticket", "line_item") for key in resource(name).fields}
    | {"traits", "userId", "id", "ids", "properties", "dimensionId"}
)


@pytest.fixture(scope="module")
def shared() -> Any:
    with Emulator(3) as emulator, httpx.Client(base_url=emulator.url, verify=False) as client:
        client.headers["Authorization"] = f"Bearer {emulator.api_token}"
        yield emulator, client


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_body_makes_the_server_fail(shared: tuple[Emulator, httpx.Client], data: st.DataObject) -> None:
    _, client = shared
    names = sorted({info.path for info in resources().values()} - {"analytics"})
    path = data.draw(st.sampled_from([*names, "analytics/test-tenant", "analytics/bulk/test-tenant", "dock/segment"]))
    body = data.draw(_JSON | st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=8))
    method = data.draw(st.sampled_from(["POST", "PUT", "PUT one"]))
    if method == "PUT one":
        rows = client.get(f"/{path}?limit=3").json() if "/" not in path else []
        path, method = (f"{path}/{rows[0]['_id']}" if rows else path), "PUT"
    elif method == "PUT":
        body = [body]
    headers = {"Authorization": "Basic dGVzdC10ZW5hbnQ6"} if path == "dock/segment" else {}
    answer = client.request(method, f"/{path}", json=body, headers=headers)
    assert answer.status_code < 500, (method, path, body)
    assert client.get(f"/{path.split('/')[0]}?sort=-custom").status_code < 500
