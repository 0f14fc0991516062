"""`planhat export` writes what the mirror holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator

from .conftest import Run


def test_each_model_becomes_a_file_without_a_request(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    shown = synced("export", "files", "--format", "csv")
    assert shown.code == 0
    assert [row[0] for row in shown.rows] == ["files/company.csv", "files/custom_field.csv", "files/license.csv"]
    assert tenant.calls == before
    with Path("files/company.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["id"] for row in rows} == set(tenant.store.table("company").ids())


def test_one_model_can_be_chosen(synced: Run) -> None:
    assert synced("export", "files", "license", "--format", "jsonl").code == 0
    assert [path.name for path in Path("files").iterdir()] == ["license.jsonl"]
    assert len([json.loads(line) for line in Path("files/license.jsonl").read_text().splitlines()]) == 90


def test_parquet_is_the_default(synced: Run) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert synced("export", "files", "Company").code == 0
    assert parquet.read_table("files/company.parquet").num_rows == 30


def test_a_model_that_is_not_in_the_mirror_is_one_line(synced: Run) -> None:
    shown = synced("export", "files", "Task", "--format", "csv")
    assert shown.code == 1
    assert "does not hold all of task" in shown.err


def test_without_a_mirror_it_says_how_to_make_one(run: Run) -> None:
    shown = run("export", "files")
    assert shown.code == 1
    assert "planhat sync" in shown.err
    assert list(Path.cwd().iterdir()) == []


def test_of_an_empty_mirror_it_says_so(run: Run) -> None:
    with Planhat(mirror="planhat.db") as planhat:
        planhat.mirror.status()
    shown = run("export", "files", "--format", "csv")
    assert shown.code == 1
    assert "No model is in the mirror yet" in shown.err


def test_a_misspelt_model_or_format_is_answered_with_the_right_one(synced: Run) -> None:
    assert "Did you mean 'License'?" in synced("export", "files", "Licence").err
    assert "parquet" in synced("export", "files", "--format", "parket").err


def test_an_export_since_the_last_one_tells_what_it_wrote_and_why(synced: Run, tenant: Emulator) -> None:
    pytest.importorskip("pyarrow")
    first = synced("export", "files", "--since", "last")
    assert first.code == 0 and "company is whole: nothing was read before." in first.err
    assert [row[:3] for row in first.rows] == [
        ["company", "full", "30"],
        ["custom_field", "full", "12"],
        ["license", "full", "90"],
    ]
    tenant.store.change(
        "company", tenant.store.table("company").row(tenant.store.ids("company")[1]).record, {"phase": "X"}
    )
    tenant.store.delete("company", tenant.store.ids("company")[2])
    assert synced("sync", "Company", "--full").code == 0
    done = json.loads(synced("export", "files", "--since", "last", "--json").out)
    assert done["models"]["company"]["mode"] == "changes"
    [file] = done["models"]["company"]["files"]
    assert (file["rows"], file["deleted"]) == (2, 1)
    assert json.loads(Path("files/last.json").read_text())["export"] == done["export"] == 2
    assert synced("export", "files", "--since", "last").rows[0][1] == "unchanged"
    assert synced("export", "files", "--since", "lats").code == 2
    assert synced("export", "files", "--since", "last", "--format", "csv").code == 1
    assert synced("export", "files", "--since", "last", "--force").rows[0][1] == "full"
