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
@pytest.mark.parametrize("script", [CRUDS, ROBOCORP], ids=["CRUDs 1.9.1", "robocorp-planhat 1.0.0"])
def test_an_unchanged_client_creates_reads_updates_lists_pushes_and_deletes(script: str) -> None:
    with Emulator(companies=0) as emulator:
        done = subprocess.run([PYTHON, "-c", script, emulator.url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


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
print(planhat.license.bulk_upsert(licenses))
print(planhat.user_activity.create_activity({"companyId": company["_id"], "event": "login", "userId": "user123"}))
print(planhat.metrics.bulk_insert_metrics([{"dimensionId": "logins", "companyId": company["_id"], "value": 5}]))
"""
