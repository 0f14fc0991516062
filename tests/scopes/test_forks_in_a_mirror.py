"""Forks while a SQLite mirror is in use: no child hangs, and no child writes where its parent deletes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import planhat_orm
from planhat_orm import Company, Planhat, forks
from planhat_orm.mirror.db import fork_gate
from tests.other_server import OtherServer

from ..scale import sized
from .conftest import ROWS, Make
from .workers import fork, in_fork, in_thread, join

PACKAGE = Path(planhat_orm.__file__).parent
HANGS = 60.0

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
]


@pytest.fixture
def a(make: Make, tmp_path: Path) -> Planhat:
    planhat = make("a", mirror=tmp_path / "a.db").make_default()
    planhat.sync(Company)
    return planhat


@contextmanager
def at_work(*works: Callable[[], object]) -> Iterator[None]:
    """Threads that do some work again and again."""
    over = threading.Event()
    failures: list[BaseException] = []

    def repeat(work: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(HANGS)
    assert not failures and not any(thread.is_alive() for thread in threads)


@pytest.mark.doubtful
def test_no_child_hangs_that_is_forked_while_threads_read_and_sync_the_mirror(a: Planhat, server: OtherServer) -> None:
    def make_one(n: int) -> str:
        with a.offline():
            Company.objects.create(name=f"New {n}", external_id=f"new-{n}")
        return str(Company.objects.using("mirror").get(external_id=f"a-{n % ROWS}").external_id)

    def read() -> None:
        assert len(Company.objects.using("mirror").filter(name__startswith="A")) == ROWS

    count = sized(8, 200)
    with at_work(read, read, lambda: a.sync(Company), lambda: a.mirror.sql("select count(*) from v_company")):
        children = []
        outcomes = []
        for n in range(count):
            children.append(fork(lambda n=n: make_one(n)))  # type: ignore[misc]
            if len(children) == 4:
                outcomes += [join(child, HANGS) for child in children]
                children = []
        outcomes += [join(child, HANGS) for child in children]
    assert outcomes == [f"a-{n % ROWS}" for n in range(count)]
    assert len(a.outbox or ()) == count, "each child's write waits"


@pytest.mark.doubtful
def test_what_a_child_writes_after_its_parent_closed_the_mirror_is_kept(make: Make, tmp_path: Path) -> None:
    """The last connection to be closed deletes SQLite's log: a child whose locks are not its own would write on in it."""
    path = tmp_path / "a.db"
    planhat = make("a", mirror=path)
    planhat.sync(Company)
    begun, closed = os.pipe(), os.pipe()

    def edit() -> None:
        for phase in ("first", "second"):
            with planhat.offline():
                record = Company.objects.get(external_id="a-1")
                record.phase = phase
                record.save()
            if phase == "first":
                os.write(begun[1], b"x")
                os.read(closed[0], 1)

    child = fork(edit)
    os.read(begun[0], 1)
    planhat.close()
    os.write(closed[1], b"x")
    assert join(child, HANGS) is None
    with make("a", mirror=path) as later:
        assert Company.objects.using("mirror").get(external_id="a-1").phase == "second"
        assert later.push().ok
    for end in (*begun, *closed):
        os.close(end)


def _count() -> int:
    return len(Company.objects.using("mirror"))


def test_a_child_that_is_forked_over_an_open_transaction_is_told_so(
    a: Planhat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = "MirrorError: This process was forked while its parent was in the middle of a SQLite mirror"
    with a.mirror.database.reading():
        assert in_fork(_count).startswith(told), "a thread does not wait for itself"
        assert not caplog.messages
        monkeypatch.setattr(forks, "WAIT_SECONDS", 0.2)
        assert in_thread(in_fork, _count).startswith(told), "nor for ever for another one"
        assert "cannot use one" in caplog.text
        assert in_fork(a.close) is None
        assert _count() == ROWS
    assert in_fork(_count) == ROWS


@pytest.mark.doubtful
def test_a_fork_waits_for_a_transaction_and_lets_nobody_begin_meanwhile(a: Planhat) -> None:
    inside, forked = threading.Event(), threading.Event()
    order: list[str] = []

    def write() -> None:
        with a.mirror.database.writing():
            inside.set()
            while not fork_gate._gate.forking:
                forked.wait(0.001)
            with a.mirror.database.reading():
                order.append("its own second connection is let in")
            forked.wait(0.1)
            order.append("written")

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(HANGS)
    assert in_fork(lambda: (_count(), order)) == (ROWS, ["its own second connection is let in", "written"])
    thread.join(HANGS)
    assert not fork_gate._gate.forking and not fork_gate._gate.uses


def test_a_use_that_was_torn_out_by_an_interrupt_holds_no_fork_up(a: Planhat, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    fork_gate._gate.begin()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fork_gate, "_facts", interrupt)
        _count()
    assert not fork_gate._gate.uses
    assert in_fork(_count) == ROWS


def test_a_mirror_that_is_deleted_after_a_fork_is_closed_without_an_error(a: Planhat, tmp_path: Path) -> None:
    assert in_fork(_count) == ROWS
    for file in tmp_path.glob("a.db*"):
        file.unlink()
    a.close()


def test_every_connection_to_sqlite_passes_the_gate() -> None:
    made = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        calls = text.count("sqlite3.connect(")
        if calls or "create_engine(" in text:
            made[path.relative_to(PACKAGE).as_posix()] = calls
    assert made == {"mirror/db/fork_gate.py": 1, "mirror/db/engines.py": 0}
