"""Declaring models: subclasses with custom fields, what is refused when the class is made, and errors of its own."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from datetime import date
from typing import Any, Protocol, runtime_checkable

import pytest

from planhat_orm import (
    Company,
    ConfigurationError,
    Custom,
    Issue,
    License,
    Model,
    NotFound,
    QuerySet,
    User,
    ValidationError,
    runtime,
)
from planhat_orm.fields import Choice, Many, One, Ref, Str
from planhat_orm.models import resources as declared
from planhat_orm.query.tree import Test as Leaf

ID = "65f0c1a2b3d4e5f607001000"


class Account(Company):
    """A company with fields of our own."""

    tier = Custom("Tier", str, index=True, choices=("A", "B"), doc="How we treat them.")
    golive = Custom("Go-live", date)


class KeyAccount(Account):
    plan = Custom("Plan", str)


# --- subclasses -----------------------------------------------------------------------------------------


def test_a_subclass_shares_the_resource_and_has_more_fields() -> None:
    assert KeyAccount._meta.resource is Company._meta.resource
    assert Company._meta.fields.keys() < Account._meta.fields.keys() < KeyAccount._meta.fields.keys()
    assert set(KeyAccount._meta.customs) == {"Tier", "Go-live", "Plan"}
    assert "tier" not in Company._meta.fields
    one = KeyAccount.from_wire({"_id": ID, "name": "Acme", "custom": {"Tier": "A", "Plan": "x"}})
    assert (one.name, one.tier, one.plan) == ("Acme", "A", "x")


def test_a_custom_field_keeps_its_facts() -> None:
    assert (Account.tier.label, Account.tier.index, Account.tier.choices) == ("Tier", True, ("A", "B"))
    assert Account.tier.__doc__ == "How we treat them."
    assert (Account.golive.index, Account.golive.kind.name) == (False, "day")


def test_fields_come_by_mro() -> None:
    class Left(Company):
        tier = Custom("Left tier", str)

    class Right(Company):
        tier = Custom("Right tier", str)
        extra = Custom("Extra", int)

    class Both(Left, Right):
        pass

    assert Both._meta.fields["tier"].label == "Left tier"  # type: ignore[attr-defined]
    one = Both.from_wire({"_id": ID, "custom": {"Left tier": "a", "Right tier": "b", "Extra": 5}})
    assert (one.tier, one.extra) == ("a", 5)


def test_a_subclass_may_give_a_custom_field_another_label() -> None:
    class Renamed(Account):
        tier = Custom("Customer tier", str)

    assert set(Renamed._meta.customs) == {"Customer tier", "Go-live"}


def test_fields_of_mixins_count() -> None:
    class Tiered:
        tier = Custom("Tier", str)

    class Planned(Model):
        plan = Custom("Plan", str)

    class Mixed(Tiered, Planned, Company):
        pass

    assert set(Mixed._meta.customs) == {"Tier", "Plan"}
    assert Mixed._meta.resource.name == "company"
    one = Mixed.from_wire({"_id": ID, "custom": {"Tier": "A", "Plan": "x"}})
    assert (one.tier, one.plan) == ("A", "x")


def test_a_field_may_be_declared_anew_with_choices() -> None:
    class Phased(Company):
        phase = Choice("Trial", "Live")

    assert Phased._meta.by_wire["phase"] is Phased.phase
    with pytest.raises(ValidationError, match="Did you mean 'Live'"):
        Phased(phase="Life")
    assert Company(phase="Life").phase == "Life"


def test_names_stand_for_the_library_s_own_models() -> None:
    assert runtime.model("Company") is Company
    own = {"License": type("License", (License,), {})}
    assert runtime.model("License") is License is not own["License"]


def test_users_declare_relations_of_their_own() -> None:
    class Partnered(Company):
        partner_id = Ref("Company", wire="partnerId")
        partner: One[Company] = One("Company", via="partner_id")
        referred: Many[Company] = Many("Company", via="org_root_id")

    one = Partnered(partner=Company(id=ID))
    assert one.partner_id == ID
    assert one._payload() == {"partnerId": ID}


# --- refused when the class is made ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["save", "delete", "refresh", "changes", "objects", "clone", "synced_at", "_wire"])
def test_a_field_named_as_a_method_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Clashing\.{name} hides the method {name}\(\) of every model"):
        type("Clashing", (Company,), {name: Custom("Label", str)})


@pytest.mark.parametrize("kind", [Company(name="new"), [], {}, "str", None, object])
def test_a_custom_field_takes_one_of_a_few_types(kind: Any) -> None:
    with pytest.raises(ValidationError, match="takes one of these types"):
        Custom("Tier", kind)


def test_a_field_of_a_mixin_named_as_a_method_is_refused() -> None:
    mixin = type("Mixin", (), {"save": Custom("Saved", str)})
    with pytest.raises(ConfigurationError, match="save"):
        type("Clashing", (mixin, Company), {})


def test_a_label_declared_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'Tier' twice: as tier and as level"):
        type("Twice", (Account,), {"level": Custom("Tier", str)})


@pytest.mark.parametrize("name", ["phase", "licenses", "owner"])
def test_a_custom_field_does_not_hide_a_field_of_planhat(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Hiding\.{name} hides Planhat's own {name}"):
        type("Hiding", (Company,), {name: Custom("Label", str)})


def test_a_custom_field_on_a_model_without_any_is_refused() -> None:
    metric = declared.Metric
    assert "custom" not in metric._meta.fields
    with pytest.raises(ConfigurationError, match="has no custom fields"):
        type("Odd", (metric,), {"tier": Custom("Tier", str)})


@pytest.mark.parametrize("kind", [set, bytes, "str", None, list[str], Any])
def test_a_type_that_no_custom_field_has_is_refused(kind: Any) -> None:
    with pytest.raises(ValidationError, match=r"Custom\('Tier', \.\.\.\) takes one of these types: bool, date, "):
        Custom("Tier", kind)


def test_an_empty_label_is_refused() -> None:
    with pytest.raises(ValidationError, match="label"):
        Custom("", str)


def test_an_unknown_resource_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'company'"):

        class Wrong(Model, resource="compny"):
            pass


# --- class attributes -----------------------------------------------------------------------------------


def test_each_class_has_errors_of_its_own() -> None:
    assert issubclass(KeyAccount.DoesNotExist, Account.DoesNotExist)
    assert issubclass(Account.DoesNotExist, Company.DoesNotExist)
    assert issubclass(Company.DoesNotExist, NotFound)
    assert not issubclass(License.DoesNotExist, Company.DoesNotExist)
    assert not issubclass(Company.DoesNotExist, Account.DoesNotExist)
    assert Account.DoesNotExist.__qualname__ == "Account.DoesNotExist"
    assert Account.DoesNotExist.__module__ == __name__
    assert issubclass(Account.MultipleObjectsReturned, Company.MultipleObjectsReturned)
    error = pickle.loads(pickle.dumps(Account.DoesNotExist("gone")))
    assert type(error) is Account.DoesNotExist


def test_a_mixin_in_front_does_not_cut_the_errors_off() -> None:
    class Planned(Model):
        plan = Custom("Plan", str)

    class Mixed(Planned, Company):
        pass

    assert issubclass(Mixed.DoesNotExist, Company.DoesNotExist)


def test_objects_belongs_to_the_class_that_is_asked() -> None:
    assert Account.objects.model is Account
    assert Company.objects.model is Company
    assert type(Account.objects) is QuerySet
    assert Account.objects is not Account.objects
    with pytest.raises(AttributeError, match=r"use Account\.objects"):
        _ = Account(name="x").objects  # type: ignore[arg-type]


def test_a_custom_queryset_is_inherited() -> None:
    class AccountQuerySet(QuerySet["Managed"]):
        def at_risk(self) -> AccountQuerySet:
            return self.filter(h__lte=3)

    class Managed(Account):
        objects = AccountQuerySet.as_manager()

    class More(Managed):
        pass

    assert type(Managed.objects.at_risk().filter(tier="A").order_by("name")[:5]) is AccountQuerySet
    assert More.objects.model is More
    assert type(More.objects.all()) is AccountQuerySet
    with pytest.raises(AttributeError, match=r"use Managed\.objects"):
        _ = Managed(name="x").objects  # type: ignore[arg-type]


def test_comparing_class_attributes_builds_conditions() -> None:
    queryset = Account.objects
    for condition, lookups in [
        (Account.mrr >= 1000, {"mrr__gte": 1000}),
        (Account.mrr > 1000, {"mrr__gt": 1000}),
        (Account.mrr <= 1000, {"mrr__lte": 1000}),
        (Account.mrr < 1000, {"mrr__lt": 1000}),
        (Account.name == "x", {"name": "x"}),
        (Account.tier == "A", {"tier": "A"}),
        (Account.tier == "A", {"custom__Tier": "A"}),
        (Account.golive < date(2026, 1, 1), {"golive__lt": date(2026, 1, 1)}),
        (Account.name == None, {"name__isnull": True}),  # noqa: E711
        (Account.owner == None, {"owner": None}),  # noqa: E711
        (Account.owner_id == ID, {"owner": User(id=ID)}),
    ]:
        one, other = (found._query.where for found in (queryset.filter(condition), queryset.filter(**lookups)))  # type: ignore[arg-type]
        assert isinstance(one, Leaf)
        assert isinstance(other, Leaf)
        assert (one.target.keys, one.target.kind, one.op, one.value) == (  # type: ignore[union-attr]
            other.target.keys, other.target.kind, other.op, other.value,  # type: ignore[union-attr]
        )  # fmt: skip
    assert queryset.filter(Account.name != "x")._query == queryset.exclude(name="x")._query


def test_a_chained_comparison_is_refused_instead_of_dropping_a_half() -> None:
    with pytest.raises(TypeError, match="combine with & | ~"):
        _ = 1 < Company.mrr < 5


def test_fields_show_what_they_are() -> None:
    assert repr(Company.phase) == "<Str phase>"
    assert repr(Account.tier) == "<Custom tier>"
    assert Company.phase.__doc__
    assert {Company.phase: 1}[Company.phase] == 1


def test_required_fields_of_a_new_record() -> None:
    with pytest.raises(ValidationError, match="A new Company needs name"):
        Company().full_clean()
    with pytest.raises(ValidationError, match="A new Company needs name"):
        Company(name="").full_clean()
    Company(name="Acme").full_clean()
    Company(id=ID).full_clean()
    with pytest.raises(ValidationError, match="A new Enduser needs email or external_id or source_id"):
        declared.Enduser(first_name="Ada").full_clean()
    declared.Enduser(email="ada@example.com").full_clean()
    with pytest.raises(ValidationError, match="company_id"):
        License(product="x").full_clean()
    License(
        company=Company(name="x"), currency="EUR", from_date=date(2026, 1, 1), value=5
    ).full_clean()  # fmt: skip


def test_str_is_a_declared_kind() -> None:
    assert isinstance(Company.phase, Str)


def test_only_what_every_way_of_creating_needs_is_asked_for_here() -> None:
    License(company_id="extid-a", currency="EUR", value=1).full_clean()
    Issue(title="Export stops").full_clean()
    with pytest.raises(ValidationError, match="needs company_id"):
        License(currency="EUR", value=1).full_clean()


# --- beside other bases ---------------------------------------------------------------------------------


@runtime_checkable
class Named(Protocol):
    def shown(self) -> str: ...


class Scored(ABC):
    @abstractmethod
    def score(self) -> int: ...


class NamedCompany(Company, Named):
    def shown(self) -> str:
        return self.name.upper()


class ScoredCompany(Scored, Company):
    def score(self) -> int:
        return 7


def test_an_abc_or_a_protocol_stands_beside_a_model() -> None:
    assert isinstance(NamedCompany(name="a"), Named) and NamedCompany(name="a").shown() == "A"
    scored = ScoredCompany(name="a")
    assert scored.score() == 7 and isinstance(scored, Scored) and isinstance(scored, Company)
    assert not isinstance(scored, NamedCompany) and issubclass(ScoredCompany, Model)

    class Open(Scored, Company):
        """Without what the ABC asks for."""

    with pytest.raises(TypeError, match="abstract"):
        Open(name="a")  # type: ignore[abstract]


def test_the_creation_time_that_planhat_leaves_empty_says_which_field_has_it() -> None:
    assert "`create_date`" in (Company.created_at.__doc__ or "")
