"""One queryset that several threads and tasks read: docs/how-to/threads-and-web-apps.md."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from planhat_orm import Company, Planhat, PlanhatError, QuerySet, ServerError, WhichClient
from planhat_orm.http.retry import Retry
from planhat_orm.queryset.shared_pages import SharedPages
from tests.other_server import OtherServer, faults, on

from ..scale import sized
from .conftest import Make
from .workers import in_fork, in_thread

COMPANIES = 60
READERS = 4
READS: dict[str, Callable[[Iterable[Any]], list[Any]]] = {
    "for": lambda rows: list(iter(rows)),
    "list": list,
    "len": lambda rows: list(rows) if len(rows) == COMPANIES else [len(rows)],  # type: ignore[arg-type]
    "bool": lambda rows: list(rows) if rows else [],
    "index": lambda rows: [rows[n] for n in range(COMPANIES)],  # type: ignore[index]
}


@pytest.fixture
def server() -> Iterator[OtherServer]:
    """Two accounts of sixty companies each, listed seven at a time."""
    with OtherServer(accounts={"token-a": "a", "token-b": "b"}, page_rows=7) as server:
        for name in ("a", "b"):
            server.fill("company", COMPANIES, lambda n, name=name: {"name": f"{name}{n:02}"}, account=name)  # type: ignore[misc]
        yield server


@pytest.fixture
def a(make: Make) -> Planhat:
    return make("a", retry=Retry(attempts=1)).make_default()


def names(rows: Iterable[Any]) -> list[str]:
    return [row if isinstance(row, str) else row.name for row in rows]


EXPECTED = [f"a{n:02}" for n in range(COMPANIES)]


def together(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """Do works in threads of their own that begin at one moment; errors are results, too."""
    works = list(works)
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(30)
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.parametrize("way", READS)
@pytest.mark.usefixtures("a")
@pytest.mark.doubtful
def test_threads_that_read_one_queryset_get_each_row_once_and_ask_once(way: str, server: OtherServer) -> None:
    list(Company.objects.all())
    alone = len(server.log)
    for _ in range(sized(2, 200)):
        server.log.clear()
        rows = Company.objects.all()
        read = together([lambda: names(READS[way](rows))] * READERS)  # noqa: B023
        assert read == [EXPECTED] * READERS and len(rows) == COMPANIES
        assert len(server.log) == alone


@pytest.mark.parametrize("make_rows", [
    lambda: Company.objects.values_list("name", flat=True),
    lambda: Company.objects.values_list("name", flat=True).distinct(),
    lambda: Company.objects.order_by("name"),
    lambda: Company.objects.filter(name__startswith="a"),
], ids=["values", "distinct", "ordered", "filtered"])  # fmt: skip
@pytest.mark.usefixtures("a")
def test_rows_of_every_kind_are_shared(make_rows: Callable[[], Any]) -> None:
    rows = make_rows()
    assert [sorted(read) for read in together([lambda: names(rows)] * READERS)] == [EXPECTED] * READERS
    assert len(rows) == COMPANIES


@pytest.mark.usefixtures("a")
def test_a_thread_reads_on_where_another_one_stopped(server: OtherServer) -> None:
    rows = Company.objects.all()
    assert rows[0].name == "a00"
    asked = len(server.log)
    assert in_thread(lambda: rows[6].name) == "a06" and len(server.log) == asked
    assert in_thread(lambda: names(rows)) == EXPECTED == names(rows)


# --- errors ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("a")
def test_a_page_that_fails_fails_all_who_read_it_and_the_next_reading_starts_over(server: OtherServer) -> None:
    for _ in range(sized(2, 200)):
        rows = Company.objects.all()
        server.fault(faults.status(500), on("GET", "/companies"), skip=3)
        read = together([lambda: names(rows)] * READERS)  # noqa: B023
        # A thread that begins after the failure reads all of it anew.
        failed = [outcome for outcome in read if outcome != EXPECTED]
        assert failed and all(isinstance(error, ServerError) for error in failed)
        assert len({id(error) for error in failed}) == len(failed), "each has an error of its own"
        server.clear_faults()
        assert names(rows) == EXPECTED and len(rows) == COMPANIES


@pytest.mark.usefixtures("a")
def test_an_iteration_whose_pages_another_thread_saw_fail_does_not_go_on(server: OtherServer) -> None:
    rows = Company.objects.all()
    reading = iter(rows)
    assert next(reading).name == "a00"
    server.fault(faults.status(500), on("GET", "/companies"))
    with pytest.raises(ServerError):
        in_thread(list, rows)
    with pytest.raises(ServerError):
        list(reading)
    assert names(rows) == EXPECTED


class _Own(Exception):
    pass


def test_an_error_of_the_users_is_theirs_and_the_other_threads_are_told_its_kind(a: Planhat) -> None:
    rows = Company.objects.all()
    reading = iter(rows)
    next(reading)

    def fail(_: Any) -> None:
        raise _Own("a secret of the user's")

    a.on("request", fail)
    with pytest.raises(_Own):
        in_thread(list, rows)
    with pytest.raises(PlanhatError, match="_Own: read them again") as raised:
        list(reading)
    assert "secret" not in str(raised.value)


def test_a_thread_that_cannot_begin_breaks_nothing_for_the_others(make: Make) -> None:
    a, b = make("a"), make("b")
    rows = Company.objects.all()
    with pytest.raises(WhichClient):
        in_thread(list, rows)

    def read() -> list[str]:
        with a:
            return names(rows)

    outcomes = together([lambda: names(rows), read, read, lambda: names(rows)])
    assert outcomes[1] == outcomes[2] == EXPECTED
    assert all(outcome == EXPECTED or isinstance(outcome, WhichClient) for outcome in outcomes)
    b.close()


def test_two_accounts_that_read_one_queryset_do_not_see_each_others_rows(make: Make) -> None:
    clients = {"a": make("a"), "b": make("b")}

    def read(name: str) -> list[str]:
        with clients[name]:
            return names(rows)

    async def read_in_task(name: str) -> list[str]:
        with clients[name]:
            return [row.name async for row in rows]

    for _ in range(sized(2, 200)):
        rows = Company.objects.all()
        works: list[Callable[[], Any]] = [lambda name=name: read(name) for name in ("a", "b") * 2]  # type: ignore[misc]
        works += [lambda name=name: asyncio.run(read_in_task(name)) for name in ("a", "b")]  # type: ignore[misc]
        outcomes = together(works)
        for name, outcome in zip(("a", "b") * 3, outcomes, strict=True):
            assert isinstance(outcome, WhichClient) or outcome == [row.replace("a", name) for row in EXPECTED]
        assert EXPECTED in outcomes or [row.replace("a", "b") for row in EXPECTED] in outcomes


def test_what_asks_for_the_rows_while_they_are_fetched_is_refused(a: Planhat) -> None:
    rows: QuerySet[Company] = Company.objects.all()
    met: list[str] = []

    def ask(_: Any) -> None:
        with suppress(PlanhatError):
            len(rows)
            met.append("rows")
        met.append("asked")

    a.on("response", ask)
    assert names(rows) == EXPECTED and set(met) == {"asked"}


# --- tasks ----------------------------------------------------------------------------------------------


async def _read(rows: Any) -> list[str]:
    return names([row async for row in rows])


@pytest.mark.usefixtures("a")
@pytest.mark.doubtful
def test_tasks_that_read_one_queryset_get_each_row_once() -> None:
    async def read(rows: Any) -> list[list[str]]:
        return list(await asyncio.gather(*[_read(rows) for _ in range(READERS)]))

    for _ in range(sized(1, 200)):
        rows = Company.objects.all()
        assert asyncio.run(read(rows)) == [EXPECTED] * READERS
        assert names(rows) == EXPECTED and asyncio.run(read(rows)) == [EXPECTED] * READERS


@pytest.mark.usefixtures("a")
def test_what_a_thread_read_half_is_read_whole_by_a_task_without_doubles() -> None:
    rows = Company.objects.all()
    reading = iter(rows)
    assert [next(reading).name for _ in range(10)] == EXPECTED[:10]
    assert asyncio.run(_read(rows)) == EXPECTED
    assert names(reading) == EXPECTED[10:]
    assert names(rows) == EXPECTED and len(rows) == COMPANIES


@pytest.mark.usefixtures("a")
@pytest.mark.doubtful
def test_threads_and_tasks_read_one_queryset() -> None:
    for _ in range(sized(1, 200)):
        rows = Company.objects.all()
        works: list[Callable[[], Any]] = [lambda: names(rows), lambda: asyncio.run(_read(rows))]  # noqa: B023
        assert together(works * 2) == [EXPECTED] * 4
        assert len(rows) == COMPANIES


@pytest.mark.usefixtures("a")
@pytest.mark.doubtful
def test_an_async_reading_that_stops_or_is_cancelled_keeps_nothing() -> None:
    async def stop(rows: Any) -> None:
        async for _ in rows:
            break

    async def cancel(rows: Any) -> None:
        reading = asyncio.create_task(_read(rows))
        while not reading.done():
            await asyncio.sleep(0)
            reading.cancel()

    for give_up in (stop, cancel):
        rows = Company.objects.all()
        with suppress(asyncio.CancelledError):
            asyncio.run(give_up(rows))
        assert "not fetched" in repr(rows)
        assert names(rows) == EXPECTED


# --- processes ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("a")
def test_a_forked_child_reads_for_itself_what_was_half_read() -> None:
    rows = Company.objects.all()
    reading = iter(rows)
    next(reading)
    assert in_fork(lambda: names(rows)) == EXPECTED
    assert in_fork(lambda: names(reading)).startswith("PlanhatError: These results were half read")
    assert names(reading) == EXPECTED[1:]
    assert in_fork(lambda: names(rows)) == EXPECTED


@pytest.mark.usefixtures("a")
@pytest.mark.doubtful
def test_a_fork_while_another_thread_fetches_does_not_hang(server: OtherServer) -> None:
    rows = Company.objects.all()
    with ThreadPoolExecutor(1) as pool:
        server.fault(faults.trickle(0.01, 50), on("GET", "/companies"))
        reading = pool.submit(names, rows)
        while not server.log:
            threading.Event().wait(0.001)
        assert in_fork(lambda: names(rows)) == EXPECTED
        assert reading.result() == EXPECTED


# --- what it costs --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("a")
def test_a_queryset_that_is_not_read_makes_nothing_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SharedPages] = []
    begin = SharedPages.__init__
    monkeypatch.setattr(SharedPages, "__init__", lambda self, *rows: (made.append(self), begin(self, *rows))[1])  # type: ignore[func-returns-value]
    rows = Company.objects.filter(name="a01").order_by("name")[:5]
    assert not made
    list(rows), list(rows), len(rows)
    assert len(made) == 1
