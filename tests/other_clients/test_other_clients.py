"""Clients written by others work against the emulator: `make test-peers`.

They live in an environment of their own (PLANHAT_PEERS names its Python), as their dependencies are not ours.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from planhat_orm.emulator import Emulator

from .crud_scripts import CRUDS, ROBOCORP

PYTHON = os.environ.get("PLANHAT_PEERS", "")
pytestmark = pytest.mark.peers
needs_peers = pytest.mark.skipif(not PYTHON, reason="needs other people's clients: make test-peers")


@needs_peers
@pytest.mark.parametrize(
    ("script", "activities", "metrics"),
    [(CRUDS, 3, 1), (ROBOCORP, 2, 0)],  # robocorp-planhat has no call for metrics
    ids=["CRUDs 1.9.1", "robocorp-planhat 1.0.0"],
)
def test_an_unchanged_client_creates_reads_updates_lists_pushes_and_deletes(
    script: str, activities: int, metrics: int
) -> None:
    with Emulator(companies=0) as emulator:
        done = subprocess.run([PYTHON, "-c", script, emulator.url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [record["name"] for record in emulator.store.all("company")] == ["Beta"]
    assert (len(emulator.store.all("user_activity")), len(emulator.store.all("metric"))) == (activities, metrics)


def test_the_example_of_cruds_manual_runs_with_only_the_import_changed() -> None:
    script = _MANUAL.replace("from cruds.interfaces.planhat import Planhat", "from planhat_orm import Planhat")
    with Emulator(companies=0) as emulator:
        emulator.store.insert("company", {"name": "Acme", "externalId": "21432948"})
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            env={**os.environ, "PLANHAT_API_URL": emulator.url},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert len(emulator.store.all("license")) == 2


_MANUAL = """
from cruds.interfaces.planhat import Planhat

planhat = Planhat(api_token="test-token", tenant_token="test-tenant", calls_per_min=150)
company = planhat.company.get_by_id("extid-21432948")
licenses = [
    {"name": "Premium License", "companyId": "extid-21432948", "value": 1000},
    {"name": "Basic License", "companyId": "extid-21432948", "value": 500},
]
print(planhat.license.bulk_upsert(licenses, raise_on_error=True))
activity = {"event": "login", "userId": "user123", "companyId": company["_id"], "timestamp": "2026-01-15T10:30:00Z"}
print(planhat.user_activity.create_activity(activity))
metric = {"dimensionId": "logins", "companyId": company["_id"], "value": 5, "time": "2026-01-15T00:00:00Z"}
print(planhat.metrics.bulk_insert_metrics([metric]))
"""
