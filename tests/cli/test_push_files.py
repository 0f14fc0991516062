"""`planhat push` with files of people: every form is read, and what cannot be is one line with status 2."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .conftest import Run

TEXT = "external_id;phase\nacct-1001;Renewal\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_file_of_a_spreadsheet_is_pushed(connected: Run, tenant: Emulator, encoding: str) -> None:
    Path("a.csv").write_bytes(TEXT.encode(encoding))
    shown = connected("push", "a.csv", "--model", "Company", "--key", "external_id", "--yes")
    assert shown.code == 0, shown.err
    company = tenant.store.find("company", "externalId", "acct-1001")
    assert company is not None and company["phase"] == "Renewal"


def test_standard_input_is_pushed(connected: Run, tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert connected("push", "-", "--model", "Company", "--key", "external_id", "--yes").code == 0
    company = tenant.store.find("company", "externalId", "acct-1001")
    assert company is not None and company["phase"] == "Renewal"


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"external_id,phase\na,Acme, Inc\n", "a.csv, line 2 has 3 cells"),
        ("a.csv", b"key\n\x81\x8d\x00\x00\x01", "a.csv is no text"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.xlsx", b"PK\x03\x04broken", "a.xlsx cannot be read as a workbook"),
        ("a.parquet", b"PAR1broken", "a.parquet cannot be read as Parquet"),
        ("a.json", b"[" * 100_000, "a.json is no JSON"),
        ("a.pdf", b"%PDF-1.7", "a.pdf is a PDF"),
    ],
)
def test_no_file_ends_in_a_fault_of_ours(
    connected: Run, tenant: Emulator, name: str, data: bytes, sentence: str
) -> None:
    Path(name).write_bytes(data)
    for command in (("push", name, "--model", "Company", "--key", "external_id"), ("metrics", "push", name)):
        shown = connected(*command)
        assert shown.code == 2 and sentence in shown.err and "fault" not in shown.err
    assert not [call for call in tenant.log if call.method != "GET"]


def test_a_file_that_is_not_there_is_a_wrong_command_line(connected: Run) -> None:
    shown = connected("push", "nothing.csv", "--model", "Company")
    assert (shown.code, shown.err) == (2, "planhat: There is no file nothing.csv.\n")


def test_dates_that_can_be_read_in_two_ways_need_to_be_told(connected: Run, tenant: Emulator) -> None:
    Path("a.csv").write_text("external_id,custom.Go-live\nacct-1001,03/04/2026\n", "utf-8")
    command = ("push", "a.csv", "--model", "Company", "--key", "external_id", "--yes")
    shown = connected(*command)
    assert shown.code == 2 and "with the day first and with the month first" in shown.err
    assert connected(*command, "--dayfirst").code == 0
    company = tenant.store.find("company", "externalId", "acct-1001")
    assert company is not None and company["custom"]["Go-live"].startswith("2026-04-03")
