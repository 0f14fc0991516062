"""The models of the dbt example, run by DuckDB over an export; dbt itself is not installed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from planhat_orm import Company, License, Planhat
from planhat_orm.emulator import Emulator

from .pages import ROOT

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

PROJECT = ROOT / "examples" / "dbt"
MODELS = {path.stem: path for path in sorted(PROJECT.rglob("*.sql"), key=lambda path: path.parent.name != "staging")}
_SOURCE = re.compile(r"\{\{ source\('planhat', '(\w+)'\) \}\}")
_REF = re.compile(r"\{\{ ref\('(\w+)'\) \}\}")


def read(name: str) -> Any:
    return yaml.safe_load((PROJECT / name).read_text("utf-8"))


def compiled(path: Path) -> str:
    """A model's SQL with what dbt would put into it."""
    [source] = read("models/sources.yml")["sources"]
    place = source["meta"]["external_location"].replace('{{ var("warehouse") }}', "warehouse")
    text = _SOURCE.sub(lambda found: place.replace("{name}", found[1]), path.read_text("utf-8"))
    return _REF.sub(lambda found: found[1], text)


def failures(connection: Any) -> list[str]:
    """The tests of the schema that fail."""
    found = []
    for model in read("models/schema.yml")["models"]:
        for column in model["columns"]:
            name, table = column["name"], model["name"]
            for test in column["data_tests"]:
                if test == "unique":
                    query = f"select {name} from {table} group by 1 having count(*) > 1"
                elif test == "not_null":
                    query = f"select 1 from {table} where {name} is null"
                else:
                    other = re.sub(r"ref\('(\w+)'\)", r"\1", test["relationships"]["arguments"]["to"])
                    query = f"select 1 from {table} where {name} not in (select id from {other})"
                if connection.execute(query).fetchall():
                    found.append(f"{table}.{name}: {test}")
    return found


def test_the_models_are_the_records_after_changes_and_deletions(tenant: Emulator) -> None:
    with Planhat(mirror="planhat.db") as planhat, duckdb.connect() as connection:
        planhat.sync(Company, License)
        planhat.mirror.export("warehouse", models=[Company, License], since="last")
        company = Company.objects.using("mirror").order_by("id")[1]
        company.phase = "Moved"
        company.save()
        gone = Company.objects.using("mirror").order_by("id")[2]
        for licence in License.objects.using("mirror").filter(company=gone):
            tenant.store.delete("license", licence.id)
        tenant.store.delete("company", gone.id)
        planhat.sync(Company, License, full=True)
        planhat.mirror.export("warehouse", models=[Company, License], since="last")
        for name, path in MODELS.items():
            connection.execute(f"create view {name} as {compiled(path)}")
        assert failures(connection) == []
        rows = connection.execute("select company_id, phase, licenses, license_mrr from portfolio").fetchall()
        expected = {c.id: c for c in Company.objects.using("mirror")}
        assert {row[0] for row in rows} == expected.keys() and gone.id not in expected
        assert {row[0]: row[1] for row in rows}[company.id] == "Moved"
        assert sum(row[2] for row in rows) == License.objects.using("mirror").count()


def test_every_model_is_in_the_schema() -> None:
    assert {model["name"] for model in read("models/schema.yml")["models"]} == MODELS.keys()
    assert read("profiles.yml").keys() == {read("dbt_project.yml")["profile"]}
