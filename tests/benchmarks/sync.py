"""The mirror in SQLite: first sync, again with nothing changed, and with 1 % changed, against only fetching."""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator


def run(rows: int) -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(companies=rows, endusers=0, licenses=0, conversations=0, tasks=0) as emulator,
    ):
        path = Path(folder) / "bench.db"
        planhat = Planhat(api_url=emulator.url, api_token="test-token", mirror=path, calls_per_min=100_000)
        list(planhat.company.get_list())  # the emulator caches encoded records: warm it up
        started = time.perf_counter()
        fetched = sum(len(page) for page in planhat.company.get_list())
        floor = time.perf_counter() - started
        yield f"only fetch {fetched:,} companies: {floor:.1f} s"
        yield _sync(planhat, emulator, "first sync", floor, rows)
        yield _sync(planhat, emulator, "nothing changed", floor, rows)
        chosen = random.Random(1).sample([row["_id"] for row in emulator.store.all("company")], rows // 100)
        for one in chosen:
            emulator.store.update("company", one, {"phase": "Moved"})
        yield _sync(planhat, emulator, "1 % changed", floor, rows)
        planhat.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield f"file {size / 1e6:.0f} MB; peak memory {peak:.0f} MB, the emulator's records included"


def _sync(planhat: Planhat, emulator: Emulator, name: str, floor: float, rows: int) -> str:
    before = len(emulator.log)
    started = time.perf_counter()
    report = planhat.sync(Company)
    seconds = time.perf_counter() - started
    calls = list(emulator.log)[before:]
    (model,) = report
    return (
        f"{name}: {seconds:.1f} s, {seconds / floor:.2f} of fetching, {rows / seconds:,.0f} rows/s, "
        f"{len(calls)} requests, {sum(call.bytes for call in calls) / 1e6:.1f} MB, by {model.method}"
    )
