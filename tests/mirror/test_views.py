"""The views for people: names beside ids, days as days, and the custom fields that the account has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm import runtime
from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror

from .conftest import Runner


@pytest.fixture
def declares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program, such as the command line, that declares no custom field."""
    own = {name: model for name, model in runtime.models.items() if not model._meta.customs}
    monkeypatch.setattr(runtime, "models", own)


def rows(mirror: Mirror, query: str) -> list[Any]:
    with mirror.engine.connect() as connection:
        return list(connection.execute(text(query)))


@pytest.mark.usefixtures("declares_nothing")
def test_views_show_names_beside_ids_and_the_custom_fields_of_the_account(
    make_emulator: Callable[..., Emulator], either: Mirror
) -> None:
    emulator = make_emulator(companies=5)
    changed = emulator.store.insert("company", {"name": "C", "custom": {"Seats": 7, "Next review day": 20500}})["_id"]
    Runner(emulator.url)(either.sync(["CustomField", "User", "Company", "License"]))
    shown = rows(either, "SELECT name, owner_name, tier, seats, next_review_day FROM v_company")
    assert len(shown) == 6 and any(row.owner_name for row in shown) and {"A", "B"} & {row.tier for row in shown}
    assert rows(either, "SELECT company_name FROM v_license WHERE company_name IS NOT NULL")
    [(seats, day)] = rows(either, f"SELECT seats + 1, next_review_day FROM v_company WHERE id = '{changed}'")
    assert (seats, str(day)) == (8, "2026-02-16")
    assert rows(either, "SELECT sum(seats), avg(mrr) FROM v_company")


@pytest.mark.usefixtures("declares_nothing")
def test_a_custom_field_that_the_account_gets_later_becomes_a_column(
    make_emulator: Callable[..., Emulator], either: Mirror
) -> None:
    emulator = make_emulator()
    emulator.store.insert("company", {"name": "C", "custom": {"Name": "twice", "Odd 'label' \"x\"": 1}})
    run = Runner(emulator.url)
    run(either.sync(["CustomField", "Company"]))
    emulator.store.insert("custom_field", {"name": "Name", "type": "text", "parent": "company"})
    emulator.store.insert("custom_field", {"name": "Odd 'label' \"x\"", "type": "number", "parent": "Company"})
    emulator.store.insert("custom_field", {"name": "Mood", "type": "text", "parent": "EndUser"})
    run(either.sync(["CustomField", "Company"]))
    [row] = rows(either, "SELECT * FROM v_company")
    assert (row.name, row.custom_name) == ("C", "twice") and "mood" not in row._fields


def test_days_of_invoices_are_dates(either: Mirror, make_emulator: Callable[..., Emulator]) -> None:
    emulator = make_emulator()
    for day in (20500, 10**12):
        emulator.store.insert("invoice", {"invoiceDate": day})
    Runner(emulator.url)(either.sync(["Invoice"]))
    found = {str(row[0]) for row in rows(either, "SELECT invoice_date FROM v_invoice")}
    assert found == {str(date(2026, 2, 16)), "None"}
