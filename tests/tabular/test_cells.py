"""Cells and columns: dates of a column are read one way, formulas are guarded, what is empty is so everywhere."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planhat_orm.errors import ConfigurationError
from planhat_orm.fields.scalars import Refused
from planhat_orm.query import kinds
from planhat_orm.tabular.cells import guard, is_empty, read_cell, unguard, write_cell
from planhat_orm.tabular.dates import Ambiguous, reader

pd: Any = pytest.importorskip("pandas")  # no stubs are installed for it

READ: list[tuple[list[str], bool | None, list[date]]] = [
    (["13/04/2026", "03/04/2026"], None, [date(2026, 4, 13), date(2026, 4, 3)]),
    (["04/13/2026", "04/03/2026"], None, [date(2026, 4, 13), date(2026, 4, 3)]),
    (["03.04.2026", "31.12.2026"], None, [date(2026, 4, 3), date(2026, 12, 31)]),
    (["03-04-2026"], True, [date(2026, 4, 3)]),
    (["03-04-2026"], False, [date(2026, 3, 4)]),
    (["05/05/2026"], None, [date(2026, 5, 5)]),
    (["2026-04-03", "13/04/2026"], None, [date(2026, 4, 3), date(2026, 4, 13)]),
    (["2026/4/3", "2026.04.03"], None, [date(2026, 4, 3), date(2026, 4, 3)]),
    (["3 Apr 2026", "April 13, 2026"], None, [date(2026, 4, 3), date(2026, 4, 13)]),
    (["13/04/2026 14:05"], None, [datetime(2026, 4, 13, 14, 5)]),
    (["2026-04-13T14:05:00.000+0000"], None, [datetime(2026, 4, 13, 14, 5, tzinfo=UTC)]),
]


@pytest.mark.parametrize(("texts", "dayfirst", "dates"), READ, ids=lambda value: str(value))
def test_a_column_of_dates_is_read_one_way(texts: list[str], dayfirst: bool | None, dates: list[date]) -> None:
    read = reader(texts, dayfirst)
    assert [read(text) for text in texts] == dates


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["03/04/2026", "05/06/2026"], "can be read with the day first and with the month first"),
        (["13/04/2026", "04/13/2026"], "some of its dates have the day first, others the month"),
    ],
)
def test_a_column_that_leaves_it_open_needs_to_be_told(texts: list[str], reason: str) -> None:
    with pytest.raises(Ambiguous, match=reason + ".*: pass dayfirst=True or False, or format='%d/%m/%Y'"):
        reader(texts)


@pytest.mark.parametrize("text", ["soon", "13/13/2026", "32/01/2026", "03/04/26", "20260", "Q3 2026", "1.5"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        reader(["25/12/2026"])(text)


def test_a_format_is_that_of_strptime() -> None:
    assert reader([], format="%d.%m.%y")("03.04.26") == date(2026, 4, 3)
    assert reader([], format="%d.%m.%Y %H:%M")("03.04.2026 14:05") == datetime(2026, 4, 3, 14, 5)
    with pytest.raises(Refused):
        reader([], format="%d.%m.%y")("2026-04-03")
    with pytest.raises(ConfigurationError, match="format must be one of strptime"):
        reader([], format="%Q")


@given(st.text())
def test_text_comes_back_from_a_cell_and_no_cell_is_a_formula(text: str) -> None:
    cell = guard(text)
    assert unguard(cell) == text and not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_text_comes_back_from_a_file(texts: list[str]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([write_cell(text), "x"] for text in texts)
    stream.seek(0)
    assert [unguard(row[0]) for row in csv.reader(stream)] == texts


@pytest.mark.parametrize(
    "text", ["=1+1", "＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", "﹢1", "﹣1", "﹫a", "⁺1", "+1", "-1", "@a"]
)
@pytest.mark.parametrize(
    "before", ["", " ", "\t", "\r", "\n", "\r\n", " \t ", "\xa0", "\u3000", "\ufeff", "\u200b", "\0"], ids=ascii
)
def test_no_cell_is_a_formula_behind_blanks_or_in_wide_letters(before: str, text: str) -> None:
    for written in (guard(before + text), write_cell(before + text)):
        assert written == f"'{before}{text}" and unguard(written) == before + text


@pytest.mark.parametrize("text", ["", " ", "Acme", " Acme", "a=b", "Ａcme = 1", "1+1", "(=1)", "Ω", "\xa0x", "#REF!"])
def test_a_cell_that_no_spreadsheet_runs_is_as_it_was(text: str) -> None:
    assert write_cell(text) == text == unguard(text)


def test_numbers_below_zero_are_no_formulas() -> None:
    assert (write_cell(-5.5), write_cell(-3), write_cell("-3")) == ("-5.5", "-3", "'-3")


@pytest.mark.parametrize(
    "cell",
    [None, "", "  ", "\t\n", "\xa0", float("nan"), np.float64("nan"), pd.NA, pd.NaT, np.datetime64("NaT")],
    ids=repr,
)
def test_what_is_empty(cell: Any) -> None:
    assert is_empty(cell)


@pytest.mark.parametrize("cell", [0, False, "0", [], {}, 0.0, np.int64(0), "NaN"], ids=repr)
def test_what_is_not_empty(cell: Any) -> None:
    assert not is_empty(cell)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (kinds.NUMBER, " 1234.5 ", 1234.5),
        (kinds.INTEGER, "40", 40),
        (kinds.INTEGER, 40.0, 40),
        (kinds.BOOLEAN, "Yes", True),
        (kinds.BOOLEAN, "0", False),
        (kinds.LIST, '["VIP","a;b"]', ["VIP", "a;b"]),
        (kinds.LIST, "VIP; b ;", ["VIP", "b"]),
        (kinds.OBJECT, '{"a": 1}', {"a": 1}),
        (kinds.REF, 501.0, "501"),
        (kinds.TEXT, 501, "501"),
        (kinds.TEXT, " padded ", " padded "),
        (kinds.ID, " crm-1 ", "crm-1"),
        (kinds.DAY, pd.Timestamp("2026-04-03"), date(2026, 4, 3)),
        (kinds.DATETIME, "2026-04-03", datetime(2026, 4, 3, tzinfo=UTC)),
    ],
)
def test_a_cell_is_read_by_the_kind_of_its_field(kind: kinds.Kind, cell: Any, value: Any) -> None:
    assert read_cell(kind, cell, UTC) == value


@pytest.mark.parametrize(
    ("kind", "cell"),
    [(kinds.NUMBER, "many"), (kinds.NUMBER, "1,5"), (kinds.INTEGER, "1.5"), (kinds.BOOLEAN, "maybe"),
     (kinds.OBJECT, "[1]"), (kinds.DAY, "03/04/2026"), (kinds.NUMBER, "inf"), (kinds.NUMBER, "nan")],
)  # fmt: skip
def test_a_cell_that_is_no_such_value_is_refused(kind: kinds.Kind, cell: str) -> None:
    with pytest.raises(ValueError):
        read_cell(kind, cell, UTC)


def test_a_key_that_a_spreadsheet_rounded_is_no_key() -> None:
    assert read_cell(kinds.TEXT, 1001.0, UTC) == "1001"
    assert read_cell(kinds.TEXT, 12345678901234567890, UTC) == "12345678901234567890"
    with pytest.raises(ValueError, match="text"):
        read_cell(kinds.TEXT, 12345678901234567890.0, UTC)
