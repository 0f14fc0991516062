"""What the values of another system's rows are taken for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from planhat_orm import Company, Custom, FieldError, License, ValidationError

from ..online import Online

ROW = {"source_id": 501, "currency": "EUR", "value": 3, "from_date": "2026-01-01", "to_date": "2027-01-01T00:00:00Z"}


@pytest.mark.filterwarnings("ignore::planhat_orm.FullScanWarning")
def test_dates_are_read_from_the_text_that_json_has_for_them(online: Online, tmp_path: Path) -> None:
    emulator, _ = online()
    row = {**ROW, "company_id": Company.objects.create(name="Acme").id}
    lines = tmp_path / "licences.jsonl"
    lines.write_text(json.dumps(row))
    License.objects.reconcile(lines, key="source_id").apply()
    (stored,) = emulator.store.all("license")
    assert (stored["sourceId"], stored["fromDate"]) == ("501", "2026-01-01T00:00:00.000Z")
    again = License.objects.reconcile([row], key="source_id")
    assert (len(again.creates), len(again.updates), again.unchanged) == (0, 0, 1)


@pytest.mark.parametrize("mapping", [None, {"external_id": "external_id", "phase": "phase"}])
def test_no_rows_are_no_changes_in_every_form(online: Online, tmp_path: Path, mapping: Any) -> None:
    emulator, _ = online()
    emulator.store.insert("company", {"name": "A", "externalId": "a"})
    (tmp_path / "a.csv").write_text("external_id,phase\n", "utf-8")
    (tmp_path / "a.json").write_text("[]", "utf-8")
    empty = pl.DataFrame({"external_id": [], "phase": []})
    empty.write_parquet(tmp_path / "a.parquet")
    forms: list[Any] = [[], iter(()), empty, empty.to_arrow(), empty.to_pandas(),
                        *(tmp_path / name for name in ("a.csv", "a.json", "a.parquet"))]  # fmt: skip
    for rows in forms:
        plan = Company.objects.reconcile(rows, "external_id", mapping)
        assert plan.summary() == "create 0, update 0, unchanged 0, delete 0"
    with pytest.raises(FieldError, match="No column is mapped to the key 'external_id'"):
        Company.objects.reconcile(pl.DataFrame({"phase": []}), "external_id")


# --- conversions ----------------------------------------------------------------------------------------


class Account(Company):
    review = Custom("Review", date)
    seats = Custom("Seats", int)
    vip = Custom("VIP", bool)


def test_a_type_in_a_mapping_is_that_of_a_custom_field(online: Online) -> None:
    """`bool("no")` is True and `date("...")` fails: types are those that `Custom` takes, not calls of them."""
    emulator, _ = online()
    emulator.faults.add(path="/customfields", status=403, times=None)
    row = {
        "key": "a",
        "name": "A",
        "day": "13.04.2026",
        "at": "2026-04-13 09:30",
        "vip": "no",
        "tags": "x; y",
        "n": "5",
    }
    mapping: Any = {
        "key": "external_id", "name": "name", "day": ("custom.Day", date), "at": ("custom.At", datetime),
        "vip": ("custom.VIP", bool), "tags": ("custom.Tags", list), "n": ("custom.N", str),
    }  # fmt: skip
    Company.objects.reconcile([row], "external_id", mapping).apply()
    (stored,) = emulator.store.all("company")
    assert stored["custom"] == {
        "Day": 20556, "At": "2026-04-13T09:30:00.000Z", "VIP": False, "Tags": ["x", "y"], "N": "5",
    }  # fmt: skip
    assert Company.objects.reconcile([row], "external_id", mapping).unchanged == 1
    wrong: Any = {**mapping, "n": ("name", "int")}
    with pytest.raises(FieldError, match="'n' is converted by a function or a type such as date, not by 'int'"):
        Company.objects.reconcile([row], "external_id", wrong)


@pytest.mark.parametrize("empty", ["", "  ", None, float("nan")])
def test_a_function_is_not_called_for_an_empty_cell_and_what_it_returns_is_read_as_the_cell(
    online: Online, empty: Any
) -> None:
    emulator, _ = online()
    emulator.store.insert("company", {"name": "A", "externalId": "a", "phase": "Live", "custom": {"Seats": 1}})
    mapping: Any = {
        "key": ("external_id", str.lower), "phase": ("phase", str.title), "n": ("seats", lambda text: text.strip(" kr")),
    }  # fmt: skip
    rows = [{"key": "A", "phase": empty, "n": empty}]
    assert Account.objects.reconcile(rows, "external_id", mapping).unchanged == 1
    [cleared] = Account.objects.reconcile(rows, "external_id", mapping, empty="clear").updates
    assert cleared.changes() == {"phase": ("Live", None), "seats": (1, None)}
    [changed] = Account.objects.reconcile([{"key": "A", "phase": "won", "n": "12 kr"}], "external_id", mapping).updates
    assert changed.changes() == {"phase": ("Live", "Won"), "seats": (1, 12)}
    nothing: Any = {**mapping, "phase": ("phase", lambda text: None), "n": ("seats", lambda text: "")}
    assert Account.objects.reconcile([{"key": "A", "phase": "x", "n": "x"}], "external_id", nothing).unchanged == 1
    with pytest.raises(ValidationError, match="row 0 has no external_id"):
        Account.objects.reconcile([{"key": "x"}], "external_id", {"key": ("external_id", lambda text: "")})


def test_a_function_that_fails_or_returns_what_the_field_does_not_take_is_named_by_row_and_column(
    online: Online,
) -> None:
    _, planhat = online()
    for function in (lambda text: text / 0, lambda text: {"a"}, lambda text: "many", date.fromisoformat):
        with pytest.raises(ValidationError, match="row 0, column 'n'"):
            Account.objects.using(planhat).reconcile(
                [{"key": "a", "n": "x"}], "external_id", {"key": "external_id", "n": ("seats", function)}
            )


# --- custom fields of no known type ---------------------------------------------------------------------


def test_a_date_of_a_field_that_nobody_knows_is_refused_on_every_way_in(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online()
    emulator.faults.add(path="/customfields", status=403, times=None)
    id = emulator.store.insert("company", {"name": "A", "externalId": "a"})["_id"]
    objects = Company.objects
    day: Any = date(2026, 4, 13)
    row = {"external_id": "a", "custom.Day": day}
    path = tmp_path / "a.parquet"
    pl.DataFrame([row]).write_parquet(path)

    def edited() -> None:
        company = objects.get(id)
        company.custom["Day"] = day
        company.save()

    ways: list[Callable[[], object]] = [
        edited,
        lambda: Company(custom={"Day": day}, name="A").save(),
        lambda: objects.create(name="A", **{"custom.Day": day}),
        lambda: objects.filter(id=id).update(**{"custom.Day": day}),
        lambda: objects.bulk_upsert([row]),
        lambda: objects.bulk_upsert([{"external_id": "a", "custom": {"Day": day}}]),
        lambda: objects.bulk_upsert(pl.DataFrame([row])),
        lambda: objects.reconcile([row], "external_id"),
        lambda: objects.reconcile(pl.DataFrame([row]), "external_id"),
        lambda: objects.reconcile(path, "external_id"),
        lambda: planhat.company.update(id, {"custom": {"Day": day}}),
        lambda: planhat.company.bulk_upsert([{"externalId": "a", "custom": {"Day": day}}]),
    ]
    for way in ways:
        with pytest.raises(ValidationError, match=r"Day.* must be a datetime"):
            way()
    assert emulator.log.count("PUT") == emulator.log.count("POST") == 0
