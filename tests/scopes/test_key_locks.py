"""Writes of one new key take turns, whichever client of the account makes them; two accounts never wait for each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from planhat_orm import AlreadyExists, Company, Planhat
from tests.other_server import OtherServer, faults, on

from .conftest import Make
from .workers import in_thread


def create(planhat: Planhat) -> Company | AlreadyExists:
    try:
        return Company.objects.using(planhat).create(name="New", external_id="shared-key")
    except AlreadyExists as taken:
        return taken


def upsert(planhat: Planhat) -> Any:
    return planhat.company.bulk_upsert([{"name": "New", "externalId": "shared-key"}])


WAYS = {"create": (create, "POST"), "bulk_upsert": (upsert, "PUT")}


@pytest.mark.doubtful
@pytest.mark.parametrize("way", WAYS)
def test_another_account_writes_the_same_key_meanwhile(way: str, make: Make, server: OtherServer) -> None:
    work, method = WAYS[way]
    a, b = make("a"), make("b")
    arrived, answer = threading.Event(), threading.Event()

    def note(request: Any) -> None:
        if request.method == method:
            arrived.set()

    server.before(note)
    server.fault(faults.until(answer), on(method, "/companies"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(work, a)
        try:
            assert arrived.wait(60)
            in_thread(work, b)  # which ends, though a's write waits for its answer
            assert not first.done()
        finally:
            answer.set()
        first.result()
    for name in ("a", "b"):
        assert [row["name"] for row in server.records("company", name) if row.get("externalId") == "shared-key"] == [
            "New"
        ]


@pytest.mark.doubtful
@pytest.mark.parametrize("way", WAYS)
def test_two_clients_of_one_account_make_one_record_of_a_key(way: str, make: Make, server: OtherServer) -> None:
    work, method = WAYS[way]
    clients = [make("a") for _ in range(4)]
    server.fault(faults.slow(0.05), on(method, "/companies"), times=None)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, clients))
    made = [row for row in server.records("company", "a") if row.get("externalId") == "shared-key"]
    assert len(made) == 1
    if way == "create":
        assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 3
