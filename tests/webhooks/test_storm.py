"""A storm of webhooks, shuffled, repeated, forged, with the receiver killed twice: the mirror ends as the server is."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from planhat_orm import Company, License, Planhat
from planhat_orm.emulator import Emulator

from ..scale import sized
from .conftest import post

EVENTS = sized(300, 5000)
SEED = 16


class Killable:
    """The receiver's process: killed and started again on the same port."""

    def __init__(self, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "tests.webhooks.storm", arguments[0], arguments[1], str(self.port)]
        self._command.append(arguments[2])
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "the receiver did not start"
                time.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def receiver(*arguments: str) -> Iterator[Killable]:
    running = Killable(*arguments)
    try:
        yield running
    finally:
        running.kill()


def deliver(url: str, body: str) -> int:
    """Send one; 0 when there was nobody to take it."""
    try:
        return post(url, body, "storm")
    except OSError:
        return 0


def change(emulator: Emulator, rng: random.Random, number: int) -> dict[str, Any]:
    """Change some record on the server, and return the event that tells of it."""
    name = rng.choice(["company", "license"])
    id = rng.choice(emulator.store.table(name).ids())
    if rng.random() < 0.02 and len(emulator.store.table("license").ids()) > 5:
        id = rng.choice(emulator.store.table("license").ids())
        emulator.store.delete("license", id)
        return {"model": "License", "event": "deleted", "id": id}
    field = "description" if name == "company" else "product"
    emulator.store.update(name, id, {field: f"change {number}"})
    return {"model": name, "event": "changed", "id": id}


def mirrored(planhat: Planhat, model: Any, field: str) -> dict[str, Any]:
    return {record.id: getattr(record, field) for record in model.objects.using(planhat).using("mirror")}


def stored(emulator: Emulator, name: str, field: str) -> dict[str, Any]:
    return {record["_id"]: record.get(field) for record in emulator.store.all(name)}


def test_after_a_storm_the_mirror_is_as_the_server_and_every_change_was_told(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    mirror, log = str(tmp_path / "planhat.db"), tmp_path / "calls"
    with Emulator(sized(30, 300)) as emulator:
        with Planhat("test-token", "test-tenant", api_url=emulator.url, mirror=mirror, calls_per_min=60_000) as planhat:
            planhat.sync(Company, License)
        emulator.log.clear()
        before = {**stored(emulator, "company", "description"), **stored(emulator, "license", "product")}
        answers: list[int] = []
        forged = 0
        with receiver(mirror, emulator.url, str(log)) as running:
            batches = [min(50, EVENTS - start) for start in range(0, EVENTS, 50)]
            deaths = {len(batches) // 3, 2 * len(batches) // 3}
            for number, size in enumerate(batches):
                events = [change(emulator, rng, number * 50 + item) for item in range(size)]
                events += rng.sample(events, max(1, size // 10))
                rng.shuffle(events)
                for place, event in enumerate(events):
                    if rng.random() < 0.05:
                        forged += post(running.url, json.dumps(event), "forged") == 401
                    if number in deaths and place == size // 2:
                        running.kill()
                        running.start()
                    answers.append(deliver(running.url, json.dumps(event)))
            _wait_until_empty(mirror, emulator)
            with Planhat("test-token", "test-tenant", api_url=emulator.url, mirror=mirror) as planhat:
                companies = mirrored(planhat, Company, "description")
                licences = mirrored(planhat, License, "product")
            assert companies == stored(emulator, "company", "description")
            assert licences == stored(emulator, "license", "product")
            assert set(answers) == {202} and forged > 0
            after = {**companies, **licences}
            last = {line.split()[0]: line.split(maxsplit=3) for line in log.read_text().splitlines()}
            for id in before:
                if before[id] != after.get(id):
                    # Called for each record that changed, at the end with what it is, or with its deletion.
                    assert last[id][2] == "deleted" if id not in after else last[id][3] == str(after[id])
            reads = emulator.log.count("GET")
            print(f"{EVENTS} changes, {len(answers)} deliveries, {forged} forged, {reads} requests")
            assert reads <= len(answers)


def _wait_until_empty(mirror: str, emulator: Emulator) -> None:
    """Until nothing waits, and the handlers have had everything."""
    with Planhat("test-token", "test-tenant", api_url=emulator.url, mirror=mirror) as planhat:
        inbox = planhat.mirror.inbox
        end = time.monotonic() + sized(60, 600)
        while inbox.has_work(["company", "license"], ["companies", "licences"], planhat.mirror.newest_change()):
            assert time.monotonic() < end, inbox.counts()
            time.sleep(0.1)
        assert inbox.counts() == (0, 0)
