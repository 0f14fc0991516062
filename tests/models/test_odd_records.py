"""A record with every odd shape that is known loads, edits one field, sends one key, and keeps the rest."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm import Company, Conversation, Custom, Invoice, Model, Planhat, Timesheet
from planhat_orm.emulator import Emulator
from planhat_orm.http.effects import Request
from planhat_orm.models import resources as declared

ID, OTHER = "65f0c1a2b3d4e5f607001000", "65f0c1a2b3d4e5f607001002"

ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "a company as lists have it": ("Company", {
        "_id": ID, "name": "Acme", "owner": {"_id": OTHER, "nickName": "Ada"}, "coOwner": {"id": OTHER},
        "externalId": 1234, "custom": None, "lastTouch": OTHER, "nextTouch": 1778509231482, "features": [],
        "orgLevel": "2", "orgUnits": "x", "renewalDate": None, "headId": None, "autoRenews": None, "__v": 3,
        "shareable": {"enabled": False, "euIds": [], "sunits": False}, "csmScore": "5", "phase": 7, "tags": None,
        "usage": {"65f0": None}, "unheardOf": {"deep": [1, {"x": None}]}, "_currency": "EUR",
    }),
    "a company with odd customs": ("Company", {
        "_id": ID, "custom": {
            "Tier 🚀": "A", "Go-live": 18395, "Renewed": "2021-07-28T16:15:50.772Z", "Goals": ["a", None, 5],
            "Pilot": "yes", "Seats": "25", "": "empty", "tier 🚀": "b", "Team": {"_id": OTHER}, "Nothing": None,
        },
    }),
    "a company of another tenant": ("Company", {
        "_id": ID, "lastTouch": "2021-07-28T16:15:50.772Z", "lastTouchByType": [], "customerTo": "2021-07-28",
        "renewalDate": "July 28, 2021 16:15", "createDate": "Wed Jul 28 2021 16:15:50 GMT+0000", "domains": "acme.com",
    }),
    "an answer on one tenant": ("NPS", {
        "_id": ID, "score": 9, "comment": "x", "dateAnswered": "2026-05-02T09:30:00.000Z", "euId": OTHER, "cId": ID,
        "campaignId": None,
    }),
    "an answer on another tenant": ("NPS", {
        "_id": ID, "nps": 9, "npsComment": "x", "npsDate": "2026-05-02T09:30:00.000Z", "cId": {"_id": ID},
    }),
    "an invoice": ("Invoice", {
        "_id": ID, "cId": "extid-5", "extId": 77, "invoiceDate": 18395, "dueDate": "2021-07-28", "paidDate": None,
        "invoiceNo": "6", "lineItems": [{"dateFrom": 18395, "saleId": None}], "amountDue": "12.50", "status": "void",
    }),
    "a timesheet": ("Timesheet", {"_id": ID, "dateFrom": 20577, "dateTo": 20584.0, "timeEntries": None}),
    "a ticket": ("Ticket", {
        "_id": ID, "days": 18395, "updateDate": "2021-07-28T16:15:50.772Z", "users": [{"id": OTHER}], "status": "odd",
    }),
    "a deal with both periods": ("Deal", {
        "_id": ID, "startDate": "2021-07-28", "endDate": None, "fromDate": "2021-07-28", "toDate": "2022-07-28",
    }),
    "an issue": ("Issue", {
        "_id": ID, "companyIds": [{"_id": OTHER}, None, OTHER], "companies": [{"id": OTHER, "name": "x"}],
        "endusers": None, "mrrCombined": "5", "companyMatchingValue": {},
    }),
    "a user of a list": ("User", {
        "_id": ID, "email": "Ada@Example.com", "roles": [{"_id": OTHER, "name": "Admin"}], "image": {"path": None},
        "tzOffset": "-60", "managers": None, "removed": None,
    }),
    "a conversation": ("Conversation", {
        "_id": ID, "date": 1778509231482, "users": None, "endusers": [{"id": OTHER, "name": None}], "custom": None,
        "description": None, "timeBucket": "2021", "days": "2021-07-28",
    }),
    "a licence": ("License", {
        "_id": ID, "companyId": OTHER, "_currency": None, "value": "-1,500", "renewalUnit": "month",
        "noticeUnit": None, "fcNewStartDate": None, "renewalStatus": "unknown", "parent": {"_id": OTHER},
    }),
    "a task": ("Task", {
        "_id": ID, "checklist": "[{}]", "users": [OTHER], "status": "In-progress", "doneBy": {"id": OTHER},
        "startTime": None, "mainType": "call",
    }),
}  # fmt: skip

EDIT: dict[str, tuple[str, Any, str, Any]] = {
    "Company": ("city", "Bern", "city", "Bern"),
    "NPS": ("date_sent", datetime(2026, 5, 4, tzinfo=UTC), "dateSent", "2026-05-04T00:00:00.000Z"),
    "Invoice": ("due_date", date(2026, 5, 4), "dueDate", 20577),
    "Timesheet": ("date_to", date(2026, 5, 4), "dateTo", 20577),
    "Ticket": ("source_id", "t-1", "sourceId", "t-1"),
    "Deal": ("name", "x", "name", "x"),
    "Issue": ("title", "x", "title", "x"),
    "User": ("nick_name", "Ada", "nickName", "Ada"),
    "Conversation": ("subject", "x", "subject", "x"),
    "License": ("product", "x", "product", "x"),
    "Task": ("action", "x", "action", "x"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_record_is_read_edited_and_kept(case: str) -> None:
    model: type[Model] = getattr(declared, ODD[case][0])
    wire = copy.deepcopy(ODD[case][1])
    record = model.from_wire(wire)
    for name in model._meta.fields:
        getattr(record, name)
    repr(record)
    record._repr_html_()
    assert record.changes() == {}
    assert record.to_wire() == ODD[case][1]

    name, value, key, sent = EDIT[model.__name__]
    setattr(record, name, value)
    assert record._payload() == {key: sent}
    assert list(record.changes()) == [name]
    assert wire == ODD[case][1]
    assert record.to_wire() == {**ODD[case][1], key: sent}

    record._saved({**wire, key: sent}, {key: sent})
    assert record.changes() == {}
    # A ticket's sourceId is read back as its externalId.
    read_back = {"externalId": sent} if model.__name__ == "Ticket" else {}
    assert {**record._wire, key: None} == {**ODD[case][1], key: None, **read_back}


def test_one_custom_field_of_an_odd_record_is_sent_alone() -> None:
    class Account(Company):
        seats = Custom("Seats", int)
        golive = Custom("Go-live", date)
        team = Custom("Team", str)

    record = Account.from_wire(copy.deepcopy(ODD["a company with odd customs"][1]))
    assert (record.seats, record.golive, record.team) == (25, date(2020, 5, 13), {"_id": OTHER})  # type: ignore[comparison-overlap]
    record.seats = 30
    assert record._payload() == {"custom": {"Seats": 30}}
    record._saved({"_id": ID}, record._payload())
    expected = copy.deepcopy(ODD["a company with odd customs"][1]["custom"])
    assert record._wire["custom"] == {**expected, "Seats": 30}


def test_dates_of_odd_records_are_read() -> None:
    one = Company.from_wire(ODD["a company of another tenant"][1])
    moment = datetime(2021, 7, 28, 16, 15, tzinfo=UTC)
    assert (one.renewal_date, one.create_date) == (moment, moment.replace(second=50))
    assert one.customer_to == datetime(2021, 7, 28, tzinfo=UTC)
    assert Invoice.from_wire(ODD["an invoice"][1]).due_date == date(2021, 7, 28)
    assert Timesheet.from_wire(ODD["a timesheet"][1]).date_to == date(2026, 5, 11)
    assert Conversation.from_wire(ODD["a conversation"][1]).date.year == 2026


@pytest.fixture(scope="module")
def tenant() -> Iterator[tuple[Emulator, Planhat, list[Request]]]:
    nothing = {"companies": 0, "licenses": 0, "endusers": 0, "conversations": 0, "tasks": 0}
    sent: list[Request] = []
    with (
        Emulator(**nothing) as emulator,  # type: ignore[arg-type]
        Planhat(emulator.api_token, api_url=emulator.url, calls_per_min=1e9) as planhat,
    ):
        planhat.on("request", sent.append)
        yield emulator, planhat, sent


@pytest.mark.parametrize("case", [name for name, (model, _) in ODD.items() if model != "Ticket"])
def test_an_odd_record_of_a_server_is_saved_with_one_key(
    case: str, tenant: tuple[Emulator, Planhat, list[Request]]
) -> None:
    emulator, _, sent = tenant
    model: type[Model] = getattr(declared, ODD[case][0])
    table = emulator.store.table(model._meta.resource.name)
    for id in table.ids():
        table.remove(id)
    stored = copy.deepcopy(ODD[case][1])
    if "roles" in stored:
        # A record has ids; the list makes objects of them, as it does for this one.
        stored["roles"] = [row["_id"] for row in stored["roles"]]
    emulator.store.load(model._meta.resource.name, [stored])
    record = model.objects.get(ID)
    [listed] = list(model.objects.all())
    assert listed == record and record.changes() == listed.changes() == {}
    for name in model._meta.fields:
        getattr(record, name)
    before = emulator.store.get(model._meta.resource.name, ID)
    assert before is not None

    name, value, key, wire = EDIT[model.__name__]
    setattr(record, name, value)
    sent.clear()
    assert record.save().fields == (name,)
    [put] = sent
    assert put.method == "PUT" and put.body is not None and json.loads(put.body) == {key: wire}
    after = emulator.store.get(model._meta.resource.name, ID)
    assert after is not None and after[key] == wire
    untouched = stored.keys() - {key, model._meta.resource.stamp}
    assert {record: after[record] for record in untouched} == {record: before[record] for record in untouched}
    assert record.changes() == {} and record.save().updated is False
