"""A real notebook, run by a real kernel: tables render, and displaying anything makes no request."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from planhat_orm.emulator import Emulator

CELLS = [
    """
    from planhat_orm import *
    planhat = Planhat(api_url={url!r}, api_token="test-token", scan="allow")
    customers = Company.objects.filter(status="customer")
    loaded = Company.objects.order_by("name")[:3]
    names = [company.name for company in loaded]
    calls = planhat.calls
    """,
    "customers",
    "customers.explain()",
    "loaded",
    "company = loaded[0]; company.name = '<script>alert(1)</script>'; company",
    "batch = planhat.batch(dry_run=True)\nwith batch: company.save()\nbatch.plan()",
    "batch.result",
    "Company.objects.values('name', 'mrr')",
    "planhat.calls - calls",
    "[licence.company.name for licence in License.objects.all()][0]",
    """
    async def main():
        licence = await License.objects.afirst()
        return licence.company
    await main()
    """,
]
SHOWN = slice(1, 8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_displaying_querysets_records_and_plans_renders_tables_and_makes_no_request() -> None:
    with Emulator(companies=5, seed=1) as emulator:
        source = [_dedent(cell).replace("{url!r}", repr(emulator.url)) for cell in CELLS]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])  # type: ignore[no-untyped-call]
        NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    tables = [out["data"]["text/html"] for cell in outputs[SHOWN] for out in cell if "text/html" in out.get("data", {})]
    assert len(tables) == 7
    assert all("<table>" in table for table in tables)
    assert "status = &#x27;customer&#x27;" in tables[0]
    assert not any("<script>" in table for table in tables)
    assert outputs[8][0]["data"]["text/plain"] == "0"
    # A cell waits for a relation as for everything else; a task that others depend on is told what to type.
    assert outputs[9][0]["data"]["text/plain"] == "'Alderbay Analytics'"
    assert outputs[10][0]["ename"] == "NotLoaded" and "await record.aload" in outputs[10][0]["evalue"]


def _dedent(text: str) -> str:
    from textwrap import dedent

    return dedent(text).strip()
