from __future__ import annotations

from typing import Any

import httpx
import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.wire.resources import resource

from .conftest import Serve


def names(client: httpx.Client, path: str, key: str = "name", **params: str) -> list[Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [row.get(key) for row in answer.json()]


@pytest.mark.parametrize(
    ("name", "default", "maximum"),
    [
        ("company", 100, 5000),
        ("conversation", 30, 2000),
        ("task", 500, 10000),
        ("user", 10000, 10000),
        ("license", 100, 2000),
    ],
)
def test_each_list_has_its_default_and_maximum(serve: Serve, name: str, default: int, maximum: int) -> None:
    emulator, client = serve()
    path = f"/{resource(name).path}"
    for _ in range(maximum + 1):
        emulator.store.create(name, {})
    assert len(client.get(path).json()) == default
    assert len(client.get(path, params={"limit": str(maximum + 1)}).json()) == maximum
    assert len(client.get(path, params={"limit": "7", "offset": str(maximum - 2)}).json()) == 3


def test_page_cap_lies_below_the_documented_maximum(serve: Serve) -> None:
    _, client = serve(12, page_cap={"company": 5})
    assert len(names(client, "/companies", limit="5000")) == 5
    assert len(names(client, "/endusers", limit="50")) == 50
    _, client = serve(12, page_cap=4)
    assert len(names(client, "/endusers")) == len(names(client, "/companies")) == 4


def test_limit_above_the_maximum_can_be_refused(serve: Serve) -> None:
    _, client = serve(1, over_max_limit="reject")
    assert client.get("/companies?limit=5001").status_code == 400
    assert client.get("/companies?limit=5000").status_code == 200


def test_paging_returns_every_record_once_in_insertion_order(serve: Serve) -> None:
    emulator, client = serve(0)
    for number in range(25):
        emulator.store.insert("company", {"name": str(number)})
    read = [name for at in (0, 10, 20, 30) for name in names(client, "/companies", limit="10", offset=str(at))]
    assert read == [str(number) for number in range(25)]
    emulator.store.delete("company", emulator.store.all("company")[3]["_id"])
    assert names(client, "/companies", limit="3", offset="2") == ["2", "4", "5"]


@pytest.mark.parametrize("limit", ["0", "-1", "abc", ""])
def test_a_limit_that_is_none_is_the_default(serve: Serve, limit: str) -> None:
    _, client = serve(1, endusers=120)
    assert len(names(client, "/endusers", limit=limit, archived="true")) == 100


def test_sort_is_mongos(serve: Serve) -> None:
    emulator, client = serve()
    for name, value in (
        ("b", "x"),
        ("a", 2),
        ("none", None),
        ("c", 10),
        ("B", "X"),
        ("flag", True),
        ("absent", "gone"),
    ):
        emulator.store.insert("company", {"name": name, **({} if value == "gone" else {"city": value})})
    ascending = ["none", "absent", "a", "c", "B", "b", "flag"]
    assert names(client, "/companies", sort="city") == ascending
    descending = ["flag", "b", "B", "c", "a", "none", "absent"]
    assert names(client, "/companies", sort="-city") == descending
    assert names(client, "/companies", sort="City") == ["b", "a", "none", "c", "B", "flag", "absent"]
    assert names(client, "/companies", sort="-city", limit="2", offset="2") == descending[2:4]


def test_sort_follows_changes(serve: Serve) -> None:
    emulator, client = serve()
    first, _ = (emulator.store.insert("company", {"name": name}) for name in "ab")
    assert names(client, "/companies", sort="name") == ["a", "b"]
    emulator.store.update("company", first["_id"], {"name": "c"})
    assert names(client, "/companies", sort="name") == ["b", "c"]


def test_sort_reaches_into_custom(serve: Serve) -> None:
    emulator, client = serve()
    for name, seats in (("a", 5), ("b", 1)):
        emulator.store.insert("company", {"name": name, "custom": {"Seats": seats}})
    assert names(client, "/companies", sort="custom.Seats") == ["b", "a"]


def test_lists_are_thin_until_select_names_fields(serve: Serve) -> None:
    emulator, client = serve(2)
    for path, name in (("/companies", "company"), ("/conversations", "conversation"), ("/users", "user")):
        thin = resource(name).thin_list
        assert thin is not None
        rows = client.get(path).json()
        assert all(set(row) <= thin for row in rows)
        full = client.get(f"{path}/{rows[0]['_id']}").json()
        assert set(full) - thin
        selected = client.get(path, params={"select": ",".join(full)}).json()[0]
        if name == "user":
            assert selected.pop("roles")[0].keys() == {"_id", "name", "description"}
            full.pop("roles")
        assert selected == full
    row = client.get("/companies?select=name,nonsense,licenses&limit=1").json()[0]
    assert set(row) == {"_id", "name", "licenses"} and row["licenses"]
    assert set(client.get("/licenses?limit=1").json()[0]) > {"mrr", "_currency", "renewalStatus"}
    assert len(emulator.log) == 3 * 3 + 2


def test_company_filter_takes_a_list_where_that_is_documented(serve: Serve) -> None:
    emulator, client = serve(4)
    one, two = (row["_id"] for row in emulator.store.all("company")[:2])
    both = f"{one},{two}"
    assert [row["_id"] for row in client.get("/companies", params={"companyId": f"{two},{one}"}).json()] == [one, two]
    for path, key in (("endusers", "companyId"), ("invoices", "cId"), ("tasks", "companyId"), ("nps", "cId")):
        rows = client.get(f"/{path}", params={"companyId": both, "limit": "1000"}).json()
        assert {row[key] for row in rows} <= {one, two} and rows, path
    assert {row["companyId"] for row in client.get("/licenses", params={"companyId": one}).json()} == {one}
    assert client.get("/licenses", params={"companyId": both}).json() == []
    assert all(one in row["companyIds"] for row in client.get("/issues", params={"companyId": one}).json())
    assert {row["type"] for row in client.get("/tickets", params={"companyId": one}).json()} == {"ticket"}
    _, client = serve(4, company_list_many="everywhere")
    assert client.get("/licenses", params={"companyId": both}).json()


def test_unknown_parameters_and_unconfirmed_filters_are_ignored(serve: Serve) -> None:
    _, client = serve(3)
    everything = client.get("/companies").json()
    assert client.get("/companies?phase=Nowhere&status=lost&x=1&companyId=").json() == everything
    _, client = serve(3, unconfirmed_params=True)
    assert client.get("/companies?status=nothing").json() == []
    assert {row["type"] for row in client.get("/conversations?type=ticket").json()} == {"ticket"}
    assert len(client.get("/tickets?l=1").json()) == 1


def test_endusers_are_found_by_email_and_id_and_archived_ones_hidden(serve: Serve) -> None:
    emulator, client = serve(1, endusers=30)
    hidden = {row["_id"] for row in emulator.store.all("enduser") if row["archived"]}
    assert hidden
    assert not hidden & {row["_id"] for row in client.get("/endusers").json()}
    assert hidden < {row["_id"] for row in client.get("/endusers?archived=true").json()}
    person = client.get("/endusers").json()[3]
    assert client.get("/endusers", params={"email": person["email"]}).json()[0] == person
    assert client.get("/endusers", params={"euId": person["_id"]}).json() == [person]
    assert client.get(f"/endusers/{hidden.pop()}").status_code == 200


def test_archived_tasks_are_hidden_by_default(serve: Serve) -> None:
    _, client = serve(4)
    shown = names(client, "/tasks", "isArchived")
    assert True not in shown
    assert set(names(client, "/tasks", "isArchived", isArchived="true")) == {True, False}
    _, client = serve(4, task_archived="only")
    assert set(names(client, "/tasks", "isArchived", isArchived="true")) == {True}


def test_tasks_are_found_by_endusers(serve: Serve) -> None:
    emulator, client = serve(4)
    task = next(row for row in emulator.store.all("task") if row["endusers"] and not row["isArchived"])
    person = task["endusers"][0]["id"]
    found = client.get("/tasks", params={"enduserIds": f"{person},nobody"}).json()
    assert task["_id"] in {row["_id"] for row in found}
    assert all(person in {item["id"] for item in row["endusers"]} for row in found)


def test_nps_older_than_a_year_is_hidden(serve: Serve) -> None:
    emulator, client = serve()
    for source, answered in (("new", "2026-05-01"), ("old", "2025-05-01"), ("older", "2020-01-01")):
        emulator.store.insert("nps", {"sourceId": source, "score": 9, "dateAnswered": f"{answered}T00:00:00.000Z"})
    assert names(client, "/nps", "sourceId") == ["new"]
    assert names(client, "/nps", "sourceId", npsExpiryDay="400") == ["new", "old"]
    assert names(client, "/nps", "sourceId", npsExpiryDay="100000") == ["new", "old", "older"]


def test_churn_is_filtered_by_day_and_kind(serve: Serve) -> None:
    emulator, client = serve()
    for source, day, down in (("a", "2026-01-10", True), ("b", "2026-02-10", False)):
        fields = {"sourceId": source, "churnDate": f"{day}T00:00:00.000Z", "onlyDowngrade": down}
        emulator.store.insert("churn", fields)
    assert names(client, "/churn", "sourceId") == ["a", "b"]
    assert names(client, "/churn", "sourceId", downgrades="only") == ["a"]
    assert names(client, "/churn", "sourceId", downgrades="excluded") == ["b"]
    assert names(client, "/churn", "sourceId", **{"from": "2026-01-10", "to": "2026-01-10"}) == ["a"]
    assert names(client, "/churn", "sourceId", **{"from": "2026-01-11"}) == ["b"]


def test_tickets_are_filtered_by_status_email_and_text(acme: tuple[Emulator, httpx.Client, str]) -> None:
    _, client, _ = acme
    items = [
        {"sourceId": "1", "email": "a@acme.example", "title": "x", "description": "<p>CSV stops</p>", "status": "open"},
        {"sourceId": "2", "email": "b@acme.example", "title": "y", "description": "fine", "status": "closed"},
    ]
    assert client.put("/tickets", json=items).json()["created"] == 2
    assert names(client, "/tickets", "externalId", status="open") == ["1"]
    assert names(client, "/tickets", "externalId", email="b@acme.example") == ["2"]
    assert names(client, "/tickets", "externalId", search="csv ST") == ["1"]


def test_lean_companies(serve: Serve) -> None:
    emulator, client = serve(6)
    rows = client.get("/leancompanies").json()
    assert len(rows) == 6 and all(
        {"_id", "name"} <= set(row) <= {"_id", "name", "externalId", "sourceId"} for row in rows
    )
    assert any("sourceId" not in row for row in rows)
    statuses = {row["_id"]: row["status"] for row in emulator.store.all("company")}
    some = sorted(set(statuses.values()))[:2]
    found = client.get("/leancompanies", params={"status": ",".join(some)}).json()
    assert {row["_id"] for row in found} == {id for id, status in statuses.items() if status in some}
    assert names(client, "/leancompanies", "externalId", externalId="acct-1002") == ["acct-1002"]


@pytest.mark.parametrize("order", ["newest", "random"])
def test_the_default_order_may_be_another_but_is_stable(serve: Serve, order: str) -> None:
    emulator, client = serve(30, default_order=order)
    inserted = [row["_id"] for row in emulator.store.all("company")]
    first, second = names(client, "/companies", "_id"), names(client, "/companies", "_id")
    assert first == second != inserted and sorted(first) == sorted(inserted)
    paged = [id for at in (0, 20) for id in names(client, "/companies", "_id", limit="20", offset=str(at))]
    assert paged == first


def test_a_server_may_ignore_sort_offset_and_select(serve: Serve) -> None:
    _, client = serve(5, honours_offset=False, honours_select=False, sort="ignored")
    plain = client.get("/companies").json()
    assert client.get("/companies?offset=3&sort=-name&select=name").json() == plain


def test_a_server_may_lie_about_sort(serve: Serve) -> None:
    _, client = serve(10, sort="lies")
    got = names(client, "/companies", sort="name")
    assert got != sorted(got) and got[5:] + got[:5] == sorted(got)


def test_owners_may_be_expanded_in_the_list(serve: Serve) -> None:
    _, client = serve(1, expand_owner=True)
    owner = client.get("/companies").json()[0]["owner"]
    assert owner.keys() == {"_id", "nickName"}
    assert client.get("/companies/extid-acct-1001").json()["owner"] == owner["_id"]


def test_lists_may_be_full(serve: Serve) -> None:
    _, client = serve(1, thin_lists=False)
    assert "licenses" in client.get("/companies").json()[0]
