"""A custom field that was cleared stays cleared in the mirror, also where an answer leaves it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from planhat_orm import Company, Planhat
from tests.other_server import OtherServer


@pytest.mark.parametrize("answer", ["whole", "partial"])
@pytest.mark.parametrize("way", ["save", "raw"])
def test_a_cleared_custom_field_does_not_come_back(
    tmp_path: Path, answer: Literal["whole", "partial"], way: str
) -> None:
    with OtherServer(put_answer=answer, custom_null="remove") as server:
        server.fill(
            "company", 1, lambda n: {"name": "Acme", "externalId": "a-1", "custom": {"Tier": "A", "Plan": "Pro"}}
        )
        settings: dict[str, Any] = {**server.settings(), "mirror": tmp_path / "m.db", "custom": "warn"}
        with Planhat(**settings) as planhat:
            planhat.sync(Company)
            company = Company.objects.get(external_id="a-1")
            if way == "save":
                company.custom["Tier"] = None
                company.save()
            else:
                planhat.company.update(company.id, {"custom": {"Tier": None}})
            with planhat.offline():
                custom = dict(Company.objects.get(company.id).custom)
        assert (custom.get("Tier"), custom["Plan"]) == (None, "Pro")
        stored = server.record("company", company.id)
        assert stored is not None and stored["custom"].get("Tier") is None
