"""The module of `planhat models`: typed, sorted, only what is asked, and strict types and strict values in use."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Planhat, PlanhatError, ReadOnlyError, ValidationError
from planhat_orm.emulator import Emulator
from planhat_orm.models.generate import module

ROWS: list[dict[str, Any]] = [
    {"name": "Tier", "type": "list", "parent": "Company", "listValues": ["A", "B", 'C "quoted"']},
    {"name": "Goals", "type": "multipicklist", "parent": "company", "listValues": ["one"]},
    {"name": "Seats", "type": "number", "parent": "Company"},
    {"name": "Stars", "type": "rating", "parent": "Company"},
    {"name": "Pilot", "type": "checkbox", "parent": "Company"},
    {"name": "Go-live", "type": "day", "parent": "Company"},
    {"name": "Renewed at", "type": "date", "parent": "Company"},
    {"name": "Sponsor", "type": "team member", "parent": "Company"},
    {"name": "Helpers", "type": "team members", "parent": "Company"},
    {"name": "Score", "type": "number", "parent": "Company", "isFormula": True},
    {"name": "🚀", "type": "text", "parent": "Company"},
    {"name": "2nd owner", "type": "text", "parent": "Company"},
    {"name": "class", "type": "text", "parent": "Company"},
    {"name": "Name", "type": "text", "parent": "Company"},
    {"name": "name", "type": "text", "parent": "Company"},
    {"name": "Save", "type": "text", "parent": "Company"},
    {"name": "a\\b\n'c'", "type": "rich text", "parent": "Company"},
    {"name": "A very long label that goes on and on " * 3, "type": "url", "parent": "Company"},
    {"name": "Unheard of", "type": "hologram", "parent": "Company"},
    {"name": "Persona", "type": "list", "parent": "EndUser", "listValues": ["Buyer", "User"]},
    {"name": "Region", "type": "text", "parent": "License"},
]


def load(text: str, folder: Path) -> Any:
    path = folder / "account_fields.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("account_fields", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_what_it_writes_passes_mypy_strict(tmp_path: Path) -> None:
    path = tmp_path / "account_fields.py"
    use = """
from typing import assert_type

company = Company.objects.get("x")
assert_type(company.tier, str)
assert_type(company.seats, float)
assert_type(company.pilot, bool)
assert_type(company.go_live, date)
assert_type(company.renewed_at, datetime)
"""
    path.write_text(module(ROWS) + use, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_label_gets_a_name_of_its_own_and_works(tmp_path: Path) -> None:
    made = load(module(ROWS), tmp_path)
    assert made.__all__ == ["Company", "Enduser", "License"]
    customs = made.Company._meta.customs
    assert set(customs) == {row["name"] for row in ROWS if row["parent"].lower() == "company"}
    assert issubclass(made.Company, Company)
    company = made.Company.from_wire({"_id": "1", "custom": {"Go-live": 18395, "class": "x", "Tier": "Z"}})
    assert company.go_live == date(2020, 5, 13) and company.class_ == "x" and company.tier == "Z"
    company.renewed_at = datetime.fromisoformat("2026-05-01T00:00:00+00:00")
    company.goals.append("one")
    assert company._payload() == {"custom": {"Renewed at": "2026-05-01T00:00:00.000Z", "Goals": ["one"]}}
    with pytest.raises(ReadOnlyError):
        company.score = 3


def test_labels_that_are_words_of_the_module_or_differ_in_form_only_get_names_of_their_own(tmp_path: Path) -> None:
    types = {"Date": "day", "Datetime": "date", "List": "multipicklist", "Str": "text", "Custom": "text"}
    types |= {"AB": "text", "\uff21\uff22": "text", "\u00b5": "text", "\u03bc": "number"}
    rows = [{"name": label, "parent": "Company", "type": kind} for label, kind in types.items()]
    customs = load(module(rows), tmp_path).Company._meta.customs
    assert set(customs) == set(types)
    assert len({custom.name for custom in customs.values()}) == len(types)
    assert customs["Date"].kind.name == "day" and customs["Datetime"].kind.name == "datetime"


def test_wrong_choices_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    tenant = Emulator(companies=2, licenses=0, endusers=0, conversations=0, tasks=0, seed=1)
    with tenant as emulator, Planhat(emulator.api_token, api_url=emulator.url):
        made = load(module(ROWS), tmp_path)
        company = made.Company.objects.first()
        emulator.log.clear()
        with pytest.raises(ValidationError, match="tier has no choice 'a'. Did you mean 'A'"):
            company.tier = "a"
        with pytest.raises(ValidationError, match="goals has no choice 'two'"):
            company.goals = ["one", "two"]
        with pytest.raises(ValidationError, match="no choice"):
            made.Company.objects.create(name="x", tier="D")
        with pytest.raises(ValidationError, match="no choice"):
            made.Company.objects.update(tier="D")
        company.goals.append("two")
        with pytest.raises(ValidationError, match="goals has no choice 'two'"):
            company.save()
        company.goals.remove("two")
        company.custom["Tier"] = "D"
        with pytest.raises(ValidationError, match="tier has no choice 'D'"):
            company.save()
        assert len(emulator.log) == 0


def test_only_what_is_asked_in_an_order_that_does_not_change() -> None:
    text = module(reversed(ROWS), ["license", "Company"])
    assert text == module(ROWS, ["license", "Company"])
    assert "class Enduser" not in text and "class License(_License)" in text
    with pytest.raises(PlanhatError, match="Did you mean 'Company'"):
        module(ROWS, ["Compny"])
