from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

import httpx
import pytest

from planhat_orm.emulator import Emulator

from .conftest import Serve

Acme = tuple[Emulator, httpx.Client, str]
TODAY = 20605  # 2026-06-01


def license(start: str, end: str | None, mrr: float, **more: Any) -> dict[str, Any]:
    return {"companyId": "extid-acme", "_currency": "EUR", "fromDate": start, "toDate": end, "mrr": mrr, **more}


def company(client: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/companies/extid-acme").json()
    return answer


def test_a_license_of_12_months_and_15000_is_1250_a_month(acme: Acme) -> None:
    _, client, id = acme
    body = {"companyId": id, "_currency": "EUR", "fromDate": "2026-01-01", "toDate": "2027-01-01", "value": 15000}
    made = client.post("/licenses", json=body).json()
    expected = {
        "mrr": 1250, "arr": 15000, "value": 15000, "length": 12, "renewalDate": "2027-01-01T00:00:00.000Z",
        "renewalPeriod": 12, "renewalUnit": "month", "noticePeriod": 30, "noticeUnit": "day",
        "renewalStatus": "ongoing",
        "fixedPeriod": True, "renewalDaysFromNow": 214, "renewalMrr": 1250, "companyName": "Acme", "isOverdue": False,
    }  # fmt: skip
    assert {key: made[key] for key in expected} == expected
    changed = client.put(f"/licenses/{made['_id']}", json={"mrr": 1000}).json()
    assert (changed["value"], changed["arr"], changed["renewalMrr"]) == (12000, 12000, 1000)
    changed = client.put(f"/licenses/{made['_id']}", json={"toDate": "2026-07-01"}).json()
    assert (changed["length"], changed["value"], changed["mrr"]) == (6, 12000, 2000)


def test_an_open_ended_license_is_counted_by_its_month(acme: Acme) -> None:
    _, client, _ = acme
    made = client.post("/licenses", json=license("2026-01-01", None, 100)).json()
    assert (made["fixedPeriod"], made["arr"], made.get("value")) == (False, 1200, None)
    assert client.put(f"/licenses/{made['_id']}", json={"arr": 2400}).json()["mrr"] == 200


def test_an_included_last_day_makes_a_full_year(acme: Acme) -> None:
    _, client, _ = acme
    made = client.post("/licenses", json=license("2026-01-01", "2026-12-31", 10, toDateIncluded=True)).json()
    assert (made["length"], made["value"]) == (12, 120)


@pytest.mark.parametrize(
    ("licenses", "status"),
    [
        ([], "prospect"),
        ([license("2026-07-01", "2027-07-01", 1)], "coming"),
        ([license("2026-01-01", "2027-01-01", 1)], "customer"),
        ([license("2026-01-01", None, 1)], "customer"),
        ([license("2026-01-01", "2027-01-01", 1, renewalStatus="lost")], "canceled"),
        ([license("2024-01-01", "2025-01-01", 1, renewalStatus="lost")], "lost"),
        ([license("2024-01-01", "2025-01-01", 1), license("2026-01-01", "2027-01-01", 1)], "customer"),
    ],
)
def test_company_status_follows_its_licenses(acme: Acme, licenses: list[Any], status: str) -> None:
    _, client, _ = acme
    for body in licenses:
        assert client.post("/licenses", json=body).status_code == 200
    assert company(client)["status"] == status
    assert client.get("/companies").json()[0]["status"] == status
    assert client.get("/leancompanies", params={"status": status}).json()[0]["name"] == "Acme"


def test_company_figures_follow_licenses_and_sales(acme: Acme) -> None:
    _, client, _ = acme
    platform = license("2026-01-01", "2027-01-01", 1250, product="Platform", autoRenews=True)
    items = [
        platform,
        license("2025-12-01", "2026-12-01", 50, product="Support"),
        license("2020-01-01", "2021-01-01", 10),
    ]
    assert client.put("/licenses", json=items).json()["created"] == 3
    sales = [
        {"companyId": "extid-acme", "_currency": "EUR", "value": 250, "salesDate": "2026-05-20"},
        {"companyId": "extid-acme", "_currency": "EUR", "value": 1000, "salesDate": "2026-03-01"},
        {"companyId": "extid-acme", "_currency": "EUR", "value": 9, "salesDate": "2027-03-01"},
    ]
    assert client.put("/sales", json=sales).json()["created"] == 3
    expected = {
        "mrr": 1300, "arr": 15600, "nrr30": 250, "mr": 1550, "nrrTotal": 1250, "mrrTotal": 5 * 1250 + 6 * 50 + 120,
        "renewalDate": "2026-12-01T00:00:00.000Z", "renewalDaysFromNow": 183, "autoRenews": True, "renewalMrr": 1300,
        "customerFrom": "2020-01-01T00:00:00.000Z", "customerTo": "2027-01-01T00:00:00.000Z",
        "products": ["Platform", "Support"],
    }  # fmt: skip
    record = company(client)
    assert {key: record[key] for key in expected} == expected
    assert record["mrTotal"] == record["mrrTotal"] + record["nrrTotal"]
    assert [key["status"] for key in record["licenses"]] == ["active", "active", "ended"]
    assert record["licenses"][0]["_currency"]["_id"] == "EUR" and len(record["sales"]) == 3


def test_embedded_licenses_are_current(acme: Acme) -> None:
    _, client, _ = acme
    made = client.post("/licenses", json=license("2026-01-01", "2027-01-01", 100)).json()
    for id in ("l1", "l2"):
        client.put(f"/licenses/{made['_id']}", json={"externalId": id})
        assert client.get("/companies?select=licenses").json()[0]["licenses"][0]["externalId"] == id
        assert company(client)["licenses"][0]["externalId"] == id


def test_figures_are_recomputed_when_a_license_moves_or_goes(acme: Acme) -> None:
    emulator, client, _ = acme
    other = emulator.store.insert("company", {"name": "Other"})["_id"]
    made = client.post("/licenses", json=license("2026-01-01", "2027-01-01", 100)).json()
    assert company(client)["mrr"] == 100
    client.put(f"/licenses/{made['_id']}", json={"companyId": other})
    assert company(client)["mrr"] == 0 and client.get(f"/companies/{other}").json()["mrr"] == 100
    client.delete(f"/licenses/{made['_id']}")
    assert client.get(f"/companies/{other}").json()["status"] == "prospect"


@pytest.mark.parametrize("bumps", [True, False])
def test_computed_changes_may_be_silent(serve: Serve, bumps: bool) -> None:
    emulator, client = serve(computed_bumps_stamp=bumps, speed=1000)
    before = emulator.store.insert("company", {"name": "Acme", "externalId": "acme"})
    client.post("/licenses", json=license("2026-01-01", "2027-01-01", 100))
    record = company(client)
    assert record["mrr"] == 100 and (record["lastUpdated"] > before["lastUpdated"]) is bumps


def test_figures_follow_the_days(serve: Serve) -> None:
    emulator, client = serve(speed=10_000_000)
    emulator.store.insert("company", {"name": "Acme", "externalId": "acme"})
    client.post("/licenses", json=license("2026-01-01", "2026-06-02", 100))
    client.post("/licenses", json=license("2026-01-01", "2099-06-02", 7))
    for _ in range(500):
        if company(client)["mrr"] == 7 and client.get("/licenses").json()[0]["isOverdue"]:
            return
    raise AssertionError("the licence never ended")


def test_the_seeded_tenant_adds_up(serve: Serve) -> None:
    _, client = serve(40)
    everything = "_id,status,mrr,arr,mr,nrr30,licenses"
    statuses = set()
    for record in client.get("/companies", params={"select": everything, "limit": "100"}).json():
        active = [key["mrr"] for key in record["licenses"] if key["status"] in ("active", "canceled")]
        assert record["mrr"] == sum(active) and record["arr"] == 12 * sum(active)
        assert record["mr"] == record["mrr"] + record["nrr30"]
        statuses.add(record["status"])
    assert statuses == {"prospect", "coming", "customer", "canceled", "lost"}


def test_endusers_get_name_hash_and_company(acme: Acme) -> None:
    _, client, id = acme
    body = {"email": "Ada@acme.example", "firstName": "Ada", "lastName": "Ex", "name": "ignored"}
    person = client.post("/endusers", json=body).json()
    assert (person["companyId"], person["companyName"], person["name"]) == (id, "Acme", "Ada Ex")
    assert person["emailMd5"] == hashlib.md5(b"ada@acme.example").hexdigest()
    assert (person["featured"], person["archived"], person["npsUnsubscribed"], person["beats"]) == (
        False,
        False,
        False,
        0,
    )
    assert client.put(f"/endusers/{person['_id']}", json={"lastName": "Y"}).json()["name"] == "Ada Y"


@pytest.mark.parametrize(("choice", "status", "kept"), [("error", 400, 0), ("drop", 200, 0), ("store", 200, 1)])
def test_endusers_of_nobodys_domain(serve: Serve, choice: str, status: int, kept: int) -> None:
    emulator, client = serve(enduser_no_domain_match=choice)
    answer = client.put("/endusers", json=[{"email": "a@nowhere.example"}])
    assert answer.status_code == status and answer.json()["created"] == kept
    assert len(emulator.store.all("enduser")) == kept
    assert client.post("/endusers", json={"email": "b@nowhere.example"}).status_code == (200 if kept else 400)


def test_endusers_need_one_of_their_keys(acme: Acme) -> None:
    _, client, id = acme
    assert client.post("/endusers", json={"companyId": id, "externalId": "u"}).status_code == 200
    assert client.post("/endusers", json={"companyId": id, "firstName": "A"}).status_code == 400


def test_company_names_are_copied_and_grow_stale(acme: Acme) -> None:
    _, client, id = acme
    made = client.post("/assets", json={"name": "a", "companyId": id}).json()
    client.put(f"/companies/{id}", json={"name": "Renamed"})
    assert client.get(f"/assets/{made['_id']}").json()["companyName"] == "Acme"
    assert client.post("/invoices", json={"cId": id}).json()["cName"] == "Renamed"


def test_phase_and_score_are_logged(acme: Acme) -> None:
    _, client, id = acme
    first = client.put(f"/companies/{id}", json={"phase": "Live", "csmScore": 3}).json()
    assert first["phaseSince"] == first["lastUpdated"] and first["csmScoreLog"][0]["score"] == 3
    assert client.put(f"/companies/{id}", json={"phase": "Live"}).json() == first


def test_completing_a_task_logs_a_conversation_with_its_id(acme: Acme) -> None:
    _, client, id = acme
    body = {"companyId": id, "action": "Call", "description": "<p>a\n<b>b</b><script></p>", "type": "QBR"}
    task = client.post("/tasks", json=body).json()
    assert (task["mainType"], task["isArchived"], task["snippet"]) == ("task", False, "a b")
    assert task["description"] == "<p>a<b>b</b></p>"
    assert client.put(f"/tasks/{task['_id']}", json={"status": "done"}).text == "Failed to execute task status update"
    done = client.put(f"/tasks/{task['_id']}", json={"status": "Done"}).json()
    assert done["isArchived"] and done["noteId"] == task["_id"] and done["dateDone"]
    touch = client.get(f"/conversations/{task['_id']}").json()
    assert (touch["_id"], touch["type"], touch["subject"], touch["companyName"]) == (task["_id"], "QBR", "Call", "Acme")
    assert client.get("/tasks").json() == []
    assert client.put(f"/tasks/{task['_id']}", json={"status": "Done", "action": "x"}).status_code == 200


def test_a_task_created_as_done_is_no_completion(acme: Acme) -> None:
    emulator, client, id = acme
    task = client.post("/tasks", json={"companyId": id, "status": "Done"}).json()
    assert "noteId" not in task and emulator.store.all("conversation") == []


def test_any_case_may_complete_a_task(serve: Serve) -> None:
    emulator, client = serve(task_status_case="any")
    task = emulator.store.insert("task", {"action": "x"})
    assert client.put(f"/tasks/{task['_id']}", json={"status": "done"}).json()["isArchived"] is True


def test_owner_names_of_tasks_are_not_refreshed(acme: Acme) -> None:
    emulator, client, id = acme
    sam, kim = (emulator.store.insert("user", {"nickName": name})["_id"] for name in ("Sam", "Kim"))
    task = client.post("/tasks", json={"companyId": id, "ownerId": sam}).json()
    assert task["ownerName"] == "Sam"
    assert client.put(f"/tasks/{task['_id']}", json={"ownerId": kim}).json()["ownerName"] == "Sam"


def test_conversations_are_filled_in(acme: Acme) -> None:
    emulator, client, id = acme
    user = emulator.store.insert("user", {"nickName": "Sam"})["_id"]
    body = {
        "companyId": id, "type": "Training", "date": "2026-05-06T13:00:00Z", "users": [{"id": user, "isOwner": True}],
        "description": "<p>Walked\nthrough</p>",
    }  # fmt: skip
    made = client.post("/conversations", json=body).json()
    assert made["users"] == [{"id": user, "isOwner": True, "name": "Sam"}] and made["userIds"] == [user]
    assert made["timeBucket"] == ["2026", "2026-Q2", "2026-5", "2026-W19"] and made["days"] == 20579
    assert made["snippet"] == "Walkedthrough" and made["isCustomType"] is True
    assert client.post("/conversations", json={"companyId": id}).json()["type"] == "note"
    assert client.post("/conversations", json={"companyExternalId": "acme"}).json()["companyId"] == id


def test_unknown_conversation_types_fall_back(serve: Serve) -> None:
    for choice, kept in (("note", "note"), ("store", "Séance")):
        emulator, client = serve(unknown_touch_type=choice)
        id = emulator.store.insert("company", {"name": "x"})["_id"]
        assert client.post("/conversations", json={"companyId": id, "type": "Séance"}).json()["type"] == kept


def test_reserved_conversation_types_may_be_refused(serve: Serve) -> None:
    emulator, client = serve(reserved_types="refuse", touch_types=("Visit",))
    id = emulator.store.insert("company", {"name": "x"})["_id"]
    assert client.post("/conversations", json={"companyId": id, "type": "ticket"}).status_code == 400
    assert client.post("/conversations", json={"companyId": id, "type": "Visit"}).json()["isCustomType"] is True


def test_tickets_change_shape_between_write_and_read(acme: Acme) -> None:
    emulator, client, id = acme
    item = {
        "sourceId": "T-1", "email": "ada@acme.example", "name": "Ada Ex", "title": "Export",
        "description": "<p>row 500</p>",
        "type": "bug", "status": "open", "companyExternalId": "acme", "createdAt": "2026-05-09T08:12:00Z",
        "severity": "high",
    }  # fmt: skip
    body = client.put("/tickets", json=[item]).json()
    assert body["insertsKeys"] == [{"_id": body["upsertedIds"][0], "sourceId": "T-1"}]
    ticket = client.get("/tickets").json()[0]
    person = emulator.store.all("enduser")[0]
    expected = {
        "_id": body["upsertedIds"][0], "externalId": "T-1", "type": "ticket", "subType": "ticket", "subject": "Export",
        "snippet": "row 500", "email": "ada@acme.example", "status": "open", "severity": "high", "companyName": "Acme",
        "createDate": "2026-05-09T08:12:00.000Z", "days": 20582, "endusers": [{"id": person["_id"], "name": "Ada Ex"}],
    }  # fmt: skip
    assert {key: ticket[key] for key in expected} == expected
    assert not {"title", "sourceId", "domains", "companyExternalId"} & ticket.keys()
    assert (person["email"], person["companyId"]) == ("ada@acme.example", id)
    assert client.get(f"/conversations/{ticket['_id']}").json() == ticket
    assert ticket["_id"] in {row["_id"] for row in client.get("/conversations").json()}
    again = client.put("/tickets", json={"sourceId": "T-1", "email": "ada@acme.example", "status": "closed"})
    assert again.json()["updatesKeys"] == [{"_id": ticket["_id"], "sourceId": "T-1"}]
    history = client.get("/tickets").json()[0]["history"]
    assert [entry["status"] for entry in history] == ["open", "closed"]
    assert client.delete(f"/tickets/{ticket['_id']}").content == b"" and client.get("/tickets").json() == []


def test_tickets_without_email_vanish_without_a_word(acme: Acme) -> None:
    emulator, client, _ = acme
    answer = client.put("/tickets", json=[{"sourceId": "1"}, {"sourceId": "2", "email": "a@acme.example"}])
    assert answer.status_code == 200 and answer.json()["created"] == 1 and answer.json()["createdErrors"] == []
    assert [row["externalId"] for row in emulator.store.all("ticket")] == ["2"]


def test_tickets_find_their_company(serve: Serve) -> None:
    emulator, client = serve(ticket_creates_enduser=False)
    id = emulator.store.insert("company", {"name": "Acme", "domains": ["acme.example"]})["_id"]
    items = [
        {"sourceId": "1", "email": "a@gmail.example", "domains": ["other.example", "acme.example"]},
        {"sourceId": "2", "email": "a@acme.example"},
        {"sourceId": "3", "email": "a@gmail.example"},
        {"email": "a@acme.example"},
    ]
    answer = client.put("/tickets", json=items)
    assert answer.status_code == 206
    assert [error["message"] for error in answer.json()["createdErrors"]] == [
        "domains or companyExternalId required",
        "sourceId required",
    ]
    assert [row["companyId"] for row in emulator.store.all("ticket")] == [id, id]
    assert emulator.store.all("enduser") == []


def test_winning_an_opportunity_closes_it(acme: Acme) -> None:
    _, client, id = acme
    made = client.post("/opportunities", json={"companyId": id, "recurringValue": 5, "salesStage": "a"}).json()
    assert made["landingDate"] and made["closeDate"] is None and made["contractLength"] == 12
    assert "recurringValue" not in made
    won = client.put(f"/opportunities/{made['_id']}", json={"status": "won", "salesStage": "b"}).json()
    assert won["closeDate"] > made["landingDate"][:10] and won["stageHistory"][0]["stage"] == "b"


def test_invoice_numbers_are_never_reused(acme: Acme) -> None:
    _, client, id = acme
    made = [
        client.post("/invoices", json={"cId": id, "amountTotal": 10, "invoiceDate": 20454}).json() for _ in range(5)
    ]
    assert [item["invoiceNo"] for item in made] == [1, 2, 3, 4, 5]
    assert (made[0]["amountDue"], made[0]["invoiceDate"]) == (10, 20454)
    client.delete(f"/invoices/{made[4]['_id']}")
    assert client.post("/invoices", json={"cId": id}).json()["invoiceNo"] == 6
    assert client.put(f"/invoices/{made[0]['_id']}", json={"status": "paid"}).json()["amountDue"] == 0


def test_approving_a_timesheet_fills_it_in_and_its_entries_follow(acme: Acme) -> None:
    emulator, client, id = acme
    user = emulator.store.insert("user", {"nickName": "Sam"})["_id"]
    body = {"date": "2026-05-06", "hours": 1.5, "billableRate": 120, "costRate": 60, "companyId": id}
    entry = client.post("/timeentries", json=body).json()
    assert (entry["totalBilled"], entry["totalCost"], entry["timesheetStatus"]) == (180, 90, "draft")
    assert client.post("/timeentries", json={**body, "hours": 25}).status_code == 400
    sheet = client.post("/timesheets", json={"timeEntries": [{"_id": entry["_id"]}], "dateFrom": 20577}).json()
    assert (sheet["status"], sheet["timeEntries"], sheet["approvedBy"]) == ("submitted", [entry["_id"]], None)
    assert client.get(f"/timeentries/{entry['_id']}").json()["timesheetStatus"] == "submitted"
    approved = client.put(f"/timesheets/{sheet['_id']}", json={"status": "approved"}).json()
    assert approved["approvedBy"] == user and approved["dateOfApproval"]
    followed = client.get(f"/timeentries/{entry['_id']}").json()
    assert (followed["timesheetStatus"], followed["timesheetId"]) == ("approved", sheet["_id"])
    assert client.delete(f"/timesheets/{sheet['_id']}").status_code == 200
    assert client.get(f"/timeentries/{entry['_id']}").json()["timesheetStatus"] == "draft"


def test_time_entries_can_be_duplicated(acme: Acme) -> None:
    emulator, client, id = acme
    entry = client.post("/timeentries", json={"date": "2026-05-06", "hours": 2, "companyId": id}).json()
    body = client.post("/timeentries/duplicate", json={"ids": [entry["_id"], "none"]}).json()
    assert body["created"] == 1
    copy = emulator.store.get("time_entry", body["upsertedIds"][0])
    assert copy is not None and copy["hours"] == 2 and copy["_id"] != entry["_id"]


def test_line_items_take_from_product_and_roll_up_to_deal_and_company(acme: Acme) -> None:
    _, client, id = acme
    product = client.post("/products", json={"name": "P", "mrr": 100, "length": 12, "currency": "EUR"}).json()
    assert product["arr"] == 1200 and product["type"] == "subscription"
    deal = client.post("/deals", json={"companyId": id, "mrr": 5, "stage": "Proposal"}).json()
    assert deal["arr"] == 60
    body = {"dealId": deal["_id"], "productId": product["_id"], "fromDate": "2026-03-01"}
    item = client.post("/lineitems", json=body).json()
    assert (item["companyId"], item["mrr"], item["productName"]) == (id, 100, "P")
    assert (item["toDate"], item["value"]) == ("2027-03-01T00:00:00.000Z", 1200)
    client.post("/lineitems", json={"dealId": deal["_id"], "productType": "fee", "value": 50, "fromDate": "2026-03-01"})
    rolled = client.get(f"/deals/{deal['_id']}").json()
    expected = {"mrr": 100, "arr": 1200, "fees": 50, "total": 1250, "subscriptionCount": 1}
    assert {key: rolled[key] for key in expected} == expected
    assert (rolled["startDate"], rolled["endDate"]) == (item["fromDate"], item["toDate"])
    assert client.put(f"/deals/{deal['_id']}", json={"mrr": 1}).json()["mrr"] == 100
    assert company(client)["mrr"] == 0
    client.put(f"/deals/{deal['_id']}", json={"stage": "Closed Won"})
    record = company(client)
    assert (record["mrr"], record["status"], record["products"]) == (100, "customer", ["P"])


def test_the_deal_period_has_two_names(serve: Serve) -> None:
    _, client = serve(3, deal_period="fromDate")
    deal = client.get("/deals").json()[0]
    assert {"fromDate", "toDate"} <= deal.keys() and not {"startDate", "endDate"} & deal.keys()


def test_nps_finds_its_contact(acme: Acme) -> None:
    emulator, client, id = acme
    person = emulator.store.insert("enduser", {"email": "a@acme.example", "companyId": id})
    made = client.post("/nps", json={"email": "a@acme.example", "score": 9}).json()
    assert (made["euId"], made["cId"], made["scoreType"]) == (person["_id"], id, "promoter")


def test_nps_has_two_spellings(serve: Serve) -> None:
    _, client = serve(3, nps_keys="nps")
    row = client.get("/nps").json()[0]
    assert {"nps", "npsComment", "npsDate"} <= row.keys() and not {
        "score",
        "comment",
        "dateAnswered",
        "euId",
    } & row.keys()


def test_issues_add_up_their_companies(acme: Acme) -> None:
    _, client, id = acme
    client.post("/licenses", json=license("2026-01-01", "2027-01-01", 100))
    issue = client.post("/issues", json={"title": "t", "companyIds": [id]}).json()
    assert (issue["mrrCombined"], issue["arrCombined"], issue["archived"]) == (100, 1200, False)


def test_days_are_epoch_days() -> None:
    assert (date(2026, 6, 1) - date(1970, 1, 1)).days == TODAY
