"""Threads and tasks that create the same key at the same time make one record."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import AlreadyExists, Company, InvalidRequest, Planhat
from planhat_orm.emulator import Emulator

Online = Callable[..., tuple[Emulator, Planhat]]


def at_once(count: int, work: Callable[[int], Any]) -> list[BaseException]:
    """Run `work` in threads that start together; return what they raised."""
    raised: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("verb", ["records", "endpoint"])
def test_of_eight_threads_that_create_a_key_one_does(online: Online, verb: str) -> None:
    emulator, planhat = online()

    def work(number: int) -> None:
        if verb == "records":
            Company.objects.using(planhat).create(name=f"Acme {number}", external_id="a")
        else:
            planhat.company.create({"name": f"Acme {number}", "externalId": "a"})

    raised = at_once(8, work)
    assert [type(error) for error in raised] == [AlreadyExists] * 7
    assert len(emulator.store.all("company")) == 1


def test_creates_and_upserts_of_a_key_make_one_record(online: Online) -> None:
    emulator, planhat = online()

    def work(number: int) -> None:
        objects = Company.objects.using(planhat)
        if number % 2:
            objects.bulk_upsert([{"external_id": "a", "name": f"Acme {number}"}])
        else:
            objects.get_or_create(external_id="a", defaults={"name": f"Acme {number}"})

    assert not at_once(8, work)
    assert len(emulator.store.all("company")) == 1


def test_tasks_take_turns_as_threads_do(online: Online) -> None:
    emulator, planhat = online()

    async def main() -> list[Any]:
        made = (Company.objects.acreate(name=f"Acme {number}", external_id="a") for number in range(8))
        found = await asyncio.gather(*made, return_exceptions=True)
        await planhat.aclose()
        return found

    found = asyncio.run(main())
    assert sorted(type(record).__name__ for record in found) == ["AlreadyExists"] * 7 + ["Company"]
    assert len(emulator.store.all("company")) == 1


def test_a_create_that_fails_lets_the_next_one_have_its_turn(online: Online) -> None:
    emulator, planhat = online()
    with pytest.raises(InvalidRequest):
        planhat.company.create({"externalId": "a"})
    assert planhat.company.create({"name": "Acme", "externalId": "a"})["_id"]
    assert len(emulator.store.all("company")) == 1
