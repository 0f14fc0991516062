"""Who holds the right to sync is known by a lock that dies with its process, whatever clocks, names and numbers say."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from planhat_orm.errors import MirrorError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import lease, life, tables
from planhat_orm.mirror.db.lease import HeldByAnother, Lease
from planhat_orm.mirror.db.life import Holder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import lease
from planhat_orm.mirror.db.life import Holder
mirror = Mirror(sys.argv[1])
holder = Holder(mirror.database)
held = lease.acquire(holder)
print(holder.name, flush=True)
time.sleep(600)
"""
DAY = 86_400.0


@contextmanager
def another_process(mirror: Mirror, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the right to sync; `.args` ends with the name that it gave itself."""
    mirror.status()
    started = subprocess.Popen(
        [*before, sys.executable, "-c", HOLD, str(mirror.where)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("process ")
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def held(mirror: Mirror) -> Iterator[Lease]:
    holder = Holder(mirror.database)
    try:
        got = lease.acquire(holder)
        yield got
        got.release()
    finally:
        holder.end()


def is_free(mirror: Mirror) -> bool:
    try:
        with held(mirror):
            return True
    except HeldByAnother:
        return False


def lock_files(mirror: Mirror) -> list[str]:
    return [path.name for path in Path(mirror.where).parent.glob("*.lock")]


def beat(mirror: Mirror, at: float) -> None:
    with mirror.database.writing() as connection:
        connection.execute(update(tables.leases).values(beat=at))


def in_child(work: Callable[[], None]) -> int:
    """Run something in a forked child; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Forked:
    """A forked child that holds the right to sync until it is killed."""

    def __init__(self, mirror: Mirror) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                held = lease.acquire(Holder(mirror.database))
                os.write(writer, b"x" if held.fence else b"")
                time.sleep(600)
            finally:
                os._exit(1)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            assert pipe.read(1) == b"x"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


@contextmanager
def forked(mirror: Mirror) -> Iterator[Forked]:
    mirror.status()
    started = Forked(mirror)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            started.kill()
            started.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.doubtful
def test_a_killed_process_holds_nothing_from_that_moment(either: Mirror) -> None:
    with forked(either) as running:
        told = rf"being synced by process {running.pid} on .*end that process"
        with pytest.raises(HeldByAnother, match=told), held(either):
            pass
        running.kill()
        running.wait()
        deadline = time.monotonic() + 5  # PostgreSQL's server notices a closed connection in milliseconds
        while not is_free(either):
            assert not either.database.postgres or time.monotonic() < deadline
            assert either.database.postgres, "the kernel drops a file's lock with the process"
    assert not either.database.path or not lock_files(either)


def test_a_process_that_is_stopped_still_holds(either: Mirror) -> None:
    with another_process(either) as running:
        running.send_signal(signal.SIGSTOP)
        beat(either, time.time() - 10 * DAY)
        assert not is_free(either)
        running.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("ahead", [-DAY, DAY, 1e12])
def test_no_clock_says_who_is_alive(mirror: Mirror, ahead: float) -> None:
    """Neither is a living holder taken for dead whose clock is behind, nor does one that was ahead block anybody."""
    with held(mirror) as mine:
        beat(mirror, time.time() + ahead)
        assert not is_free(mirror)
        with mirror.database.writing() as connection:
            mine.heartbeat(connection)
    dead = Holder(mirror.database)
    lease.acquire(dead)
    dead.end()
    beat(mirror, time.time() + ahead)
    assert is_free(mirror)


@pytest.mark.parametrize(
    "row",
    [
        {"holder": "x"}, {"holder": ""}, {"holder": "../../x"}, {"holder": 5}, {"fence": "many"}, {"beat": "noon"},
        {"holder": f"process 1 on here {'*' * 32}"}, {"holder": f"process {os.getpid()} on elsewhere 0123abcd"},
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_blocks_nobody(mirror: Mirror, row: dict[str, Any]) -> None:
    with mirror.database.writing() as connection:
        first = {"name": "sync", "holder": "process 1 on there 00", "fence": 3, "beat": 0.0, **row}
        names, marks = ", ".join(first), ", ".join("?" * len(first))
        connection.exec_driver_sql(f"INSERT INTO mirror_lease ({names}) VALUES ({marks})", tuple(first.values()))
    assert mirror.doctor().ok or row
    with held(mirror) as mine:
        assert mine.fence > 3
        with mirror.database.writing() as connection:
            mine.heartbeat(connection)


def test_threads_of_one_process_take_turns(either: Mirror) -> None:
    refused: list[HeldByAnother] = []

    def work() -> None:
        try:
            with held(either):
                pass
        except HeldByAnother as error:
            refused.append(error)

    with held(either):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(refused) == 4
    assert is_free(either)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_neither_holds_nor_releases_its_parents_lock(either: Mirror) -> None:
    with held(either) as mine:

        def child() -> None:
            mine.release()
            mine.holder.end()
            for work in (mine.holder.begin, mine.holder.check):
                with pytest.raises(MirrorError, match="forked process"):
                    work()

        assert in_child(child) == 0
        with Mirror(either.where) as other:
            assert not is_free(other), "it is still the parent's"
        with either.database.writing() as connection:
            mine.heartbeat(connection)
    assert is_free(either)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("how", ["killed", "done"])
@pytest.mark.doubtful
def test_a_child_that_outlives_its_parent_keeps_nobody_waiting(mirror: Mirror, how: str) -> None:
    mirror.status()
    said, saying = os.pipe()
    parent = os.fork()
    if not parent:
        try:
            _fork_a_child_and_end(mirror, how, saying)
        finally:
            os._exit(0)
    os.close(saying)
    with os.fdopen(said) as pipe:
        child = int(pipe.readline())
    try:
        os.waitpid(parent, 0)
        os.kill(child, 0)
        assert is_free(mirror)
    finally:
        os.kill(child, signal.SIGKILL)


def _fork_a_child_and_end(mirror: Mirror, how: str, saying: int) -> None:
    holder = Holder(mirror.database)
    lease.acquire(holder)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        # It says that it is there: until then it may not yet have let go of what it inherited.
        os.write(writer, b"x")
        os.close(saying)
        time.sleep(600)
    os.read(reader, 1)
    os.write(saying, b"%d\n" % child)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    holder.end()


@pytest.mark.parametrize("options", [("--pid", "--fork"), ("--uts",), ("--pid", "--fork", "--uts", "--mount-proc")])
def test_a_holder_in_another_container_is_alive(mirror: Mirror, options: tuple[str, ...]) -> None:
    """Its process ids are others', and a pod may have the same host name."""
    allowed = subprocess.run(["unshare", *options, "true"], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"unshare {' '.join(options)} is not allowed here")
    rename = ("sh", "-c", 'hostname elsewhere && exec "$@"', "sh") if "--uts" in options else ()
    with another_process(mirror, "unshare", *(("--kill-child",) if "--fork" in options else ()), *options, *rename):
        beat(mirror, 0.0)
        assert not is_free(mirror)


def test_lock_files_are_deleted_also_those_of_killed_processes(mirror: Mirror, tmp_path: Path) -> None:
    with another_process(mirror) as running:
        assert len(lock_files(mirror)) == 1
        running.kill()
        running.wait()
    assert len(lock_files(mirror)) == 1
    other = tmp_path / "mirror0.db-mine.txt"
    other.touch()
    with held(mirror):
        assert len(lock_files(mirror)) == 1
    assert not lock_files(mirror) and other.exists()


def test_a_lock_that_cannot_be_made_is_an_error_of_ours(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.status()

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(MirrorError, match=r"lock file .*No locks available.*on a disk of this machine"):
        lease.acquire(Holder(mirror.database))


def test_work_that_was_given_up_while_it_began_holds_nothing(either: Mirror) -> None:
    """A task is cancelled while its thread takes the lock."""
    holder = Holder(either.database)
    holder.end()
    with pytest.raises(MirrorError, match="given up"):
        lease.acquire(holder)
    assert is_free(either)


def test_postgres_drops_the_lock_with_its_connection(
    make_mirror: Callable[..., Mirror], postgres: Callable[[], str]
) -> None:
    url = postgres()
    first, second = make_mirror(url), make_mirror(url)
    holder = Holder(first.database)
    mine = lease.acquire(holder)
    assert not is_free(second)
    with second.engine.begin() as connection:
        ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        connection.execute(text(ends))
    while not is_free(second):
        time.sleep(0.01)
    with pytest.raises(MirrorError, match="took over"):
        while True:
            try:
                with first.database.writing() as connection:
                    mine.heartbeat(connection)
            except Exception as error:
                if isinstance(error, MirrorError) and "took over" in str(error):
                    raise
    holder.end()
    assert is_free(first)


def test_postgres_behind_a_pooler_without_sessions_is_refused(
    make_mirror: Callable[..., Mirror], postgres: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = make_mirror(postgres())
    mirror.status()
    monkeypatch.setattr(life, "_is_held", lambda *_, **__: False)
    with pytest.raises(MirrorError, match="pooler"):
        lease.acquire(Holder(mirror.database))
