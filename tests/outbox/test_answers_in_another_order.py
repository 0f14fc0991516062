"""Two saves of one record whose answers come in another order: the mirror ends with what the server has."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from planhat_orm import Company, Planhat
from tests.other_server import OtherServer, faults, on


@pytest.mark.parametrize("answer", ["whole", "partial", "id"])
@pytest.mark.parametrize("way", ["threads", "tasks", "batch"])
def test_the_mirror_shows_what_the_server_has(
    tmp_path: Path, answer: Literal["whole", "partial", "id"], way: str
) -> None:
    with OtherServer(put_answer=answer) as server:
        id = server.write("company", {"name": "Before", "externalId": "a"})["_id"]
        with Planhat(**server.settings(), mirror=tmp_path / "m.db", calls_per_min=1e6) as planhat:
            planhat.sync(Company)
            first, second = (Company.objects.using(planhat).get(id) for _ in range(2))
            first.name, second.name = "First", "Second"
            server.fault(faults.slow(0.6), on("PUT"))
            (in_tasks if way == "tasks" else in_threads)(server, planhat, first, second, way)
            stored = server.record("company", id)
            assert stored is not None and stored["name"] == "Second"
            with planhat.offline():
                assert Company.objects.using(planhat).get(id).name == "Second"
            assert not len(planhat.mirror.outbox)


def in_threads(server: OtherServer, planhat: Planhat, first: Company, second: Company, way: str) -> None:
    def save(record: Any) -> None:
        if way == "batch":
            with planhat.batch():
                record.save(using=planhat)
        else:
            record.save(using=planhat)

    slow = threading.Thread(target=save, args=(first,))
    slow.start()
    while not server.requests("PUT"):
        time.sleep(0.01)
    save(second)
    slow.join()


def in_tasks(server: OtherServer, planhat: Planhat, first: Company, second: Company, way: str) -> None:
    async def both() -> None:
        slow = asyncio.create_task(first.asave(using=planhat))
        while not server.requests("PUT"):
            await asyncio.sleep(0.01)
        await second.asave(using=planhat)
        await slow

    asyncio.run(both())
