"""Which client is the current one, where threads and tasks share clients, and which of them is offline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.errors import ConfigurationError
from planhat_orm.scopes import clients

from ..online import Online, client
from ..registry import no_clients


def in_threads(*calls: Callable[[], Any]) -> None:
    """Run calls in threads of their own, at once, and raise what one of them raised."""
    failures: list[BaseException] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_enter_and_leave_one_client_in_any_order(online: Online) -> None:
    _, planhat = online(companies=3)
    inside = threading.Barrier(2, timeout=5)
    first_left = threading.Event()

    def first() -> None:
        with planhat:
            inside.wait()
        first_left.set()

    def second() -> None:
        with planhat:
            inside.wait()
            first_left.wait(5)
            assert clients.current() is planhat
            assert Company.objects.count() == 3

    in_threads(first, second)


def test_tasks_enter_and_leave_one_client_in_any_order(online: Online) -> None:
    _, planhat = online(companies=3)

    async def task(pause: float) -> int:
        async with planhat:
            await asyncio.sleep(pause)
            return await Company.objects.acount()

    async def main() -> list[int]:
        return list(await asyncio.gather(task(0.02), task(0.0), task(0.01)))

    assert asyncio.run(main()) == [3, 3, 3]


def test_a_client_is_closed_when_the_last_one_leaves(online: Online) -> None:
    _, planhat = online(companies=3)
    with planhat:
        with planhat:
            Company.objects.count()
        assert planhat._holdings.driver._pools._pools
    assert not planhat._holdings.driver._pools._pools


def test_one_client_offline_leaves_the_others_online(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online(companies=3, mirror=tmp_path / "a.db")
    with client(emulator, calls_per_min=1_000_000) as other:
        planhat.sync(Company)
        with planhat.offline():
            calls = emulator.calls
            assert Company.objects.count() == 3
            assert emulator.calls == calls
            assert planhat.is_offline and not other.is_offline
            assert Company.objects.using(other).count() == 3
            assert emulator.calls > calls
            with planhat.offline():
                assert planhat.is_offline
            assert planhat.is_offline
        assert not planhat.is_offline


def test_without_a_client_the_error_says_what_to_type() -> None:
    with no_clients(), pytest.raises(ConfigurationError, match=r"planhat = Planhat\(\)"):
        clients.current()
    assert isinstance(Planhat("t"), Planhat)
