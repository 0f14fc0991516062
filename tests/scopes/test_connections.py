"""What a client has open: with many event loops, when it is closed at work, and when it is forgotten."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator
from tests.other_server import OtherServer, faults, on

from ..scale import sized
from .conftest import ROWS, Make

FDS = Path("/proc/self/fd")
needs_proc = pytest.mark.skipif(not FDS.exists(), reason="open files are counted in /proc")


def open_files() -> int:
    return sum(1 for _ in FDS.iterdir())


def still_open(most: int) -> int:
    """How many files are open, once the server, which is in this process too, had the time to close its ends."""
    end = time.monotonic() + 30
    while (count := open_files()) > most and time.monotonic() < end:
        time.sleep(0.02)
    return count


async def _read(planhat: Planhat) -> None:
    await asyncio.gather(*[planhat.company.aget_by_id("extid-a-1") for _ in range(2)])


async def _leave_early(planhat: Planhat) -> None:
    async for _ in Company.objects.using(planhat):
        break


async def _leave_tasks(planhat: Planhat) -> None:
    reading = asyncio.ensure_future(_read(planhat))
    await asyncio.sleep(0.01)
    assert not reading.cancelled()


def _asyncio_run(work: Any) -> None:
    asyncio.run(work)


def _bare_loop(work: Any) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@needs_proc
@pytest.mark.parametrize(("run", "work", "mirrored"), [
    (_asyncio_run, _read, False), (_asyncio_run, _read, True), (_asyncio_run, _leave_early, False),
    (_asyncio_run, _leave_tasks, False), (_bare_loop, _read, False),
])  # fmt: skip
@pytest.mark.doubtful
# anyio's own, where a loop ends in the instant in which it begins to connect.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine object connect_tcp")
def test_a_client_leaves_nothing_open_in_loops_that_are_over(
    run: Any, work: Any, mirrored: bool, make: Make, tmp_path: Path
) -> None:
    planhat = make("a", **({"mirror": tmp_path / "a.db"} if mirrored else {}))
    if mirrored:
        planhat.sync(Company)
    run(work(planhat))
    before = open_files()
    for _ in range(sized(5, 200)):
        run(work(planhat))
    gc.collect()
    if run is _bare_loop:
        # The pool of a loop that nobody shut down closes when the next one opens.
        asyncio.run(_read(planhat))
    assert still_open(before) <= before


@needs_proc
@pytest.mark.doubtful
def test_a_client_leaves_nothing_open_in_loops_that_are_over_on_the_emulator() -> None:
    with Emulator(companies=ROWS) as emulator:
        planhat = Planhat(emulator.api_token, api_url=emulator.url)
        asyncio.run(_read_any(planhat))
        before = open_files()
        for _ in range(sized(5, 200)):
            asyncio.run(_read_any(planhat))
        assert still_open(before) <= before
        planhat.close()


async def _read_any(planhat: Planhat) -> None:
    assert len([company async for company in Company.objects.using(planhat)]) == ROWS


def test_loops_in_threads_have_pools_of_their_own_and_one_quota(make: Make) -> None:
    planhat = make("a", calls_per_min=1000)
    together = threading.Barrier(8)
    seen: list[int] = []

    async def read() -> None:
        await planhat.company.aget_by_id("extid-a-1")
        together.wait(30)  # every loop has its pool now
        seen.append(len(planhat._holdings.async_driver._loops))
        together.wait(30)
        await planhat.company.aget_by_id("extid-a-1")

    with ThreadPoolExecutor(8) as pool:
        for reading in [pool.submit(lambda: asyncio.run(read())) for _ in range(8)]:
            reading.result()
    assert seen == [8] * 8
    assert planhat.calls == 16 and planhat._session.quota.budget() == 1000 - 16


@pytest.mark.doubtful
def test_answers_arrive_when_the_client_is_closed_meanwhile(make: Make, server: OtherServer) -> None:
    planhat = make("a")
    server.fault(faults.trickle(0.001, 200), on("GET", "/companies/"), times=None)

    def read() -> set[Any]:
        return {planhat.company.get_by_id(f"extid-a-{n % ROWS}")["externalId"] for n in range(sized(12, 200))}

    async def read_in_tasks() -> set[Any]:
        keys = [f"extid-a-{n % ROWS}" for n in range(sized(12, 200))]
        reading = [asyncio.ensure_future(planhat.company.aget_by_id(key)) for key in keys]
        while not all(task.done() for task in reading):
            await asyncio.sleep(0.002)
            await planhat.aclose()
        return {(await task)["externalId"] for task in reading}

    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read) for _ in range(3)]
        reading.append(pool.submit(lambda: asyncio.run(read_in_tasks())))
        while not all(work.done() for work in reading):
            threading.Event().wait(0.002)
            planhat.close()
        assert all(work.result() == {f"a-{n}" for n in range(ROWS)} for work in reading)


# --- forgotten ------------------------------------------------------------------------------------------

_FORGETFUL = """
import asyncio, gc, sqlite3, sys

from planhat_orm import Company, Planhat

closed = set()

class Watched(sqlite3.Connection):
    # Python 3.13 warns of a database that is collected unclosed, and this does in any.
    def close(self):
        closed.add(id(self))
        super().close()

    def __del__(self):
        if id(self) not in closed:
            print("UNRAISABLE unclosed database")

connect = sqlite3.dbapi2.connect
sqlite3.dbapi2.connect = lambda *args, **options: connect(*args, **options, factory=Watched)

def unraisable(event):
    print("UNRAISABLE", event.exc_type, event.exc_value, event.object)

sys.unraisablehook = unraisable

def work(planhat):
    planhat.sync(Company)
    planhat.mirror.inbox.counts()
    planhat.mirror.search("a")
    rows = Company.objects.using(planhat)
    assert next(iter(rows)).name
    reading = Company.objects.using(planhat).iterator()
    next(reading)
    list(Company.objects.using(planhat).using("mirror"))
    with planhat.batch():
        record = Company.objects.first()
        record.phase = "x"
        record.save()
    return record

async def work_in_task(planhat):
    async for company in Company.objects.using(planhat):
        break
    await planhat.company.aget_by_id(company.id)
    await Company.objects.using(planhat).using("mirror").acount()

def run():
    planhat = Planhat({token!r}, api_url={url!r}, mirror={mirror!r}, allow_http=True, calls_per_min=1e6, scan="allow")
    work(planhat)
    asyncio.run(work_in_task(planhat))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work_in_task(planhat))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    return planhat
"""
ENDINGS: dict[str, str] = {
    "dropped": """
run()
held = [run()]
held.append(held)
del held
gc.collect()

async def main():
    planhat = await asyncio.to_thread(run)
    await work_in_task(planhat)

asyncio.run(main())

async def main():
    planhat = await asyncio.to_thread(run)
    await work_in_task(planhat)
    del planhat
    gc.collect()
    await asyncio.sleep(0.01)

asyncio.run(main())
gc.collect()
assert len(closed) >= 4
""",
    "the program ends": "planhat = run()",
    "the program is left": "planhat = run()\nsys.exit(0)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_client_that_is_forgotten_unclosed_closes_what_it_opened(
    ending: str, server: OtherServer, tmp_path: Path
) -> None:
    settings = server.settings("token-a")
    code = _FORGETFUL.replace("{token!r}", repr(settings["api_token"])).replace("{url!r}", repr(settings["api_url"]))
    code = code.replace("{mirror!r}", repr(str(tmp_path / "a.db"))) + ENDINGS[ending]
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ""
