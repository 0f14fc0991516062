"""The rows of `Company.objects.bulk_upsert()`: records, dicts of the model's names, or of Planhat's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Company, Custom, FieldError, License, Planhat, ValidationError

Own = Callable[..., tuple[Any, Planhat]]


def test_dicts_say_it_in_names_of_the_model_or_of_planhat(own: Own) -> None:
    emulator, _ = own(companies=0, seed=2)
    company = Company.objects.create(name="Acme", external_id="a")
    result = License.objects.bulk_upsert(
        [
            {"external_id": "l-1", "company_id": company.id, "currency": "EUR", "value": 1},
            {"externalId": "l-2", "companyId": company.id, "_currency": "EUR", "value": 2, "fromDate": "2026-01-01"},
            License(external_id="l-3", company=company, currency="EUR", value=3),
        ]
    )
    assert [row.status for row in result] == ["created"] * 3
    stored = {row["externalId"]: row for row in emulator.store.all("license")}
    assert stored.keys() == {"l-1", "l-2", "l-3"}
    assert stored["l-2"]["fromDate"] == "2026-01-01T00:00:00.000Z"


def test_a_row_may_have_names_of_both_kinds_and_a_wrong_one_is_named(own: Own) -> None:
    emulator, _ = own(companies=0, seed=2)
    Company.objects.bulk_upsert([{"externalId": "a", "name": "A", "co_owner_id": "0" * 24, "phase": "Live"}])
    [stored] = emulator.store.all("company")
    assert (stored["externalId"], stored["phase"]) == ("a", "Live") and stored["coOwner"] == "0" * 24
    emulator.log.clear()
    with pytest.raises(FieldError, match="'pahse'. Did you mean 'phase'"):
        Company.objects.bulk_upsert([{"externalId": "b", "name": "B", "pahse": "Live"}])
    with pytest.raises(FieldError, match="external_id twice, as 'external_id' and as 'externalId'"):
        Company.objects.bulk_upsert([{"external_id": "b", "externalId": "c", "name": "B"}])
    for twice in ({"custom.Tier": "A", "custom__Tier": "B"}, {"seats": 1, "custom.Seats": 2}):
        with pytest.raises(FieldError, match="The row says .* twice"):
            Account.objects.bulk_upsert([{"external_id": "b", "name": "B", **twice}])
    assert not len(emulator.log)


class Account(Company):
    seats = Custom("Seats", int)


@pytest.mark.parametrize("start", ["custom.", "custom__"])
@pytest.mark.parametrize("label", ["Tier", "Seats", "Go.live", "a__b", "x y"])
def test_a_label_names_a_custom_field_in_every_verb(own: Own, start: str, label: str) -> None:
    """`Seats` is declared, the others are not."""
    emulator, _ = own(companies=0, seed=2)
    name, objects = start + label, Account.objects

    def stored(key: str = "a") -> Any:
        return next(row["custom"][label] for row in emulator.store.all("company") if row["externalId"] == key)

    objects.create(external_id="a", name="A", **{name: 1 if label == "Seats" else "1"})
    writes: list[Callable[[Any], Any]] = [
        lambda value: objects.bulk_upsert([{"external_id": "a", name: value}]),
        lambda value: objects.bulk_upsert([{"externalId": "a", name: value}]),
        lambda value: objects.filter(external_id="a").update(**{name: value}),
        lambda value: objects.update_or_create({name: value}, external_id="a"),
        lambda value: objects.reconcile([{"external_id": "a", name: value}], "external_id").apply(),
    ]
    value: Any = None
    for number, write in enumerate(writes, 2):
        value = number if label == "Seats" else str(number)
        write(value)
        assert stored() == value
        assert objects.filter(**{name: value}).only(name).get().custom[label] == value
        assert objects.values_list(name, flat=True)[0] == value
    objects.get_or_create({name: value, "name": "B"}, external_id="b")
    assert stored("b") == value and objects.latest(name).custom[label] == value
    with pytest.raises((ValidationError, FieldError), match=r"seats|custom\[" + repr(label)):
        Account(**{name: {1}})


def test_a_label_in_the_place_of_a_field_is_said_to_be_part_of_custom(own: Own) -> None:
    own(companies=0, seed=2)
    calls: list[Callable[[str], Any]] = [Account.objects.defer, lambda name: Account.objects.in_bulk(["A"], key=name)]
    for call in calls:
        with pytest.raises(FieldError, match="no field 'custom.Tier'. Did you mean 'custom', which holds 'Tier'"):
            call("custom.Tier")


def test_a_relation_is_set_to_a_record_or_to_its_id() -> None:
    assert License(company="extid-acme").company_id == "extid-acme"
    with pytest.raises(ValidationError):
        License(company="")
