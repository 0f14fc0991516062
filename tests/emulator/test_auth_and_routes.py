from __future__ import annotations

import base64

import httpx
import pytest

from planhat_orm.emulator import Emulator, Switches

from .conftest import Serve


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("header", ["Bearer test-token", "bearer test-token", basic("test-token:")])
def test_token_is_taken_as_bearer_and_as_basic_user(empty: tuple[Emulator, httpx.Client], header: str) -> None:
    _, client = empty
    assert client.get("/users?limit=1", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer wrong", "test-token", basic("test-token"), basic("test-token:x"), "Basic %%%", basic(":")]
)
def test_wrong_credentials_get_401_with_a_plain_string(empty: tuple[Emulator, httpx.Client], header: str) -> None:
    _, client = empty
    answer = client.get("/users", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/plain") and answer.text == "Unauthorized"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notes"),
        ("GET", "/activities"),
        ("POST", "/companies/bulk"),
        ("POST", "/tickets"),
        ("GET", "/tickets/65f0c1a2b3d4e5f607001007"),
        ("PUT", "/tickets/65f0c1a2b3d4e5f607001007"),
        ("PUT", "/customfields"),
        ("POST", "/workflows"),
        ("DELETE", "/workflows/1"),
        ("DELETE", "/companies"),
        ("PUT", "/dimensiondata"),
        ("GET", "/"),
    ],
)
def test_what_planhat_lacks_is_404(empty: tuple[Emulator, httpx.Client], method: str, path: str) -> None:
    _, client = empty
    assert client.request(method, path, json={}).status_code == 404


def test_the_three_ids_work_where_the_resource_has_them(acme: tuple[Emulator, httpx.Client, str]) -> None:
    emulator, client, id = acme
    for form in (id, "extid-acme", "srcid-crm-1"):
        assert client.get(f"/companies/{form}").json()["_id"] == id
        assert client.put(f"/companies/{form}", json={"city": form}).json()["city"] == form
    assert client.get("/companies/ext-acme").status_code == 404
    assert client.delete("/companies/extid-acme").status_code == 404
    task = emulator.store.insert("task", {"companyId": id, "sourceId": "t1"})
    assert client.get("/tasks/srcid-t1").json()["_id"] == task["_id"]
    assert client.get("/tasks/extid-t1").status_code == 404
    emulator.store.insert("invoice", {"cId": id, "extId": "i1"})
    assert client.get("/invoices/extid-i1").json()["extId"] == "i1"


def test_ids_in_urls_are_decoded(acme: tuple[Emulator, httpx.Client, str]) -> None:
    emulator, client, _ = acme
    emulator.store.insert("company", {"name": "Odd", "externalId": "a/b ü%?#/"})
    assert client.get("/companies/extid-a%2Fb%20%C3%BC%25%3F%23%2F").json()["name"] == "Odd"


def test_blank_id_falls_through_to_the_list(acme: tuple[Emulator, httpx.Client, str]) -> None:
    _, client, id = acme
    assert [row["_id"] for row in client.get("/companies/").json()] == [id]


def test_the_seeded_tenant_leaves_no_list_empty(serve: Serve) -> None:
    emulator, client = serve(3)
    counts = emulator.store.counts()
    assert all(counts.values()), counts
    for path in ("companies", "users", "tickets", "churn", "workflows", "dimensiondata", "leancompanies", "lineitems"):
        assert client.get(f"/{path}").json(), path


def test_a_model_can_be_forbidden_or_missing(serve: Serve) -> None:
    emulator, client = serve(1)
    emulator.forbid("invoice")
    emulator.forbid("deal", status=404)
    emulator.forbid("asset", reads=False)
    assert client.get("/invoices").status_code == 403
    assert client.get("/deals").status_code == 404
    assert client.get("/assets").status_code == 200
    assert client.post("/assets", json={"name": "x"}).status_code == 403
    answer = client.put("/assets", json=[{"externalId": "a"}])
    assert answer.status_code == 403
    assert answer.json()["permissionErrors"] == [{"message": "Forbidden", "externalId": "a"}]
    emulator.allow()
    assert client.get("/invoices").status_code == 200


@pytest.mark.parametrize(("patch", "status"), [("update", 200), ("refuse", 404)])
def test_patch_is_taken_like_put_or_refused(patch: str, status: int) -> None:
    with Emulator(companies=0, switches=Switches(patch=patch)) as emulator:  # type: ignore[arg-type]
        company = emulator.store.insert("company", {"name": "Acme"})
        answer = httpx.patch(
            f"{emulator.url}/companies/{company['_id']}",
            json={"phase": "Live"},
            headers={"Authorization": "Bearer test-token"},
        )
        assert answer.status_code == status
        assert (emulator.store.get("company", company["_id"]).get("phase") == "Live") is (status == 200)  # type: ignore[union-attr]
