"""One quota for threads and tasks, against a server that counts."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from threading import Thread

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Call

from ..online import Online


def fullest_minute(calls: Iterable[Call]) -> int:
    """The most calls that any sixty seconds of the server's clock held."""
    times = sorted(call.at for call in calls if call.status != 429)
    return max(place - bisect_right(times, at - 60.0) + 1 for place, at in enumerate(times))


@pytest.mark.parametrize("header_style", ["x-rate-limit", "x-ratelimit", "none"])
def test_eight_threads_and_eight_tasks_stay_within_the_quota(online: Online, header_style: str) -> None:
    emulator, planhat = online(calls_per_min=200, header_style=header_style)
    company = planhat.company.create({"name": "Acme"})["_id"]
    failures: list[BaseException] = []

    def in_threads() -> None:
        try:
            for _ in range(25):
                planhat.company.get_by_id(company)
        except BaseException as failure:
            failures.append(failure)

    async def in_tasks() -> None:
        async def task() -> None:
            for _ in range(25):
                await planhat.company.aget_by_id(company)

        async with planhat:
            await asyncio.gather(*(task() for _ in range(8)))

    threads = [Thread(target=in_threads) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(in_tasks())
    for thread in threads:
        thread.join()

    assert not failures
    assert emulator.calls >= 401
    assert sum(call.status == 429 for call in emulator.log) <= 1
    assert fullest_minute(emulator.log) <= 200


def test_another_user_of_the_same_quota_is_noticed(online: Online) -> None:
    emulator, planhat = online(calls_per_min=200)
    planhat.company.get_lean_list()
    with Planhat(emulator.api_token, api_url=emulator.url, clock=emulator.clock, calls_per_min=200) as other:
        for _ in range(120):
            other.company.get_lean_list()
    emulator.log.clear()
    for _ in range(120):
        planhat.company.get_lean_list()
    assert [call.status for call in emulator.log].count(429) == 0


def test_a_quota_used_up_by_others_is_waited_for(online: Online) -> None:
    emulator, planhat = online()
    emulator.faults.add("rate_limit", retry_after=30)
    assert planhat.company.get_lean_list() == []
    refused, served = emulator.log
    assert (refused.status, served.status) == (429, 200)
    assert served.at - refused.at >= 30

    emulator.log.clear()
    emulator.faults.add("rate_limit", times=3)  # it says nothing of when to come back
    assert planhat.company.get_lean_list() == []
    times = [call.at for call in emulator.log]
    assert [call.status for call in emulator.log] == [429, 429, 429, 200]
    assert all(later - earlier >= least for (earlier, later), least in zip(pairwise(times), (4, 8, 15), strict=True))
