"""Readers while a sync writes: sixteen threads and two processes see whole syncs, never wait long and never fail."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator
from tests.scale import sized

ROOT = Path(__file__).parents[2]
PAGE = 20
ROWS = sized(100, 2000)
ROUNDS = sized(2, 3)
PAUSE = sized(0.3, 0.1)

READ = """
import sys
import time
from pathlib import Path
from planhat_orm import Planhat
from tests.mirror.test_readers import versions
planhat, stop = Planhat(api_token="test-token", api_url=sys.argv[4], mirror=sys.argv[1]), Path(sys.argv[2])
looks = 0
while not stop.exists():
    versions()
    looks += 1
    Path(sys.argv[3]).touch()
    time.sleep(0.2)
print(looks)
"""


def checksum(version: str, page: int) -> int:
    return zlib.crc32(f"{version} {page}".encode())


def fields(version: int, number: int) -> dict[str, Any]:
    """What a record says: the version that all of them have at a time, and a sum over that and its page."""
    page = number // PAGE
    return {"description": str(version), "custom": {"Page": page, "Sum": checksum(str(version), page)}}


def versions() -> str:
    """Read all companies and return the one version they have; raises for a page, or a mirror, that is torn."""
    rows = list(Company.objects.using("mirror"))
    assert len(rows) == Company.objects.using("mirror").count() == ROWS
    for row in rows:
        assert row.custom["Sum"] == checksum(str(row.description), row.custom["Page"]), "a torn page"
    [version] = {str(row.description) for row in rows}
    return version


def test_readers_see_whole_syncs(make_emulator: Callable[..., Emulator], tmp_path: Path) -> None:
    emulator = make_emulator(page_cap=PAGE)
    ids = [emulator.store.insert("company", {"name": f"C{n}", **fields(0, n)})["_id"] for n in range(ROWS)]
    where, stop, ended = tmp_path / "mirror.db", tmp_path / "stop", threading.Event()
    seen: set[str] = set()
    wrong: list[BaseException] = []
    with Planhat(api_token="test-token", api_url=emulator.url, mirror=where, calls_per_min=1e9) as planhat:
        planhat.sync(Company)

        def read() -> None:
            while not ended.wait(PAUSE):
                try:
                    seen.add(versions())
                except BaseException as error:
                    wrong.append(error)
                    return

        command, ready = [sys.executable, "-c", READ, str(where), str(stop)], [tmp_path / "one", tmp_path / "two"]
        processes = [
            subprocess.Popen([*command, str(write), emulator.url], cwd=ROOT, stdout=subprocess.PIPE) for write in ready
        ]
        threads = [threading.Thread(target=read) for _ in range(16)]
        for thread in threads:
            thread.start()
        try:
            while not all(write.exists() or process.poll() for write, process in zip(ready, processes, strict=True)):
                time.sleep(0.01)
            for version in range(1, ROUNDS + 1):
                with emulator.store.moments.still():
                    for n, id in enumerate(ids):
                        emulator.store.update("company", id, fields(version, n))
                report = planhat.sync(Company)
                assert report.changed == ROWS
            time.sleep(0.3)
        finally:
            ended.set()
            stop.touch()
            for thread in threads:
                thread.join()
        looks = [int(process.communicate()[0]) for process in processes]
    assert not wrong
    assert [process.returncode for process in processes] == [0, 0]
    assert len(seen) > 1 and str(ROUNDS) in seen and all(looks)
    print(f"{ROUNDS} syncs of {ROWS} records; versions seen by threads: {len(seen)}; looks of processes: {looks}")
