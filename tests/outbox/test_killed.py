"""A process is killed while it pushes: afterwards Planhat holds what one undisturbed push gives, and nothing waits.

Each round fills an outbox with creates (with a key, without, children of new parents, some exactly alike), updates
and deletes, and starts processes that push it; each is killed at a random moment after its first request. What is
left at the end of the round is pushed from the command line.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from planhat_orm import Company, Conversation, License, Planhat
from tests.scale import sized

from ..other_server import stand_in
from .conftest import client

ROOT = Path(__file__).parents[2]
KILLS, ENTRIES, SECONDS = sized((3, 200, 0.12), (100, 10_000, 4.0))
PUSH = """
from planhat_orm.writes import server_state
server_state.QUIET = 0.0  # the server does what it was sent at once
from planhat_orm.cli import main
main(["push"])
"""
WRITTEN = ("name", "externalId", "phase", "custom", "value", "product", "subject", "type")


def fill(planhat: Planhat, entries: int) -> None:
    """Write so many changes down offline."""
    planhat.sync(Company, License, Conversation)
    part = entries // 10
    with planhat.offline():
        old = list(Company.objects.order_by("external_id"))
        for company in old[: 3 * part]:
            company.phase = "Moved"
            company.custom["Tier"] = "B"
        planhat.save_all(old[: 3 * part])
        with planhat.batch():
            for company in old[3 * part : 5 * part]:
                company.delete()
        new = [Company(name=f"New {n}", external_id=f"new-{n}") for n in range(2 * part)]
        planhat.save_all(new)
        planhat.save_all([
            License(company_id=company.id, external_id=f"l-{n}", value=n, currency="EUR", product="P",
                    from_date=date(2026, 1, 1))
            for n, company in enumerate(new[:part])
        ])  # fmt: skip
        notes = [Conversation(company_id=old[0].id, subject=f"Note {n // 2}", type="note") for n in range(part)]
        notes += [Conversation(company_id=company.id, subject="Hello", type="note") for company in new[:part]]
        planhat.save_all(notes)
    assert len(planhat.mirror.outbox) == 10 * part


def tenant(kind: str, entries: int) -> Any:
    emulator = stand_in.server(kind)
    for n in range(entries // 2):
        emulator.store.insert("company", {"name": f"Old {n}", "externalId": f"old-{n:05d}", "phase": "Live"})
    return emulator


def held(emulator: Any) -> Counter[Any]:
    """What the tenant holds of all that was written, with companies by name instead of ids."""
    names = {row["_id"]: row["name"] for row in emulator.store.all("company")}
    return Counter(
        (kind, names.get(row.get("companyId")), repr([row.get(name) for name in WRITTEN]))
        for kind in ("company", "license", "conversation")
        for row in emulator.store.all(kind)
    )


def expected(kind: str, folder: Path) -> Counter[Any]:
    """What one undisturbed push gives."""
    folder.mkdir()
    with tenant(kind, ENTRIES) as emulator:
        planhat = client(emulator, folder)
        fill(planhat, ENTRIES)
        result = planhat.push()
        planhat.close()
        assert result.ok and not len(planhat.mirror.outbox)
        return held(emulator)


def test_a_push_that_is_killed_is_carried_on_without_loss_or_double(kind: str, tmp_path: Path) -> None:
    chance = random.Random(5)
    wanted = expected(kind, tmp_path / "undisturbed")
    assert sum(wanted.values()) == 8 * ENTRIES // 10
    killed = rounds = 0
    while killed < KILLS:
        folder = tmp_path / f"round{rounds}"
        folder.mkdir()
        rounds += 1
        with tenant(kind, ENTRIES) as emulator:
            planhat = client(emulator, folder)
            fill(planhat, ENTRIES)
            planhat.close()
            environment = {
                **os.environ, "PLANHAT_API_URL": emulator.url, "PLANHAT_API_TOKEN": "test-token",
                "PLANHAT_MIRROR": str(folder / "planhat.db"), "PLANHAT_CALLS_PER_MIN": "1000000",
            }  # fmt: skip
            goal = min(KILLS, killed + (sized(2, 25)))
            while killed < goal:
                emulator.log.clear()
                process = subprocess.Popen([sys.executable, "-c", PUSH], cwd=ROOT, env=environment)
                while not emulator.calls and process.poll() is None:
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, SECONDS))
                if process.poll() is not None:
                    break  # it was done; begin anew
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
            last = sized(["-c", PUSH], ["-m", "planhat_orm.cli", "push"])
            done = subprocess.run([sys.executable, *last], cwd=ROOT, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            assert held(emulator) == wanted
            planhat = client(emulator, folder)
            assert not len(planhat.mirror.outbox)
            planhat.close()
    print(f"{killed} kills in {rounds} rounds of {ENTRIES:,} entries")
