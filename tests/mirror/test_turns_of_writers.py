"""Threads that write to one SQLite mirror take turns: SQLite's own lock has no queue, so one could wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm.errors import MirrorError
from planhat_orm.mirror.db import transactions
from planhat_orm.mirror.db.database import Database
from planhat_orm.mirror.upkeep.migrate import open_database

THREADS, TIMES = 8, 5


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "planhat.db")
    yield opened
    opened.close()


def write(database: Database, **options: Any) -> None:
    with database.writing(**options) as connection:
        connection.execute(text("UPDATE mirror_clock SET n = n + 1"))


def test_one_thread_of_a_process_asks_for_the_lock_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two clients have the mirror open."""
    again = open_database(str(database.path))
    asking, most, is_begun = set[int](), [0], transactions._is_begun

    def ask(*arguments: Any) -> bool:
        asking.add(threading.get_ident())
        most[0] = max(most[0], len(asking))
        try:
            return is_begun(*arguments)
        finally:
            asking.discard(threading.get_ident())

    monkeypatch.setattr(transactions, "_is_begun", ask)
    begun = threading.Event()

    def work(n: int) -> None:
        begun.wait(10)
        for _ in range(TIMES):
            write((database, again)[n % 2])

    with ThreadPoolExecutor(THREADS) as pool, database.writing() as connection:
        before = connection.execute(text("SELECT n FROM mirror_clock")).scalar_one()
        works = [pool.submit(work, n) for n in range(THREADS)]
        begun.set()
    for done in works:
        done.result()
    with database.reading() as connection:
        assert connection.execute(text("SELECT n FROM mirror_clock")).scalar_one() == before + THREADS * TIMES
    assert most == [1]
    again.close()


def test_a_thread_that_waits_too_long_for_another_is_told_so(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool, database.writing():
        waiting = pool.submit(write, database, patience=0.05)
        with pytest.raises(MirrorError, match=r"planhat\.db: database is locked\. Another thread or program"):
            waiting.result()
    write(database, patience=0.05)


def test_a_thread_that_waits_for_its_turn_too_long_asks_without(database: Database) -> None:
    """Nobody waits for ever for a thread that was torn out of its turn."""
    with ThreadPoolExecutor(1) as pool:
        assert database._engines._turn._lock.acquire(blocking=False)
        pool.submit(write, database, patience=0.05).result()
        database._engines._turn.end()


def test_an_interrupt_while_a_thread_asks_gives_the_turn_to_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(transactions, "_is_begun", interrupt)
        write(database)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(database._engines._turn._lock.acquire, blocking=False).result()
