"""What the customers came to on each day, walked back from today; and its line in `planhat status`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from planhat_orm import Company, License, Planhat
from planhat_orm.cli import main
from planhat_orm.cli.sparks import line
from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorIncomplete
from planhat_orm.reports.over_time import over_time


def totals(planhat: Planhat) -> tuple[int, float]:
    (row,) = planhat.mirror.sql("select count(*) n, coalesce(sum(mrr), 0) mrr from company where status = 'customer'")
    return row["n"], row["mrr"]


def test_each_day_has_what_the_customers_came_to_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "planhat.db"
    with Emulator(12, seed=1) as emulator, Planhat(emulator.api_token, api_url=emulator.url, mirror=path) as planhat:
        with pytest.raises(MirrorIncomplete):
            over_time(planhat.mirror)
        planhat.sync(Company, License)
        assert over_time(planhat.mirror) == {"customers": [], "mrr": []}
        seen, days = [totals(planhat)], [datetime.now(UTC).date()]
        ids = [company.id for company in Company.objects.using("mirror").filter(status="customer")]
        licences = emulator.store.table("license")
        for step in range(3):
            gone = [id for id in licences.ids() if licences.row(id).record["companyId"] == ids[step]]
            for id in gone:
                emulator.store.delete("license", id)
            if step == 2:
                emulator.store.delete("company", ids[5])
                emulator.store.create("company", {"name": "New", "externalId": "new"})
            planhat.sync(Company, License, full=True)
            seen.append(totals(planhat))
            with closing(sqlite3.connect(path)) as connection, connection:
                back = (2 - step) * timedelta(days=3) // timedelta(microseconds=1)
                last = connection.execute(
                    "select coalesce(max(seq), 0) from mirror_change where op = 'moved'"
                ).fetchone()[0]
                connection.execute("update mirror_change set at = at - ?, op = 'moved' where seq > ?", (back, last))
        figures = over_time(planhat.mirror)
    days = [days[0] - timedelta(days=6), *(days[0] - timedelta(days=back) for back in (6, 3, 0))]
    assert figures["customers"] == list(zip(days, [count for count, _ in seen], strict=True))
    assert figures["mrr"] == list(zip(days, [mrr for _, mrr in seen], strict=True))
    assert len({mrr for _, mrr in seen}) > 2
    with pytest.raises(SystemExit):
        main(["status", "--mirror", str(path)])
    assert f"mrr  █{line('', figures['mrr'])[3:6]}" in capsys.readouterr().out  # type: ignore[index]


def test_a_figure_that_never_changed_has_no_line() -> None:
    day = datetime(2026, 6, 1, tzinfo=UTC).date()
    assert line("mrr", []) is None and line("mrr", [(day, 5)]) is None and line("mrr", [(day, 5), (day, 5)]) is None
    assert line("mrr", [(day, 5), (day, 1000)]) == "mrr  ▁█  5 to 1,000 since 2026-06-01"
