"""The rows of `Company.objects.bulk_upsert()`: records, dicts of the model's names, or of Planhat's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Company, FieldError, License, Planhat, ValidationError

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
    assert not len(emulator.log)


def test_a_relation_is_set_to_a_record_or_to_its_id() -> None:
    assert License(company="extid-acme").company_id == "extid-acme"
    with pytest.raises(ValidationError):
        License(company="")
