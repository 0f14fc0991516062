"""What a field takes: wrong types and read-only fields are refused on that line, and the message names the field."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from planhat_orm import (
    Company,
    Conversation,
    Custom,
    FieldError,
    Invoice,
    Issue,
    License,
    PlanhatError,
    ReadOnlyError,
    User,
    ValidationError,
)
from planhat_orm.fields import Str
from planhat_orm.models.base import Model
from planhat_orm.models.state import Origin

ID = "65f0c1a2b3d4e5f607001000"


class Account(Company):
    tier = Custom("Tier", str, choices=("A", "B"))
    seats = Custom("Seats", int)
    goals = Custom("Goals", list, choices=("grow", "keep"))
    golive = Custom("Go-live", date)
    renewed = Custom("Renewed at", datetime)
    scored = Custom("Score", float, readonly=True)


def refused(record: Model, name: str, value: Any, error: type[PlanhatError] = ValidationError) -> str:
    """The message of a refused assignment, which names the field and changes nothing."""
    before = (record._wire.copy(), record.changes())
    with pytest.raises(error) as caught:
        setattr(record, name, value)
    assert name in str(caught.value)
    assert (record._wire, record.changes()) == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "name", "value", "needed"),
    [
        (Company, "phase", 5, "text"),
        (Company, "phase", True, "text"),
        (Company, "phase", b"Live", "text"),
        (Company, "csm_score", "5", "whole number"),
        (Company, "csm_score", 5.5, "whole number"),
        (Company, "csm_score", True, "whole number"),
        (License, "mrr", "100", "number"),
        (License, "mrr", False, "number"),
        (License, "mrr", math.nan, "a number (int or float), not a missing value (NaN)"),
        (License, "mrr", 2**53, "at most 9007199254740991"),
        (License, "mrr", math.inf, "finite"),
        (License, "auto_renews", 1, "True or False"),
        (License, "auto_renews", "yes", "True or False"),
        (License, "from_date", 1778509231482, "a datetime, a date, or ISO text"),
        (License, "from_date", "soon", "ISO text such as 2026-01-31T09:00, not other text"),
        (Invoice, "due_date", datetime(2026, 1, 1, 9, tzinfo=UTC), "a moment at midnight in UTC, not one at another"),
        (Invoice, "due_date", 20577, "date"),
        (Company, "tags", "vip", "list"),
        (Company, "tags", {"vip"}, "list"),
        (Company, "tags", ["vip", 5], "text"),
        (Company, "tags", ["vip", None], "text"),
        (Company, "custom", ["Tier"], "dict"),
        (Company, "custom", {1: "A"}, "dict"),
        (Company, "owner_id", 5, "an id or a User"),
        (Company, "owner_id", "", "empty"),
        (Company, "owner_id", License(), "an id or a User"),
        (Account, "tier", 5, "text"),
        (Account, "seats", "5", "whole number"),
        (Account, "goals", "grow", "list"),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_is_assigned(
    model: type[Model], name: str, value: Any, needed: str
) -> None:
    assert needed in refused(model.from_wire({"_id": ID}), name, value)
    with pytest.raises(ValidationError, match=name):
        model(**{name: value})


def test_a_refusal_does_not_show_the_value() -> None:
    assert "secret" not in refused(License.from_wire({"_id": ID}), "mrr", "secret")


def test_a_value_that_was_refused_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="csm_score"):
        Company().csm_score = "5"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("model", "name", "value", "sent"),
    [
        (License, "mrr", 100, 100),
        (License, "mrr", 99.5, 99.5),
        (License, "from_date", date(2026, 1, 1), "2026-01-01T00:00:00.000Z"),
        (
            License,
            "from_date",
            datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "2025-12-31T23:00:00.000Z",
        ),
        (License, "from_date", datetime(2026, 1, 1, 0, 0, 0, 123999, UTC), "2026-01-01T00:00:00.123Z"),
        (License, "from_date", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (Invoice, "due_date", date(2026, 5, 4), 20577),
        (Invoice, "due_date", date(1969, 12, 31), -1),
        (Company, "tags", ("a", "b"), ["a", "b"]),
        (Company, "phase", "", ""),
        (Issue, "company_ids", ["extid-5"], ["extid-5"]),
        (Company, "owner_id", ID, ID),
        (License, "company_id", "extid-acme-1", "extid-acme-1"),
        (Company, "external_id", 1234, "1234"),
        (License, "mrr", Decimal("1.5"), 1.5),
        (License, "from_date", "2026-01-01", "2026-01-01T00:00:00.000Z"),
        (License, "from_date", datetime(2026, 1, 1), "2026-01-01T00:00:00.000Z"),
        (Invoice, "due_date", "2026-05-04", 20577),
        (Invoice, "due_date", datetime(2026, 5, 4, tzinfo=UTC), 20577),
        (Invoice, "due_date", date(9999, 12, 31), 2932896),
        (Invoice, "ext_id", 1234, "1234"),
    ],
)
def test_what_is_sent_of_a_value(model: type[Model], name: str, value: Any, sent: Any) -> None:
    record = model(**{name: value})
    assert record._payload() == {model._meta.fields[name].wire: sent}


def test_dates_of_custom_fields_are_sent_as_declared() -> None:
    one = Account(golive=date(2026, 5, 4), renewed=date(2026, 5, 4))
    assert one._payload() == {"custom": {"Go-live": 20577, "Renewed at": "2026-05-04T00:00:00.000Z"}}
    assert (one.golive, one.renewed) == (date(2026, 5, 4), datetime(2026, 5, 4, tzinfo=UTC))


def test_undeclared_custom_dates() -> None:
    one = Company(custom={"When": datetime(2026, 5, 4, tzinfo=UTC)})
    assert one._payload() == {"custom": {"When": "2026-05-04T00:00:00.000Z"}}
    one.custom["When"] = datetime(2026, 5, 5)
    assert one._payload() == {"custom": {"When": "2026-05-05T00:00:00.000Z"}}, "without a zone it is UTC's"
    one.custom["When"] = date(2026, 5, 4)
    with pytest.raises(ValidationError, match=r"custom\['When'\] must be a datetime .* Custom\(label, date\)"):
        one._payload()


# --- read-only ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "mrr", "status", "last_updated", "products", "usage"])
def test_read_only_fields_are_refused(name: str) -> None:
    message = refused(Company.from_wire({"_id": ID}), name, None, ReadOnlyError)
    assert f"Company.{name} is read-only" in message


def test_read_only_fields_are_refused_for_new_records_too() -> None:
    with pytest.raises(ReadOnlyError, match=r"Company\.mrr"):
        Company(mrr=5)
    with pytest.raises(ReadOnlyError, match=r"Account\.scored"):
        Account(scored=5.0)


def test_read_only_lists_that_were_edited_in_place_are_never_sent() -> None:
    record = Company.from_wire({"_id": ID, "products": ["Platform"]})
    record.products.append("Add-on")
    with pytest.raises(ReadOnlyError, match=r"Company\.products"):
        record._payload()
    assert record._payload(["phase"]) == {}, "other fields can be saved"
    scored = Account.from_wire({"_id": ID, "custom": {"Score": 5.0}})
    scored.custom["Score"] = 6.0
    with pytest.raises(ReadOnlyError, match=r"Account\.scored"):
        scored._payload()


def test_create_only_fields_are_for_new_records() -> None:
    class Probe(Company):
        token = Str(create_only=True)

    probe = Probe(token="a")
    probe.token = "b"
    assert probe._payload() == {"token": "b"}
    message = refused(Probe.from_wire({"_id": ID}), "token", "c", ReadOnlyError)
    assert "new record only" in message


# --- choices --------------------------------------------------------------------------------------------


def test_a_wrong_choice_names_the_nearest() -> None:
    message = refused(License.from_wire({"_id": ID}), "renewal_status", "ongoign")
    assert message == "renewal_status has no choice 'ongoign'. Did you mean 'ongoing'?"
    assert "There is: A, B." in refused(Account.from_wire({"_id": ID}), "tier", "platinum")
    assert "There is: grow, keep." in refused(Account.from_wire({"_id": ID}), "goals", ["grow", "vanish"])


def test_choices_can_be_set_and_cleared() -> None:
    one = License.from_wire({"_id": ID, "renewalStatus": "dormant"})
    one.renewal_status = "lost"
    assert one._payload() == {"renewalStatus": "lost"}
    one.renewal_status = None
    assert one._payload() == {"renewalStatus": None}
    two = Account.from_wire({"_id": ID})
    two.tier, two.goals = "A", ["keep"]
    assert two._payload() == {"custom": {"Tier": "A", "Goals": ["keep"]}}
    two.tier = None
    assert two._payload() == {"custom": {"Goals": ["keep"]}}


def test_an_unknown_choice_that_was_read_can_be_kept() -> None:
    one = License.from_wire({"_id": ID, "renewalStatus": "dormant"})
    one.product = "Platform"
    assert one._payload() == {"product": "Platform"}


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name", "meant"),
    [
        (Company, "pahse", "phase"),
        (Company, "extrenal_id", "external_id"),
        (Company, "externalId", "external_id"),
        (Company, "ownr", "owner"),
        (Account, "teir", "tier"),
        (User, "e_mail", "email"),
    ],
)
def test_a_misspelt_attribute_names_the_nearest_field(model: type[Model], name: str, meant: str) -> None:
    for attempt in (lambda: setattr(model.from_wire({"_id": ID}), name, "x"), lambda: model(**{name: "x"})):
        with pytest.raises(FieldError) as caught:
            attempt()
        assert str(caught.value) == f"{model.__name__} has no field {name!r}. Did you mean {meant!r}?"


def test_a_mixin_without_slots_does_not_let_misspelt_names_in() -> None:
    class Scoring:
        tier = Custom("Tier", str)

    class Scored(Scoring, Company):
        pass

    one = Scored(name="Acme", tier="A")
    assert one._payload() == {"name": "Acme", "custom": {"Tier": "A"}}
    with pytest.raises(FieldError, match="Did you mean 'tier'"):
        one.teir = "B"  # type: ignore[attr-defined]


def test_methods_cannot_be_overwritten_on_a_record() -> None:
    with pytest.raises(FieldError):
        Company().save = None  # type: ignore[method-assign, assignment]


def test_a_field_is_not_deleted() -> None:
    with pytest.raises(FieldError, match=r"set Company\.phase = None"):
        del Company(phase="Live").phase


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValidationError, match="id"):
        Company(id="")
    with pytest.raises(ValidationError, match="id"):
        Company(id=5)


def test_several_records_of_one_fetch_are_set_apart() -> None:
    origin = Origin()
    one, two = (Conversation.from_wire({"_id": key, "tags": ["a"]}, origin) for key in ("1", "2"))
    one.subject = "x"
    assert two.subject is None
    assert two.changes() == {}


# --- edited in place ------------------------------------------------------------------------------------


def test_what_does_not_belong_into_a_list_is_refused_before_sending() -> None:
    company = Company.from_wire({"_id": "1", "tags": ["a", None, 7]})
    company.tags.append("b")
    assert company._payload() == {"tags": ["a", None, 7, "b"]}, "what came from the API may be odd"
    company.tags.append(5)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="tags must be a list of text"):
        company._payload()
    assert company.to_wire()["tags"] == ["a", None, 7, "b", 5]


def test_what_is_set_in_custom_is_checked_by_its_declaration() -> None:
    class Account(Company):
        tier = Custom("Tier", str, choices=("A", "B"))
        modules = Custom("Modules", list, choices=("Mobile", "Reports"))
        seats = Custom("Seats", int)
        go_live = Custom("Go-live", date)

    account = Account.from_wire({"_id": "1", "custom": {"Tier": "Old", "Modules": ["Legacy"], "Seats": "many"}})
    account.custom["Plan"] = "anything"
    account.modules.append("Mobile")
    account.custom["Go-live"] = 18395
    assert account._payload() == {"custom": {"Plan": "anything", "Modules": ["Legacy", "Mobile"], "Go-live": 18395}}
    for label, wrong, match in [
        ("Tier", "C", "tier has no choice 'C'"),
        ("Modules", ["Legacy", "mobile"], "Did you mean 'Mobile'"),
        ("Seats", "none", "seats must be a whole number"),
        ("Go-live", "soon", "go_live must be a date"),
    ]:
        fresh = Account.from_wire({"_id": "1", "custom": {"Modules": ["Legacy"]}})
        fresh.custom[label] = wrong
        with pytest.raises(ValidationError, match=match):
            fresh._payload()
    account.custom["Tier"] = None
    assert account._payload()["custom"]["Tier"] is None


def test_a_label_that_is_no_text_is_refused_before_sending() -> None:
    record = Company.from_wire({"_id": ID, "custom": {"Tier": "A"}})
    record.custom[5] = 1  # type: ignore[index]
    with pytest.raises(ValidationError, match="custom must be a dict with str keys"):
        record._payload()


def test_a_custom_field_that_was_not_asked_for_is_set_and_cleared() -> None:
    class Account(Company):
        tier = Custom("Tier", str)

    for value in ("B", None):
        chosen = Account.from_wire({"_id": ID, "name": "x"}, Origin(selected=frozenset({"_id", "name"})))
        chosen.tier = value
        made = [
            chosen,
            Account(id=ID, tier=value),
            Account(id=ID, custom={"Tier": value}),
            Account(id=ID, custom__Tier=value),
        ]
        for record in made:
            assert record.changes() == {"tier": (None, value)}
            assert record._payload() == {"custom": {"Tier": value}}
            record._saved({"_id": ID}, record._payload())
            assert record.changes() == {}
    assert Account(tier=None).changes() == {} and Account.from_wire({"_id": ID}).changes() == {}
