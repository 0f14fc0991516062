"""What is in doubt about the API is a switch of the emulator; a day's work comes out right whichever way each one is set."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from planhat_orm import AlreadyExists, AmbiguousWrite, BadAnswer, NotFound, PlanhatError
from planhat_orm.emulator import Switches
from tests.scale import LONG

from ..online import Online

_NUMBERS = {
    "metric_limit": [3], "quota_reset": [60, 120], "touch_types": [()], "page_bytes": [400], "lag": [],
    "date_offset": [], "id_offset": [], "stamp_offset": [300.0, -300.0],
}  # fmt: skip


def values() -> dict[str, list[Any]]:
    """The values of every switch, the default first; but for those of `lag` and clocks, see below."""
    hints = get_type_hints(Switches)
    found: dict[str, list[Any]] = {}
    for field in fields(Switches):
        hint = hints[field.name]
        choices = get_args(hint) if get_origin(hint) is Literal else [True, False] if hint is bool else None
        others = [value for value in choices or _NUMBERS[field.name] if value != field.default]  # type: ignore[attr-defined]
        found[field.name] = [field.default, *others]
    return found


def mixtures(count: int) -> list[dict[str, Any]]:
    """Settings of all switches at once, so mixed that every value comes up; but for `honours_offset`, see below."""
    rng = random.Random(3)
    columns = {name: rng.sample(choices, len(choices)) for name, choices in values().items()}
    chosen = [{name: column[row % len(column)] for name, column in columns.items()} for row in range(4)]
    chosen += [{name: rng.choice(column) for name, column in columns.items()} for _ in range(count - 4)]
    return [{**item, "honours_offset": True} for item in chosen]


SINGLY = [{name: value} for name, choices in values().items() for value in choices[1:] if name != "honours_offset"]


@pytest.mark.parametrize("switches", [*mixtures(200 if LONG else 16), *(SINGLY if LONG else [])])
def test_a_days_work_comes_out_right(online: Online, switches: dict[str, Any]) -> None:
    emulator, planhat = online(calls_per_min=200, page_cap=4, **switches)
    store = emulator.store
    owner = store.insert("user", {"nickName": "Bo", "email": "bo@us.example"})["_id"]
    for number in range(10):
        store.insert("company", {"name": f"C{number}", "externalId": f"c-{number}", "owner": owner,
                                 "domains": [f"c{number}.example"]})  # fmt: skip

    made = planhat.company.create({"name": "Acme", "externalId": "a", "sourceId": "s", "domains": ["acme.example"]})
    with pytest.raises(AlreadyExists):
        planhat.company.create({"name": "Acme", "sourceId": "s"})
    for key in (made["_id"], "extid-a", "srcid-s"):
        assert planhat.company.get_by_id(key)["_id"] == made["_id"]
    planhat.company.update("srcid-s", {"city": "Lund"})
    assert planhat.company.get_by_id(made["_id"])["city"] == "Lund"
    for options in ({}, {"sort": "-_id"}, {"sort": "name", "limit": 3}, {"select": "name"}):
        found = [row["_id"] for page in planhat.company.get_list(**options) for row in page]
        assert sorted(found) == sorted(row["_id"] for row in store.all("company")), options

    emulator.refuse("company", lambda row: "no such city" if row.get("city") == "Atlantis" else None)
    rows = [{"externalId": f"c-{number}", "city": "Atlantis" if number == 3 else "Lund"} for number in range(6)]
    answer = planhat.company.bulk_upsert([*rows, {"externalId": "new", "name": "New"}, {"externalId": "c-9"}])
    assert [outcome.status for outcome in answer.outcomes] == [
        *["updated"] * 3,
        "failed",
        *["updated"] * 2,
        "created",
        "unchanged",
    ]
    assert "no such city" in answer.outcomes[3].error

    churn = planhat.churn.create({"companyId": "extid-a", "sourceId": "ch-1", "value": 1})
    with pytest.raises(AlreadyExists):
        planhat.churn.create({"companyId": "extid-a", "sourceId": "ch-1", "value": 2})
    assert planhat.churn.update("srcid-ch-1", {"value": 3})["_id"] == churn["_id"]
    won = planhat.opportunity.create({"companyId": "extid-a", "title": "Seats", "externalId": "o", "sourceId": "o-s",
                                      "salesStage": "Offer"})  # fmt: skip
    assert planhat.opportunity.update("srcid-o-s", {"status": "won"})["_id"] == won["_id"]
    emulator.faults.add("reset_after", method="POST", path="/conversations")
    note = planhat.note.create({"companyId": "extid-a", "subject": "Hello", "description": "<b>You</b>"})
    assert len(store.all("note")) == 1
    ticket = {"sourceId": "t-1", "email": "ada@acme.example", "companyId": "extid-a", "subject": "Help"}
    silent = {"sourceId": "t-2", "companyId": "extid-a", "subject": "Nobody"}
    assert [outcome.status for outcome in planhat.ticket.bulk_upsert([ticket, silent]).outcomes] == [
        "created",
        "dropped",
    ]

    metric = {"dimensionId": "logins", "value": 3, "externalId": "a", "date": "2026-05-01"}
    planhat.metrics.bulk_insert_metrics([metric, {**metric, "value": 4}, {**metric, "externalId": "c-0"}], verify=True)
    mine = planhat.metrics.get_dimension_data("2026-05-01", "2026-05-01", company_id=made["_id"], limit=2)
    assert sorted(row["value"] for page in mine for row in page) == [3, 4]
    planhat.user_activity.create_activity({"email": "ada@acme.example", "action": "login"})
    planhat.user_activity.create_activity([{"externalId": "u", "action": "login"}], bulk=True)
    planhat.user_activity.segment({"type": "track", "userId": "u", "event": "login"})
    assert len(store.all("user_activity")) == 3

    planhat.note.delete(note["_id"])
    planhat.company.delete(made["_id"])
    with pytest.raises(NotFound):
        planhat.company.delete(made["_id"])
    with pytest.raises(PlanhatError):
        planhat.company.get_by_id("extid-a")
    assert store.get("company", made["_id"]) is None


def test_a_server_that_ignores_offset_and_cuts_pages_raises_rather_than_leave_records_out(online: Online) -> None:
    _, planhat = online(companies=20, page_cap=4, honours_offset=False)
    for options in ({}, {"sort": "name"}, {"limit": 2}):
        with pytest.raises(BadAnswer, match="ignores the offset"):
            list(planhat.company.get_list(**options))


def test_what_a_lagging_list_does_not_show_yet_is_known_all_the_same(online: Online) -> None:
    emulator, planhat = online(companies=3, lag=60.0)
    made = planhat.company.create({"name": "Acme", "externalId": "a"})
    assert made["_id"] not in {row["_id"] for page in planhat.company.get_list() for row in page}
    with pytest.raises(AlreadyExists):
        planhat.company.create({"name": "Acme again", "externalId": "a"})
    [outcome] = planhat.company.bulk_upsert([{"externalId": "a", "name": "Acme"}]).outcomes
    assert outcome.status == "unchanged"
    assert len(emulator.store.all("company")) == 4


@pytest.mark.parametrize(
    "apart", [{"date_offset": 300.0}, {"date_offset": -300.0}, {"id_offset": 300.0}, {"id_offset": -300.0}]
)
def test_clocks_that_are_apart_double_no_record_whose_answer_was_lost(online: Online, apart: dict[str, float]) -> None:
    emulator, planhat = online(companies=1, conversations=2, **apart)
    [company] = emulator.store.all("company")
    emulator.faults.add("reset_after", method="POST", path="/conversations", times=2)
    note = {"companyId": company["_id"], "subject": "Hello"}
    with pytest.raises(AmbiguousWrite):
        planhat.note.create(note)  # no id of a conversation was seen, so there is only the clock to go by
    list(planhat.conversation.get_list())
    assert planhat.note.create({**note, "subject": "Again"})["subject"] == "Again"
    assert [row["subject"] for row in emulator.store.all("note")].count("Again") == 1
