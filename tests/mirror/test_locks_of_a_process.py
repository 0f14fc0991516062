"""SQLite's locks belong to a process: closing any descriptor of the file drops all of them, whoever opened it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.pool import QueuePool

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator

from ..registry import no_clients
from ..scale import sized
from ..scopes.workers import fork, join

# The last process that closes a mirror deletes its log: by its locks SQLite knows whether another one has it open.
OPEN_AND_CLOSE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM mirror_meta'); c.close()"
)


def make(emulator: Emulator, path: Path) -> Planhat:
    return Planhat(emulator.api_token, api_url=emulator.url, mirror=path, calls_per_min=1e6, scan="allow")


@pytest.mark.parametrize("again", ["another client", "closed and opened"])
def test_opening_a_mirror_again_leaves_the_locks_of_its_other_connections(again: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with no_clients(), Emulator(companies=3) as emulator:
        planhat = make(emulator, path)
        planhat.sync(Company)
        with planhat.mirror.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM mirror_meta")
            if again == "another client":
                make(emulator, path).mirror.status()
            else:
                planhat.close()
                planhat.mirror.status()
            subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE, str(path)], check=True)
            assert path.with_name("a.db-wal").exists(), "the other process believed that it was the last one"
        planhat.close()


def test_a_thread_that_uses_a_mirror_after_it_was_closed_leaves_nothing_open(tmp_path: Path) -> None:
    with no_clients(), Emulator(companies=3) as emulator:
        planhat = make(emulator, tmp_path / "a.db")
        database = planhat.mirror.database
        planhat.close()
        for _ in range(2):
            with database.reading() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM mirror_meta").scalar()
            pool = database.engine.pool
            assert isinstance(pool, QueuePool) and pool.checkedin() == 0


THREADS, TIMES = 4, sized(3, 200)


@pytest.mark.doubtful
def test_processes_whose_threads_open_and_close_a_mirror_all_the_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with no_clients(), Emulator(companies=3) as emulator:
        planhat = Planhat(emulator.api_token, api_url=emulator.url, account="acme", mirror=path, calls_per_min=1e6)
        planhat.sync(Company)
        children = [fork(lambda n=n: come_and_go(planhat, f"process-{n}")) for n in range(2)]  # type: ignore[misc]
        come_and_go(planhat, "parent")
        assert [join(child) for child in children] == [None, None]
        assert len(planhat.outbox or ()) == 3 * THREADS * TIMES
        planhat.close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def come_and_go(planhat: Planhat, name: str) -> None:
    """Enter and leave a client in several threads, as the requests of a web application do."""

    def work(n: int) -> None:
        for count in range(TIMES):
            with planhat, planhat.offline():
                Company.objects.create(name="New", external_id=f"{name}-{n}-{count}")

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, n) for n in range(THREADS)]:
            done.result()
