"""What a field reads: three values, conversions, and odd shapes that are handed out as they are (law 6)."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from planhat_orm import NPS, Company, Custom, Invoice, Issue, License, NotLoaded, Task, Timesheet, User
from planhat_orm.models.state import Origin

ID = "65f0c1a2b3d4e5f607001000"
OTHER = "65f0c1a2b3d4e5f607001002"


class Account(Company):
    tier = Custom("Tier", str)
    seats = Custom("Seats", int)
    share = Custom("Share", float)
    pilot = Custom("Pilot", bool)
    goals = Custom("Goals", list)
    box = Custom("Box", dict)
    renewed = Custom("Renewed at", datetime)
    golive = Custom("Go-live", date)


def company(**wire: Any) -> Company:
    return Company.from_wire({"_id": ID, **wire})


def account(custom: Any) -> Account:
    return Account.from_wire({"_id": ID, "custom": custom})


# --- three values ---------------------------------------------------------------------------------------


def test_absent_and_null_read_as_none() -> None:
    assert company().phase is None
    assert company(phase=None).phase is None
    assert company().renewal_date is company(renewalDate=None).renewal_date is None


def test_lists_and_dicts_read_as_empty_ones_so_that_they_can_be_edited() -> None:
    for item in (company(), company(tags=None, usage=None, custom=None)):
        assert (item.tags, item.usage, item.custom) == ([], {}, {})
        assert item.changes() == {}
        assert item._payload() == {}


def test_an_absent_value_is_not_sent_and_a_null_is_only_sent_when_it_was_set() -> None:
    record = company(city=None)
    record.phase = None
    record.city = None
    assert record._payload() == {}, "null is what the API said of them already"
    known = company(phase="Live")
    known.phase = None
    assert known._payload() == {"phase": None}


def test_a_record_known_by_id_only_sends_the_nulls_it_was_given() -> None:
    record = Company(id=ID, phase=None)
    assert record._payload() == {"phase": None}
    assert record.changes() == {"phase": (None, None)}


def test_reading_a_field_that_was_not_selected_says_what_to_do() -> None:
    record = Account.from_wire({"_id": ID, "name": "Acme"}, Origin(selected=frozenset({"_id", "name"})))
    assert record.name == "Acme"
    with pytest.raises(NotLoaded, match=r"Account\.mrr was not selected: add it to only\(\), or call refresh\(fields="):
        _ = record.mrr
    with pytest.raises(NotLoaded, match=r"Account\.tier was not selected"):
        _ = record.tier
    with pytest.raises(NotLoaded):
        _ = record.custom
    assert not hasattr(record, "mrr"), "NotLoaded is an AttributeError"


def test_a_field_that_was_not_selected_can_be_set_all_the_same() -> None:
    record = Company.from_wire({"_id": ID}, Origin(selected=frozenset({"_id"})))
    record.phase = "Live"
    assert record.phase == "Live"
    assert record._payload() == {"phase": "Live"}


def test_a_custom_field_can_be_set_when_none_was_selected() -> None:
    for record in (Account(id=ID), Account.from_wire({"_id": ID}, Origin(selected=frozenset({"_id"})))):
        record.tier = "A"
        record.goals = ["grow"]
        assert (record.tier, record.goals) == ("A", ["grow"])
        assert record._payload() == {"custom": {"Tier": "A", "Goals": ["grow"]}}
        with pytest.raises(NotLoaded, match="seats"):
            _ = record.seats
    assert Account(id=ID, tier="A", custom={"Else": 1})._payload() == {"custom": {"Else": 1, "Tier": "A"}}


# --- conversions ----------------------------------------------------------------------------------------

MOMENT = datetime(2026, 5, 11, 14, 20, 31, 482000, UTC)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("2026-05-11T14:20:31.482Z", MOMENT),
        ("2026-05-11T16:20:31.482+02:00", MOMENT),
        ("2026-05-11T14:20:31.482000", MOMENT),
        ("Mon, 11 May 2026 14:20:31.482 GMT", MOMENT),
        ("11 May 2026 14:20:31.482", MOMENT),
        (1778509231482, MOMENT),
        (1778509231482.0, MOMENT),
        ("2026-05-11", datetime(2026, 5, 11, tzinfo=UTC)),
        ("2026/05/11", datetime(2026, 5, 11, tzinfo=UTC)),
    ],
)
def test_moments_are_aware_however_they_are_spelt(raw: Any, value: datetime) -> None:
    record = company(nextTouch=raw)
    assert record.next_touch == value
    assert record.next_touch.tzinfo is UTC
    assert record.changes() == {}


@pytest.mark.parametrize(
    "raw",
    [
        OTHER, "soon", "", "Q3 2026", 5, True, 0, -1, 1e30, {"$date": 5}, ["2026-05-11"], "2026-13-45",
        # Half a date: what is missing would be filled in from today's, and be another one tomorrow.
        "10:30:00", "Monday 10:30", "May 2026", "11 May, 10:30",
        # A name of a zone that nobody can look up.
        "11 May 2026 14:20 XYZ", "11 May 2026 14:20 EST",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_read_as_it_is(raw: Any) -> None:
    record = company(lastTouch=raw)
    assert record.last_touch == raw
    assert record.changes() == {}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (20577, date(2026, 5, 4)),
        (0, date(1970, 1, 1)),
        (-1, date(1969, 12, 31)),
        (20577.0, date(2026, 5, 4)),
        ("2026-05-04", date(2026, 5, 4)),
        ("2026-05-04T00:00:00.000Z", date(2026, 5, 4)),
        ("soon", "soon"),
        (True, True),
        (10**12, 10**12),
        ({}, {}),
    ],
)
def test_days_are_epoch_days_or_dates(raw: Any, value: Any) -> None:
    sheet = Timesheet.from_wire({"_id": ID, "dateFrom": raw})
    assert sheet.date_from == value
    assert type(sheet.date_from) is type(value)
    assert Invoice.from_wire({"_id": ID, "dueDate": raw}).due_date == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("15", 15),
        ("15.5", 15.5),
        ("-3", -3),
        ("1e3", 1000.0),
        (15, 15),
        (1.5, 1.5),
        ("1,5", "1,5"),
        ("x", "x"),
        ("", ""),
    ],
)
def test_numbers_come_as_text_now_and_then(raw: Any, value: Any) -> None:
    for record in (company(orgLevel=raw, h=raw), company(org_level=0, orgLevel=raw, h=raw)):
        assert record.org_level == value
        assert record.h == value
        assert record.changes() == {}


def test_texts_come_as_numbers_now_and_then() -> None:
    assert company(externalId=1234).external_id == "1234"
    assert company(name=True).name is True  # type: ignore[comparison-overlap]


def test_references_come_as_objects_now_and_then() -> None:
    assert company(owner=OTHER).owner_id == OTHER
    assert company(owner={"_id": OTHER, "nickName": "Ada"}).owner_id == OTHER
    assert company(owner={"id": OTHER}).owner_id == OTHER
    assert company(owner={"nickName": "Ada"}).owner_id is None
    assert company(owner=17).owner_id == "17"


def test_choices_that_nobody_listed_are_read_as_they_are() -> None:
    assert company(status="dormant").status == "dormant"
    assert License.from_wire({"_id": ID, "renewalStatus": 7}).renewal_status == "7"


def test_nps_answers_are_read_in_both_spellings() -> None:
    one = NPS.from_wire({"_id": ID, "score": 9, "comment": "a", "dateAnswered": "2026-05-02T09:30:00.000Z"})
    other = NPS.from_wire({"_id": ID, "nps": 9, "npsComment": "a", "npsDate": "2026-05-02T09:30:00.000Z"})
    assert (one.score, one.comment, one.date_answered) == (other.nps, other.nps_comment, other.nps_date)
    assert other.score is None


def test_conversions_happen_once() -> None:
    record = company(renewalDate="2026-05-11T14:20:31.482Z")
    assert record.renewal_date is record.renewal_date


# --- custom fields --------------------------------------------------------------------------------------


def test_declared_custom_fields_read_their_label() -> None:
    one = account(
        {
            "Tier": "A", "Seats": 25, "Share": 0.5, "Pilot": True, "Goals": ["grow"], "Box": {"a": 1},
            "Renewed at": "2026-05-11T14:20:31.482Z", "Go-live": 20577, "Else": 1,
        }
    )  # fmt: skip
    assert (one.tier, one.seats, one.share, one.pilot, one.goals, one.box) == ("A", 25, 0.5, True, ["grow"], {"a": 1})
    assert (one.renewed, one.golive) == (MOMENT, date(2026, 5, 4))
    assert one.custom["Else"] == 1
    assert one.custom["Go-live"] == 20577, "the dict holds wire values"
    assert one.changes() == {}


@pytest.mark.parametrize("custom", [None, {}, {"Tier": None}, [], "odd", 5])
def test_custom_fields_of_odd_records_read_as_nothing(custom: Any) -> None:
    one = account(custom)
    assert one.tier is one.seats is one.renewed is None  # type: ignore[comparison-overlap]
    assert one.goals == []
    assert one.box == {}
    assert one.tier is None, "reading a list first changes nothing for the others"
    assert one._payload() == {}


@pytest.mark.parametrize("custom", [None, [], "odd", 5])
def test_custom_fields_of_odd_records_can_be_set(custom: Any) -> None:
    one = account(custom)
    one.tier = "A"
    assert (one.tier, one._payload()) == ("A", {"custom": {"Tier": "A"}})
    other = account(custom)
    other.goals.append("grow")
    assert (other.goals, other._payload()) == (["grow"], {"custom": {"Goals": ["grow"]}})


def test_custom_set_to_none_can_still_be_read_and_filled() -> None:
    one = account({"Tier": "A"})
    one.custom = None
    assert one.tier is None
    assert one._payload() == {"custom": {"Tier": None}}
    one.seats = 5
    assert one._payload() == {"custom": {"Tier": None, "Seats": 5}}


# --- nothing shared -------------------------------------------------------------------------------------


def test_what_is_handed_out_is_a_copy_and_the_wire_never_changes() -> None:
    wire = {
        "_id": ID, "tags": ["a"], "usage": {"x": [1]}, "alerts": [{"n": [1]}],
        "custom": {"Goals": ["a"], "Box": {"deep": [1, {"x": 1}]}},
    }  # fmt: skip
    before = copy.deepcopy(wire)
    one = Account.from_wire(wire)
    one.tags.append("b")
    one.usage["x"].append(2)
    one.alerts[0]["n"].append(2)
    one.custom["Box"]["deep"][1]["x"] = 2
    one.goals.append("b")
    assert wire == before
    assert set(one._payload(guard=False)) == {"tags", "usage", "alerts", "custom"}


def test_a_list_that_was_assigned_is_not_the_callers() -> None:
    mine = ["a"]
    one = company()
    one.tags = mine
    mine.append("b")
    assert one.tags == ["a"]


def test_every_field_of_every_odd_record_can_be_read() -> None:
    odd: list[Any] = [
        None,
        True,
        0,
        1,
        -1.5,
        1e300,
        10**30,
        "",
        "x",
        "5",
        "2026-05-11",
        OTHER,
        [],
        [None],
        [[]],
        {},
        {"_id": 1},
    ]
    for value in odd:
        for model in (Account, License, Issue, Task, User, NPS, Timesheet, Invoice):
            record = model.from_wire({"_id": ID, **dict.fromkeys(set(model._meta.by_wire) - {"_id"}, value)})
            for name in model._meta.fields:
                getattr(record, name)
            assert record.changes() == {}, (model, value)
            assert record._payload() == {}, (model, value)


def test_a_moment_of_another_zone_reads_in_utc() -> None:
    value = company(renewalDate="2026-01-01T00:30:00+05:30").renewal_date
    assert value.astimezone(timezone(timedelta(hours=5, minutes=30))).hour == 0
    assert value.date() == date(2025, 12, 31)
