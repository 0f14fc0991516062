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


def test_a_row_of_both_kinds_of_names_is_refused(own: Own) -> None:
    emulator, _ = own(companies=0, seed=2)
    with pytest.raises(FieldError, match="'externalId'. Did you mean 'external_id'"):
        License.objects.bulk_upsert([{"externalId": "l-1", "company_id": "5", "value": 1}])
    assert not len(emulator.log)


def test_a_relation_is_set_to_a_record_or_to_its_id() -> None:
    assert License(company="extid-acme").company_id == "extid-acme"
    with pytest.raises(ValidationError):
        License(company="")
