"""Each option of lists does what its line in behaviour.py says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.other_server import OtherServer, ServerClock, share
from tests.other_server.conftest import Start, call, names


def projects(server: OtherServer, count: int = 10) -> list[str]:
    return [record["_id"] for record in server.fill("project", count, lambda n: {"name": f"p{n}", "companyId": "c"})]


def page(server: OtherServer, path: str = "/projects", **query: Any) -> list[str]:
    return names(call(server, "GET", path, **query), "_id")


def test_a_list_is_a_bare_array_of_whole_records_in_pages(start: Start) -> None:
    server = start()
    ids = projects(server, 130)
    assert page(server) == ids[:100]
    assert page(server, limit=20, offset=120) == ids[120:]
    assert page(server, limit=5, sort="-_id") == ids[:-6:-1]
    assert call(server, "GET", "/projects", limit=1, select="name").json == [{"_id": ids[0], "name": "p0"}]
    assert page(server, offset=130) == []


def test_a_limit_above_the_maximum_is_capped_or_refused(start: Start) -> None:
    server = start()
    projects(server, 2_010)
    assert len(page(server, limit=5_000)) == 2_000
    server.behave(over_maximum="refuse")
    assert call(server, "GET", "/projects", limit=5_000).status == 400


def test_pages_are_capped_by_rows_and_the_cap_may_vary(start: Start) -> None:
    server = start(page_rows=6)
    ids = projects(server, 20)
    assert page(server, limit=10) == ids[:6]
    server.behave(page_rows_vary=True)
    sizes = {len(page(server, limit=10)) for _ in range(20)}
    assert sizes <= set(range(2, 7)) and len(sizes) > 1


def test_pages_are_cut_by_bytes_but_never_empty(start: Start) -> None:
    server = start(page_bytes=400)
    projects(server, 20)
    reply = call(server, "GET", "/projects", limit=20, sort="_id")
    assert 0 < len(reply.json) < 20 and len(json.dumps(reply.json)) <= 400
    assert len(page(server, limit=20, select="_id")) > len(reply.json)
    server.behave(page_bytes=1)
    assert len(page(server, limit=20)) == 1


def test_rows_are_hidden_after_the_limit_was_applied(start: Start) -> None:
    server = start(hidden=lambda row: row["name"] in ("p1", "p2", "p5"))
    projects(server, 6)
    assert names(call(server, "GET", "/projects", limit=3)) == ["p0"]
    assert names(call(server, "GET", "/projects", limit=3, offset=3)) == ["p3", "p4"]


def test_a_share_of_records_is_chosen_always_alike() -> None:
    rows = [{"_id": f"{n:024x}"} for n in range(2_000)]
    chosen = share(0.3)
    assert 500 < sum(map(chosen, rows)) < 700
    assert [chosen(row) for row in rows] == [share(0.3)(row) for row in rows]


@pytest.mark.parametrize("order", ["stored", "stable", "random"])
def test_sort_is_ignored(start: Start, order: str) -> None:
    server = start(order=order)
    server.put_raw("project", {"_id": "b" * 24})
    for n in range(30):
        server.put_raw("project", {"_id": f"{n:024x}"})
    first, second = page(server, sort="_id"), page(server, sort="-_id")
    assert first != sorted(first) and len(set(first)) == 31
    assert (first == second) is (order != "random")
    assert (first[0] == "b" * 24) or order != "stored"


def test_descending_and_offset_may_be_ignored(start: Start) -> None:
    server = start(descending=False)
    ids = projects(server, 9)
    assert page(server, sort="-_id") == ids
    server.behave(offset=False)
    assert page(server, limit=3, offset=6) == ids[:3]


def test_a_list_ends_early_with_nothing_or_with_the_same_again(start: Start) -> None:
    server = start(list_end=6)
    ids = projects(server, 9)
    assert page(server, offset=4) == ids[4:6] and page(server, offset=6) == []
    server.behave(past_end="repeat")
    assert page(server, offset=6, limit=2) == page(server, offset=600, limit=2) == ids[4:6]


def test_lists_lag_behind_writes_and_reads_by_id_do_not(start: Start) -> None:
    clock = ServerClock(speed=0)
    server = start(lag=3, clock=clock)
    old = server.write("project", {"name": "old", "companyId": "c"})
    gone = server.write("project", {"name": "gone", "companyId": "c"})
    clock.advance(10)
    new = call(server, "POST", "/projects", {"name": "new", "companyId": "a" * 24}).json
    call(server, "PUT", f"/projects/{old['_id']}", {"name": "changed"})
    call(server, "DELETE", f"/projects/{gone['_id']}")
    assert names(call(server, "GET", "/projects", sort="_id")) == ["old", "gone"]
    assert call(server, "GET", f"/projects/{new['_id']}").json["name"] == "new"
    assert call(server, "GET", f"/projects/{gone['_id']}").status == 404
    clock.advance(3)
    assert names(call(server, "GET", "/projects", sort="_id")) == ["changed", "new"]
    assert [record["name"] for record in server.records("project")] == ["changed", "new"]


def test_lists_may_begin_to_lag_at_any_time(start: Start) -> None:
    clock = ServerClock(speed=0)
    server = start(clock=clock)
    old = server.write("project", {"name": "old", "companyId": "c"})
    clock.advance(60)
    server.write("project", {"_id": old["_id"], "name": "changed"})
    assert names(call(server, "GET", "/projects")) == ["changed"]
    server.behave(lag=3)
    assert names(call(server, "GET", "/projects")) == ["old"]


def test_the_lag_may_vary_from_list_to_list(start: Start) -> None:
    clock = ServerClock(speed=0)
    server = start(lag=10, lag_varies=True, clock=clock)
    for n in range(10):
        server.write("project", {"name": f"p{n}", "companyId": "c"})
        clock.advance(1)
    assert len({len(page(server)) for _ in range(20)}) > 3


def test_select_may_be_ignored_and_lists_are_thin(start: Start) -> None:
    server = start()
    server.write("company", {"name": "A", "city": "Rome", "externalId": "a", "odd": 1})
    (row,) = call(server, "GET", "/companies").json
    assert row["name"] == "A" and "city" not in row and "mrr" not in row and "odd" not in row
    assert call(server, "GET", "/companies", select="city,odd").json == [{"_id": row["_id"], "city": "Rome", "odd": 1}]
    server.behave(thin="none")
    assert call(server, "GET", "/companies").json[0]["odd"] == 1
    server.behave(thin="names", select=False)
    assert call(server, "GET", "/companies", select="city").json == [{"_id": row["_id"], "name": "A"}]


def test_owners_may_be_objects_and_roles_are(start: Start) -> None:
    server = start(expand_owner=True)
    user = server.write("user", {"nickName": "Sam", "email": "s@x.example", "roles": ["r" * 24]})
    company = server.write("company", {"name": "A", "owner": user["_id"]})
    assert call(server, "GET", "/companies").json[0]["owner"] == {"_id": user["_id"], "nickName": "Sam"}
    assert call(server, "GET", f"/companies/{company['_id']}").json["owner"] == user["_id"]
    assert call(server, "GET", "/users", select="roles").json[0]["roles"][0]["_id"] == "r" * 24


def test_texts_may_be_cut_in_the_middle_of_an_emoji(start: Start) -> None:
    server = start(cut_texts=5)
    server.write("project", {"name": "abcd\U0001f600z", "companyId": "c"})
    reply = call(server, "GET", "/projects")
    assert b'"abcd\\ud83d"' in reply.raw and reply.json[0]["name"] == "abcd\ud83d"


def test_records_without_an_id_or_with_one_twice_are_listed(start: Start) -> None:
    server = start()
    for record in (
        {"_id": "", "name": "empty"},
        {"name": "none"},
        {"_id": "1" * 24, "name": "a"},
        {"_id": "1" * 24, "name": "b"},
    ):
        server.put_raw("project", record)
    assert sorted(names(call(server, "GET", "/projects", sort="_id"))) == ["a", "b", "empty", "none"]


def test_lists_are_filtered_as_documented(start: Start) -> None:
    server = start()
    one, two = (server.write("company", {"name": name})["_id"] for name in "AB")
    server.write("enduser", {"email": "a@a.example", "companyId": one})
    server.write("enduser", {"email": "b@a.example", "companyId": two, "archived": True})
    server.write("invoice", {"cId": two, "currency": "EUR"})
    server.write("issue", {"title": "T", "companyIds": [one, two]})
    server.write("task", {"action": "open", "companyId": one})
    server.write("task", {"action": "done", "companyId": one, "isArchived": True})
    assert len(call(server, "GET", "/companies", companyId=f"{one},{two}").json) == 2
    assert names(call(server, "GET", "/endusers"), "email") == ["a@a.example"]
    assert names(call(server, "GET", "/endusers", companyId=two, archived="true"), "email") == ["b@a.example"]
    assert names(call(server, "GET", "/endusers", email="a@a.example"), "email") == ["a@a.example"]
    assert names(call(server, "GET", "/invoices", companyId=two), "cId") == [two]
    assert names(call(server, "GET", "/issues", companyId=two), "title") == ["T"]
    assert names(call(server, "GET", "/tasks"), "action") == ["open"]
    assert names(call(server, "GET", "/tasks", isArchived="true"), "action") == ["done"]
    server.behave(archived_tasks="include")
    assert len(call(server, "GET", "/tasks", isArchived="true").json) == 2


def test_nps_hides_old_answers_and_has_two_spellings(start: Start) -> None:
    server = start()
    server.write("nps", {"email": "a@a.example", "score": 9, "dateAnswered": "2020-01-01T00:00:00.000Z"})
    assert call(server, "GET", "/nps").json == []
    assert call(server, "GET", "/nps", npsExpiryDay=9_999).json[0]["score"] == 9
    server.behave(nps_names="nps")
    row = call(server, "GET", "/nps", npsExpiryDay=9_999).json[0]
    assert row["nps"] == 9 and "score" not in row and row["npsDate"].startswith("2020")


def test_churn_is_filtered_by_day_and_kind(start: Start) -> None:
    server = start()
    for day, down in (("2026-01-05", True), ("2026-02-05", False)):
        server.write(
            "churn", {"companyId": "c", "churnDate": f"{day}T00:00:00.000Z", "onlyDowngrade": down, "value": int(down)}
        )
    assert names(call(server, "GET", "/churn", downgrades="only"), "value") == [1]
    assert names(call(server, "GET", "/churn", **{"from": "2026-02-01"}), "value") == [0]
    assert names(call(server, "GET", "/churn", to="2026-01-31", downgrades="excluded"), "value") == []


def test_lean_companies_come_whole_without_empty_keys(start: Start) -> None:
    server = start(page_rows=3)
    server.fill("company", 8, lambda n: {"name": f"C{n}", "externalId": f"e{n}" if n else None})
    rows = call(server, "GET", "/leancompanies").json
    assert len(rows) == 8 and set(rows[0]) == {"_id", "name"} and rows[1]["externalId"] == "e1"
    assert len(call(server, "GET", "/leancompanies", status="customer,prospect").json) == 8
    assert names(call(server, "GET", "/leancompanies", externalId="e3")) == ["C3"]


def test_the_same_seed_draws_the_same(start: Start) -> None:
    def sizes(seed: int) -> list[int]:
        server = start(page_rows=30, page_rows_vary=True, seed=seed)
        projects(server, 40)
        return [len(page(server)) for _ in range(8)]

    assert sizes(1) == sizes(1) != sizes(2)
