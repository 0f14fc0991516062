"""What a forked child takes over of a client, and what it makes for itself; answers that belong to another question."""

from __future__ import annotations

import ast
import asyncio
import builtins
import gc
import importlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import planhat_orm
from planhat_orm import BadAnswer, BlockError, Company, Planhat, User, forks, gc_pause
from planhat_orm.wire import key_locks
from tests.other_server import OtherServer, faults, on

from ..scale import sized
from .conftest import ROWS, Make, phases
from .workers import fork, in_fork, join

PACKAGE = Path(planhat_orm.__file__).parent

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

ALLOWED = {
    "forks.py": "what all the others are made of",
    "http/drivers.py": "the semaphores are made anew in the child, by Driver._start_over",
    "http/background.py": "the type of such a semaphore",
    "cli/emulator.py": "an event of the main thread, to be told of signals",
}
KINDS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"}


MODULES = ("threading", "multiprocessing")


def test_every_lock_is_one_that_a_forked_child_finds_free() -> None:
    made = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in MODULES:
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
                names = [item.name for item in node.names]
            if KINDS.intersection(names):
                made[path.relative_to(PACKAGE).as_posix()] = names
    assert made.keys() == ALLOWED.keys()


@pytest.fixture
def a(make: Make, tmp_path: Path, server: OtherServer) -> Planhat:
    """A client with everything that a client can have, all of it in use."""
    server.fill("user", 3, lambda n: {"email": f"u{n}@example.com", "firstName": f"U{n}", "lastName": "x"}, account="a")
    tokens = [server.settings("token-a")["api_token"]]
    planhat = make("a", mirror=tmp_path / "a.db", cache={User: 3600}, account="a", api_token=lambda: tokens[0])
    planhat.make_default()
    planhat.sync(Company)
    list(User.objects.all())
    assert planhat.mirror.inbox.counts()
    return planhat


# --- what a child does ----------------------------------------------------------------------------------


def _work(planhat: Planhat, keys: list[str]) -> Any:
    """Everything that takes a lock or a connection; the names that came."""
    record = Company.objects.get(f"extid-{keys[0]}")
    record.phase = "sent"
    record.save()
    planhat.company.update("extid-a-5", {"phase": "x"})
    Company.objects.create(name="New", external_id=f"new-{os.getpid()}", phase="made")
    assert len(Company.objects.using("mirror")) >= ROWS and len(list(User.objects.all())) == 3
    with planhat.offline():
        record.phase = "waited"
        record.save()
    asyncio.run(_work_in_task())
    return [Company.objects.get(f"extid-{key}").external_id for key in keys]


async def _work_in_task() -> None:
    assert len([company async for company in Company.objects.filter(external_id__startswith="a-")]) == ROWS


@pytest.mark.doubtful
def test_forked_children_get_their_own_answers_and_count_their_own_calls(a: Planhat, server: OtherServer) -> None:
    keys = [[f"a-{n % ROWS}" for n in range(child, child + sized(4, 60))] for child in range(4)]
    before = a.calls
    assert before
    with ThreadPoolExecutor(4) as pool:
        beside = [pool.submit(lambda: [Company.objects.get("extid-a-0").external_id for _ in range(8)]) for _ in "1234"]
        children = [fork(lambda mine=mine: (_work(a, mine), a.calls)) for mine in keys]  # type: ignore[misc]
        outcomes = list(map(join, children))
        assert all(set(reading.result()) == {"a-0"} for reading in beside)
    assert a.calls == before + 4 * 8, "the parent does not count what its children send"
    for mine, outcome in zip(keys, outcomes, strict=True):
        assert not isinstance(outcome, str), outcome
        assert outcome[0] == mine and len(mine) < outcome[1] < len(mine) + 40
    made = [row["externalId"] for row in server.records("company", account="a") if row["name"] == "New"]
    assert len(made) == len(set(made)) == 4
    assert phases(server, "a") == {"new", "sent", "x", "made"} and len(a.outbox or ()) == 4
    assert a.push().ok and phases(server, "a") == {"new", "waited", "x", "made"}
    assert Company.objects.get("extid-a-3").external_id == "a-3"


def test_a_child_keeps_the_minute_that_the_server_counts(make: Make) -> None:
    planhat = make("a", calls_per_min=100)
    for n in range(4):
        planhat.company.get_by_id(f"extid-a-{n}")
    quota = planhat._session.quota
    assert quota.reserve() == 0.0
    assert quota.budget() == 95
    assert in_fork(lambda: (planhat.calls, quota.budget())) == (0, 96)
    quota.release()


# --- locks ----------------------------------------------------------------------------------------------


@contextmanager
def all_locks_held() -> Iterator[None]:
    """Every lock of the library is held by another thread."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        locks = [lock for reference in list(forks._held.values()) if (lock := reference()) is not None]
        for lock in locks:
            lock.acquire()
        held.set()
        over.wait(60)
        for lock in locks:
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.doubtful
def test_a_fork_while_every_lock_is_held_does_not_hang(a: Planhat) -> None:
    with all_locks_held():
        child = fork(lambda: _work(a, ["a-1"]))
    assert join(child) == ["a-1"]


@pytest.mark.doubtful
def test_a_fork_while_another_thread_writes_a_key_does_not_hang(a: Planhat) -> None:
    names = frozenset({(a.account, "companies", "externalId", "new-key")})
    assert key_locks._held.take(names)
    try:
        assert in_fork(lambda: Company.objects.create(name="New", external_id="new-key").external_id) == "new-key"
    finally:
        key_locks._held.drop(names)


@pytest.mark.doubtful
def test_a_fork_while_the_collector_is_paused_has_it_on_again() -> None:
    paused, over = threading.Event(), threading.Event()

    def pause() -> None:
        with gc_pause.gc_paused():
            paused.set()
            over.wait(60)

    thread = threading.Thread(target=pause)
    thread.start()
    paused.wait(60)
    try:
        assert not gc.isenabled() and in_fork(gc.isenabled) is True
    finally:
        over.set()
        thread.join()
    assert gc.isenabled()
    with gc_pause.gc_paused():
        assert in_fork(lambda: (gc.isenabled(), gc_pause._pause.lock.acquire(blocking=False))) == (True, True)


def test_a_fork_while_another_thread_imports_a_module_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\nbegun.set()\ntime.sleep(0.2)\nDONE = True\n")
    begun = threading.Event()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "begun", begun, raising=False)
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(importlib.import_module, "slow_to_import")
        begun.wait(60)
        child = fork(lambda: importlib.import_module("slow_to_import").DONE)
        assert join(child, 60) is True and importing.result()


def test_a_fork_inside_a_lock_leaves_it_without_an_error() -> None:
    lock = forks.Lock()

    def work() -> str:
        with lock:
            child = os.fork()
        if not child:
            os._exit(0)
        return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    assert work() == "0"
    with pytest.raises(RuntimeError):
        lock.release()


@pytest.mark.doubtful
def test_a_forked_child_is_not_held_up_by_a_block_of_a_thread_that_it_does_not_have(
    make: Make, server: OtherServer
) -> None:
    planhat = make("a")
    record = Company.objects.using(planhat).get("extid-a-1")
    opened, over = threading.Event(), threading.Event()

    def hold() -> None:
        with planhat.batch(dry_run=True):
            opened.set()
            over.wait(60)

    def edit() -> None:
        record.phase = "x"
        record.save()

    thread = threading.Thread(target=hold)
    thread.start()
    opened.wait(60)
    try:
        assert in_fork(edit) is None and phases(server, "a") == {"new", "x"}
        with pytest.raises(BlockError):
            edit()
    finally:
        over.set()
        thread.join()


# --- connections ----------------------------------------------------------------------------------------


def test_what_a_child_reads_of_the_mirror_comes_through_connections_of_its_own(a: Planhat) -> None:
    engine = a.mirror.engine
    assert in_fork(lambda: (a.mirror.engine is engine, len(Company.objects.using("mirror")))) == (False, ROWS)
    assert a.mirror.engine is engine and len(Company.objects.using("mirror")) == ROWS


def test_a_listing_that_is_half_read_goes_on_in_the_child_and_in_the_parent(make: Make, server: OtherServer) -> None:
    server.behave(page_rows=2)
    planhat = make("a")
    expected = [record.name for record in Company.objects.using(planhat)]
    reading = Company.objects.using(planhat).iterator()
    begun = [next(reading).name]
    assert in_fork(lambda: [record.name for record in reading]) == expected[1:]
    assert begun + [record.name for record in reading] == expected


def _read_in_pool(key: str) -> tuple[str | None, int]:
    record = Company.objects.get(f"extid-{key}")
    record.phase = key
    record.save()
    return record.external_id, os.getpid()


@pytest.mark.doubtful
def test_a_pool_of_forked_processes(a: Planhat) -> None:
    keys = [f"a-{n % ROWS}" for n in range(sized(12, 400))]
    with multiprocessing.get_context("fork").Pool(4) as pool:
        outcomes = pool.map(_read_in_pool, keys, 3)
    assert [name for name, _ in outcomes] == keys and os.getpid() not in {pid for _, pid in outcomes}


_spawned: list[Planhat] = []


def _connect(settings: dict[str, Any]) -> None:
    _spawned.append(Planhat(**settings))


def test_a_pool_of_spawned_processes(a: Planhat, server: OtherServer) -> None:
    keys = [f"a-{n % ROWS}" for n in range(12)]
    settings = {**server.settings("token-a"), "calls_per_min": 100_000}
    with multiprocessing.get_context("spawn").Pool(2, _connect, (settings,)) as pool:
        assert [name for name, _ in pool.map(_read_in_pool, keys)] == keys


# --- the answer to another question ---------------------------------------------------------------------


def _company(planhat: Planhat) -> Company:
    return Company.objects.using(planhat).get("extid-a-1")


ASKED: dict[str, Callable[[Planhat, Company], Any]] = {
    "get": lambda planhat, record: Company.objects.get(record.id),
    "get by key": lambda planhat, record: Company.objects.get(external_id="a-1"),
    "get_or_none": lambda planhat, record: Company.objects.get_or_none(id=record.id),
    "in_bulk": lambda planhat, record: Company.objects.in_bulk(["a-1"], key="external_id"),
    "aget": lambda planhat, record: asyncio.run(Company.objects.aget(record.id)),
    "refresh": lambda planhat, record: record.refresh(),
    "arefresh": lambda planhat, record: asyncio.run(record.arefresh()),
    "get_by_id": lambda planhat, record: planhat.company.get_by_id("extid-a-1"),
    "get_or_create": lambda planhat, record: Company.objects.get_or_create(external_id="a-1"),
}


@pytest.mark.parametrize("verb", ASKED)
def test_the_record_of_another_id_is_refused_with_both_named(verb: str, make: Make, server: OtherServer) -> None:
    planhat = make("a").make_default()
    record, other = _company(planhat), server.records("company", account="a")[4]
    server.fault(faults.changed(lambda _: other), on("GET", "/companies"), times=None)
    with pytest.raises(BadAnswer) as raised:
        ASKED[verb](planhat, record)
    named = {record.id: other["_id"], "a-1": other["externalId"]}
    assert any(asked in str(raised.value) and came in str(raised.value) for asked, came in named.items())
    assert record.name == "A1" and "A4" not in str(raised.value)


def test_a_write_that_is_answered_with_another_record_is_not_taken_over(make: Make, server: OtherServer) -> None:
    planhat = make("a")
    record, other = _company(planhat), server.records("company", account="a")[4]
    server.fault(faults.changed(lambda _: other), on("PUT", "/companies"))
    record.phase = "x"
    with pytest.raises(BadAnswer, match=other["_id"]):
        record.save()
    assert record.external_id == "a-1" and record.changes()
    record.save()
    assert not record.changes()


def test_an_id_in_capitals_is_the_same_id(make: Make, server: OtherServer) -> None:
    planhat = make("a")
    wanted = _company(planhat)
    record = {**server.records("company", account="a")[1], "_id": str(wanted.id)}
    server.fault(faults.status(200, json.dumps(record), {"Content-Type": "application/json"}), on("GET", "/companies"))
    assert planhat.company.get_by_id(str(wanted.id).upper())["_id"] == wanted.id
