"""The views for people: names beside ids, days as days, and the custom fields that the account has."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm import Company, Custom, Planhat, ValidationError, runtime
from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorError
from planhat_orm.mirror import Mirror

from .conftest import Runner


@pytest.fixture
def declares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program, such as the command line, that declares no custom field."""
    own = {name: model for name, model in runtime.classes.items() if not model._meta.customs}
    monkeypatch.setattr(runtime, "classes", own)


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


@pytest.mark.usefixtures("declares_nothing")
def test_a_sync_of_one_model_brings_the_custom_fields_along_once(
    make_emulator: Callable[..., Emulator], tmp_path: Path
) -> None:
    emulator = make_emulator(companies=3)
    with Planhat(emulator.api_token, api_url=emulator.url, mirror=str(tmp_path / "a.db"), calls_per_min=1e6) as planhat:
        planhat.sync(Company)
        assert {"tier", "seats"} <= set(rows(planhat.mirror, "SELECT * FROM v_company")[0]._fields)
        lists = emulator.log.count("GET /customfields")
        planhat.sync(Company)
        assert emulator.log.count("GET /customfields") == lists


@pytest.mark.usefixtures("declares_nothing")
def test_two_classes_of_one_name_are_both_known(make_emulator: Callable[..., Emulator], either: Mirror) -> None:
    for module, label in (("first", "Colour"), ("second", "Shape")):
        made = type("Account", (Company,), {"__module__": module, label.lower(): Custom(label, str)})
        assert runtime.classes[module, "Account"] is made
    emulator = make_emulator(companies=1)
    Runner(emulator.url)(either.sync(["Company"]))
    assert {"colour", "shape"} <= set(rows(either, "SELECT * FROM v_company")[0]._fields)


def test_a_mirror_refuses_what_it_cannot_do_by_name(either: Mirror) -> None:
    with pytest.raises(ValidationError, match=r"changes\(models=\[Company\]\)"):
        either.history(Company)  # type: ignore[arg-type]
    with pytest.raises(MirrorError, match="not pickled"):
        pickle.dumps(either)
