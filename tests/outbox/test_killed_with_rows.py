"""Processes are killed while they record and push metrics and activities: nothing is lost, nothing comes twice.

A value is on the server as it was recorded last, once. An activity is there once, or is held and named.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Planhat
from tests.scale import sized

from ..other_server import stand_in
from .conftest import client
from .inprocess import Client, Killed, Tenant

ROOT = Path(__file__).parents[2]
ROUNDS, KILLS = sized(1, 400), sized(1, 60)
FAULTS = (None, None, None, "reset before", "reset after", "500", "429", "502, but done")


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """A place for a new mirror."""
    if request.param == "postgres":
        place: Callable[[], str] = request.getfixturevalue("postgres")
        return place
    numbers = iter(range(10_000))
    return lambda: tmp_path / f"{next(numbers)}.db"


class Recorded:
    """What was recorded so far: every value of a metric in its order, and the activities by their action."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.actions: list[str] = []

    def write(self, planhat: Planhat, chance: random.Random) -> None:
        keys, number = chance.choices("abc", k=chance.randint(1, 3)), len(self.actions)
        rows = []
        for key in dict.fromkeys(keys):
            self.values.setdefault(key, []).append(sum(map(len, self.values.values())) + 1)
            rows.append(
                {"dimensionId": "d", "externalId": key, "value": self.values[key][-1], "date": "2026-05-01"}
            )  # fmt: skip
        planhat.metrics.record(rows)
        many = [{"email": "a@a.example", "action": f"{number + more}"} for more in range(chance.randint(0, 3))]
        planhat.user_activity.record(many)
        self.actions += [row["action"] for row in many]

    def check(self, planhat: Planhat, metrics: list[dict[str, Any]], names: dict[str, str], activities: Any) -> None:
        """Compare with what the server holds, after a last push."""
        for key, values in self.values.items():
            held = [row["value"] for row in metrics if names[row["parentId"]] == key]
            assert held == sorted(set(held)) and held[-1] == values[-1], (key, values, held)
        counts = Counter(row["action"] for row in activities)
        in_doubt = [entry.patch["action"] for entry in planhat.outbox or ()]
        assert max(counts.values(), default=1) == 1
        assert set(self.actions) == counts.keys() | set(in_doubt)
        assert all(entry.state == "unknown" and entry.error for entry in planhat.outbox or ())


def test_a_client_that_is_killed_at_any_step_loses_and_doubles_nothing(where: Any) -> None:
    killed = in_doubt = 0
    for seed in range(ROUNDS):
        chance, tenant, place, recorded = random.Random(seed), Tenant(), where(), Recorded()
        for key in "abc":
            tenant.store.insert("company", {"name": key, "externalId": key})
        planhat = tenant.client(place)
        for _ in range(chance.randint(3, 8)):
            recorded.write(planhat, chance)
            tenant.faults = chance.choices(FAULTS, k=3)
            planhat.kill_in = chance.choice((None, chance.randint(0, 40)))
            try:
                planhat.push()
            except Killed:
                killed += 1
                planhat.close()
                planhat = tenant.client(place)
            planhat.kill_in = None
        settle(planhat, tenant)
        names = {row["_id"]: row["externalId"] for row in tenant.store.all("company")}
        recorded.check(planhat, tenant.store.all("metric"), names, tenant.store.all("user_activity"))
        in_doubt += len(planhat.mirror.outbox)
        planhat.close()
    assert killed >= ROUNDS and in_doubt


def settle(planhat: Client, tenant: Tenant) -> None:
    """Push without a fault until only what is held is left."""
    tenant.faults = []
    for _ in range(2):
        planhat.mirror.outbox.retry()
        planhat.push()


PUSH = """
from planhat_orm.writes import server_state
server_state.QUIET = 0.0  # the server does what it was sent at once
from planhat_orm.cli import main
main(["push"])
"""


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.torture)], indirect=True)
def test_a_process_that_is_killed_loses_and_doubles_nothing(kind: str, where: Any, tmp_path: Path) -> None:
    chance, place, recorded = random.Random(7), where(), Recorded()
    with stand_in.server(kind) as emulator:
        for key in "abc":
            emulator.store.insert("company", {"name": key, "externalId": key})
        planhat = client(emulator, tmp_path, mirror=place)
        environment = {
            **os.environ, "PLANHAT_API_URL": emulator.url, "PLANHAT_API_TOKEN": "test-token",
            "PLANHAT_TENANT_TOKEN": "test-tenant", "PLANHAT_MIRROR": str(place), "PLANHAT_CALLS_PER_MIN": "1000000",
        }  # fmt: skip
        for _ in range(KILLS):
            for _ in range(3):
                recorded.write(planhat, chance)
            emulator.log.clear()
            process = subprocess.Popen([sys.executable, "-c", PUSH], cwd=ROOT, env=environment)
            while not emulator.calls and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            process.wait()
        planhat.push()
        names = {row["_id"]: row["externalId"] for row in emulator.store.all("company")}
        recorded.check(planhat, emulator.store.all("metric"), names, emulator.store.all("user_activity"))
        planhat.close()
