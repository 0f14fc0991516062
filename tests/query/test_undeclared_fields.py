"""Forty conditions on custom fields that no class declares find what the same conditions on declared ones find."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm import Company, Custom, CustomField, Planhat
from planhat_orm.cli import main
from planhat_orm.emulator import Emulator

from ..online import API_TOKEN, TENANT_TOKEN
from ..registry import no_classes, no_clients


class Account(Company):
    tier = Custom("Tier", str)
    seats = Custom("Seats", float)
    review = Custom("Next review day", date)
    golive = Custom("Go-live", datetime)
    pilot = Custom("Pilot", bool)
    modules = Custom("Modules", list)
    note = Custom("a__b", str)
    word = Custom("class", str)


TYPES = {
    "Tier": "list", "Seats": "number", "Next review day": "day", "Go-live": "date", "Pilot": "checkbox",
    "Modules": "multipicklist", "a__b": "text", "class": "text",
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"Tier": "A", "Seats": 400, "Next review day": 20484, "Go-live": "2026-01-31T09:00:00.000Z", "Pilot": True,
     "Modules": ["Mobile", "Reports"], "a__b": "10", "class": "Ärger"},
    {"Tier": "B", "Seats": 300.5, "Next review day": 20500, "Go-live": "2026-02-16T00:00:00.500Z", "Pilot": False,
     "Modules": ["Mobile"], "a__b": "9", "class": "true"},
    {"Tier": "C", "Seats": 0, "Next review day": 0, "Go-live": "2025-12-31T23:59:59.999Z", "Pilot": True,
     "Modules": [], "a__b": "a, b", "class": "null"},
    {"Tier": "a", "Seats": -1, "Next review day": -1, "Modules": ["Sso"], "a__b": "x", "class": ""},
    {"Tier": None, "Seats": "400", "Next review day": "2026-01-31", "Go-live": 1769850000000, "Pilot": None},
    {},
]  # fmt: skip

FILTERS: list[tuple[str, str, str, Any]] = [
    ("tier", "Tier", "", "A"), ("tier", "Tier", "__in", ["A", "C"]), ("tier", "Tier", "__iexact", "A"),
    ("tier", "Tier", "__gte", "B"), ("tier", "Tier", "__lt", "C"), ("tier", "Tier", "__isnull", True),
    ("tier", "Tier", "__startswith", "A"), ("tier", "Tier", "__regex", "^[AB]$"),
    ("seats", "Seats", "", 400), ("seats", "Seats", "__gte", 300), ("seats", "Seats", "__gt", 300.5),
    ("seats", "Seats", "__lt", 0), ("seats", "Seats", "__lte", 0), ("seats", "Seats", "__in", [0, 400]),
    ("seats", "Seats", "__range", [0, 300.5]), ("seats", "Seats", "__isnull", False),
    ("review", "Next review day", "", date(2026, 1, 31)), ("review", "Next review day", "__lte", date(2026, 1, 31)),
    ("review", "Next review day", "__lt", date(1970, 1, 1)), ("review", "Next review day", "__gt", date(2026, 2, 15)),
    ("review", "Next review day", "__in", [date(1969, 12, 31), date(2026, 2, 16)]),
    ("review", "Next review day", "__range", [date(1970, 1, 1), date(2026, 1, 31)]),
    ("review", "Next review day", "__year", 2026), ("review", "Next review day", "__month", 1),
    ("review", "Next review day", "__week_day", 7), ("review", "Next review day", "__isnull", True),
    ("golive", "Go-live", "__gte", datetime(2026, 1, 31, 9, tzinfo=UTC)), ("golive", "Go-live", "__year", 2025),
    ("golive", "Go-live", "__lt", date(2026, 1, 1)), ("golive", "Go-live", "__date", date(2026, 1, 31)),
    ("golive", "Go-live", "__hour", 9), ("golive", "Go-live", "__isnull", False),
    ("pilot", "Pilot", "", True), ("pilot", "Pilot", "__in", [False]), ("pilot", "Pilot", "__isnull", True),
    ("modules", "Modules", "__contains", "Mobile"), ("modules", "Modules", "__overlap", ["Reports", "Sso"]),
    ("modules", "Modules", "__isnull", True),
    ("note", "a__b", "", "10"), ("note", "a__b", "__lt", "9"), ("note", "a__b", "__contains", ","),
    ("word", "class", "", "true"), ("word", "class", "__icontains", "ÄR"), ("word", "class", "__in", ["", "true"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def planhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planhat]:
    mirror = tmp_path_factory.mktemp("undeclared") / "a.db"
    with (
        no_clients(),
        Emulator(0, api_token=API_TOKEN, tenant_token=TENANT_TOKEN) as emulator,
        Planhat(
            API_TOKEN, TENANT_TOKEN, api_url=emulator.url, mirror=mirror, scan="allow", calls_per_min=1e6
        ) as planhat,
    ):
        for label, kind in TYPES.items():
            emulator.store.insert("custom_field", {"name": label, "type": kind, "parent": "Company", "listValues": []})
        for place, custom in enumerate(ROWS):
            emulator.store.insert("company", {"name": f"C{place}", "custom": custom})
        planhat.sync(CustomField, Company)
        yield planhat


@pytest.fixture(autouse=True)
def undeclared() -> Iterator[None]:
    """What is typed is typed in a program that declares nothing."""
    with no_classes():
        yield


def _typed(value: Any) -> str:
    """A value as it is typed on a command line."""
    if isinstance(value, list):
        return ",".join(map(_typed, value))
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("source", ["api", "mirror"])
@pytest.mark.parametrize(("name", "label", "lookup", "value"), FILTERS)
def test_a_condition_finds_the_same_declared_undeclared_and_typed(
    planhat: Planhat, source: str, name: str, label: str, lookup: str, value: Any, request: pytest.FixtureRequest
) -> None:
    declared = [row.name for row in Account.objects.using(source).filter(**{name + lookup: value})]
    for spelled in (f"custom__{label}{lookup}", f"custom.{label}{lookup}"):
        assert [row.name for row in Company.objects.using(source).filter(**{spelled: value})] == declared
    others = [row.name for row in Company.objects.using(source).exclude(**{f"custom.{label}{lookup}": value})]
    assert sorted(declared + others) == [f"C{place}" for place in range(len(ROWS))]
    if lookup != "__in" or "" not in value:  # a comma list cannot say that
        assert typed(planhat, source, f"custom.{label}{lookup}={_typed(value)}", request) == declared
        if "__" not in label:
            assert typed(planhat, source, f"custom__{label}{lookup}={_typed(value)}", request) == declared


def typed(planhat: Planhat, source: str, condition: str, request: pytest.FixtureRequest) -> list[str]:
    """The names that `planhat query` finds."""
    capsys, environment = request.getfixturevalue("capsys"), request.getfixturevalue("monkeypatch")
    settings = {"API_TOKEN": API_TOKEN, "API_URL": planhat.settings.api_url, "MIRROR": planhat.settings.mirror}
    for setting, text in settings.items():
        environment.setenv(f"PLANHAT_{setting}", text)
    capsys.readouterr()
    side = "--online" if source == "api" else "--offline"
    with pytest.raises(SystemExit):
        main(["query", "Company", condition, side, "--fields", "name", "--limit", "0", "--format", "jsonl"])
    printed = capsys.readouterr()
    assert not printed.err.startswith("Error"), printed.err
    return [json.loads(line)["name"] for line in printed.out.splitlines()]


def test_there_are_forty() -> None:
    assert len(FILTERS) >= 40


DATES = [(name, label, lookup, value) for name, label, lookup, value in FILTERS
         if isinstance(value[0] if isinstance(value, list) else value, date) and lookup != "__date"]  # fmt: skip


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planhat]:
    """A client that may not read the list of custom fields."""
    mirror = tmp_path_factory.mktemp("unknown") / "a.db"
    with (
        no_clients(),
        Emulator(0, api_token=API_TOKEN, tenant_token=TENANT_TOKEN) as emulator,
        Planhat(API_TOKEN, TENANT_TOKEN, api_url=emulator.url, mirror=mirror, scan="allow") as planhat,
    ):
        emulator.faults.add(path="/customfields", status=403, times=None)
        for place, custom in enumerate(ROWS):
            emulator.store.insert("company", {"name": f"C{place}", "custom": custom})
        planhat.sync(Company)
        yield planhat


@pytest.mark.parametrize("source", ["api", "mirror"])
@pytest.mark.parametrize(("name", "label", "lookup", "value"), DATES)
def test_dates_find_days_and_moments_alike_while_nobody_knows_the_type(
    unknown: Planhat, source: str, name: str, label: str, lookup: str, value: Any, request: pytest.FixtureRequest
) -> None:
    """Records whose values are as Planhat keeps them; what is odd (text in a field of days) counts as what it is."""
    usual = [row.name for row in Account.objects.using(source).filter(**{name + lookup: value}) if row.name != "C4"]
    objects = Company.objects.using(unknown).using(source)
    for spelled in (f"custom__{label}{lookup}", f"custom.{label}{lookup}"):
        assert [row.name for row in objects.filter(**{spelled: value}) if row.name != "C4"] == usual
        others = [row.name for row in objects.exclude(**{spelled: value}) if row.name != "C4"]
        assert sorted(usual + others) == ["C0", "C1", "C2", "C3", "C5"]
    command = f"custom.{label}{lookup}={_typed(value)}"
    assert [found for found in typed(unknown, source, command, request) if found != "C4"] == usual


def test_dates_and_other_values_are_asked_for_together(unknown: Planhat) -> None:
    objects = Company.objects.using(unknown)
    day = "custom.Next review day__in"
    assert [row.name for row in objects.filter(**{day: [date(2026, 1, 31), 20500, None]})] == ["C0", "C1", "C4", "C5"]
    assert [row.name for row in objects.filter(**{day: {date(2026, 1, 31)}})] == ["C0", "C4"]
