"""Each resource has exactly the operations Planhat has for it; the others say what to use instead."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm import FieldError, NotFound, ValidationError
from planhat_orm.client.activities import UserActivities
from planhat_orm.client.endpoints import Endpoint
from planhat_orm.client.holdings import Attribute
from planhat_orm.client.metrics import Metrics

from ..online import Online

ATTRIBUTES = [
    "asset", "campaign", "churn", "company", "conversation", "custom_field", "deal", "enduser", "invoice", "issue",
    "license", "line_item", "metrics", "note", "nps", "objective", "opportunity", "product", "project", "sale", "task",
    "ticket", "time_entry", "timesheet", "user", "user_activity", "workflow", "workspace",
]  # fmt: skip
ALL = {"create", "update", "get_by_id", "get_list", "delete", "bulk_upsert"}
HAS = {
    **{name: ALL for name in ATTRIBUTES if name not in ("metrics", "user_activity")},
    "custom_field": ALL - {"bulk_upsert"},
    "ticket": {"get_list", "delete", "bulk_upsert"},
    "workflow": {"get_list"},
}
SPECIAL = {
    "company": {"get_lean_list"},
    "time_entry": {"duplicate"},
    "metrics": {"record", "bulk_insert_metrics", "get_dimension_data", "epoc_days_format", "epoch_days_format"},
    "user_activity": {"record", "create_activity", "segment"},
}


def test_every_resource_is_an_attribute_with_its_own_methods(online: Online) -> None:
    _, planhat = online()
    found = {
        name: item
        for name, attribute in vars(type(planhat)).items()
        if isinstance(attribute, Attribute)
        and isinstance(item := getattr(planhat, name), (Endpoint, Metrics, UserActivities))
    }
    assert found.keys() == set(ATTRIBUTES)
    for name, record in found.items():
        methods = {method for method in dir(record) if not method.startswith("_")}
        twins = {f"a{method}" for method in methods} & methods
        own = methods - twins
        assert own == (ALL if name in HAS else set()) | SPECIAL.get(name, set()), name


def arguments(method: str) -> tuple[Any, ...]:
    return {
        "create": ({},), "update": ("5f0c", {}), "get_by_id": ("5f0c",), "get_list": (), "delete": ("5f0c",),
        "bulk_upsert": ([{}],),
    }[method]  # fmt: skip


@pytest.mark.parametrize("name", HAS)
def test_an_operation_that_is_missing_says_what_to_use_and_makes_no_call(online: Online, name: str) -> None:
    emulator, planhat = online()
    for method in sorted(ALL - HAS[name]):
        with pytest.raises(ValidationError, match=rf"planhat\.{name}\.{method}\(\) does not exist: \S+") as raised:
            getattr(getattr(planhat, name), method)(*arguments(method))
        advice = str(raised.value).split("does not exist: ")[1]
        assert any(word in advice for word in ("there is", "planhat.", "one by one", "only be listed")), advice
    assert emulator.calls == 0


@pytest.mark.parametrize(
    ("name", "method", "word"),
    [
        ("ticket", "create", r"planhat\.ticket\.bulk_upsert"),
        ("ticket", "update", r"planhat\.ticket\.bulk_upsert"),
        ("ticket", "get_by_id", r"planhat\.conversation\.get_by_id"),
        ("custom_field", "bulk_upsert", "one by one"),
        ("workflow", "create", "only be listed"),
    ],
)
def test_the_way_round_is_named(online: Online, name: str, method: str, word: str) -> None:
    _, planhat = online()
    with pytest.raises(ValidationError, match=word):
        getattr(getattr(planhat, name), method)(*arguments(method))


@pytest.mark.parametrize("name", ["metrics", "user_activity"])
@pytest.mark.parametrize("twin", ["", "a"])
def test_the_verbs_of_other_resources_say_what_to_use_for_metrics_and_activities(
    online: Online, name: str, twin: str
) -> None:
    _, planhat = online()
    for method in ALL:
        with pytest.raises(FieldError, match=rf"planhat\.{name}\.{twin}{method}\(\) does not exist: \S+"):
            getattr(getattr(planhat, name), twin + method)
        assert not hasattr(getattr(planhat, name), twin + method)
    with pytest.raises(AttributeError, match="no attribute 'bulk'"):
        planhat.metrics.bulk  # noqa: B018


ROWS: dict[str, dict[str, Any]] = {
    "custom_field": {"name": "Tier", "type": "text", "parent": "company", "isHidden": False},
    "enduser": {"email": "ada@acme.example"},
    "invoice": {"cId": "extid-a", "currency": "EUR", "invoiceDate": 20000},
    "issue": {"title": "Broken"},
    "license": {"companyId": "extid-a", "_currency": "EUR", "value": 12, "fromDate": "2026-01-01"},
    "line_item": {"fromDate": "2026-01-01", "value": 12},
    "nps": {"email": "ada@acme.example", "score": 9},
    "product": {"name": "Premium"},
    "sale": {"companyId": "extid-a", "_currency": "EUR", "value": 12, "salesDate": "2026-01-01"},
    "task": {"companyId": "extid-a", "mainType": "task", "action": "Call"},
    "time_entry": {"date": "2026-06-01", "hours": 1},
    "timesheet": {},
    "user": {"email": "bo@us.example", "nickName": "bo", "firstName": "Bo", "lastName": "Ek"},
    "conversation": {"companyId": "extid-a", "type": "note", "subject": "Hi"},
    "note": {"companyId": "extid-a", "subject": "Hi"},
    "company": {"name": "Bolt"},
    "churn": {"companyId": "extid-a", "value": 12},
}


@pytest.mark.parametrize("name", [name for name in HAS if "create" in HAS[name]])
def test_every_operation_works_on_every_resource(online: Online, name: str) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a", "domains": ["acme.example"]})
    deal = planhat.deal.create({"companyId": "extid-a", "name": "Big"})["_id"]
    emulator.log.clear()
    one = getattr(planhat, name)
    row = ROWS.get(name, {"name": "One", "companyId": "extid-a"})
    row = {**row, **({"dealId": deal} if name == "line_item" else {})}

    made = one.create(row)
    assert one.get_by_id(made["_id"])["_id"] == made["_id"]
    listed = [record["_id"] for page in one.get_list() for record in page]
    assert made["_id"] in listed
    assert one.update(made["_id"], {})["_id"] == made["_id"]
    if "bulk_upsert" in HAS[name]:
        answer = one.bulk_upsert([{"_id": made["_id"]}])
        assert (answer["nonupdates"], answer.outcomes[0].status) == (1, "unchanged")
    assert isinstance(one.delete(made["_id"]), dict)
    with pytest.raises(NotFound):
        one.get_by_id(made["_id"])
    assert planhat.calls == emulator.calls + 1


def test_a_note_is_a_conversation_of_type_note(online: Online) -> None:
    emulator, planhat = online()
    company = emulator.store.insert("company", {"name": "Acme"})["_id"]
    made = planhat.note.create({"companyId": company, "subject": "One"})
    answer = planhat.note.bulk_upsert([{"companyId": company, "subject": "Two"}, {"_id": made["_id"], "subject": "1"}])
    assert [outcome.status for outcome in answer.outcomes] == ["updated", "created"][::-1]
    assert {record["type"] for record in emulator.store.all("conversation")} == {"note"}
    assert {call.path.split("/")[1] for call in emulator.log} == {"conversations"}


def test_an_update_through_note_does_not_change_what_kind_of_touch_it_is(online: Online) -> None:
    emulator, planhat = online()
    company = emulator.store.insert("company", {"name": "Acme"})["_id"]
    training = planhat.conversation.create({"companyId": company, "type": "Training", "subject": "One"})["_id"]
    planhat.note.bulk_upsert([{"_id": training, "subject": "Two"}])
    assert emulator.store.get("conversation", training)["type"] == "Training"  # type: ignore[index]


def test_tickets_are_made_by_bulk_upsert_and_read_as_conversations(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Acme", "externalId": "a", "domains": ["acme.example"]})
    ticket = {"sourceId": "t-1", "email": "ada@acme.example", "companyId": "extid-a", "subject": "Help"}
    answer = planhat.ticket.bulk_upsert([ticket])
    (listed,) = (row for page in planhat.ticket.get_list() for row in page)
    assert answer.outcomes[0].id == listed["_id"]
    assert planhat.conversation.get_by_id(listed["_id"])["type"] == "ticket"
    planhat.ticket.delete(listed["_id"])
    assert emulator.store.all("ticket") == []


def test_a_misspelt_key_is_told_of_in_the_log_once(online: Online, caplog: pytest.LogCaptureFixture) -> None:
    _, planhat = online()
    planhat.company.create({"name": "Acme", "externalId": "a", "custom": {"Any": 1}, "custom.Other": 2})
    assert caplog.text == ""
    planhat.company.update("extid-a", {"phse": "Live"})
    planhat.company.bulk_upsert({"externalId": f"c-{n}", "name": "x", "ownr": "m@rker"} for n in range(30))
    assert caplog.text.count("no field 'phse' as far as is known. Did you mean 'phase'?") == 1
    assert caplog.text.count("'ownr'") == 1
    assert "m@rker" not in caplog.text


@pytest.mark.parametrize("name", ["company", "note"])
@pytest.mark.parametrize("rows", [None, 7, "ab", [1]])
def test_what_holds_no_rows_is_refused_before_anything_is_sent(online: Online, name: str, rows: Any) -> None:
    emulator, planhat = online()
    with pytest.raises(ValidationError):
        getattr(planhat, name).bulk_upsert(rows)
    assert emulator.calls == 0


def test_lean_companies_are_one_request(online: Online) -> None:
    emulator, planhat = online()
    for name in ("a", "b", "c"):
        emulator.store.insert("company", {"name": name, "externalId": f"e-{name}", "sourceId": f"s-{name}"})
    assert len(planhat.company.get_lean_list()) == 3
    assert [company["name"] for company in planhat.company.get_lean_list(external_id="e-b")] == ["b"]
    assert [company["name"] for company in planhat.company.get_lean_list(source_id="s-c")] == ["c"]
    for status in ("prospect", "prospect, lost", ["prospect", "lost"]):
        assert len(planhat.company.get_lean_list(status=status)) == 3
    assert planhat.company.get_lean_list(status="lost") == []
    assert emulator.calls == planhat.calls == 7
    for empty in ({"external_id": ""}, {"source_id": " "}, {"status": ""}, {"status": []}):  # type: ignore[var-annotated]
        with pytest.raises(ValidationError, match="is empty"):
            planhat.company.get_lean_list(**empty)
    odd: list[dict[str, Any]] = [
        {"external_id": True}, {"source_id": ["a"]}, {"status": 0}, {"status": {"lost": 1}}, {"status": [1]}
    ]  # fmt: skip
    for arguments in odd:
        with pytest.raises(ValidationError):
            planhat.company.get_lean_list(**arguments)
    assert emulator.calls == 7


@pytest.mark.parametrize("value", [1, 0, "no", None, [], "true"], ids=repr)
def test_an_option_is_true_or_false(online: Online, value: Any) -> None:
    """`at_least_once="no"` would be one that is set."""
    emulator, planhat = online()
    metric, activity = {"dimensionId": "d", "value": 1, "externalId": "a"}, {"email": "a@x.example", "action": "a"}
    event = {"type": "track", "userId": "u"}
    pushes = {"auto_chunk", "raise_on_error", "at_least_once"}
    calls: list[tuple[Any, Any, set[str]]] = [
        (planhat.company.bulk_upsert, [{"name": "a"}], {"raise_on_error"}),
        (planhat.metrics.bulk_insert_metrics, metric, {*pushes, "verify"}),
        (planhat.user_activity.create_activity, activity, {*pushes, "bulk"}),
        (planhat.user_activity.segment, event, {"raise_on_error", "at_least_once"}),
    ]
    for call, data, names in calls:
        for name in names:
            with pytest.raises(ValidationError, match=f"{name} must be True or False"):
                call(data, **{name: value})
    assert emulator.calls == 0


@pytest.mark.parametrize("rows", ["", b"", "abc", 7, None])
def test_rows_are_a_list_and_no_text(online: Online, rows: Any) -> None:
    emulator, planhat = online()
    calls: tuple[Any, ...] = (
        planhat.company.bulk_upsert, planhat.metrics.bulk_insert_metrics, planhat.user_activity.create_activity,
        planhat.user_activity.segment,
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValidationError):
            call(rows)
    assert emulator.calls == 0


def test_a_day_is_one_that_the_calendar_has(online: Online) -> None:
    emulator, planhat = online()
    for day in (10**30, -(10**9), 2.5, True, "", None):
        with pytest.raises(ValidationError):
            next(planhat.metrics.get_dimension_data(day, "2026-01-02"))  # type: ignore[arg-type]
    for id in (" ", "", True, ["a"]):
        with pytest.raises(ValidationError):
            next(planhat.metrics.get_dimension_data(1, 2, company_id=id))  # type: ignore[arg-type]
    assert emulator.calls == 0


def test_time_entries_are_duplicated_once(online: Online) -> None:
    emulator, planhat = online()
    ids = [planhat.time_entry.create({"date": "2026-06-01", "hours": n})["_id"] for n in (1, 2)]
    assert planhat.time_entry.duplicate({"ids": [*ids, "none"]})["created"] == 2
    assert sorted(record["hours"] for record in emulator.store.all("time_entry")) == [1, 1, 2, 2]
    for wrong in ({}, {"ids": []}, {"ids": "abc"}, ["a"]):  # type: ignore[var-annotated]
        with pytest.raises(ValidationError):
            planhat.time_entry.duplicate(wrong)  # type: ignore[arg-type]


def test_endpoints_show_their_path(online: Online) -> None:
    _, planhat = online()
    assert repr(planhat.line_item) == "<Endpoint /lineitems>"
