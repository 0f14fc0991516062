"""What was exported goes back in: unchanged it plans nothing, with one cell edited or cleared exactly that."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from planhat_orm import Company, Custom, Model, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.fields.base import Field
from planhat_orm.models import resources

from ..registry import no_classes, no_clients

ODD = [
    {
        "name": "=HYPERLINK(1)", "description": "'=quoted\n\"twice\", and; so\ton", "tags": ["VIP,a", 'b"; c', "=1+1", ""],
        "phonePrimary": "+46 70 123", "mrr": -5.5, "followers": [], "links": [{"title": "a", "url": "b"}],
        "zip": "00123", "custom": {
            "Tier": "-A", "Seats": 3, "Reference customer": False, "Odd one": {"a": [1, "x"]}, "Odd list": ["p;q", "[r]"],
            "Goals": None,
        },
        "neverHeardOf": {"x": 1},
    },
    {"name": "'plain", "description": "@home", "mrr": "many", "city": "  Oslo ", "tags": "none", "custom": None},
]  # fmt: skip
"""Companies with values that some form of file has no good place for."""

MODELS: dict[str, Any] = {
    model._meta.resource.name: model
    for model in (
        getattr(resources, name) for name in resources.__all__ if name not in ("Metric", "Note", "UserActivity")
    )
}
FILES = ("csv", "jsonl", "parquet", "duckdb")
FRAMES: dict[str, Callable[[Any], Any]] = {
    "arrow": lambda queryset: queryset.to_arrow(),
    "polars": lambda queryset: queryset.to_polars(),
    "pandas": lambda queryset: queryset.to_pandas(),
    "dicts of polars": lambda queryset: queryset.to_polars().to_dicts(),
    "dicts of pandas": lambda queryset: queryset.to_pandas().to_dict("records"),
}


@dataclass
class Exported:
    planhat: Planhat
    folder: Path

    def objects(self, name: str) -> Any:
        return MODELS[name].objects.using(self.planhat)

    def file(self, name: str, form: str) -> Path:
        return self.folder / ("all.duckdb" if form == "duckdb" else f"{name}.{form}")

    def plan(self, name: str, rows: Any) -> Any:
        return self.objects(name).reconcile(rows, key="id", empty="clear")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    folder = tmp_path_factory.mktemp("exported")
    with Emulator(6) as emulator:
        for row in ODD:
            emulator.store.insert("company", row)  # type: ignore[arg-type]
        planhat = Planhat(
            "test-token", api_url=emulator.url, calls_per_min=1_000_000, mirror=folder / "planhat.db", read="mirror"
        )
        planhat.sync()
        for form in FILES:
            planhat.mirror.export(folder / "all.duckdb" if form == "duckdb" else folder, form)
        yield Exported(planhat, folder)
        planhat.close()


def cells(plan: Any) -> dict[str, set[str]]:
    """What a plan changes: the fields by record."""
    return {record.id: set(record.changes()) for record in plan.updates}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("name", MODELS)
def test_a_file_that_was_not_edited_plans_nothing(exported: Exported, name: str, form: str) -> None:
    plan = exported.plan(name, exported.file(name, form))
    assert cells(plan) == {} and plan.creates == [] and plan.unresolved == ()
    assert plan.unchanged == exported.objects(name).include_hidden().count() > 0
    computed = {field.name for field in MODELS[name]._meta.by_wire.values() if field.readonly and field.name != "id"}
    shown = {MODELS[name]._meta.by_wire[column].name if form == "jsonl" and column in MODELS[name]._meta.by_wire
             else column for column in plan.left_alone}  # fmt: skip
    assert not (shown - computed) & {*MODELS[name]._meta.fields, *MODELS[name]._meta.by_wire}
    assert form == "jsonl" or computed <= shown


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", MODELS)
def test_a_frame_that_was_not_edited_plans_nothing(exported: Exported, name: str, frame: str) -> None:
    plan = exported.plan(name, FRAMES[frame](exported.objects(name)))
    assert cells(plan) == {} and plan.creates == [] and plan.unchanged > 0


# --- one cell -------------------------------------------------------------------------------------------

EDITED: dict[str, Callable[[Any], Any]] = {
    "text": lambda value: f"={value}",
    "number": lambda value: value + 1,
    "integer": lambda value: value + 1,
    "boolean": lambda value: not value,
    "datetime": lambda value: value + timedelta(days=1),
    "day": lambda value: value + timedelta(days=1),
    "list": lambda value: ["p; q", '[r,"s"]'],
}


def editable(record: Model) -> list[Field[Any]]:
    """The fields of a record that have a value which a person may edit."""
    fields = [field for field in record._meta.by_wire.values() if not field.readonly and field.kind.name in EDITED]
    return [field for field in fields if getattr(record, field.name) not in (None, [], "")
            and field.kind.dump(getattr(record, field.name)) == record.to_wire().get(field.wire)
            and field.wire not in ("email", "externalId", "sourceId") and not field.choices]  # fmt: skip


def edit(path: Path, form: str, name: str, field: Field[Any], id: str, value: Any) -> Path:
    """The file once more, with another value in one cell."""
    new = path.with_name(f"edited.{form}")
    if form == "csv":
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [*reader]
        text = (
            ""
            if value is None
            else json.dumps(value)
            if isinstance(value, list)
            else (
                value.isoformat()
                if isinstance(value, date)
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
        )
        with new.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows({**row, field.name: text} if row["id"] == id else row for row in rows)
    elif form == "jsonl":
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        raw = None if value is None else field.kind.dump(value)
        edited = [{**line, field.wire: raw} if line["_id"] == id else line for line in lines]
        new.write_text("\n".join(map(json.dumps, edited)), "utf-8")
    else:
        with duckdb.connect() as connection:
            source = f"read_parquet('{path}')"
            if form == "duckdb":
                connection.execute(f"ATTACH '{path}' AS old (READ_ONLY)")
                source = f'old."{name}"'
            table = connection.sql(f"SELECT * FROM {source}").to_arrow_table()
        rows = [{**row, field.name: value} if row["id"] == id else row for row in table.to_pylist()]
        changed = pa.Table.from_pylist(rows, table.schema)
        if form == "parquet":
            pq.write_table(changed, new)
        else:
            new.unlink(missing_ok=True)
            with duckdb.connect(str(new)) as connection:
                connection.register("changed", changed)
                connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM changed')
    return new


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("name", MODELS)
def test_one_cell_that_was_edited_or_cleared_is_all_that_is_planned(exported: Exported, name: str, form: str) -> None:
    records = [record for record in exported.objects(name).include_hidden() if editable(record)]
    # Another field for each form, so that the kinds are met in all of them.
    for turn, record in enumerate(records[:2]):
        fields = editable(record)
        field = fields[(FILES.index(form) + turn * 2 + len(name)) % len(fields)]
        value = EDITED[field.kind.name](getattr(record, field.name))
        path = exported.file(name, form)
        plan = exported.plan(name, edit(path, form, name, field, record.id or "", value))
        assert cells(plan) == {record.id: {field.name}}, field.name
        assert getattr(plan.updates[0], field.name) == value
        cleared = exported.plan(name, edit(path, form, name, field, record.id or "", None))
        assert cells(cleared) == {record.id: {field.name}} and getattr(cleared.updates[0], field.name) in (None, [])
    assert records


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_column_of_a_custom_field_can_be_edited_and_cleared(exported: Exported, form: str) -> None:
    company = exported.objects("company").filter(custom__Seats__isnull=False).first()
    column = Field.__new__(Field)
    column.name = "seats"
    for value in (77, None):
        plan = exported.plan(
            "company", edit(exported.file("company", form), form, "company", column, company.id, value)
        )
        [changed] = plan.updates
        assert changed.id == company.id and changed.changes() == {"custom": {"Seats": (company.custom["Seats"], value)}}


@pytest.mark.parametrize("form", ["csv", "parquet", "duckdb"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_column_called_after_any_class_of_the_program_goes_back_in(tmp_path: Path, form: Any, turned: bool) -> None:
    """Two classes give one custom field two names and two types, and one of the names to another field, too."""
    with no_classes(), Emulator(3) as emulator:
        own: list[dict[str, Any]] = [
            {"golive": Custom("Go-live", datetime), "review": Custom("Next review day", date)},
            {"go_live_day": Custom("Go-live", date), "golive": Custom("Seats", int)},
        ]
        for place, fields in enumerate(reversed(own) if turned else own):
            type(f"Own{place}", (Company,), {"__module__": __name__, **fields})
        with Planhat("test-token", api_url=emulator.url, calls_per_min=1e9, mirror=tmp_path / "a.db") as planhat:
            planhat.sync()
            path = tmp_path / "all.duckdb" if form == "duckdb" else tmp_path / f"company.{form}"
            planhat.mirror.export(path if form == "duckdb" else tmp_path, form)
            plan = Company.objects.using(planhat).reconcile(path, key="id", empty="clear")
            assert cells(plan) == {} and plan.creates == [] and plan.unchanged == 3


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_custom_field_with_the_name_of_the_column_of_the_rest_goes_out_and_in(tmp_path: Path, form: str) -> None:
    with no_classes(), no_clients(), Emulator(3, endusers=0, licenses=0) as emulator:

        class Account(Company):
            extra = Custom("Extra", int)

        for number, row in enumerate(emulator.store.all("company")):
            emulator.store.update("company", row["_id"], {"custom": {"Extra": number}, "undocumented": number})
        mirror = tmp_path / "planhat.db"
        with Planhat("test-token", api_url=emulator.url, calls_per_min=1e6, mirror=mirror, custom="warn") as planhat:
            planhat.sync(Account)
            (file,) = planhat.mirror.export(tmp_path / "out", form, [Account])
            plan = Account.objects.reconcile(file, key="id", empty="clear")
            assert plan.summary() == "create 0, update 0, unchanged 3, delete 0"
