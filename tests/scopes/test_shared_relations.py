"""Relations that several threads read of the records of one list: docs/how-to/threads-and-web-apps.md."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm import Company, License, Planhat, ServerError
from planhat_orm.http.retry import Retry
from tests.other_server import OtherServer, faults, on

from ..scale import sized
from .conftest import Make
from .test_shared_querysets import together

COMPANIES = 12
Read = Callable[[Any], Any]
RELATIONS: dict[str, tuple[Any, Read]] = {
    "one": (License, lambda licence: licence.company.name),
    "many": (Company, lambda company: sorted(licence.product for licence in company.licenses)),
    "two steps": (License, lambda licence: sorted(other.product for other in licence.company.licenses)),
}


@pytest.fixture
def server() -> Iterator[OtherServer]:
    """An account of a dozen companies with two licences each, listed seven at a time."""
    with OtherServer(accounts={"token-a": "a"}, page_rows=7) as server:
        server.fill("company", COMPANIES, lambda n: {"name": f"C{n:02}"}, account="a")
        ids = [row["_id"] for row in server.records("company", "a")]
        server.fill(
            "license", 2 * COMPANIES, lambda n: {"companyId": ids[n % COMPANIES], "product": f"P{n:02}"}, account="a"
        )
        yield server


@pytest.fixture
def a(make: Make) -> Planhat:
    return make("a", retry=Retry(attempts=1)).make_default()


@pytest.mark.parametrize("kind", RELATIONS)
@pytest.mark.usefixtures("a")
def test_threads_ask_for_what_one_alone_asks_for(kind: str, server: OtherServer) -> None:
    model, read = RELATIONS[kind]
    records = list(model.objects.all())[:COMPANIES]
    server.log.clear()
    expected = [read(record) for record in records]
    alone = len(server.log)
    for _ in range(sized(3, 100)):
        records = list(model.objects.all())[:COMPANIES]
        server.log.clear()
        assert together([lambda record=record: read(record) for record in records]) == expected  # type: ignore[misc]
        assert len(server.log) == alone


@pytest.mark.parametrize("kind", ["one", "many"])
@pytest.mark.usefixtures("a")
def test_threads_that_waited_for_a_load_that_failed_get_its_error_and_later_ones_load_anew(
    kind: str, server: OtherServer
) -> None:
    model, read = RELATIONS[kind]
    records = list(model.objects.all())[:COMPANIES]
    if kind == "many":
        read(records.pop())  # the first one is asked for alone, the second one for all
    path = "/companies" if kind == "one" else "/licenses"
    has_begun, may_end = threading.Event(), threading.Event()
    found: list[Any] = []

    def wait(request: Any) -> None:
        has_begun.set()
        may_end.wait(30)

    def work(record: Any) -> None:
        try:
            found.append(read(record))
        except ServerError as error:
            found.append(error)

    server.before(wait)
    server.fault(faults.status(500), on("GET", path))
    server.log.clear()
    threads = [threading.Thread(target=work, args=(record,)) for record in records[:4]]
    threads[0].start()
    assert has_begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.3)  # until the others wait
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert [type(error) for error in found] == [ServerError] * 4 and len({id(error) for error in found}) == 4
    assert len(server.log) <= 2  # the list, and its ids from the other end
    assert all(read(record) for record in records)


@pytest.mark.usefixtures("a")
def test_a_load_that_failed_fails_none_of_another_relation(server: OtherServer) -> None:
    first, second = list(Company.objects.all())[:2]
    assert (len(first.licenses), len(first.endusers)) == (2, 0)  # the second one is asked for all
    has_begun, may_end = threading.Event(), threading.Event()
    found: list[Any] = []

    def wait(request: Any) -> None:
        has_begun.set()
        may_end.wait(30)

    def work(read: Read) -> None:
        try:
            found.append(read(second))
        except ServerError as error:
            found.append(error)

    server.before(wait)
    server.fault(faults.status(500), on("GET", "/licenses"))
    threads = [
        threading.Thread(target=work, args=(read,))
        for read in (lambda company: list(company.licenses), lambda company: list(company.endusers))
    ]
    threads[0].start()
    assert has_begun.wait(30)
    threads[1].start()
    time.sleep(0.3)  # until it waits
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert [type(answer) for answer in found] == [ServerError, list]


@pytest.mark.parametrize("kind", ["one", "many"])
def test_a_thread_that_holds_what_a_load_needs_waits_for_it_only_a_while(
    kind: str, a: Planhat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planhat_orm.queryset.relation_lock.WAIT_SECONDS", 0.2, raising=False)
    model, read = RELATIONS[kind]
    records = list(model.objects.all())[:COMPANIES]
    if kind == "many":
        read(records.pop())
    own, begun = threading.RLock(), threading.Event()
    found: list[Any] = []

    def count(request: Any) -> None:
        if threading.current_thread() is threads[0]:
            begun.set()
            with own:
                pass

    a.on("request", count)
    threads = [threading.Thread(target=lambda: found.append(read(records[0])), daemon=True)]

    def work() -> None:
        with own:
            threads[0].start()
            assert begun.wait(30)
            found.append(read(records[1]))

    threads.append(threading.Thread(target=work, daemon=True))
    threads[1].start()
    threads[1].join(10)
    threads[0].join(10)
    assert len(found) == 2 and all(found)


@pytest.mark.usefixtures("a")
def test_what_a_load_calls_loads_for_itself(a: Planhat) -> None:
    licences = list(License.objects.all())
    seen: list[str] = []

    def look(request: Any) -> None:
        if not seen:
            seen.append("")
            seen[0] = licences[1].company.name

    a.on("request", look)
    assert (licences[0].company.name, seen) == ("C00", ["C01"])


def test_a_forked_child_does_not_wait_for_threads_of_its_parent(a: Planhat, server: OtherServer) -> None:
    licences = list(License.objects.using(a))
    has_begun, may_end = threading.Event(), threading.Event()

    def wait(request: Any) -> None:
        has_begun.set()
        may_end.wait(30)

    server.before(wait)
    thread = threading.Thread(target=lambda: licences[0].company)
    thread.start()
    assert has_begun.wait(30)
    child = os.fork()
    if not child:
        lock = licences[0]._origin.relation_lock.lock
        os._exit(0 if lock.acquire(timeout=5) else 1)
    _, status = os.waitpid(child, 0)
    may_end.set()
    thread.join(30)
    assert status == 0 and licences[1].company.name == "C01"
