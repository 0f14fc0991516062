"""The source of dlt: what a pipeline into DuckDB has after each run, and how much each run sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, License, Planhat, User
from planhat_orm.dlt import planhat_source
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorIncomplete

from .registry import no_clients

dlt = pytest.importorskip("dlt")
duckdb = pytest.importorskip("duckdb")

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    with Emulator(12) as emulator:
        yield emulator


@pytest.fixture
def planhat(tenant: Emulator, tmp_path: Path) -> Iterator[Planhat]:
    with no_clients():
        client = Planhat(tenant.api_token, api_url=tenant.url, mirror=tmp_path / "planhat.db")
        client.sync(Company, License)
        yield client


Pipeline = Callable[..., dict[str, int]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Run a source; return how many rows of each table it sent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    pipeline = dlt.pipeline(
        "planhat", destination=dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb")), dataset_name="planhat"
    )

    def sent(source: Any) -> dict[str, int]:
        pipeline.run(source)
        counts = pipeline.last_trace.last_normalize_info.row_counts
        return {name: count for name, count in counts.items() if not name.startswith("_dlt")}

    return sent


def loaded(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(f"SELECT * FROM planhat.{name}")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len({row["id"] for row in rows}) == len(rows) and not any(row["_deleted"] for row in rows)
    return {row["id"]: row for row in rows}


def assert_current(folder: Path, planhat: Planhat) -> None:
    for model in (Company, License):
        rows = loaded(folder, model._meta.resource.name)
        records = {record.id: record for record in model.objects.using(planhat).using("mirror")}
        assert rows.keys() == records.keys()
        for id, record in records.items():
            assert rows[id]["external_id"] == record.external_id and rows[id]["mrr"] == record.mrr


def edit(planhat: Planhat, tenant: Emulator, number: int) -> Company:
    company = Company.objects.using(planhat).using("mirror").order_by("id")[number]
    company.phase = f"{company.phase}!"
    company.save()
    return company


def test_the_second_run_sends_what_changed_and_takes_out_what_is_gone(
    planhat: Planhat, tenant: Emulator, run: Pipeline, tmp_path: Path
) -> None:
    assert run(planhat_source(Company, License)) == {"company": 12, "license": 36}
    assert_current(tmp_path, planhat)
    edited = edit(planhat, tenant, 3)
    gone = tenant.store.ids("company")[5]
    tenant.store.delete("company", gone)
    planhat.sync(Company, License, full=True)
    source = planhat_source(Company, License, planhat=planhat)
    assert run(source) == {"company": 2}
    assert_current(tmp_path, planhat)
    rows = loaded(tmp_path, "company")
    assert rows[edited.id]["phase"] == edited.phase and gone not in rows
    assert run(source) == {}
    assert_current(tmp_path, planhat)


@pytest.mark.torture
def test_all_rows_replace_a_table_whose_changes_are_not_known_and_a_run_after_that_takes_none_away(
    planhat: Planhat, tenant: Emulator, run: Pipeline, tmp_path: Path
) -> None:
    run(planhat_source(Company, License))
    edit(planhat, tenant, 1)
    tenant.store.delete("license", tenant.store.ids("license")[5])
    planhat.sync(Company, License, full=True)
    planhat.mirror.prune(timedelta(0))
    source = planhat_source(Company, License)
    assert run(source) == {"company": 12, "license": 35}
    assert_current(tmp_path, planhat)
    assert run(source) == {}
    assert_current(tmp_path, planhat)
    edit(planhat, tenant, 2)
    assert run(source) == {"company": 1}
    assert_current(tmp_path, planhat)


@pytest.mark.torture
def test_a_run_that_fails_is_made_up_for_by_the_next_one(
    planhat: Planhat, tenant: Emulator, run: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(planhat_source(Company, License))
    edit(planhat, tenant, 1)
    with monkeypatch.context() as patch, pytest.raises(Exception, match="cut off"):

        def cut(*_: object) -> None:
            raise OSError("cut off")

        patch.setattr("planhat_orm.mirror.feed.model_feed.arrow.batch", cut)
        run(planhat_source(Company, License))
    assert run(planhat_source(Company, License)) == {"company": 1}
    assert_current(tmp_path, planhat)


@pytest.mark.torture
def test_a_pipeline_that_starts_on_another_machine_goes_on_from_the_destination(
    planhat: Planhat, tenant: Emulator, run: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(planhat_source(Company, License))
    edit(planhat, tenant, 1)
    other = dlt.pipeline(
        "planhat",
        destination=dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb")),
        dataset_name="planhat",
        pipelines_dir=str(tmp_path / "other"),
    )
    other.run(planhat_source(Company, License))
    assert other.last_trace.last_normalize_info.row_counts["company"] == 1
    assert_current(tmp_path, planhat)


def test_all_models_of_the_mirror_are_taken_where_none_is_named(planhat: Planhat) -> None:
    assert set(planhat_source().resources) == {"company", "license", "custom_field"}
    with pytest.raises(MirrorIncomplete, match="does not hold all of user"):
        planhat_source(Company, User)


def test_without_dlt_it_says_how_to_get_it(planhat: Planhat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dlt", None)
    with pytest.raises(ConfigurationError, match=r'needs dlt: pip install "planhat_orm\[dlt\]"'):
        planhat_source(Company)
