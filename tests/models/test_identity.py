"""Two records are equal when they are the same one; copies and pickles share nothing; repr shows no content."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from planhat_orm import Company, Custom, Enduser, License, NotLoaded, User
from planhat_orm.models.results import SaveResult
from planhat_orm.models.state import Origin
from planhat_orm.query import kinds
from planhat_orm.queryset.annotating import attach

ID = "65f0c1a2b3d4e5f607001000"
OTHER = "65f0c1a2b3d4e5f607001002"


class Account(Company):
    tier = Custom("Tier", str)
    goals = Custom("Goals", list)


def company(**wire: Any) -> Account:
    return Account.from_wire({"_id": ID, **wire})


# --- equality -------------------------------------------------------------------------------------------


def test_records_are_equal_by_resource_and_id() -> None:
    assert company(name="a") == company(name="b") == Company.from_wire({"_id": ID})
    assert company() != Account.from_wire({"_id": OTHER})
    assert company() != User.from_wire({"_id": ID})
    assert company() != ID
    assert company() != None  # noqa: E711
    assert hash(company(name="a")) == hash(Company.from_wire({"_id": ID}))
    assert len({company(name="a"), company(name="b")}) == 1


def test_unsaved_records_equal_only_themselves_and_have_no_hash() -> None:
    one = Company(name="Acme")
    assert one == one
    assert one != Company(name="Acme")
    with pytest.raises(TypeError, match="was not saved yet"):
        hash(one)
    one._saved({"_id": ID}, {"name": "Acme"})
    assert one in {company()}


# --- copies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_editing_a_copy_leaves_the_original_alone(copied: Any) -> None:
    one = company(phase="Trial", tags=["a"], custom={"Tier": "A", "Goals": [["x"]]})
    one.city = "Bern"
    one.tags.append("b")
    other = copied(one)
    assert type(other) is Account
    assert other.changes() == one.changes() == {"city": (None, "Bern"), "tags": (["a"], ["a", "b"])}
    other.phase = "Live"
    other.tags.append("c")
    other.custom["Goals"][0].append("y")
    other.tier = "B"
    assert one.changes() == {"city": (None, "Bern"), "tags": (["a"], ["a", "b"])}
    one.tags.clear()
    one.goals.clear()
    assert other.tags == ["a", "b", "c"]
    assert other.goals == [["x", "y"]]


def test_saving_a_copy_leaves_the_original_dirty() -> None:
    one = company(phase="Trial")
    one.phase = "Live"
    other = copy.copy(one)
    other._saved({"_id": ID, "phase": "Live"}, other._payload())
    assert other.changes() == {}
    assert one.changes() == {"phase": ("Trial", "Live")}


def test_a_copy_refers_to_the_same_unsaved_record() -> None:
    acme = Company(name="Acme")
    lic = License(company=acme)
    assert copy.copy(lic).company is acme
    assert copy.deepcopy(lic).company is acme


def test_a_pickle_keeps_what_was_selected_and_deleted_and_no_client() -> None:
    one = Account.from_wire({"_id": ID, "name": "x"}, Origin(selected=frozenset({"_id", "name"}), source="api"))
    one._origin.deleted = True
    other = pickle.loads(pickle.dumps(one))
    assert (other.name, other._origin.deleted, other._origin.client) == ("x", True, None)
    with pytest.raises(NotLoaded):
        _ = other.phase


def test_a_pickle_keeps_its_annotations_and_when_it_was_synced() -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    one = Account.from_wire({"_id": ID}, Origin(source="mirror", synced_at=moment))
    other = Account.from_wire({"_id": OTHER}, one._origin)
    attach(one, {"n": 3}, {"n": kinds.NUMBER}, ())
    attach(other, {"n": 4}, {"n": kinds.NUMBER}, ())
    found: Any = pickle.loads(pickle.dumps(one))
    assert (found.n, found.synced_at) == (3, moment)
    assert found._origin.annotated == {ID: {"n": 3}}, "only its own"


def test_pickles_of_unsaved_records_keep_their_relations() -> None:
    lic = pickle.loads(pickle.dumps(License(company=Company(name="Acme", external_id="a"))))
    assert lic.company.name == "Acme"
    assert lic._payload() == {"companyId": "extid-a"}


# --- clones and wires -----------------------------------------------------------------------------------


def test_a_clone_is_new_and_has_the_values_that_may_be_written() -> None:
    one = company(
        name="Acme", externalId="a", sourceId="s", mrr=5, tags=["a"], owner=OTHER, custom={"Tier": "A", "Goals": ["x"]},
        lastUpdated="2026-01-01T00:00:00.000Z",
    )  # fmt: skip
    one.phase = "Live"
    other = one.clone()
    assert (other.id, other.external_id, other.source_id) == (None, None, None)  # type: ignore[comparison-overlap]
    assert other._payload() == {
        "name": "Acme", "tags": ["a"], "owner": OTHER, "phase": "Live", "custom": {"Tier": "A", "Goals": ["x"]},
    }  # fmt: skip
    other.goals.append("y")
    other.tags.append("b")
    assert (one.goals, one.tags) == (["x"], ["a"])


def test_an_odd_record_can_be_cloned() -> None:
    lic = License.from_wire({"_id": ID, "renewalStatus": "dormant", "mrr": "much", "companyId": {"_id": OTHER}})
    assert lic.clone()._payload() == {"renewalStatus": "dormant", "mrr": "much", "companyId": OTHER}


def test_to_wire_is_what_came_with_the_changes_over_it_and_a_copy() -> None:
    one = company(phase="Trial", tags=["a"], not_processed={"of": [1]}, custom={"Tier": "A", "Else": 1})
    one.phase = "Live"
    one.tags.append("b")
    one.tier = "B"
    wire = one.to_wire()
    assert wire == {
        "_id": ID, "phase": "Live", "tags": ["a", "b"], "not_processed": {"of": [1]}, "custom": {"Tier": "B", "Else": 1},
    }  # fmt: skip
    wire["tags"].append("c")
    wire["not_processed"]["of"].append(2)
    wire["custom"]["Tier"] = "C"
    assert (one.tags, one._wire["not_processed"], one.tier) == (["a", "b"], {"of": [1]}, "B")
    odd = company(custom=["odd"])
    odd.tier = "A"
    assert odd.to_wire() == {"_id": ID, "custom": {"Tier": "A"}}


# --- showing --------------------------------------------------------------------------------------------


def test_repr_names_class_name_and_changed_fields_and_no_other_content() -> None:
    one = company(name="Acme Inc", phase="Secret", custom={"Tier": "Secret"})
    assert repr(one) == "<Account Acme Inc>"
    one.name, one.tier = "Acme & Co", "Secret too"
    one.custom["Secret label"] = "x"
    assert repr(one) == "<Account Acme & Co, changed: name, tier, custom>"
    assert repr(Account(name="Acme")) == "<Account Acme, new, changed: name>"
    assert "Secret" not in str(one)


def test_repr_of_a_record_without_a_name_shows_its_id() -> None:
    assert repr(company(phase="Live")) == f"<Account {ID}>"
    assert repr(company(name="  ")) == f"<Account {ID}>"
    assert repr(Account()) == "<Account new>"
    assert repr(Enduser(email="ada@customer.example")) == "<Enduser new, changed: email>"
    assert repr(User(nick_name="Dario")) == "<User Dario, new, changed: nick_name>"
    assert repr(company(name="\u202eemcA\x1b[2J\n Inc")) == "<Account  emcA [2J Inc>"
    assert repr(company(name="long" * 20)) == f"<Account {'long' * 14}l...>"


def test_html_escapes_everything() -> None:
    one = company(name="<script>alert(1)</script>", custom={"<b>": "<i>"})
    one.phase = "<u>"
    html = one._repr_html_()
    assert "&lt;script&gt;" in html
    assert all(tag not in html for tag in ("<script", "<b>", "<i>", "<u>"))


def test_html_of_a_record_that_was_not_fetched_whole() -> None:
    one = Account.from_wire({"_id": ID}, Origin(selected=frozenset({"_id"})))
    one.phase = "Live"
    one.tier = "A"
    html = one._repr_html_()
    assert "Live" in html
    assert "tier" in html


def test_what_has_no_truth_value_says_so() -> None:
    with pytest.raises(TypeError, match=r"\.created, \.updated or \.queued"):
        bool(SaveResult())
