"""`planhat metrics push` and `get`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .conftest import Run

CSV = "\ufeffdimensionId,value,externalId,date\nlogins,12.5,acct-1001,2026-05-01\nlogins,3,acct-1002,\n"


def test_values_of_a_csv_file_arrive_and_can_be_read(connected: Run) -> None:
    Path("values.csv").write_text(CSV, encoding="utf-8")
    pushed = connected("metrics", "push", "values.csv", "--verify")
    assert (pushed.code, pushed.err) == (0, "Sent 2 values, and read them back.\n")
    got = connected(
        "metrics", "get", "--from", "2026-05-01", "--to", "2026-05-01", "--dimension", "logins", "--format", "json"
    )
    (row,) = json.loads(got.out)
    assert (row["value"], row["time"][:10]) == (12.5, "2026-05-01")


def test_values_of_a_json_lines_file_arrive(connected: Run, tenant: Emulator) -> None:
    before = len(tenant.store.table("metric"))
    rows = [{"dimensionId": "seats", "value": n, "externalId": f"acct-{1001 + n}"} for n in range(3)]
    Path("values.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert connected("metrics", "push", "values.jsonl").code == 0
    assert len(tenant.store.table("metric")) == before + 3


def test_get_is_narrowed_to_a_company(connected: Run, tenant: Emulator) -> None:
    Path("values.csv").write_text(CSV, encoding="utf-8")
    connected("metrics", "push", "values.csv")
    company = tenant.store.table("company").ids()[0]
    days = ["--from", "2026-01-01", "--to", "2026-12-31", "--dimension", "logins", "--format", "json"]
    assert len(json.loads(connected("metrics", "get", *days).out)) == 2
    assert len(json.loads(connected("metrics", "get", *days, "--company", company).out)) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("v.csv", "dimensionId,value,externalId\nlogins,many,acct-1001\n", "v.csv, line 2: the value is no number"),
        ("v.csv", "dimensionId,value\nlogins,1\n", "lacks externalId"),
        ("v.csv", "dimensionId,value\nlogins,1,2,3\n", "v.csv, line 2 has 4 cells"),
        ("v.jsonl", '{"dimensionId": "x"', "v.jsonl, line 1 is no JSON"),
        ("v.jsonl", "[1]\n", "v.jsonl, line 1 holds no JSON object"),
        ("v.xlsx", "PK", "v.xlsx is no .xlsx file inside"),
    ],
)
def test_a_file_that_cannot_be_sent_is_one_line_and_sends_nothing(
    connected: Run, tenant: Emulator, name: str, text: str, message: str
) -> None:
    Path(name).write_text(text)
    shown = connected("metrics", "push", name)
    assert shown.code == 2
    assert message in shown.err
    assert tenant.calls == 0


def test_a_file_that_is_not_there_is_a_wrong_command_line(connected: Run) -> None:
    assert connected("metrics", "push", "nothing.csv").code == 2


def test_a_file_that_is_no_text_is_one_line(connected: Run) -> None:
    Path("v.csv").write_bytes(b"dimensionId,value\n\xff\xfe\xff")
    shown = connected("metrics", "push", "v.csv")
    assert shown.code == 2
    assert "v.csv" in shown.err


def test_without_the_tenant_token_it_names_the_variable(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANHAT_TENANT_TOKEN")
    Path("values.csv").write_text(CSV, encoding="utf-8")
    shown = connected("metrics", "push", "values.csv")
    assert shown.code == 1
    assert "PLANHAT_TENANT_TOKEN" in shown.err


def test_a_day_that_is_none_is_one_line(connected: Run) -> None:
    shown = connected("metrics", "get", "--from", "soon")
    assert shown.code == 2
    assert "2026-01-31" in shown.err
