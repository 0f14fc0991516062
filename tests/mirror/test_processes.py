"""Threads and processes: one syncs at a time, readers never wait, and a killed sync is gone on with."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorError
from planhat_orm.http.async_driver import AsyncDriver
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import lease, state
from planhat_orm.mirror.db.life import Holder
from planhat_orm.mirror.sync import thresholds
from planhat_orm.query.query import Query
from tests.scale import sized

from .conftest import Runner, assert_equal, mirror_rows
from .test_full import companies, interrupted

SYNC = """
import sys
from planhat_orm.http.drivers import Driver
from planhat_orm.http.session import Session
from planhat_orm.http.secrets import Secrets
from planhat_orm.mirror import Mirror
driver = Driver(Session(sys.argv[1], sys.argv[1], Secrets("test-token", "test-tenant")))
driver.run(Mirror(sys.argv[2]).sync("Company", full=True))
"""
ROOT = Path(__file__).parents[2]


def start(emulator: Emulator, mirror: Mirror) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SYNC, emulator.url, str(mirror.where)], cwd=ROOT)


def test_only_one_syncs_at_a_time(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator()
    companies(emulator, 5)
    run = Runner(emulator.url)
    first = mirror.sync("Company")
    run.driver._perform(first.send(None))
    first.send(mirror.database)
    holder = Holder(mirror.database)
    held = lease.acquire(holder)
    with pytest.raises(MirrorError, match="being synced by process"):
        run(mirror.sync("Company"))
    held.release()
    holder.end()
    first.close()
    run(mirror.sync("Company"))


def test_a_sync_that_is_cut_off_while_it_takes_the_right_keeps_nobody_waiting(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    """Ctrl-C, or a cancelled task, can come between taking it and hearing so."""
    emulator = make_emulator()
    companies(emulator, 5)
    run = Runner(emulator.url)
    cut = mirror.sync("Company")
    run.driver._perform(cut.send(None))
    run.driver._perform(cut.send(mirror.database))
    cut.close()
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_a_holder_that_lost_its_lock_cannot_write_any_more(
    make_emulator: Callable[..., Emulator], mirror: Mirror, tmp_path: Path
) -> None:
    """Somebody deletes its lock file between two pages, and another process syncs."""
    emulator = make_emulator(page_cap=5)
    ids = companies(emulator, 20)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    emulator.log.clear()
    others: list[Any] = []

    def sleep() -> None:
        if emulator.calls and not others:
            for file in tmp_path.glob("*.lock"):
                file.unlink()
            emulator.store.update("company", ids[-1], {"name": "new"})
            others.append(Runner(emulator.url)(mirror.sync("Company", full=True)))

    with pytest.raises(MirrorError, match="took over"):
        interrupted(run, mirror.sync("Company", full=True), 999, sleep)
    assert others
    assert_equal(mirror, emulator, "company")


def test_readers_see_whole_syncs_and_never_wait(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator(page_cap=20)
    ids = companies(emulator, 60, description="0")
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    stop, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        mine = Runner()
        while not stop.is_set():
            try:
                rows = mine.rows(mirror.source.pages(Query("company")))
                values = {row["description"] for row in rows}
                seen.update(values)
                if len(values) != 1 or len(rows) != 60:
                    wrong.append(values)
            except Exception as error:
                wrong.append(error)  # type: ignore[arg-type]

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 4):
        for id in ids:
            emulator.store.update("company", id, {"description": str(number)})
        run(mirror.sync("Company", full=True))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and len(seen) > 1


def test_a_killed_sync_is_gone_on_with(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    """Killed at random instants: the file is whole, and of the pages fetched only the last was not written yet."""
    emulator = make_emulator(page_cap=20)
    ids = companies(emulator, 600)
    chance = random.Random(1)
    mirror.status()
    killed = went_on = twice = 0
    while killed < (sized(2, 100)):
        before = len(emulator.log)
        process = start(emulator, mirror)
        wait_for(emulator, process, before + chance.randrange(1, 30))
        time.sleep(chance.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        with mirror.engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            cursor = state.load(connection, "company").cursor
        assert len(set(_ids(mirror))) == len(_ids(mirror))
        if cursor is not None:
            # Those of this process: one that is killed at its first page asks for that page in vain, too.
            pages = [call for call in list(emulator.log)[before:] if page_of(call)]
            lost = [call for call in pages if int(call.query["offset"]) + call.rows > cursor.rank]
            assert len(lost) <= 1, (cursor.rank, lost)
            went_on, twice = went_on + 1, twice + len(lost)
        else:
            emulator.log.clear()
            for id in chance.sample(ids, 50):
                emulator.store.update("company", id, {"description": str(killed)})
    Runner(emulator.url)(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
    print(f"{killed} kills, {went_on} of them in the middle of a pass; {twice} pages fetched twice, never two at once")


def wait_for(emulator: Emulator, process: subprocess.Popen[bytes], calls: int) -> None:
    while len(emulator.log) < calls and process.poll() is None:
        time.sleep(0.001)


def page_of(call: Any) -> bool:
    return call.method == "GET" and call.query.get("sort") == "_id" and call.query.get("limit") != "1"  # type: ignore[no-any-return]


def _ids(mirror: Mirror) -> list[Any]:
    with mirror.engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM company")).scalars())


def test_a_sync_on_postgres_does_the_same(
    make_emulator: Callable[..., Emulator],
    make_mirror: Callable[..., Mirror],
    postgres: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator, mirror = make_emulator(companies=30, page_cap=50), make_mirror(postgres())
    run = Runner(emulator.url)
    names = ("company", "enduser", "license", "conversation", "task", "user", "invoice", "ticket")
    run(mirror.sync(names))
    assert_equal(mirror, emulator, *names)
    monkeypatch.setattr(thresholds, "SMALL", 0)
    ids = list(mirror_rows(mirror, "enduser"))
    emulator.store.update("enduser", ids[0], {"position": "Chief"})
    emulator.store.delete("enduser", ids[5])
    report = run(mirror.sync(names))
    assert (report["enduser"].method, report["enduser"].changed, report["enduser"].deleted) == ("incremental", 1, 1)
    assert_equal(mirror, emulator, *names)
    run(mirror.sync(names, full=True))
    assert_equal(mirror, emulator, *names)
    [change] = mirror.changes(fields=["position"], models=["enduser"])[:1]
    assert change.fields["position"][1] == "Chief"
    past = mirror.as_of(change.at.replace(microsecond=0))
    assert past.moment
    with mirror.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM v_enduser")).scalar_one() == len(ids) - 1


def test_another_database_on_postgres_is_refused(
    make_mirror: Callable[..., Mirror], postgres: Callable[[], str]
) -> None:
    from sqlalchemy import create_engine

    from planhat_orm.errors import ConfigurationError

    url = postgres()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE accounts(id int)"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="other tables"):
        make_mirror(url).status()


def test_the_past_on_postgres(
    make_emulator: Callable[..., Emulator], make_mirror: Callable[..., Mirror], postgres: Callable[[], str]
) -> None:
    from datetime import UTC, datetime

    emulator, mirror = make_emulator(), make_mirror(postgres())
    ids = companies(emulator, 5, custom={"Tier": "A"})
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    before, rows = datetime.now(UTC), mirror_rows(mirror, "company")
    time.sleep(0.005)
    emulator.store.update("company", ids[0], {"custom": {"Tier": "B"}})
    emulator.store.delete("company", ids[1])
    companies(emulator, 1)
    run(mirror.sync("Company"))
    past = {row["_id"]: row for row in run.rows(mirror.as_of(before).pages(Query("company")))}
    assert {id: {k: v for k, v in row.items() if k not in ("licenses", "sales")} for id, row in past.items()} == rows
    assert len(mirror_rows(mirror, "company")) == 5


def test_tasks_sync_and_read_as_threads_do(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator(page_cap=10)
    companies(emulator, 35)
    session = Runner(emulator.url).session

    async def work() -> list[int]:
        driver = AsyncDriver(session)
        await driver.run(mirror.sync("Company"))
        reads = [driver.run(mirror.source.count(Query("company"))) for _ in range(5)]
        counts = list(await asyncio.gather(*reads))
        pages = [page async for page in driver.iterate(mirror.source.pages(Query("company")))]
        await driver.close()
        return [*counts, *map(len, pages)]

    assert asyncio.run(work()) == [35] * 6
    assert_equal(mirror, emulator, "company")
