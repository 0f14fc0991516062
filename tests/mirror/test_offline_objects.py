"""Objects from the mirror: they know how old they are, can be edited and saved, and are refused when too old."""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from planhat_orm import Company, License, Planhat, StaleMirror
from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.reading import source
from planhat_orm.query.kinds import iso


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    return make_emulator(companies=4)


@pytest.fixture
def planhat(emulator: Emulator, either: Mirror) -> Iterator[Planhat]:
    with Planhat("test-token", api_url=emulator.url, mirror=either.where) as planhat:
        planhat.sync(Company, License)
        yield planhat


def age(planhat: Planhat, resource: str, seconds: float) -> None:
    then = iso(datetime.now(UTC) - timedelta(seconds=seconds))
    with planhat.mirror.database.writing() as connection:
        connection.execute(
            text("UPDATE mirror_model SET synced_at = :then WHERE resource = :name"), {"then": then, "name": resource}
        )


def test_objects_of_the_mirror_say_when_they_were_synced_and_can_be_saved(planhat: Planhat, emulator: Emulator) -> None:
    company = Company.objects.using("mirror").order_by("id")[0]
    assert company.synced_at is not None and datetime.now(UTC) - company.synced_at < timedelta(minutes=5)
    calls = planhat.calls
    company.phase = "Edited"
    assert "phase" in company.changes() and planhat.calls == calls
    company.save()
    stored: Any = emulator.store.get("company", str(company.id))
    assert stored["phase"] == "Edited" and planhat.calls == calls + 1
    assert Company.objects.using("mirror").get(company.id).phase == "Edited"


def test_a_mirror_older_than_the_query_allows_is_refused_for_every_table_it_reads(planhat: Planhat) -> None:
    licenses = License.objects.using("mirror", max_age=3600)
    assert licenses.filter(company__name__icontains="e").count() >= 0
    age(planhat, "company", 4000)
    assert licenses.count() == License.objects.using("mirror").count()
    with pytest.raises(StaleMirror, match=r"company is 40\d\d seconds old, the query allows 3600: run planhat.sync"):
        licenses.filter(company__name__icontains="e").count()
    with pytest.raises(StaleMirror):
        list(Company.objects.using("mirror", max_age=3600))
    assert Company.objects.using("mirror", max_age=5000).count() == 4
    planhat.sync(Company)
    assert Company.objects.using("mirror", max_age=3600).count() == 4


@pytest.mark.parametrize("page", [2, 2000])
def test_a_queryset_that_is_forgotten_half_read_leaves_nothing_open(
    planhat: Planhat, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(source, "PAGE", page)
    pool: Any = planhat.mirror.database.engine.pool
    gc.collect()
    gc.disable()  # a reader who waits for the collector holds the database's log, or a connection of its server
    try:
        assert Company.objects.using("mirror").order_by("id")[0].id
        assert next(iter(Company.objects.using("mirror").iterator())).id
        assert next(iter(Company.objects.using("mirror").values("name")))["name"]
        assert pool.checkedout() == 0
    finally:
        gc.enable()


def test_selects_of_the_users_own_give_rows_with_fields(planhat: Planhat) -> None:
    rows, licences = planhat.mirror.table(Company), planhat.mirror.table(License)
    with Session(planhat.mirror.engine) as session:
        found = session.exec(select(rows).where(rows.mrr >= 0).order_by(rows.id)).all()
        expected = Company.objects.using("mirror").filter(mrr__gte=0).order_by("id")
        assert [(record.id, record.name, record.mrr, record.tags) for record in found] == [
            (row.id, row.name, row.mrr, row.tags) for row in expected
        ]
        assert all(isinstance(record.custom, dict) for record in found)
        joined = select(rows.name, licences.product).join(licences, licences.company_id == rows.id)
        assert len(session.exec(joined).all()) == License.objects.using("mirror").filter(company__isnull=False).count()


def test_all_files_of_a_mirror_are_the_owners(mirror: Mirror, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with mirror.database.writing() as connection:
            connection.execute(text("INSERT INTO mirror_meta VALUES ('x', 'y')"))
            names = {path.name for path in tmp_path.iterdir()}
            modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        mirror.backup(tmp_path / "copy.db")
    finally:
        os.umask(before)
    assert {"mirror0.db", "mirror0.db-wal", "mirror0.db-shm"} <= names and modes == {0o600}
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
