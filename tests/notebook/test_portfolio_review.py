"""The example notebook, run by a real kernel: every cell works, and its charts show what SQL says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator

EXAMPLE = Path(__file__).parents[2] / "examples" / "portfolio_review.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_portfolio_review_runs_and_its_charts_show_what_sql_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    notebook: Any = nbformat.read(EXAMPLE, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    with Emulator(companies=15, seed=1) as emulator:
        monkeypatch.setenv("PLANHAT_API_TOKEN", emulator.api_token)
        monkeypatch.setenv("PLANHAT_API_URL", emulator.url)
        NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
        ).execute()
        requests = emulator.calls
    with Planhat("test-token", api_url=emulator.url, mirror=tmp_path / "planhat.db") as planhat:
        assert requests == emulator.calls
        rows = drawn(notebook, "charts.portfolio")
        (sums,) = planhat.mirror.sql("select sum(mrr) mrr, count(*) n from company where status = 'customer'")
        assert (sum(row["mrr"] for row in rows), sum(row["customers"] for row in rows)) == (sums["mrr"], sums["n"])
        (table,) = shown(notebook, 'at_risk.order_by("-mrr")', "text/html")
        (risky,) = planhat.mirror.sql("select count(*) n from company where status = 'customer' and h <= 3")
        assert f"{risky['n']} in all" in table
    for call in ("mrr()", "renewals", "health", "untouched", "nps", "tickets"):
        assert drawn(notebook, f"charts.{call}"), call
    (bars, *_) = shown(notebook, "planhat.sync(progress=True)", "text/html")
    assert bars.count("<progress") == 25


def shown(notebook: Any, source: str, media: str) -> list[Any]:
    """What the cells that begin or end so displayed, of one media type."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and source in cell.source][:1]
    data = [output["data"] for cell in cells for output in cell.outputs if "data" in output]
    return [value for bundle in data for name, value in bundle.items() if name.startswith(media)]


def drawn(notebook: Any, source: str) -> list[dict[str, Any]]:
    """The rows that a chart was drawn from."""
    (html,) = shown(notebook, source, "text/html")
    found, _ = json.JSONDecoder().raw_decode(html[html.index('"datasets": ') + len('"datasets": ') :])
    return next(iter(found.values()))
