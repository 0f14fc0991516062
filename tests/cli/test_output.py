"""What goes to stdout, and to whom."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm.cli.out import cell, plain
from planhat_orm.emulator import Emulator

from .conftest import COMMAND, TOKEN, Run


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (1234, "1,234"),
        (1234.5, "1,234.50"),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31"),
        (datetime(2026, 1, 31, 8, 5, tzinfo=UTC), "2026-01-31 08:05"),
        (date(2026, 1, 31), "2026-01-31"),
        (["a", "b"], "a, b"),
        ([{"a": 1}], '[{"a": 1}]'),
        ("two\nlines\x1b[31m", "two lines�[31m"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_cell_is_one_readable_line(value: Any, text: str) -> None:
    assert cell(value) == text


def test_moments_and_days_are_iso_text_for_programs() -> None:
    assert plain(datetime(2026, 1, 31, 8, 5, tzinfo=UTC)) == "2026-01-31T08:05:00.000Z"
    assert plain(date(2026, 1, 31)) == "2026-01-31"


def test_a_reader_that_stops_early_is_no_error(tenant: Emulator, connected: Run) -> None:
    command = (
        f"{' '.join(COMMAND)} query Company --fields all --limit 0 --format jsonl | head -c 10; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert TOKEN not in done.stderr


def test_lines_do_not_end_in_spaces(synced: Run) -> None:
    assert all(line == line.rstrip() for line in synced("query", "Company").out.splitlines())


def test_what_a_record_holds_is_text_to_the_terminal(synced: Run, tenant: Emulator) -> None:
    table = tenant.store.table("company")
    (id,) = table.ids()[:1]
    tenant.store.change("company", table.row(id).record, {"name": "[red]Ev\x1b[31mil\nCo[/red]"})
    assert synced("sync", "Company").code == 0
    shown = synced("query", "Company", f"id={id}")
    assert "\x1b" not in shown.out
    assert "[red]Ev" in shown.out


def test_infinity_is_null_in_json(synced: Run) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    for form in ("json", "jsonl"):
        shown = synced("sql", "select 1e400 as great, 2.5 as small", "--format", form)
        found = json.loads(shown.out, parse_constant=refuse)
        assert found in ({"great": None, "small": 2.5}, [{"great": None, "small": 2.5}])
