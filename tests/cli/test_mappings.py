"""A mapping file's `convert`, from the file to what Planhat stores: each conversion, on fields of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planhat_orm.emulator import Emulator

from .conftest import Run

PUSH = ("push", "a.csv", "--model", "Company", "--key", "external_id", "--map", "map.toml", "--yes")
DATA = 'id;x\nacct-1001;"{cell}"\nacct-1002;\n'
CASES: list[tuple[str, str, str, Any]] = [
    ("date", "Next review day", "13.04.2026", 20556),
    ("date", "Go-live", "13.04.2026", "2026-04-13T00:00:00.000Z"),
    ("moment", "Go-live", "2026-04-13 09:30", "2026-04-13T09:30:00.000Z"),
    ("moment", "Next review day", "2026-04-13 00:00", 20556),
    ("number", "Seats", "1200.5", 1200.5),
    ("integer", "Seats", "1200", 1200),
    ("boolean", "Reference customer", "yes", True),
    ("list", "Modules", "Mobile; Reports", ["Mobile", "Reports"]),
    ("lower", "Region", "NORD", "nord"),
    ("upper", "Tier", "a", "A"),
    ("text", "Region", "5", "5"),
]
"""A conversion, the label of a custom field, a cell, and what the field holds after it."""
REFUSED = [
    ("date", "Seats", "13.04.2026", "must be a number"),
    ("number", "Next review day", "20556", "must be a date"),
    ("integer", "Seats", "1200.5", "must be a whole number"),
    ("lower", "Seats", "many", "must be a number"),
]


def prepared(tenant: Emulator, convert: str, label: str, cell: str) -> None:
    tenant.store.insert("custom_field", {"name": "Region", "type": "text", "parent": "Company", "listValues": []})
    Path("map.toml").write_text(
        f'id = "external_id"\nx = {{field = "custom.{label}", convert = "{convert}"}}\n', "utf-8"
    )
    Path("a.csv").write_text(DATA.format(cell=cell), "cp1252")


def stored(tenant: Emulator, key: str, label: str) -> Any:
    company = tenant.store.find("company", "externalId", key)
    assert company is not None
    return company["custom"].get(label)


@pytest.mark.parametrize(("convert", "label", "cell", "value"), CASES)
def test_a_conversion_is_done_and_a_second_push_sends_nothing(
    connected: Run, tenant: Emulator, convert: str, label: str, cell: str, value: Any
) -> None:
    prepared(tenant, convert, label, cell)
    before = stored(tenant, "acct-1002", label)
    shown = connected(*PUSH)
    assert shown.code == 0, shown.err
    assert (stored(tenant, "acct-1001", label), stored(tenant, "acct-1002", label)) == (value, before)
    assert "nothing to send" in connected(*PUSH).out


@pytest.mark.parametrize(("convert", "label", "cell", "sentence"), REFUSED)
def test_a_conversion_that_the_field_does_not_take_is_refused_by_line_and_column(
    connected: Run, tenant: Emulator, convert: str, label: str, cell: str, sentence: str
) -> None:
    prepared(tenant, convert, label, cell)
    shown = connected(*PUSH)
    assert shown.code == 2 and f"line 2, column 'x': {sentence}" in shown.err


@pytest.mark.parametrize(("convert", "value"), [("date", 20556), ("moment", "2026-04-13T00:00:00.000Z"), ("text", "13.04.2026")])  # fmt: skip
def test_where_the_accounts_fields_cannot_be_read_the_conversion_says_the_kind(
    connected: Run, tenant: Emulator, convert: str, value: Any
) -> None:
    prepared(tenant, convert, "Of no type", "13.04.2026")
    tenant.faults.add(path="/customfields", status=403, times=None)
    assert connected(*PUSH).code == 0
    assert stored(tenant, "acct-1001", "Of no type") == value
    assert "nothing to send" in connected(*PUSH).out


def test_an_unknown_label_is_refused_before_anybody_is_asked(connected: Run, tenant: Emulator) -> None:
    prepared(tenant, "date", "Next reviev day", "13.04.2026")
    shown = connected(*PUSH[:-1])
    assert shown.code == 2 and "line 2: This account has no custom field 'Next reviev day'" in shown.err
    assert "Did you mean 'Next review day'" in shown.err and "Send this?" not in shown.out


@pytest.mark.parametrize("convert", ["lower", "upper", "date", "number"])
def test_an_empty_cell_is_empty_whatever_the_conversion(connected: Run, tenant: Emulator, convert: str) -> None:
    label = {"date": "Next review day", "number": "Seats"}.get(convert, "Plan")
    prepared(tenant, convert, label, "  ")
    before = stored(tenant, "acct-1001", label)
    assert before is not None and "nothing to send" in connected(*PUSH).out
    assert stored(tenant, "acct-1001", label) == before
    assert connected(*PUSH, "--clear").code == 0
    assert stored(tenant, "acct-1001", label) is None
