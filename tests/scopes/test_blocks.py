"""What a batch, a dry run and an offline block hold: docs/how-to/threads-and-web-apps.md."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from planhat_orm import BlockError, Company, ConfigurationError, Planhat, carry, detached
from planhat_orm.scopes import clients
from tests.other_server import OtherServer

from .conftest import ROWS, Make, phases, writes
from .workers import in_fork, in_thread

HOLDING = ("batch", "dry run", "offline")
SILENT = ("dry run", "offline")
"""Blocks in which nothing is sent at all."""


@pytest.fixture
def mirrored() -> None:
    """The test needs a mirror."""


@pytest.fixture
def a(request: pytest.FixtureRequest, make: Make, tmp_path: Path) -> Planhat:
    """A client of a; with a mirror that has its companies, where a test is about an offline block."""
    case = getattr(request.node, "callspec", None)
    if "mirrored" not in request.fixturenames and "offline" not in str(case and case.params):
        return make("a")
    planhat = make("a", mirror=tmp_path / "a.db")
    planhat.sync(Company)
    return planhat


def block(planhat: Planhat, kind: str) -> AbstractContextManager[Any]:
    if kind == "offline":
        return planhat.offline()
    return planhat.batch(dry_run=kind == "dry run")


def edit(record: Company, phase: str = "x") -> None:
    record.phase = phase
    record.save()


def held(planhat: Planhat, kind: str, opened: Any) -> int:
    """How many writes a block holds."""
    return len(planhat.outbox or ()) if kind == "offline" else len(opened._saves) + len(opened._deletes)


def edit_all(records: Any = None) -> None:
    for record in Company.objects.all() if records is None else records:
        edit(record)


# --- accounts -------------------------------------------------------------------------------------------


def test_a_batch_enters_its_client_and_holds_what_is_written_in_it(a: Planhat, b: Planhat, server: OtherServer) -> None:
    with a.batch(dry_run=True) as batch:
        edit_all()
        assert batch.plan().requests == 1 and len(batch._saves) == ROWS
    assert writes(server) == []
    with a.batch() as batch:
        edit_all()
    assert len(batch.result.updated) == ROWS and writes(server, "b") == [] and phases(server, "a") == {"x"}


@pytest.mark.parametrize("kind", ["batch", "dry run"])
def test_a_record_of_another_account_is_refused_in_a_batch(
    kind: str, a: Planhat, b: Planhat, server: OtherServer
) -> None:
    record = Company.objects.using(b).get("extid-b-1")
    with block(a, kind) as batch:
        record.phase = "x"
        for write in (record.save, record.delete, lambda: b.save_all([record]), lambda: asyncio.run(record.asave())):
            with pytest.raises(BlockError, match="belongs to the account"):
                write()
        with pytest.raises(ConfigurationError, match=r"clone\(\)"):
            batch.add(record)
        with b, pytest.raises(BlockError):
            record.save()
    assert writes(server) == []


@pytest.mark.usefixtures("mirrored")
def test_a_record_of_another_account_goes_out_from_an_offline_block(
    a: Planhat, b: Planhat, server: OtherServer
) -> None:
    record = Company.objects.using(b).get("extid-b-1")
    with a.offline():
        edit(record)
    assert phases(server, "b") == {"new", "x"} and not a.outbox


def test_with_both_batches_open_each_holds_its_own(a: Planhat, b: Planhat, server: OtherServer) -> None:
    mine, others = list(Company.objects.using(a)), list(Company.objects.using(b))
    with a.batch() as first, b.batch() as second:
        edit_all([*mine, *others])
        assert (len(first._saves), len(second._saves)) == (ROWS, ROWS)
    assert phases(server, "a") == phases(server, "b") == {"x"}
    assert (len(first.result.updated), len(second.result.updated)) == (ROWS, ROWS)


@pytest.mark.parametrize("kind", HOLDING)
def test_records_of_an_older_client_of_the_account_are_held_too(
    kind: str, a: Planhat, make: Make, server: OtherServer
) -> None:
    old = Company.objects.using(make("a")).get("extid-a-1")
    with block(a, kind) as opened:
        edit(old)
        assert held(a, kind, opened) == 1 and writes(server) == []
    assert phases(server, "a") == ({"new", "x"} if kind == "batch" else {"new"})


# --- nesting --------------------------------------------------------------------------------------------


def test_an_inner_batch_hands_on_to_the_outer(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    with a.batch() as outer:
        edit(records[0])
        with a.batch() as inner:
            edit(records[1])
            records[2].delete()
        assert [row.status for row in inner.result.rows] == ["queued", "queued"]
        assert writes(server) == []
    assert len(outer.result.updated) == 2 and len(outer.result.deleted) == 1


def test_a_batch_in_a_dry_run_sends_nothing(a: Planhat, server: OtherServer) -> None:
    with a.batch(dry_run=True) as outer:
        with a.batch() as inner:
            edit_all()
        assert len(inner.result.queued) == ROWS
        assert len(outer._saves) == ROWS
        a.save_all(Company.objects.all())
    assert writes(server) == []


def test_a_dry_run_in_a_batch_holds_its_own_only(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    with a.batch() as outer:
        edit(records[0])
        with a.batch(dry_run=True):
            edit(records[1])
        edit(records[2])
    assert len(outer.result.updated) == 2
    assert [row["phase"] for row in server.records("company", account="a")].count("x") == 2


@pytest.mark.parametrize("kinds", [("offline", "batch"), ("batch", "offline")])
def test_a_batch_around_or_in_an_offline_block_fills_the_outbox(
    kinds: tuple[str, str], a: Planhat, server: OtherServer
) -> None:
    with block(a, kinds[0]), block(a, kinds[1]):
        edit_all()
    assert writes(server) == [] and len(a.outbox or ()) == ROWS
    assert a.push().ok and phases(server, "a") == {"x"}


@pytest.mark.parametrize("kinds", [("offline", "dry run"), ("dry run", "offline"), ("dry run", "offline", "batch")])
def test_a_dry_run_fills_no_outbox(kinds: tuple[str, ...], a: Planhat, server: OtherServer) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(block(a, kind))
        edit_all()
        with a.batch():
            edit_all()
    assert writes(server) == [] and not len(a.outbox or ())


def test_a_batch_that_is_open_is_not_opened_again(a: Planhat) -> None:
    batch = a.batch()
    with batch:
        with pytest.raises(BlockError, match="open already"), batch:
            pass
        edit(Company.objects.get("extid-a-1"))
    assert len(batch.result.updated) == 1
    with batch:
        edit(Company.objects.get("extid-a-2"))
    assert len(batch.result.updated) == 1


# --- plain calls ----------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Planhat], Any]] = {
    "create": lambda planhat: planhat.company.create({"name": "x"}),
    "update": lambda planhat: planhat.company.update("extid-a-1", {"phase": "x"}),
    "delete": lambda planhat: planhat.company.delete("0" * 24),
    "bulk_upsert": lambda planhat: planhat.company.bulk_upsert([{"externalId": "a-1", "phase": "x"}]),
    "abulk_upsert": lambda planhat: asyncio.run(planhat.company.abulk_upsert([{"externalId": "a-1", "phase": "x"}])),
    "metrics": lambda planhat: planhat.metrics.bulk_insert_metrics(
        [{"dimensionId": "d", "value": 1, "externalId": "a"}]
    ),
    "activities": lambda planhat: planhat.user_activity.create_activity({"email": "a@b.c", "action": "x"}),
    "duplicate": lambda planhat: planhat.time_entry.duplicate({"ids": ["0" * 24]}),
    "request": lambda planhat: planhat.request("POST", "/companies", json={"name": "x"}),
    "push": lambda planhat: planhat.push(),
}


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", SILENT)
def test_a_call_that_writes_at_once_is_refused(
    call: str, kind: str, a: Planhat, b: Planhat, server: OtherServer
) -> None:
    with a.offline():
        edit(Company.objects.get("extid-a-1"))
    with block(a, kind), pytest.raises(BlockError, match="nothing is sent"):
        CALLS[call](a)
    with block(a, kind), pytest.raises(BlockError):
        in_thread(CALLS[call], a)
    assert writes(server) == []
    assert len(a.outbox or ()) == 1
    if call not in ("update", "delete", "push", "duplicate"):
        with block(a, kind):
            CALLS[call](b)
        assert writes(server)


@pytest.mark.usefixtures("mirrored")
def test_a_request_that_no_verb_checked_is_stopped_on_the_way_out(a: Planhat, server: OtherServer) -> None:
    from planhat_orm.http.effects import Request

    def flow() -> Any:
        return (yield Request("POST", "/companies", body=b"{}", shape=dict))

    for kind in SILENT:
        with block(a, kind), pytest.raises(BlockError):
            a.run(flow())
        with block(a, kind), pytest.raises(BlockError):
            asyncio.run(a.arun(flow()))
    assert writes(server) == [] and a._session.quota.budget() == 1_000_000 - a.calls


# --- other threads --------------------------------------------------------------------------------------

Records = Callable[[], list[Company]]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads are older than every block."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(str, range(4)))
        yield pool


@pytest.mark.parametrize("kind", HOLDING)
@pytest.mark.doubtful
def test_records_that_are_read_in_a_block_are_held_in_any_thread(
    kind: str, a: Planhat, pool: ThreadPoolExecutor, server: OtherServer
) -> None:
    with block(a, kind) as opened:
        records = list(Company.objects.all())
        list(pool.map(edit, records[:3]))
        with ThreadPoolExecutor(2) as other:
            list(other.map(edit, records[3:]))
        assert held(a, kind, opened) == ROWS and writes(server) == []
    assert phases(server, "a") == ({"x"} if kind == "batch" else {"new"})


@pytest.mark.parametrize("kind", HOLDING)
def test_what_else_came_from_a_block_is_held_in_any_thread(
    kind: str, a: Planhat, b: Planhat, server: OtherServer
) -> None:
    with block(a, kind) as opened:
        queryset, made = Company.objects.filter(phase="new"), Company(name="Made")
        in_thread(lambda: edit(queryset[0]))
        in_thread(made.save)
        in_thread(lambda: queryset.create(name="Created"))
        in_thread(lambda: queryset.bulk_upsert([{"name": "Upserted", "external_id": "u-1"}], raise_on_error=False))
        in_thread(lambda: a.save_all(_edited(queryset[1])))
        in_thread(lambda: queryset[2].delete())
        in_thread(lambda: asyncio.run(_edit_later(queryset[3])))
        batch = a.batch()

        def inner() -> None:
            with batch:
                edit(queryset[4])

        in_thread(inner)
        assert held(a, kind, opened) == 8 and writes(server) == []
    assert (writes(server) == []) is (kind != "batch")
    assert writes(server, "b") == []


def _edited(record: Company) -> list[Company]:
    record.phase = "x"
    return [record]


async def _edit_later(record: Company) -> None:
    record.phase = "x"
    await record.asave()


@pytest.mark.parametrize("kind", SILENT)
def test_a_write_of_a_bare_thread_that_no_block_holds_raises(
    kind: str, a: Planhat, b: Planhat, pool: ThreadPoolExecutor, server: OtherServer
) -> None:
    record, other = Company.objects.using(a).get("extid-a-1"), Company.objects.using(b).get("extid-b-1")
    a.make_default()
    with block(a, kind):
        for run in (in_thread, lambda work, *rest: pool.submit(work, *rest).result()):
            with pytest.raises(BlockError) as raised:
                run(edit, record)
            for way in ("planhat_orm.carry(", "planhat.threads(8)", "with planhat:", "planhat_orm.detached()"):
                assert way in str(raised.value)
            with pytest.raises(BlockError):
                run(lambda: Company.objects.create(name="x"))
            with pytest.raises(BlockError):
                run(a.save_all, [record])
            with pytest.raises(BlockError):
                run(record.delete)
        assert writes(server) == []
        in_thread(edit, other)  # another account's
    assert writes(server, "a") == [] and len(writes(server, "b")) == 1
    in_thread(edit, record)
    assert phases(server, "a") == {"new", "x"}


def test_a_write_of_a_bare_thread_beside_a_batch_is_live(a: Planhat, server: OtherServer) -> None:
    record = Company.objects.using(a).get("extid-a-1")
    with a.batch() as batch:
        in_thread(edit, record)
        assert phases(server, "a") == {"new", "x"} and not batch._saves
        in_thread(lambda: Company.objects.create(name="x"))
    assert len(writes(server)) == 2


@pytest.mark.parametrize("kind", HOLDING)
@pytest.mark.doubtful
def test_threads_and_carry_take_the_block_along(
    kind: str, a: Planhat, pool: ThreadPoolExecutor, server: OtherServer
) -> None:
    records = list(Company.objects.using(a))
    with block(a, kind) as opened:
        with a.threads(3) as threads:
            list(threads.map(edit, records[:2]))
            threads.submit(edit, records[2]).result()
        list(pool.map(carry(edit), records[3:5]))
        in_thread(carry(edit), records[5])
        asyncio.run(carry(_edit_later)(Company(name="Made")))
        assert held(a, kind, opened) == ROWS + 1 and writes(server) == []
    with a.threads(1) as threads:
        threads.submit(edit, records[0], "y").result()
    assert "y" in phases(server, "a")


@pytest.mark.parametrize("kind", HOLDING)
def test_a_worker_is_free_again_for_what_comes_from_outside(
    kind: str, a: Planhat, pool: ThreadPoolExecutor, server: OtherServer
) -> None:
    outside = list(Company.objects.using(a))
    with block(a, kind):
        inside = list(Company.objects.all())
        list(pool.map(edit, inside[:2]))
        list(pool.map(carry(edit), inside[2:]))
    before = len(writes(server))
    list(pool.map(lambda record: edit(record, "y"), outside))
    assert len(writes(server)) == before + ROWS and phases(server, "a") == {"y"}


@pytest.mark.parametrize("kind", HOLDING)
def test_a_thread_with_a_scope_of_its_own_is_not_disturbed(kind: str, a: Planhat, server: OtherServer) -> None:
    def request() -> None:
        with a:
            edit(Company.objects.get("extid-a-1"))

    with block(a, kind):
        in_thread(request)
        assert phases(server, "a") == {"new", "x"}


@pytest.mark.parametrize("kind", SILENT)
def test_a_record_of_the_block_is_held_beside_a_scope_of_the_thread_but_not_when_it_is_detached(
    kind: str, a: Planhat, server: OtherServer
) -> None:
    def in_client() -> None:
        with a:
            edit(record)

    def in_batch() -> None:
        with a.batch():
            edit(record)

    def alone() -> None:
        with detached():
            edit(record, "y")

    with block(a, kind):
        record = Company.objects.get("extid-a-1")
        in_thread(in_client)
        in_thread(in_batch)
        assert writes(server) == []
        in_thread(alone)
        assert phases(server, "a") == {"new", "y"}


def test_a_batch_inside_detached_holds_and_sends(a: Planhat, server: OtherServer) -> None:
    with a.batch(dry_run=True) as outer:
        record = Company.objects.get("extid-a-1")
        with detached(), a.batch() as batch:
            edit(record)
            assert writes(server) == []
        assert len(batch.result.updated) == 1
        edit(record, "y")
        assert len(outer._saves) == 1
    assert phases(server, "a") == {"new", "x"}


# --- after the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HOLDING)
def test_a_record_of_a_block_that_ended_is_live_for_the_thread_that_opened_it(
    kind: str, a: Planhat, server: OtherServer
) -> None:
    with block(a, kind):
        record = Company.objects.get("extid-a-1")
        queryset = Company.objects.filter(phase="new")
    edit(record)
    edit(queryset[0], "y")
    assert phases(server, "a") == {"new", "x", "y"}

    async def task() -> None:
        async with a:
            with block(a, kind):
                record = await Company.objects.aget("extid-a-2")
            record.phase = "z"
            await record.asave()

    asyncio.run(task())
    assert "z" in phases(server, "a")


@pytest.mark.parametrize("kind", SILENT)
def test_a_worker_that_outlives_a_dry_run_does_not_send_its_records(kind: str, a: Planhat, server: OtherServer) -> None:
    with block(a, kind):
        record = Company.objects.get("extid-a-1")
        made = Company(name="x")
    for work in (lambda: edit(record), made.save, lambda: a.save_all([made])):
        with pytest.raises(BlockError, match=r"has ended .*detached\(\)"):
            in_thread(work)

    def entered() -> None:
        with a:
            edit(record)

    with pytest.raises(BlockError):
        in_thread(entered)
    assert writes(server) == []

    def alone() -> None:
        with detached():
            edit(record)

    in_thread(alone)
    assert phases(server, "a") == {"new", "x"}


def test_a_record_of_a_batch_that_ended_is_live_everywhere(a: Planhat, server: OtherServer) -> None:
    with a.batch():
        record = Company.objects.get("extid-a-1")
    in_thread(edit, record)
    assert phases(server, "a") == {"new", "x"}


@pytest.mark.parametrize("kind", HOLDING)
@pytest.mark.parametrize("way", ["thread", "task", "context"])
def test_code_that_outlives_its_block_does_not_write(kind: str, way: str, a: Planhat, server: OtherServer) -> None:
    record = Company.objects.using(a).get("extid-a-1")
    ended = threading.Event()

    def late(free: bool = False) -> str:
        assert ended.wait(10)
        try:
            if free:
                with detached():
                    edit(record)
            else:
                edit(record)
        except BlockError as error:
            return str(error)
        return "sent"

    def start_in_block() -> list[Any]:
        with block(a, kind):
            if way == "context":
                contexts = [contextvars.copy_context() for _ in range(2)]
                return [lambda: contexts[0].run(late), lambda: contexts[1].run(late, True)]
            with a.threads(2) as pool:
                return [pool.submit(late).result, pool.submit(late, True).result] if ended.is_set() else []

    if way == "context":
        first, second = start_in_block()
        ended.set()
    elif way == "thread":
        pool = a.threads(2)
        with block(a, kind):
            jobs = [pool.submit(late), pool.submit(late, True)]
        ended.set()
        first, second = jobs[0].result, jobs[1].result
    else:

        async def main() -> list[str]:
            async def task(free: bool) -> str:
                await asyncio.sleep(0.01)
                return await asyncio.to_thread(late, free)

            with block(a, kind):
                tasks = [asyncio.create_task(task(free)) for free in (False, True)]
            ended.set()
            return [await task for task in tasks]

        said = asyncio.run(main())
        first, second = (lambda: said[0]), (lambda: said[1])
    assert "has ended" in first() and second() == "sent"
    if way == "thread":
        pool.shutdown()
    assert phases(server, "a") == {"new", "x"}


@pytest.mark.parametrize("kind", HOLDING)
def test_code_that_outlives_its_block_reads_unless_it_was_to_read_the_mirror(kind: str, a: Planhat) -> None:
    async def main() -> Any:
        async def late() -> int:
            await asyncio.sleep(0.01)
            return await Company.objects.acount()

        with block(a, kind):
            task = asyncio.create_task(late())
        try:
            return await task
        except BlockError as error:
            return str(error)

    said = asyncio.run(main())
    assert "has ended" in said if kind == "offline" else said == ROWS


@pytest.mark.usefixtures("mirrored")
def test_offline_holds_reads_in_threads_by_what_they_read(a: Planhat, server: OtherServer) -> None:
    server.write(
        "license", {"product": "L", "companyId": server.records("company", account="a")[0]["_id"]}, account="a"
    )
    a.sync()
    with a.offline():
        queryset, record = Company.objects.all(), Company.objects.get("extid-a-0")
        license = record.licenses[0]
        calls = len(server.log)
        assert in_thread(lambda: len(queryset.all())) == ROWS
        in_thread(record.refresh)
        assert in_thread(lambda: [license_.product for license_ in record.licenses]) == ["L"]
        assert in_thread(lambda: license.company.name) == "A0"
        assert len(server.log) == calls
        assert in_thread(lambda: Company.objects.using(a).count()) == ROWS
        assert len(server.log) > calls
        calls = len(server.log)
        with detached():
            assert Company.objects.count() == ROWS
        assert len(server.log) > calls
    assert len(queryset.all()) == ROWS
    with pytest.raises(BlockError, match="has ended"):
        in_thread(lambda: len(queryset.all()))


# --- tasks ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::planhat_orm.errors.BlockingWarning")
@pytest.mark.parametrize("kind", HOLDING)
@pytest.mark.parametrize("library", ["to_thread", "anyio", "gather"])
@pytest.mark.doubtful
def test_tasks_and_their_threads_are_held(kind: str, library: str, a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))

    async def main() -> None:
        with block(a, kind) as opened:
            if library == "to_thread":
                for record in records:
                    await asyncio.to_thread(edit, record)
            elif library == "gather":
                await asyncio.gather(*map(_edit_later, records))
            else:
                async with anyio.create_task_group() as group:
                    for record in records:
                        group.start_soon(anyio.to_thread.run_sync, edit, record)  # type: ignore[arg-type]
            assert held(a, kind, opened) == ROWS and writes(server) == []

    asyncio.run(main())
    assert phases(server, "a") == ({"x"} if kind == "batch" else {"new"})

    async def after() -> None:
        await asyncio.to_thread(edit, records[0], "y")

    asyncio.run(after())
    assert "y" in phases(server, "a")


@pytest.mark.parametrize("kind", SILENT)
def test_run_in_executor_is_as_a_bare_pool(kind: str, a: Planhat, server: OtherServer) -> None:
    outside = Company.objects.using(a).get("extid-a-1")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with block(a, kind) as opened:
            inside = await Company.objects.aget("extid-a-2")
            await loop.run_in_executor(None, edit, inside)
            with pytest.raises(BlockError):
                await loop.run_in_executor(None, edit, outside)
            await loop.run_in_executor(None, carry(edit), outside)
            assert held(a, kind, opened) == 2

    asyncio.run(main())
    assert writes(server) == []


@pytest.mark.parametrize("kind", HOLDING)
def test_an_older_worker_with_a_queue_of_its_own(kind: str, a: Planhat, server: OtherServer) -> None:
    import queue

    jobs: queue.Queue[Any] = queue.Queue()
    said: queue.Queue[Any] = queue.Queue()

    def work() -> None:
        while (job := jobs.get()) is not None:
            try:
                said.put(job())
            except BlockError as error:
                said.put(error)

    worker = threading.Thread(target=work)
    worker.start()
    outside = Company.objects.using(a).get("extid-a-1")
    try:
        with block(a, kind) as opened:
            inside = Company.objects.get("extid-a-2")
            for job in (lambda: edit(inside), carry(lambda: edit(outside)), lambda: edit(outside, "y")):
                jobs.put(job)
            answers = [said.get(timeout=10) for _ in range(3)]
            assert answers[:2] == [None, None] and held(a, kind, opened) == 2
            assert isinstance(answers[2], BlockError) is (kind != "batch")
    finally:
        jobs.put(None)
        worker.join()


# --- generators, and exits elsewhere --------------------------------------------------------------------


def test_a_generator_that_is_suspended_in_a_block_leaks_it_to_its_consumer(a: Planhat, server: OtherServer) -> None:
    record = Company.objects.using(a).get("extid-a-1")

    def pages() -> Iterator[Company]:
        with a.batch(dry_run=True):
            yield from Company.objects.all()

    generator = pages()
    next(generator)
    edit(record)
    assert writes(server) == []
    del generator
    edit(record, "y")
    assert phases(server, "a") == {"new", "y"}


def test_the_consumer_of_an_async_generator_that_is_collected_in_a_block_is_free(
    a: Planhat, server: OtherServer
) -> None:
    record = Company.objects.using(a).get("extid-a-1")

    async def pages() -> AsyncIterator[int]:
        with a.batch(dry_run=True):
            yield 1

    async def main() -> None:
        generator = pages()
        assert await anext(generator) == 1
        record.phase = "x"
        await record.asave()
        assert writes(server) == []
        del generator  # its end runs in a task of the loop's own
        await asyncio.sleep(0.05)
        assert clients.chosen() is None
        record.phase = "y"
        await record.asave()

    asyncio.run(main())
    assert phases(server, "a") == {"new", "y"}


@pytest.mark.parametrize("kind", HOLDING)
def test_a_block_that_is_left_in_another_context_held_nothing_and_says_so(
    kind: str, a: Planhat, server: OtherServer
) -> None:
    record = Company.objects.using(a).get("extid-a-1")

    def dependency() -> Iterator[Any]:
        with block(a, kind) as opened:
            yield opened

    def leave(generator: Iterator[Any], failing: bool) -> None:
        if failing:
            with pytest.raises(KeyError):
                generator.throw(KeyError("the endpoint failed"))  # type: ignore[attr-defined]
        else:
            next(generator, None)

    for failing in (False, True):
        generator = dependency()
        opened = contextvars.copy_context().run(next, generator)
        if kind == "batch":
            opened.add(record)
        if failing:
            leave(generator, failing)
        else:
            with pytest.raises(BlockError, match="left in another"):
                leave(generator, failing)
    assert writes(server) == []
    edit(record)
    assert phases(server, "a") == {"new", "x"}


# --- processes ------------------------------------------------------------------------------------------


def test_a_forked_child_does_not_fill_its_parents_batch(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    with a.batch() as batch:
        edit(records[0])
        said = in_fork(lambda: edit(records[1]))
        assert said.startswith("BlockError: ") and "another process" in said
    assert len(batch.result.updated) == 1 and len(writes(server)) == 1


def test_the_end_of_a_batch_in_a_forked_child_sends_nothing(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    batch = a.batch()
    batch.__enter__()
    edit(records[0])
    assert in_fork(lambda: batch.__exit__(None, None, None)) is None
    assert writes(server) == []
    batch.__exit__(None, None, None)
    assert len(batch.result.updated) == 1 and len(writes(server)) == 1


def test_a_forked_child_in_a_dry_run_or_beside_one_sends_nothing(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    with a.batch(dry_run=True):
        assert in_fork(lambda: edit(records[1])).startswith("BlockError")
        assert in_fork(lambda: in_thread(edit, records[1])).startswith("BlockError")
    assert writes(server) == []


@pytest.mark.usefixtures("mirrored")
def test_forked_children_in_an_offline_block_fill_the_outbox(a: Planhat, server: OtherServer) -> None:
    records = list(Company.objects.using(a))
    with a.offline():
        for record in records[:3]:
            assert in_fork(partial(edit, record)) is None
        edit(records[3])
    assert writes(server) == [] and len(a.outbox or ()) == 4


def _count(_: Any) -> Any:
    try:
        return Company.objects.count()
    except Exception as error:
        return type(error).__name__


def test_a_spawned_process_has_no_block_and_no_client(a: Planhat) -> None:
    with a.batch(), multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_count, [None]) == ["ConfigurationError"]
