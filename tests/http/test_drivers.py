"""The two drivers: one flow, in a thread and in a task."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from planhat_orm import ConnectionFailed, NotFound, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.http.effects import Emit, Flow, Request, RunBlocking, Sleep, Start, Wait
from planhat_orm.http.retry import Retry

from ..online import Online

Both = Callable[[Planhat, Callable[[], Flow[Any]]], Any]
Each = Callable[[Planhat, Callable[[], Flow[Any]]], list[Any]]


def in_a_thread(planhat: Planhat, flow: Callable[[], Flow[Any]]) -> Any:
    return planhat.run(flow())


def in_a_task(planhat: Planhat, flow: Callable[[], Flow[Any]]) -> Any:
    async def main() -> Any:
        async with planhat:
            return await planhat.arun(flow())

    return asyncio.run(main())


def each_in_a_thread(planhat: Planhat, flow: Callable[[], Flow[Any]]) -> list[Any]:
    return list(planhat.iterate(flow()))


def each_in_a_task(planhat: Planhat, flow: Callable[[], Flow[Any]]) -> list[Any]:
    async def main() -> list[Any]:
        async with planhat:
            return [item async for item in planhat.aiterate(flow())]

    return asyncio.run(main())


run_both = pytest.mark.parametrize("run", [in_a_thread, in_a_task])
each_both = pytest.mark.parametrize("each", [each_in_a_thread, each_in_a_task])


def lean(path: str = "/leancompanies") -> Request:
    return Request("GET", path, shape=list)


@run_both
def test_a_flow_is_sent_the_answers_of_its_effects(online: Online, run: Both) -> None:
    emulator, planhat = online(companies=3)

    def flow() -> Flow[Any]:
        before = yield Sleep(0)
        response = yield lean()
        after = yield Sleep(5)
        where = yield RunBlocking(threading.get_ident)
        return len(response.data), after - before, where

    rows, passed, where = run(planhat, flow)
    assert rows == 3
    assert passed >= 5
    assert (where == threading.get_ident()) is (run is in_a_thread)
    assert planhat.calls == emulator.calls == 1


@run_both
def test_what_goes_wrong_is_thrown_into_the_flow(online: Online, run: Both) -> None:
    _, planhat = online()

    def flow() -> Flow[Any]:
        try:
            yield Request("GET", "/companies/none", shape=dict)
        except NotFound as missing:
            return missing.response.status  # type: ignore[union-attr]

    assert run(planhat, flow) == 404

    def failing() -> Flow[Any]:
        yield RunBlocking(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        run(planhat, failing)


@run_both
def test_requests_together_are_answered_in_order_and_a_failure_raises(online: Online, run: Both) -> None:
    emulator, planhat = online(companies=30)
    ids = [row["_id"] for row in emulator.store.all("company")]

    def flow(wanted: list[str]) -> Flow[Any]:
        begun = []
        for name in wanted:
            begun.append((yield Start(Request("GET", f"/companies/{name}", shape=dict))))
        answers = []
        for future in begun:
            answers.append((yield Wait(future)))
        return [answer.data["_id"] for answer in answers]

    assert run(planhat, lambda: flow(ids)) == ids
    with pytest.raises(NotFound):
        run(planhat, lambda: flow([ids[0], "none"]))


def test_ctrl_c_waits_for_no_server_and_sends_nothing_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        planhat = Planhat("token", api_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        lines: list[socket.socket] = []

        def flow() -> Flow[None]:
            yield Start(lean())
            lines.append((yield RunBlocking(server.accept))[0])
            yield RunBlocking(stop)

        def stop() -> None:
            raise KeyboardInterrupt

        def interrupted() -> None:
            with pytest.raises(KeyboardInterrupt), planhat:
                planhat.run(flow())

        main = threading.Thread(target=interrupted, daemon=True)
        main.start()
        main.join(20)
        assert not main.is_alive(), "it waits for the answer"
        lines[0].close()
        for thread in threading.enumerate():
            if thread.name == "planhat-request":
                thread.join(20)
                assert not thread.is_alive(), "the request is on its way again"
        assert planhat.calls == 1


@each_both
def test_what_a_flow_emits_comes_while_it_runs(online: Online, each: Each) -> None:
    _, planhat = online()

    def flow() -> Flow[None]:
        yield Emit(planhat.calls)
        yield lean()
        yield Emit(planhat.calls)

    assert each(planhat, flow) == [0, 1]


def test_a_flow_that_is_left_early_is_closed(online: Online) -> None:
    _, planhat = online()
    closed = []

    def flow() -> Flow[None]:
        try:
            while True:
                yield Emit(1)
        finally:
            closed.append(True)

    steps = planhat.iterate(flow())
    next(steps)
    steps.close()

    async def main() -> None:
        asteps = planhat.aiterate(flow())
        await anext(asteps)
        await asteps.aclose()

    asyncio.run(main())
    assert closed == [True, True]


@run_both
def test_an_effect_that_is_none_says_so(online: Online, run: Both) -> None:
    _, planhat = online()

    def flow() -> Flow[None]:
        yield "GET"

    with pytest.raises(TypeError, match="no effect"):
        run(planhat, flow)


def test_tasks_do_not_hold_up_the_loop(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    """While calls wait for answers, for 429 and for the quota, the loop goes on."""
    emulator, planhat = online(companies=2, calls_per_min=20)
    emulator.faults.add("slow", delay=0.3, times=2)
    emulator.faults.add("rate_limit", retry_after=20, after=2)

    def blocking(_: float) -> None:
        raise AssertionError("the loop was put to sleep")

    monkeypatch.setattr(time, "sleep", blocking)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        async with planhat:
            await asyncio.gather(*(planhat.company.aget_lean_list() for _ in range(24)))
        ticking.cancel()

    asyncio.run(main())
    assert ticks > 20


def test_a_cancelled_task_gives_its_slot_back(online: Online) -> None:
    emulator, planhat = online(calls_per_min=200)
    emulator.faults.add("slow", delay=5, times=None)

    async def main() -> None:
        async with planhat:
            tasks = [asyncio.create_task(planhat.company.aget_lean_list()) for _ in range(50)]
            while emulator.calls < 50:
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            emulator.faults.clear()
            await planhat.company.aget_lean_list()

    asyncio.run(main())


def test_a_closed_client_opens_anew(online: Online) -> None:
    _, planhat = online(companies=1)
    for _ in range(2):
        assert len(planhat.company.get_lean_list()) == 1
        planhat.close()

    async def main() -> int:
        async with planhat:
            return len(await planhat.company.aget_lean_list())

    assert [asyncio.run(main()) for _ in range(2)] == [1, 1]


def test_a_server_that_is_gone_is_a_connection_failure(online: Online) -> None:
    emulator, planhat = online(retry=Retry(attempts=2))
    emulator.stop()
    with pytest.raises(ConnectionFailed, match="after 2 tries") as raised:
        planhat.company.create({"name": "Acme"})
    assert not raised.value.sent
    assert raised.value.response is None
    assert raised.value.attempts == 2
    assert raised.value.request.path == "/companies"  # type: ignore[union-attr]


def test_listeners_are_told_of_requests_and_responses(online: Online) -> None:
    _, planhat = online()
    heard: list[Any] = []
    planhat.on("request", lambda request: heard.append(request.path))
    planhat.on("response", lambda pair: heard.append(pair[1].status))
    planhat.company.get_lean_list()
    assert heard == ["/leancompanies", 200]


@pytest.fixture
def flaky(online: Online) -> Generator[tuple[Emulator, Planhat]]:
    yield online(companies=3, timeout=0.3)


@run_both
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated", "cut_json", "html", "timeout_after"])
def test_one_bad_answer_to_a_read_is_not_noticed(flaky: tuple[Emulator, Planhat], run: Both, kind: Any) -> None:
    emulator, planhat = flaky
    emulator.faults.add(kind)

    def flow() -> Flow[int]:
        response = yield lean()
        return len(response.data)

    assert run(planhat, flow) == 3
    assert planhat.calls == 2
