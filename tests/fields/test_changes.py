"""What counts as a change: the difference of two values, not a log of assignments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from planhat_orm import Company, Custom, Invoice, License, Task, User
from planhat_orm.models.state import Origin

ID = "65f0c1a2b3d4e5f607001000"
OTHER = "65f0c1a2b3d4e5f607001002"


class Account(Company):
    tier = Custom("Tier", str)
    seats = Custom("Seats", int)
    goals = Custom("Goals", list)
    renewed = Custom("Renewed at", datetime)


def company(**wire: Any) -> Company:
    return Company.from_wire({"_id": ID, **wire})


def account(**custom: Any) -> Account:
    return Account.from_wire({"_id": ID, "custom": custom})


def test_old_and_new_are_told_by_python_name() -> None:
    one = company(phase="Trial", externalId="a")
    one.phase = "Live"
    one.external_id = "b"
    assert one.changes() == {"phase": ("Trial", "Live"), "external_id": ("a", "b")}
    assert one._payload() == {"phase": "Live", "externalId": "b"}


def test_setting_back_is_clean() -> None:
    one = company(phase="Trial", tags=["a"], custom={"Tier": "A"})
    one.phase, one.tags = "Live", []
    one.custom["Tier"] = "B"
    one.tags.append("b")
    one.phase, one.tags = "Trial", ["a"]
    one.custom["Tier"] = "A"
    assert one.changes() == {}
    assert one._payload() == {}


def test_setting_the_same_is_clean_however_it_was_spelt() -> None:
    one = Task.from_wire(
        {"_id": ID, "startTime": "2021-05-12T03:00:00Z", "repeatDays": "5", "ownerId": {"_id": OTHER}, "sourceId": 7}
    )
    one.start_time = datetime(2021, 5, 12, 5, tzinfo=timezone(timedelta(hours=2)))
    one.repeat_days = 5
    one.owner_id = OTHER
    one.source_id = "7"
    assert one.changes() == {}
    two = Invoice.from_wire({"_id": ID, "dueDate": "2026-05-04"})
    two.due_date = two.due_date
    assert two.changes() == {}


def test_every_field_set_to_what_it_reads_is_clean() -> None:
    wire = {
        "_id": ID, "name": "Acme", "owner": {"_id": OTHER}, "externalId": 12, "csmScore": "4", "tags": ["a"],
        "custom": {"Tier": 5, "Seats": "25", "Goals": ["a"], "Renewed at": "2021-05-12T03:00:00Z", "Else": [1]},
        "orgIndependent": False, "slug": None, "phase": "Live",
    }  # fmt: skip
    one = Account.from_wire(wire)
    for name, field in Account._meta.fields.items():
        if not field.readonly:
            setattr(one, name, getattr(one, name))
    assert one.changes() == {}
    assert one._payload() == {}


@pytest.mark.parametrize(
    "edit",
    [
        lambda tags: tags.append("c"),
        lambda tags: tags.extend(["c"]),
        lambda tags: tags.insert(0, "c"),
        lambda tags: tags.remove("a"),
        lambda tags: tags.pop(),
        lambda tags: tags.clear(),
        lambda tags: tags.sort(),
        lambda tags: tags.reverse(),
        lambda tags: tags.__setitem__(0, "c"),
        lambda tags: tags.__delitem__(0),
        lambda tags: tags.__iadd__(["c"]),
    ],
)
def test_lists_edited_in_place_are_changes(edit: Any) -> None:
    one = company(tags=["b", "a"])
    edit(one.tags)
    assert one.changes()["tags"][0] == ["b", "a"]
    assert one._payload() == {"tags": one.tags}


def test_edits_inside_of_lists_and_dicts_are_changes() -> None:
    one = Task.from_wire({"_id": ID, "checklist": [{"title": "a", "done": [False]}]})
    one.checklist[0]["done"][0] = True
    assert one._payload() == {"checklist": [{"title": "a", "done": [True]}]}
    one.checklist[0]["done"][0] = False
    assert one.changes() == {}


@pytest.mark.parametrize(("old", "new"), [(True, 1), (1, True), (False, 0), (0.0, False)])
def test_true_is_not_one_at_any_depth(old: Any, new: Any) -> None:
    for wrap in (lambda x: [x], lambda x: [[x]], lambda x: [{"a": x}]):
        one = Task.from_wire({"_id": ID, "checklist": wrap(old)})
        one.checklist = wrap(new)
        assert one._payload() == {"checklist": wrap(new)}
    for wrap in (lambda x: x, lambda x: [x], lambda x: {"a": [x]}):  # type: ignore[assignment]
        two = account(Box=wrap(old))
        two.custom["Box"] = wrap(new)
        assert two._payload() == {"custom": {"Box": wrap(new)}}


def test_a_whole_number_equals_its_float() -> None:
    one = License.from_wire({"_id": ID, "mrr": 100})
    one.mrr = 100.0
    assert one.changes() == {}


# --- custom ---------------------------------------------------------------------------------------------


def test_custom_is_told_and_sent_key_by_key() -> None:
    one = Company.from_wire({"_id": ID, "custom": {"Tier": "A", "Seats": 5, "Gone": "x"}})
    one.custom["Tier"] = "B"
    one.custom["New"] = 1
    del one.custom["Gone"]
    assert one.changes() == {"custom": {"Tier": ("A", "B"), "New": (None, 1), "Gone": ("x", None)}}
    assert one._payload() == {"custom": {"Tier": "B", "New": 1, "Gone": None}}


def test_declared_fields_stand_under_their_own_name_in_changes() -> None:
    one = account(Tier="A", Else=1)
    one.tier = "B"
    one.custom["Else"] = 2
    one.renewed = datetime(2026, 5, 4, tzinfo=UTC)
    assert one.changes() == {
        "tier": ("A", "B"), "renewed": (None, datetime(2026, 5, 4, tzinfo=UTC)), "custom": {"Else": (1, 2)},
    }  # fmt: skip
    assert one._payload() == {"custom": {"Tier": "B", "Else": 2, "Renewed at": "2026-05-04T00:00:00.000Z"}}


def test_the_name_and_the_label_are_one_value() -> None:
    one = account(Tier="A", Goals=["a"])
    one.tier = "B"
    assert one.custom["Tier"] == "B"
    one.custom["Tier"] = "C"
    assert one.tier == "C"
    one.goals.append("b")
    assert one.custom["Goals"] == ["a", "b"]
    one.custom["Goals"].append("c")
    assert one.goals == ["a", "b", "c"]
    assert one._payload() == {"custom": {"Tier": "C", "Goals": ["a", "b", "c"]}}


def test_nested_lists_in_custom_are_seen() -> None:
    one = account(Box={"deep": [["a"]]}, Goals=["a"])
    one.custom["Box"]["deep"][0].append("b")
    assert one._payload() == {"custom": {"Box": {"deep": [["a", "b"]]}}}
    one.custom["Box"]["deep"][0].pop()
    assert one.changes() == {}


def test_replacing_custom_clears_the_keys_that_are_left_out() -> None:
    one = account(Tier="A", Seats=5)
    one.custom = {"Seats": 5, "New": 1}
    assert one._payload() == {"custom": {"Tier": None, "New": 1}}


def test_reading_an_empty_list_is_no_change_but_emptying_one_is() -> None:
    one = account()
    assert one.goals == []
    assert one.changes() == {}
    two = account(Goals=["a"])
    two.goals.clear()
    assert two._payload() == {"custom": {"Goals": []}}


def test_clearing_a_custom_field_that_was_null_is_no_change() -> None:
    one = account(Tier=None)
    one.tier = None
    assert one.changes() == {}
    two = account()
    two.tier = None
    assert two._payload() == {}


def test_changes_can_be_limited_to_some_fields() -> None:
    one = account(Tier="A")
    one.phase, one.tier, one.seats = "Live", "B", 5
    one.custom["Else"] = 1
    assert one._payload(["phase"]) == {"phase": "Live"}
    assert one._payload(["tier"]) == {"custom": {"Tier": "B"}}
    assert one._payload(["custom"]) == {"custom": {"Tier": "B", "Seats": 5, "Else": 1}}
    assert one._payload([]) == {}


# --- after a save ---------------------------------------------------------------------------------------


def test_what_was_sent_is_clean_and_the_rest_stays_changed() -> None:
    one = account(Tier="A")
    one.phase, one.tier = "Live", "B"
    one.custom["Else"] = 1
    sent = one._payload(["phase", "tier"])
    one._saved({"_id": ID, "phase": "Live", "lastUpdated": "2026-05-04T00:00:00.000Z"}, sent)
    assert one.changes() == {"custom": {"Else": (None, 1)}}
    assert (one.phase, one.tier, one.last_updated) == ("Live", "B", datetime(2026, 5, 4, tzinfo=UTC))


def test_an_edit_made_while_the_request_was_on_its_way_stays() -> None:
    one = company(phase="Trial", tags=["a"], custom={"Tier": "A"})
    one.phase = "Live"
    one.custom["Tier"] = "B"
    one.tags.append("b")
    sent = one._payload()
    one.phase = "Paused"
    one.custom["Tier"] = "C"
    one.tags.append("c")
    one._saved({"_id": ID, "phase": "Live", "tags": ["a", "b"], "custom": {"Tier": "B"}}, {**sent, "tags": ["a", "b"]})
    assert one.changes() == {"phase": ("Live", "Paused"), "tags": (["a", "b"], ["a", "b", "c"]),
                             "custom": {"Tier": ("B", "C")}}  # fmt: skip


def test_keys_that_an_answer_leaves_out_are_kept() -> None:
    one = company(phase="Trial", mrr=5, not_processed={"of": 1})
    one.phase = "Live"
    one._saved({"_id": ID}, one._payload())
    assert one._wire == {"_id": ID, "phase": "Live", "mrr": 5, "not_processed": {"of": 1}}


def test_a_refresh_keeps_what_was_not_saved_unless_told_otherwise() -> None:
    one = company(phase="Trial", city="Bern")
    one.phase = "Live"
    one._refreshed({"_id": ID, "phase": "Paused", "city": "Basel"}, None, False)
    assert (one.phase, one.city, one.changes()) == ("Live", "Basel", {"phase": ("Paused", "Live")})
    one._refreshed({"_id": ID, "phase": "Paused"}, None, True)
    assert (one.phase, one.changes()) == ("Paused", {})


def test_a_refresh_of_some_fields_loads_those() -> None:
    one = Company.from_wire({"_id": ID, "name": "Acme"}, Origin(selected=frozenset({"_id", "name"})))
    one._refreshed({"_id": ID, "name": "New", "mrr": 5, "city": "Bern"}, ("mrr",), False)
    assert (one.name, one.mrr) == ("Acme", 5)
    assert not hasattr(one, "city")


# --- relations ------------------------------------------------------------------------------------------


def test_assigning_a_saved_record_sends_its_id() -> None:
    acme = company()
    lic = License.from_wire({"_id": OTHER, "companyId": "old"})
    lic.company = acme
    assert lic.company is acme
    assert lic.company_id == ID
    assert lic.changes() == {"company_id": ("old", ID)}
    lic.company_id = "old"
    assert lic.changes() == {}


def test_assigning_an_unsaved_record_waits_for_its_id() -> None:
    acme = Company(name="Acme", external_id="a 1")
    lic = License(company=acme)
    assert lic.company is acme
    assert lic.company_id is None
    assert lic._payload() == {"companyId": "extid-a 1"}
    acme._saved({"_id": ID, "name": "Acme"}, acme._payload())
    assert lic.company_id == ID
    assert lic._payload() == {"companyId": ID}


def test_an_unsaved_record_without_a_key_cannot_be_referred_to() -> None:
    with pytest.raises(ValueError, match="save it first, or give it an external_id"):
        License(company=Company(name="Acme"))._payload()
    with pytest.raises(ValueError, match="save it first"):
        Company(owner=User(email="a@example.com"))._payload()


def test_clearing_a_relation() -> None:
    lic = License.from_wire({"_id": OTHER, "companyId": ID})
    lic.company = None
    assert lic.company is None
    assert lic._payload() == {"companyId": None}


def test_a_record_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="company_id must be an id or a Company, not User"):
        License(company=User(email="a@example.com"))
