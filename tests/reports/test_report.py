"""The report: its figures equal SQL on the mirror, its page is whole, escaped and needs no network."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planhat_orm import Company, Planhat
from planhat_orm.cli.app import app
from planhat_orm.cli.sparks import sparks
from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorIncomplete, ValidationError
from planhat_orm.reports import charts, figures
from planhat_orm.reports.page import report
from planhat_orm.reports.portfolio import Portfolio, read_portfolio
from tests.browser import look, needs_chromium

HOSTILE = "<script>alert(1)</script> & </td>"


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Planhat, Path]]:
    path = tmp_path_factory.mktemp("report") / "planhat.db"
    with Emulator(companies=80, today=datetime.now(UTC).date()) as emulator:
        first = emulator.store.ids("company")[0]
        emulator.store.update("company", first, {"name": HOSTILE, "status": "customer", "phase": HOSTILE})
        with Planhat(emulator.api_token, emulator.tenant_token, api_url=emulator.url, mirror=path) as planhat:
            planhat.sync()
            yield planhat, path


@pytest.fixture
def now(mirrored: tuple[Planhat, Path]) -> Portfolio:
    return read_portfolio(mirrored[0])


def ask(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def test_the_portfolio_equals_sql(mirrored: tuple[Planhat, Path], now: Portfolio) -> None:
    expected = ask(
        mirrored[1],
        "SELECT coalesce(c.phase, 'none'), coalesce(u.nick_name, 'nobody'), count(*), round(sum(coalesce(c.mrr, 0)), 2) "
        "FROM company c LEFT JOIN user u ON u.id = c.owner_id WHERE c.status = 'customer' GROUP BY 1, 2",
    )
    assert expected
    assert sorted(figures.portfolio(now).rows) == sorted(expected)


def test_health_equals_sql(mirrored: tuple[Planhat, Path], now: Portfolio) -> None:
    expected: dict[object, object] = dict(
        ask(mirrored[1], "SELECT h, count(*) FROM company WHERE status = 'customer' GROUP BY h")  # type: ignore[arg-type]
    )
    assert {health: count for health, count, _ in figures.health(now).rows if count} == {
        health: count for health, count in expected.items() if health is not None
    }


def test_renewals_equal_sql(mirrored: tuple[Planhat, Path], now: Portfolio) -> None:
    today = now.at.date().isoformat()
    expected = ask(
        mirrored[1],
        "SELECT substr(l.renewal_date, 1, 7), count(*), round(sum(coalesce(l.mrr, 0)), 2) FROM license l "
        "JOIN company c ON c.id = l.company_id AND c.status = 'customer' "
        "WHERE l.renewal_status = 'ongoing' AND substr(l.renewal_date, 1, 10) >= ? GROUP BY 1 ORDER BY 1",
        today,
    )
    months = figures.renewals(now, months=12).rows
    shown = {month for month, _, _ in months}
    assert [row for row in months if row[1]] == [row for row in expected if row[0] in shown]
    assert any(row[1] for row in months)


def test_tickets_and_answers_equal_sql(mirrored: tuple[Planhat, Path], now: Portfolio) -> None:
    asked = ask(
        mirrored[1],
        "SELECT count(*) FROM conversation t JOIN company c ON c.id = t.company_id AND c.status = 'customer' "
        "WHERE t.type = 'ticket'",
    )
    assert [(len(now.cases),)] == asked or not now.cases
    answers = ask(
        mirrored[1],
        "SELECT count(*) FROM nps n JOIN company c ON c.id = n.c_id AND c.status = 'customer' "
        "WHERE n.date_answered IS NOT NULL AND n.score IS NOT NULL",
    )
    assert [(len(now.answers),)] == answers


def test_untouched_accounts_are_the_largest_and_the_rest_is_counted(now: Portfolio) -> None:
    edge = now.at - timedelta(days=30)
    quiet = [account for account in now.accounts if account.last_touch is None or account.last_touch < edge]
    figure = figures.untouched(now, days=30, limit=3)
    assert [row[2] for row in figure.rows] == sorted((account.mrr for account in quiet), reverse=True)[:3]
    assert figure.note == f"{len(quiet) - 3:,} more are smaller."


def test_the_headlines_add_up(now: Portfolio) -> None:
    values = {headline.label: headline.value for headline in figures.headlines(now, None)}
    assert values["MRR"] == sum(account.mrr for account in now.accounts)
    assert values["Customers"] == len(now.accounts)
    assert values["MRR at risk"] == sum(account.mrr for account in now.accounts if (account.health or 0) <= 3)


def test_an_owner_sees_only_own_customers_and_a_misspelt_one_is_named(mirrored: tuple[Planhat, Path]) -> None:
    planhat, _ = mirrored
    with planhat.offline():
        name = Company.objects.filter(status="customer", owner_id__isnull=False).first().owner.nick_name  # type: ignore[union-attr]
    mine = read_portfolio(planhat, owner=name)
    assert mine.accounts
    assert {account.owner for account in mine.accounts} == {name}
    with pytest.raises(ValidationError, match="No user of the mirror is called"):
        read_portfolio(planhat, owner=f"{name}x")


def test_the_page_is_whole_escaped_and_alone(mirrored: tuple[Planhat, Path]) -> None:
    calls = mirrored[0].calls
    page = report(mirrored[0])
    assert mirrored[0].calls == calls
    body = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert not re.search(r"(src|href)=[\"'](?!data:)", body)
    assert "@import" not in body
    specs = re.findall(r'<script type="application/json" data-chart="(\w+)">(.*?)</script>', page, flags=re.S)
    assert {name for name, _ in specs} >= {"portfolio", "mrr", "renewals", "health"}
    for name, text in specs:
        assert json.loads(text)["$schema"], name
    for title in ("Portfolio by phase and owner", "MRR over time", "Renewals by month", "Health", "NPS", "Tickets"):
        assert f"<h2>{title}</h2>" in body


def test_a_chart_holds_the_numbers_of_its_table(mirrored: tuple[Planhat, Path], now: Portfolio) -> None:
    chart = mirrored[0].charts.renewals(months=6).to_dict()
    [data] = chart["datasets"].values() if "datasets" in chart else [chart["data"]["values"]]
    assert data == figures.renewals(now, months=6).records()


def test_no_more_owners_than_colours_are_drawn(now: Portfolio) -> None:
    figure = figures.portfolio(now)
    domain = charts.portfolio_chart(figure).to_dict()["encoding"]["color"]["scale"]["domain"]
    owners = {row[1] for row in figure.rows}
    assert len(domain) == min(len(owners), len(charts.COLOURS))
    assert (charts.OTHERS in domain) == (len(owners) > len(charts.COLOURS))


def test_the_past_shows_revenue_as_it_was(tmp_path: Path) -> None:
    with (
        Emulator(companies=12) as emulator,
        Planhat(emulator.api_token, emulator.tenant_token, api_url=emulator.url, mirror=tmp_path / "m.db") as planhat,
    ):
        planhat.sync()
        before = read_portfolio(planhat)
        then = datetime.now(UTC)
        for id in emulator.store.ids("company"):
            emulator.store.update("company", id, {"status": "lost"})
        planhat.sync()
        assert read_portfolio(planhat).accounts == ()
        assert read_portfolio(planhat, as_of=then).mrr == before.mrr > 0
        with pytest.raises(MirrorIncomplete):
            read_portfolio(planhat, as_of=then - timedelta(days=400))


@pytest.mark.parametrize(
    ("values", "line"), [([], ""), ([5, 5], "▄▄"), ([0, 7], "▁█"), ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█")]
)
def test_sparks(values: list[float], line: str) -> None:
    assert sparks(values) == line


def test_the_command_writes_the_page_and_replaces_no_file_unasked(
    mirrored: tuple[Planhat, Path], tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    run = CliRunner().invoke
    options = ["report", "--mirror", str(mirrored[1]), "--out", str(out)]
    done = run(app, options)
    assert done.exit_code == 0, done.output
    assert out.read_text("utf-8").startswith("<!doctype html>")
    refused = run(app, options)
    assert refused.exit_code != 0
    assert "--force" in str(refused.exception)
    assert run(app, [*options, "--force"]).exit_code == 0


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_opens_the_page_without_an_error(mirrored: tuple[Planhat, Path], tmp_path: Path, width: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(report(mirrored[0]), "utf-8")
    shot = tmp_path / "report.png"
    assert look(page.as_uri(), width, shot) == []
    assert shot.stat().st_size > 30_000
