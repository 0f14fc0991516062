"""How long the mirror remembers, and how far back it holds metrics, are settings; no memory costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from planhat_orm import Company, Metric, Planhat, Sum
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import clock

MakePlanhat = Callable[..., Planhat]


@pytest.fixture
def make_planhat(make_emulator: Callable[..., Emulator], either: Mirror) -> Iterator[MakePlanhat]:
    emulator, made = make_emulator(), []
    where = either.where

    def make(**options: Any) -> Planhat:
        made.append(Planhat("test-token", api_url=emulator.url, mirror=where, **options))
        made[-1].emulator = emulator  # type: ignore[attr-defined]
        return made[-1]

    yield make
    for planhat in made:
        planhat.close()


def edit(planhat: Planhat, id: str) -> None:
    """A change of somebody else's, one of our own, and a sync."""
    emulator: Emulator = planhat.emulator  # type: ignore[attr-defined]
    emulator.store.update("company", id, {"phase": f"theirs {emulator.calls}"})
    planhat.sync(Company)
    company = Company.objects.using(planhat).get(id)
    company.phase = f"mine {emulator.calls}"
    company.save()
    planhat.sync(Company, full=True)


def rows(planhat: Planhat) -> int:
    with planhat.mirror.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM mirror_change WHERE rid IS NOT NULL")).scalar_one())


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def before(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", before)
    yield seen
    event.remove(Engine, "before_cursor_execute", before)


def test_no_memory_costs_a_mark_for_each_table_and_no_change(make_planhat: MakePlanhat) -> None:
    without = make_planhat(history=False)
    id = without.emulator.store.insert("company", {"name": "C"})["_id"]  # type: ignore[attr-defined]
    without.sync(Company)
    edit(without, id)
    with statements() as cheap:
        edit(without, id)
    assert rows(without) == 0 and not [item for item in cheap if "mirror_name" in item]
    with without.mirror.engine.connect() as connection:
        marks = connection.execute(text("SELECT resource, kind FROM mirror_change")).all()
    assert sorted(map(tuple, marks)) == [("company", "reset"), ("custom_field", "reset")]
    kept = make_planhat()
    edit(kept, id)
    with statements() as dear:
        edit(kept, id)
    assert rows(kept) == 6 and [item for item in dear if "mirror_name" in item]


def test_a_number_of_days_forgets_older_changes(make_planhat: MakePlanhat) -> None:
    planhat = make_planhat(history=400)
    id = planhat.emulator.store.insert("company", {"name": "C"})["_id"]  # type: ignore[attr-defined]
    planhat.sync(Company)
    edit(planhat, id)
    assert rows(planhat) == 3
    long_ago = clock.micros(datetime.now(UTC) - timedelta(days=401))
    with planhat.mirror.database.writing() as connection:
        connection.execute(text("UPDATE mirror_change SET at = :then WHERE origin = 'theirs'"), {"then": long_ago})
    planhat.sync(Company)
    assert [change.origin for change in planhat.mirror.changes()] == ["mine"]


def test_the_environment_says_it_too(make_planhat: MakePlanhat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_HISTORY", "off")
    assert make_planhat().mirror.history_kept is False
    assert make_planhat(history=True).mirror.history_kept is True
    monkeypatch.setenv("PLANHAT_HISTORY", "30")
    monkeypatch.setenv("PLANHAT_METRIC_DAYS", "365")
    mirror = make_planhat().mirror
    assert (mirror.history_days, mirror.metric_days) == (30, 365)
    for name, value in (("PLANHAT_HISTORY", "forever"), ("PLANHAT_HISTORY", "-1"), ("PLANHAT_METRIC_DAYS", "0")):
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match="number of days"):
            make_planhat()
        monkeypatch.undo()


def test_metrics_are_a_time_series_as_far_back_as_asked(make_planhat: MakePlanhat) -> None:
    planhat = make_planhat(metric_days=20)
    emulator: Emulator = planhat.emulator  # type: ignore[attr-defined]
    company = emulator.store.insert("company", {"name": "C"})["_id"]
    for day in range(100):
        at = (datetime(2026, 6, 1, tzinfo=UTC) - timedelta(days=day)).strftime("%Y-%m-%dT00:00:00.000Z")
        for dimension in ("logins", "seats"):
            emulator.store.insert(
                "metric",
                {"dimensionId": dimension, "time": at, "value": day, "model": "Company", "parentId": company,
                 "companyId": company},
            )  # fmt: skip
    planhat.sync(Metric, Company)
    with planhat:
        values = Metric.objects.using("mirror").filter(dimension_id="logins")
        assert values.count() == 21
        figures = values.filter(company__name="C", time__gte="2026-05-25").group_by("time").aggregate(sum=Sum("value"))
        assert [(str(figure["time"].date()), figure["sum"]) for figure in figures][-2:] == [
            ("2026-05-31", 1),
            ("2026-06-01", 0),
        ]
    more = make_planhat(metric_days=60)
    report = more.sync(Metric)["metric"]
    assert (report.new, report.changed, report.deleted) == (80, 0, 0)
    again = more.sync(Metric)["metric"]
    assert (again.new, again.changed, again.deleted) == (0, 0, 0) and again.requests <= 3
    with more:
        assert Metric.objects.using("mirror").filter(dimension_id="logins").count() == 61
