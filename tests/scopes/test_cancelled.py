"""Tasks that are cancelled at each of their awaits in turn: nothing half done is lost or doubled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import AlreadyExists, Company, Planhat, PlanhatError
from planhat_orm.emulator import Emulator
from planhat_orm.http.effects import Flow, RunBlocking
from planhat_orm.wire import key_locks
from planhat_orm.writes import server_state

from ..registry import no_clients

MOST = 400


class CancelledAt:
    """Run a coroutine and cancel the task that does at the `n`th time that it waits for something."""

    def __init__(self, work: Coroutine[Any, Any, Any], n: int) -> None:
        self._work = work
        self._n = n
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._work.send
        value: Any = None
        while True:
            try:
                waited = step(value)
            except StopIteration as stop:
                return stop.value
            self.waits += 1
            if self.waits == self._n:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                value = yield waited
                step = self._work.send
            except BaseException as failure:
                value, step = failure, self._work.throw


async def cancelled_at_each(
    attempt: Callable[[int], Awaitable[tuple[Coroutine[Any, Any, Any], Any]]], check: Any
) -> int:
    """Cancel a piece of work at its first wait, another at its second, and so on, until one comes to its end."""
    for n in range(1, MOST):
        work, subject = await attempt(n)
        running = CancelledAt(work, n)
        over = True

        async def run(running: CancelledAt = running) -> None:
            await running

        try:
            await asyncio.create_task(run())
        except asyncio.CancelledError:
            over = False
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"cancelled at wait {n}: {left} goes on"
        await check(subject, n)
        if over:
            assert running.waits < n
            return n
    raise AssertionError("it does not come to its end")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # The emulator has done what it was sent within that time, if it does it at all.
    monkeypatch.setattr(server_state, "QUIET", 0.3)
    with no_clients():
        yield


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(companies=12, seed=5) as emulator:
        yield emulator


@pytest.fixture(params=["api", "mirror"])
def planhat(request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path) -> Iterator[Planhat]:
    mirror = tmp_path / "a.db" if request.param == "mirror" else None
    with Planhat(emulator.api_token, api_url=emulator.url, scan="allow", calls_per_min=1e6, mirror=mirror) as planhat:
        if mirror:
            planhat.sync(Company)
        yield planhat


def companies(emulator: Emulator) -> list[dict[str, Any]]:
    return emulator.store.all("company")


def named(emulator: Emulator, **values: Any) -> list[dict[str, Any]]:
    return [row for row in companies(emulator) if values.items() <= row.items()]


async def settle(planhat: Planhat) -> None:
    """Nothing is held any more, and what waits in an outbox is sent."""
    assert planhat._session.quota._in_flight == 0 and not key_locks._held._names
    if planhat.outbox is not None:
        with suppress(PlanhatError):
            await planhat.apush()
        if len(planhat.outbox):
            await planhat.apush()
        assert not len(planhat.outbox)


@pytest.mark.doubtful
def test_a_save_that_is_cancelled_is_done_or_not_and_can_be_done_again(planhat: Planhat, emulator: Emulator) -> None:
    async def begin(n: int) -> Any:
        record = await Company.objects.aget(external_id="acct-1001")
        record.description = f"at {n}"
        return record.asave(), record

    async def check(record: Company, n: int) -> None:
        await settle(planhat)
        text = f"at {n}"
        if record.changes():
            assert record.description == text
            await record.asave()
        assert not record.changes() and len(named(emulator, description=text)) == 1
        if planhat.outbox is not None:
            assert (await Company.objects.using("mirror").aget(external_id="acct-1001")).description == text

    assert asyncio.run(cancelled_at_each(begin, check)) > 3


@pytest.mark.doubtful
def test_a_create_that_is_cancelled_makes_its_record_once(planhat: Planhat, emulator: Emulator) -> None:
    async def begin(n: int) -> Any:
        record = Company(name=f"N{n}", external_id=f"new-{n}")
        return record.asave(), record

    async def check(record: Company, n: int) -> None:
        await settle(planhat)
        if record.id is None:
            with suppress(AlreadyExists):
                await record.asave()
        await settle(planhat)
        assert len(named(emulator, externalId=f"new-{n}")) == 1
        if planhat.outbox is not None:
            assert await Company.objects.using("mirror").filter(external_id=f"new-{n}").acount() == 1

    assert asyncio.run(cancelled_at_each(begin, check)) > 4


@pytest.mark.doubtful
def test_a_batch_that_is_cancelled_sends_the_rest_when_it_is_tried_again(planhat: Planhat, emulator: Emulator) -> None:
    async def begin(n: int) -> Any:
        batch = planhat.batch()
        old = [company async for company in Company.objects.filter(external_id__in=["acct-1002", "acct-1003"])]
        new = [Company(name=f"B{n} {k}", external_id=f"b-{n}-{k}") for k in range(2)]

        async def work() -> None:
            async with batch:
                for record in (*old, *new):
                    record.description = f"batch {n}"
                    await record.asave()

        return work(), (batch, old, new)

    async def check(subject: Any, n: int) -> None:
        batch, old, new = subject
        await settle(planhat)
        if not batch._block or not batch._block.ended:
            return
        if len(batch._saves) == 4 or not batch.result.rows:
            await batch.aretry()
        await settle(planhat)
        assert not [record for record in (*old, *new) if record.id is None or record.changes()]
        assert len(named(emulator, description=f"batch {n}")) == len(batch.result.rows)
        assert all(len(named(emulator, externalId=f"b-{n}-{k}")) == 1 for k in range(2))

    assert asyncio.run(cancelled_at_each(begin, check)) > 4


@pytest.mark.doubtful
def test_a_push_that_is_cancelled_sends_the_rest_when_it_is_tried_again(planhat: Planhat, emulator: Emulator) -> None:
    if planhat.outbox is None:
        pytest.skip("there is no outbox without a mirror")

    async def begin(n: int) -> Any:
        with planhat.offline():
            for record in await asyncio.to_thread(
                list, Company.objects.filter(external_id__in=["acct-1004", "acct-1005"])
            ):
                record.description = f"push {n}"
                await record.asave()
            await Company(name=f"P{n}", external_id=f"p-{n}").asave()
        return planhat.apush(), n

    async def check(_: Any, n: int) -> None:
        await settle(planhat)
        assert len(named(emulator, description=f"push {n}")) == 2 and len(named(emulator, externalId=f"p-{n}")) == 1
        mirror = Company.objects.using("mirror")
        assert await mirror.filter(description=f"push {n}").acount() == 2
        assert await mirror.filter(external_id=f"p-{n}").acount() == 1

    assert asyncio.run(cancelled_at_each(begin, check)) > 4


@pytest.mark.doubtful
def test_a_reading_that_is_cancelled_is_begun_anew(planhat: Planhat, emulator: Emulator) -> None:
    source = "api" if planhat.outbox is None else "mirror"

    async def begin(n: int) -> Any:
        rows = Company.objects.using(source).filter(name__isnull=False)

        async def work() -> list[Company]:
            return [company async for company in rows]

        return work(), rows

    async def check(rows: Any, n: int) -> None:
        await settle(planhat)
        names = sorted([company.name async for company in rows])
        assert names == sorted(row["name"] for row in companies(emulator))

    assert asyncio.run(cancelled_at_each(begin, check)) > 1


def test_local_work_that_has_begun_is_ended_before_the_cancelled_task_is(planhat: Planhat) -> None:
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        go.wait(60)
        done.append("worked")

    def flow() -> Flow[None]:
        try:
            yield RunBlocking(work)
        finally:
            done.append("closed")

    async def run() -> None:
        task = asyncio.create_task(planhat.arun(flow()))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        assert not task.done() and not done
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["worked", "closed"]

    asyncio.run(run())
