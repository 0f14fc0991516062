"""One quota for all processes of a mirror, in SQLite and in PostgreSQL, against a server that counts."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Call, Emulator
from planhat_orm.http.clock import Clock
from planhat_orm.http.quota_book import Book
from planhat_orm.mirror import Mirror, include_object
from planhat_orm.mirror.db import quota_store
from tests.scale import sized

ROOT = Path(__file__).parents[2]
SPEED = 30.0


def fullest_minute(calls: Iterable[Call]) -> int:
    """The most calls that any sixty seconds of the server's clock held, those that it refused too."""
    times = sorted(call.at for call in calls)
    return max(place - bisect_right(times, at - 60.0) + 1 for place, at in enumerate(times))


@pytest.fixture
def where(either: Mirror) -> str:
    """The address of a mirror that is there."""
    either.status()
    either.close()
    return str(either.where)


@pytest.fixture
def client(where: str) -> Iterator[Callable[..., Planhat]]:
    made: list[Planhat] = []

    def make(emulator: Emulator, **options: Any) -> Planhat:
        options = {"mirror": where, "clock": Clock(SPEED), "calls_per_min": 60, **options}
        made.append(Planhat("test-token", api_url=emulator.url, **options))
        return made[-1]

    yield make
    for planhat in made:
        planhat.close()


def counting(make_emulator: Callable[..., Emulator], calls_per_min: int, **options: Any) -> Emulator:
    return make_emulator(calls_per_min=calls_per_min, speed=SPEED, **options)


# --- clients of one process -----------------------------------------------------------------------------


def test_three_clients_of_a_mirror_have_one_quota_in_threads_and_tasks(
    make_emulator: Callable[..., Emulator], client: Callable[..., Planhat]
) -> None:
    emulator = counting(make_emulator, 60)
    planhats = [client(emulator) for _ in range(3)]

    async def use(planhat: Planhat) -> None:
        async with planhat:
            await asyncio.gather(*(planhat.company.aget_lean_list() for _ in range(25)))

    async def use_all() -> None:
        await asyncio.gather(*map(use, planhats[1:]), *(asyncio.to_thread(in_thread) for _ in range(1)))

    def in_thread() -> None:
        for _ in range(25):
            planhats[0].company.get_lean_list()

    asyncio.run(use_all())
    assert len(emulator.log) == 75 and {call.status for call in emulator.log} == {200}
    assert fullest_minute(emulator.log) <= 60


def test_status_tells_how_many_share_the_quota(
    make_emulator: Callable[..., Emulator], client: Callable[..., Planhat], where: str
) -> None:
    emulator = make_emulator()
    planhats = [client(emulator, calls_per_min=200, clock=Clock()) for _ in range(3)]
    assert planhats[0].mirror.status().quota is None
    for planhat in planhats:
        planhat.company.get_lean_list()
    status = planhats[0].mirror.status()
    assert status.quota is not None and (status.quota.calls_per_min, status.quota.shared_by) == (200, 3)
    assert "quota 200/min, shared by 3" in str(status)


def test_a_client_asks_the_database_for_parts_not_for_calls(
    make_emulator: Callable[..., Emulator], client: Callable[..., Planhat], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = Book.ask

    def counted(book: Book, report: Any, tick: Any) -> Any:
        grant = ask(book, report, tick)
        asked.append(grant.calls)
        return grant

    monkeypatch.setattr(Book, "ask", counted)
    emulator = make_emulator()
    planhat = client(emulator, calls_per_min=200, clock=Clock())
    for _ in range(100):
        planhat.company.get_lean_list()
    planhat.close()
    assert 100 <= sum(asked) <= 140 and len(asked) <= 12


def test_where_no_mirror_is_a_client_has_the_quota_for_itself_and_makes_no_file(
    make_emulator: Callable[..., Emulator], tmp_path: Path
) -> None:
    emulator = make_emulator()
    with Planhat("test-token", api_url=emulator.url, mirror=tmp_path / "none.db") as planhat:
        planhat.company.get_lean_list()
        assert not list(tmp_path.iterdir())


def test_nothing_is_made_in_a_database_that_holds_no_mirror(
    make_emulator: Callable[..., Emulator], postgres: Callable[[], str]
) -> None:
    emulator, url = make_emulator(), postgres()
    with Planhat("test-token", api_url=emulator.url, mirror=url) as planhat:
        planhat.company.get_lean_list()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'mirror%'").fetchone() == (
                0,
            )
        assert planhat.sync().requests > 0


def test_the_file_of_a_quota_is_its_owners_and_its_table_is_none_of_your_alembics(
    make_emulator: Callable[..., Emulator], tmp_path: Path, mirror: Mirror
) -> None:
    mirror.status()
    with Planhat("test-token", api_url=make_emulator().url, mirror=mirror.where) as planhat:
        planhat.company.get_lean_list()
    file = Path(f"{mirror.where}-quota")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for name in ("mirror_quota", "mirror_inbox", "mirror_handler", "mirror_handler_retry"):
        assert not include_object(None, name, "table", True, None)


def test_a_forked_child_takes_a_part_of_its_own(
    make_emulator: Callable[..., Emulator], client: Callable[..., Planhat]
) -> None:
    emulator = counting(make_emulator, 60)
    planhat = client(emulator)
    for _ in range(20):
        planhat.company.get_lean_list()
    children = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            try:
                for _ in range(30):
                    planhat.company.get_lean_list()
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(pid)
    for _ in range(20):
        planhat.company.get_lean_list()
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
    assert len(emulator.log) == 100 and fullest_minute(emulator.log) <= 60


# --- a database that does not answer --------------------------------------------------------------------


def test_a_write_goes_on_while_the_quota_is_locked_and_is_sent_once(
    make_emulator: Callable[..., Emulator],
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(quota_store, "_PATIENCE", 0.05)
    emulator = make_emulator(companies=1)
    mirror.status()
    [company] = emulator.store.all("company")
    with Planhat("test-token", api_url=emulator.url, mirror=mirror.where) as planhat:
        planhat.company.get_by_id(company["_id"])
        planhat.close()
        with closing(sqlite3.connect(f"{mirror.where}-quota", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with caplog.at_level(logging.WARNING, "planhat_orm"):
                planhat.company.update(company["_id"], {"phase": "locked"})
                planhat.company.update(company["_id"], {"phase": "still"})
        assert [call.method for call in emulator.log].count("PUT") == 2
    assert (
        len([record for record in caplog.records if "shared cannot" in record.message or "share" in record.message])
        == 1
    )
    assert emulator.store.all("company")[0]["phase"] == "still"


@pytest.mark.parametrize("harm", ["garbage", "a full disk", "read only", "a foreign table"])
def test_a_quota_that_cannot_be_written_stops_no_write(
    make_emulator: Callable[..., Emulator], mirror: Mirror, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = make_emulator(companies=1)
    mirror.status()
    mirror.close()
    file = Path(f"{mirror.where}-quota")
    [company] = emulator.store.all("company")
    if harm == "garbage":
        file.write_bytes(b"x" * 5000)
    elif harm == "read only":
        monkeypatch.setattr("planhat_orm.mirror.db.files.OpenedFile.is_writable", False, raising=False)
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("-quota") and real(path, mode))
    elif harm == "a foreign table":
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE mirror_quota (other)")
    else:
        monkeypatch.setattr(
            quota_store.QuotaStore, "_ask", raising(sqlite3.OperationalError("database or disk is full"))
        )
    with Planhat("test-token", api_url=emulator.url, mirror=mirror.where) as planhat:
        planhat.company.update(company["_id"], {"phase": "written"})
        planhat.company.get_by_id(company["_id"])
    assert [call.method for call in emulator.log] == ["PUT", "GET"]


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_a_server_that_is_gone_leaves_a_process_its_share(
    make_emulator: Callable[..., Emulator], postgres: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres()
    Mirror(url).status()
    emulator = make_emulator()
    with Planhat("test-token", api_url=emulator.url, mirror=url) as planhat:
        planhat.company.get_lean_list()
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("DROP TABLE mirror_quota")
            planhat._session.quota._permits = 0  # type: ignore[attr-defined]
            planhat.company.get_lean_list()
            assert "keeps to 200 calls a minute by its own count" in caplog.text
            # It makes the table anew when it asks again.
            planhat._session.quota._alone_until = 0.0  # type: ignore[attr-defined]
            planhat.company.get_lean_list()
            assert other.execute("SELECT count(*) FROM mirror_quota").fetchone() == (1,)


def test_after_a_start_of_the_machine_the_book_begins_anew(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    from planhat_orm.http.quota_book import Report

    mirror.status()
    store = quota_store.QuotaStore(str(mirror.where))
    report = Report(holder="a", limit=200, period=60.0, open=0, want=5, done=[], sent=0.0)
    clock = [1000.0]
    monkeypatch.setattr(quota_store, "uptime", lambda: clock[0])
    grant = store.ask(report, lambda: 0.0)
    assert grant is not None and grant.calls == 5
    monkeypatch.setattr(quota_store, "_boot", lambda: "another start")
    clock[0] = 20.0
    grant = store.ask(report, lambda: 0.0)
    assert grant is not None and (grant.calls, grant.wait) == (0, 95.0)
    clock[0] = 116.0
    grant = store.ask(report, lambda: 0.0)
    assert grant is not None and grant.calls == 5
    store.close()


# --- processes ------------------------------------------------------------------------------------------


def start(kind: str, emulator: Emulator, where: str, limit: int, more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.mirror.quota_worker", kind, emulator.url, where]
    return subprocess.Popen(
        [*command, str(emulator.clock.speed), str(limit), str(more)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def begin(processes: list[subprocess.Popen[str]]) -> float:
    """Have them begin together, and return the time."""
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return time.monotonic()


def ends(processes: list[subprocess.Popen[str]]) -> list[int]:
    """How each of them ended."""
    for process in processes:
        process.communicate(timeout=300)
    return [process.returncode for process in processes]


@pytest.mark.torture
def test_processes_of_one_machine_share_the_quota_of_a_sqlite_mirror(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    mirror.status()
    emulator = make_emulator(calls_per_min=60, speed=SPEED)
    processes = [start("calls", emulator, str(mirror.where), 60, 30) for _ in range(3)]
    begin(processes)
    assert ends(processes) == [0, 0, 0]
    assert len(emulator.log) == 90 and {call.status for call in emulator.log} == {200}
    assert fullest_minute(emulator.log) <= 60


LIMIT = sized(60, 200)
JOBS = sized(60, 450)


def do_jobs(make_emulator: Callable[..., Emulator], url: str, workers: int, *, kill: bool) -> tuple[float, Emulator]:
    """Have so many processes do all jobs; return how long it took by the server's clock."""
    emulator = make_emulator(companies=JOBS, calls_per_min=LIMIT, speed=sized(SPEED, 2.5))
    Mirror(url).status()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE job (id text PRIMARY KEY, done boolean NOT NULL DEFAULT false)")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO job (id) VALUES (%s)", [(row["_id"],) for row in emulator.store.all("company")]
            )
    processes = [start("jobs", emulator, url, LIMIT, url) for _ in range(workers)]
    began = begin(processes)
    if kill:
        while len(emulator.log) < JOBS:
            time.sleep(0.005)
        processes[0].kill()
    codes = ends(processes)
    assert codes == [-9 if kill else 0, *(0 for _ in codes[1:])]
    return (time.monotonic() - began) * emulator.clock.speed, emulator


def check(emulator: Emulator) -> None:
    """Nothing above the quota, nothing done twice, nothing left undone."""
    assert {call.status for call in emulator.log} == {200}
    assert fullest_minute(emulator.log) <= LIMIT
    writes = Counter(call.path for call in emulator.log if call.method == "PUT")
    assert len(writes) == JOBS and set(writes.values()) == {1}
    assert {row["phase"] for row in emulator.store.all("company")} == {"done"}


def test_processes_on_one_postgres_mirror_keep_one_quota_when_one_of_them_is_killed(
    make_emulator: Callable[..., Emulator], postgres: Callable[[], str]
) -> None:
    _, emulator = do_jobs(make_emulator, postgres(), sized(2, 4), kill=True)
    check(emulator)


@pytest.mark.torture
def test_four_processes_one_of_which_is_killed_are_as_fast_as_one_with_the_whole_quota(
    make_emulator: Callable[..., Emulator], postgres: Callable[[], str]
) -> None:
    alone, first = do_jobs(make_emulator, postgres(), 1, kill=False)
    shared, second = do_jobs(make_emulator, postgres(), 4, kill=True)
    check(first)
    check(second)
    print(f"one process: {alone:.0f} s, four of which one is killed: {shared:.0f} s, of the server's clock")
    assert shared <= 1.1 * alone
