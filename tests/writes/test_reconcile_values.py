"""What the values of another system's rows are taken for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planhat_orm import Company, License

from ..online import Online

ROW = {"source_id": 501, "currency": "EUR", "value": 3, "from_date": "2026-01-01", "to_date": "2027-01-01T00:00:00Z"}


@pytest.mark.filterwarnings("ignore::planhat_orm.FullScanWarning")
def test_dates_are_read_from_the_text_that_json_has_for_them(online: Online, tmp_path: Path) -> None:
    emulator, _ = online()
    row = {**ROW, "company_id": Company.objects.create(name="Acme").id}
    lines = tmp_path / "licences.jsonl"
    lines.write_text(json.dumps(row))
    License.objects.reconcile(lines, key="source_id").apply()
    (stored,) = emulator.store.all("license")
    assert (stored["sourceId"], stored["fromDate"]) == ("501", "2026-01-01T00:00:00.000Z")
    again = License.objects.reconcile([row], key="source_id")
    assert (len(again.creates), len(again.updates), again.unchanged) == (0, 0, 1)
