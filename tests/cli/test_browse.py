"""`planhat browse`: Datasette on a mirror, asked over HTTP on loopback."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planhat_orm import Planhat
from planhat_orm.cli.browse.command import application, server
from planhat_orm.cli.browse.csv_cells import _Records
from planhat_orm.cli.serving import listen
from planhat_orm.emulator import Emulator
from planhat_orm.tabular.cells import unguard

from ..browser import look, needs_chromium
from .conftest import Run

# Datasette 0.65 and the packages that it brings along warn of what Python 3.14 takes away.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@dataclass(frozen=True)
class Browsed:
    url: str
    path: Path
    planhat: Planhat
    emulator: Emulator

    def get(self, path: str, **query: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", params=query, timeout=60)

    def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = self.get(f"{path}.json", _shape="array", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsed]:
    path = tmp_path_factory.mktemp("browse") / "my mirror.db"
    with (
        Emulator(12, seed=1) as emulator,
        Planhat(emulator.api_token, api_url=emulator.url, mirror=path) as planhat,
    ):
        planhat.sync()
        serving = server(application(str(path)))
        listening = listen("127.0.0.1", 0)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Browsed(f"http://127.0.0.1:{listening.getsockname()[1]}/", path, planhat, emulator)
        finally:
            serving.should_exit = True
            thread.join(30)


def test_the_views_are_shown_and_the_tables_are_hidden(browsed: Browsed) -> None:
    told = browsed.get("my~20mirror.json").json()
    shown = [table["name"] for table in told["tables"] if not table["hidden"]]
    assert shown == [] and {"company", "mirror_change", "mirror_outbox"} <= {table["name"] for table in told["tables"]}
    assert {"v_company", "v_license"} <= {view["name"] for view in told["views"]}


def test_ids_are_links_to_their_records(browsed: Browsed) -> None:
    company = browsed.rows("my~20mirror/v_company", status="customer", _size="1")[0]
    html = browsed.get("my~20mirror/v_company", id=company["id"]).text
    links = re.findall(r'<a href="(/[^"]*)">([^<]*)</a>', html)
    assert (f"/my+mirror/v_company?id={company['id']}", company["id"]) in links
    assert (f"/my+mirror/v_user?id={company['owner_id']}", company["owner_id"]) in links
    assert (f"/my+mirror/records_of_a_company?company_id={company['id']}", company["name"]) in links
    belongs = browsed.rows("my~20mirror/records_of_a_company", company_id=company["id"])
    assert {"enduser", "license"} <= {row["model"] for row in belongs}
    html = browsed.get("my~20mirror/records_of_a_company", company_id=company["id"]).text
    assert f'v_{belongs[0]["model"]}?id={belongs[0]["id"]}">{belongs[0]["id"]}</a>' in html


def test_columns_are_described_from_the_declarations(browsed: Browsed) -> None:
    html = browsed.get("my~20mirror/v_company").text
    assert "<dt>h</dt>" in html and "written by Planhat; in the API: h" in html
    assert "The name behind owner_id" in html
    assert "What the columns are" in html, "they are folded up, so that the rows come first"
    assert "Custom field &#39;Tier&#39;" in html


def test_there_are_facets_by_status_and_owner(browsed: Browsed) -> None:
    facets = browsed.get("my~20mirror/v_company" + ".json", _size="0").json()["facet_results"]
    assert {"status", "phase", "owner_name"} <= set(facets)
    assert sum(value["count"] for value in facets["status"]["results"]) == 12


@pytest.mark.parametrize(
    "question",
    [
        "renewals_at_risk",
        "mrr_by_owner",
        "customers_without_a_touch",
        "open_tickets_by_company",
        "nps_by_month",
        "latest_changes",
    ],
)
def test_every_question_runs(browsed: Browsed, question: str) -> None:
    rows = browsed.rows(f"my~20mirror/{question}")
    assert rows or question in ("latest_changes", "renewals_at_risk")
    if question == "mrr_by_owner":
        (sums,) = browsed.planhat.mirror.sql("select sum(mrr) mrr from company where status = 'customer'")
        assert sum(row["mrr"] for row in rows) == sums["mrr"]


def test_nothing_can_be_written_and_no_file_is_handed_out(browsed: Browsed) -> None:
    for sql in ("delete from company", "attach 'other.db' as other", "pragma journal_mode=delete"):
        assert browsed.get("my~20mirror.json", sql=sql).status_code == 400
    assert browsed.get("my~20mirror.db").status_code in (403, 404)
    assert httpx.post(f"{browsed.url}my~20mirror/mrr_by_owner").status_code >= 400


def test_other_sites_and_other_names_of_this_machine_are_refused(browsed: Browsed) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert httpx.get(browsed.url, headers=headers).status_code == 403
    assert browsed.get("").headers["cache-control"] == "no-store"


def test_a_sync_goes_on_beside_it_and_is_seen(browsed: Browsed) -> None:
    id = browsed.emulator.store.ids("company")[0]
    browsed.emulator.store.change("company", browsed.emulator.store.table("company").row(id).record, {"phase": "Seen"})
    browsed.planhat.sync()
    assert browsed.rows("my~20mirror/v_company", id=id)[0]["phase"] == "Seen"
    with closing(sqlite3.connect(browsed.path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert browsed.rows("my~20mirror/latest_changes")[0]["model"] == "company"


def test_a_database_without_a_file_is_refused_and_a_missing_mirror(run: Run) -> None:
    assert "planhat sync" in run("browse").err
    assert "PostgreSQL" in run("browse", "--mirror", "postgresql://nobody@127.0.0.1:1/x").err


@needs_chromium
@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_its_pages_open_without_an_error_in_the_console(browsed: Browsed, tmp_path: Path, width: int) -> None:
    for number, page in enumerate(("", "my~20mirror", "my~20mirror/v_company", "my~20mirror/mrr_by_owner")):
        shot = tmp_path / f"{number}.png"
        assert look(f"{browsed.url}{page}", width, shot) == []
        assert shot.stat().st_size > 5_000


NASTY = [
    '=HYPERLINK("x")',
    "a,b",
    "two\nlines",
    '"quoted" =1',
    "＝wide",
    "-1",
    "-1e5",
    "-x",
    "",
    "'kept",
]


def test_csv_of_the_browser_holds_nothing_that_a_spreadsheet_runs(browsed: Browsed) -> None:
    columns = [f":p{number} as c{number}" for number in range(len(NASTY))]
    sql = "select " + ", ".join([*columns, "printf('%200000d', 1) as long"])
    values = {f"p{number}": text for number, text in enumerate(NASTY)}
    answer = browsed.get("my~20mirror.csv", sql=sql, **values)
    assert answer.status_code == 200, answer.text
    [_, cells] = csv.reader(io.StringIO(answer.content.decode(), newline=""))
    assert len(cells.pop()) == 200_000
    assert cells == [
        "'=HYPERLINK(\"x\")", "a,b", "two\nlines", '"quoted" =1', "'＝wide", "-1", "-1e5", "'-x", "", "''kept",
    ]  # fmt: skip


@given(
    rows=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1)),
    cuts=st.lists(st.integers(1, 20), min_size=1),
)
def test_guarded_csv_is_the_same_wherever_its_stream_is_cut(rows: list[list[str]], cuts: list[int]) -> None:
    to = io.StringIO(newline="")
    csv.writer(to).writerows(rows)
    data, pieces, records = to.getvalue().encode(), [], _Records()
    for cut in itertools.cycle(cuts):
        pieces.append(records.add(data[:cut], is_last=len(data) <= cut))
        data = data[cut:]
        if not data:
            break
    found = list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline="")))
    assert [[unguard(cell) for cell in row] for row in found] == rows
