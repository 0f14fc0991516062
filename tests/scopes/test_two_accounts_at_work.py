"""Two accounts, threads, tasks and forked processes at once: every write reaches the account of its record.

Nothing of a dry run or an offline block is sent, nothing is lost, and nothing is made twice. Each of the workers draws
its operations from a seed of its own, and writes texts that occur once.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import BlockError, Company, Planhat, detached
from planhat_orm.emulator import Emulator
from tests.other_server import OtherServer

from ..scale import sized
from .workers import fork, join

THREADS, TASKS, PROCESSES = 8, 8, 4
OPERATIONS = sized(8, 2000)
RECORDS = 4
WORKERS = [f"{kind}{n}" for kind, count in (("t", THREADS), ("k", TASKS), ("p", PROCESSES)) for n in range(count)]
TEXT = re.compile(r"[ab]\|\w+\|\d+\|\w+")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class World:
    """Two accounts on a server: how to reach them, what was written to each, and what each holds."""

    def __init__(
        self,
        settings: Callable[[str], dict[str, Any]],
        written: Callable[[str], list[str]],
        records: Callable[[str], list[dict[str, Any]]],
    ) -> None:
        self.settings = settings
        self.written = written
        self.records = records


@contextmanager
def emulated(rows: Callable[[str], list[dict[str, Any]]]) -> Iterator[World]:
    with Emulator(companies=0) as first, Emulator(companies=0, seed=2) as second:
        servers, seen = {"a": first, "b": second}, {"a": [""], "b": [""]}
        for name, server in servers.items():
            for row in rows(name):
                server.store.insert("company", row)

            def note(record: Any, name: str = name) -> None:
                seen[name].append(str(record.get("description")))

            server.refuse("company", note)
        yield World(
            lambda name: {"api_token": servers[name].api_token, "api_url": servers[name].url},
            lambda name: TEXT.findall("\n".join(seen[name])),
            lambda name: servers[name].store.all("company"),
        )


@contextmanager
def served(rows: Callable[[str], list[dict[str, Any]]]) -> Iterator[World]:
    with OtherServer(accounts={"token-a": "a", "token-b": "b"}) as server:
        for name in ("a", "b"):
            made = rows(name)
            server.fill("company", len(made), made.__getitem__, account=name)
        yield World(
            lambda name: server.settings(f"token-{name}"),
            lambda name: [
                text
                for entry in list(server.log)
                if entry.method != "GET" and entry.account == name
                for text in TEXT.findall(entry.request.body.decode())
            ],
            lambda name: server.records("company", account=name),
        )


def rows(account: str) -> list[dict[str, Any]]:
    return [
        {"name": f"{account} {worker} {n}", "externalId": f"{account}-{worker}-{n}", "description": "first"}
        for worker in WORKERS
        for n in range(RECORDS)
    ]


class Worker:
    """Does random operations on records of its own, as a thread or as a task, and remembers what must come of them."""

    def __init__(self, name: str, clients: dict[str, Planhat], *, waits: bool) -> None:
        self.name = name
        self.clients = clients
        self.waits = waits
        self.random = random.Random(f"planhat {name}")
        self.live: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.made: list[str] = []
        self.count = 0

    async def work(self) -> dict[str, Any]:
        operations = [
            self.save, self.batch, self.dry_run, self.offline, self.create, self.read, self.other_account, self.nested,
            self.dry_run_in_batch, self.pool_in_dry_run, self.without_scope,
        ]  # fmt: skip
        for _ in range(OPERATIONS):
            self.count += 1
            await self.random.choice(operations)(self.random.choice("ab"))
        return {"live": self.live, "waiting": self.waiting, "made": self.made}

    # --- the two ways -----------------------------------------------------------------------------------

    async def call(self, owner: Any, verb: str, *arguments: Any, **options: Any) -> Any:
        if self.waits:
            return getattr(owner, verb)(*arguments, **options)
        return await getattr(owner, f"a{verb}")(*arguments, **options)

    @asynccontextmanager
    async def inside(self, block: Any) -> AsyncIterator[Any]:
        if self.waits or not hasattr(block, "__aenter__"):
            with block as entered:
                yield entered
        else:
            async with block as entered:
                yield entered

    # --- records ----------------------------------------------------------------------------------------

    def text(self, account: str, kind: str) -> str:
        return f"{account}|{self.name}|{self.count}|{kind}"

    def key(self, account: str) -> str:
        """One of the records that are written online; the first is the one that is written offline."""
        return f"{account}-{self.name}-{self.random.randrange(1, RECORDS)}"

    async def record(self, account: str, key: str | None = None) -> Company:
        queryset = Company.objects.using(self.clients[account])
        record: Company = await self.call(queryset, "get", external_id=key or self.key(account))
        assert str(record.external_id).startswith(f"{account}-{self.name}-")
        return record

    async def edited(self, account: str, kind: str, record: Company | None = None) -> Company:
        record = record or await self.record(account)
        record.description = self.text(account, kind)
        return record

    def expect(self, record: Company) -> None:
        self.live[str(record.external_id)] = str(record.description)

    # --- operations -------------------------------------------------------------------------------------

    async def save(self, account: str) -> None:
        record = await self.edited(account, "live")
        around = self.clients[self.random.choice("ab")] if self.random.random() < 0.5 else detached()
        with around:
            await self.call(record, "save")
        self.expect(record)

    async def batch(self, account: str) -> None:
        async with self.inside(self.clients[account].batch()):
            for _ in range(self.random.randrange(1, 4)):
                record = await self.edited(account, "live")
                await self.call(record, "save")
                self.expect(record)

    async def dry_run(self, account: str) -> None:
        async with self.inside(self.clients[account].batch(dry_run=True)) as batch:
            await self.call(await self.edited(account, "dry"), "save")
            assert batch.plan().requests

    async def dry_run_in_batch(self, account: str) -> None:
        client = self.clients[account]
        keys = [f"{account}-{self.name}-{n}" for n in self.random.sample(range(1, RECORDS), 2)]
        async with self.inside(client.batch()):
            record = await self.edited(account, "live", await self.record(account, keys[0]))
            await self.call(record, "save")
            async with self.inside(client.batch(dry_run=True)):
                await self.call(await self.edited(account, "dry", await self.record(account, keys[1])), "save")
        self.expect(record)

    async def pool_in_dry_run(self, account: str) -> None:
        async with self.inside(self.clients[account].batch(dry_run=True)):
            record = await self.edited(account, "dry")
            if self.waits:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(record.save).result()
            else:
                await asyncio.gather(record.asave(), asyncio.to_thread(record.save))

    async def offline(self, account: str) -> None:
        with self.clients[account].offline():
            record = await self.call(Company.objects, "get", external_id=f"{account}-{self.name}-0")
            record.description = self.text(account, "waiting")
            await self.call(record, "save")
        self.waiting[str(record.external_id)] = str(record.description)

    async def create(self, account: str) -> None:
        key = f"{account}-{self.name}-new-{self.count}"
        with self.clients[account]:
            record = await self.call(
                Company.objects, "create", name=key, external_id=key, description=self.text(account, "live")
            )
        self.made.append(key)
        self.expect(record)

    async def read(self, account: str) -> None:
        with self.clients[account]:
            key = self.key(account)
            record = await self.call(Company.objects, "get", external_id=key)
        assert (record.external_id, record.description) == (key, self.live.get(key, "first"))

    async def other_account(self, account: str) -> None:
        record = await self.edited("b" if account == "a" else "a", "dry")
        async with self.inside(self.clients[account].batch(dry_run=self.random.random() < 0.5)):
            with pytest.raises(BlockError):
                await self.call(record, "save")

    async def nested(self, account: str) -> None:
        other = "b" if account == "a" else "a"
        with self.clients[other], self.clients[account]:
            record = await self.call(Company.objects, "get", external_id=self.key(account))
        record.description = self.text(account, "live")
        with self.clients[other]:
            await self.call(record, "save")
        self.expect(record)

    async def without_scope(self, account: str) -> None:
        """Beside a dry run of another worker this is refused, and sent otherwise."""
        record = await self.edited(account, "bare")
        try:
            await self.call(record, "save")
        except BlockError:
            record.description = self.text(account, "live")
            with self.clients[account]:
                await self.call(record, "save")
        self.expect(record)


def run_in_thread(worker: Worker) -> dict[str, Any]:
    """Run a worker whose every step waits: its coroutine comes to its end at once."""
    try:
        worker.work().send(None)
    except StopIteration as stop:
        outcome: dict[str, Any] = stop.value
        return outcome
    raise AssertionError("it was to wait in its thread")


@pytest.mark.parametrize("serve", [emulated, served])
def test_every_write_reaches_the_account_of_its_record_and_nothing_else_does(serve: Any, tmp_path: Path) -> None:
    with serve(rows) as world:
        clients = {
            name: Planhat(
                **{
                    **world.settings(name),
                    "calls_per_min": 1_000_000,
                    "scan": "allow",
                    "mirror": tmp_path / f"{name}.db",
                }
            )
            for name in ("a", "b")
        }
        for client in clients.values():
            client.sync(Company)
        # Before the threads begin: SQLite's own locks are not free in a child that is forked while a thread is in it.
        children = [
            fork(lambda n=n: run_in_thread(Worker(f"p{n}", clients, waits=True)))  # type: ignore[misc]
            for n in range(PROCESSES)
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            threads = [pool.submit(run_in_thread, Worker(f"t{n}", clients, waits=True)) for n in range(THREADS)]

            async def run_tasks() -> list[dict[str, Any]]:
                return list(await asyncio.gather(*[Worker(f"k{n}", clients, waits=False).work() for n in range(TASKS)]))

            outcomes = asyncio.run(run_tasks())
            outcomes += [thread.result() for thread in threads] + [join(child) for child in children]
        assert not [outcome for outcome in outcomes if isinstance(outcome, str)], "a process met an error"
        check(world, clients, outcomes)
        for client in clients.values():
            client.close()


def check(world: World, clients: dict[str, Planhat], outcomes: list[dict[str, Any]]) -> None:
    live, waiting = (
        {key: text for each in outcomes for key, text in each[name].items()} for name in ("live", "waiting")
    )
    made = [key for each in outcomes for key in each["made"]]
    for name, client in clients.items():
        written = world.written(name)
        assert {text[0] for text in written} == {name}
        assert {text.rpartition("|")[2] for text in written} <= {"live", "bare"}
        assert len(client.outbox or ()) == sum(key.startswith(name) for key in waiting)
        assert client.push().ok
        expected = {row["externalId"]: "first" for row in rows(name)}
        expected |= {key: text for key, text in (live | waiting).items() if key.startswith(name)}
        records = world.records(name)
        assert {row["externalId"]: row["description"] for row in records} == expected
        assert len(records) == len(rows(name)) + sum(key.startswith(name) for key in made)
        mirrored = Company.objects.using(client).using("mirror")
        assert {row.external_id: row.description for row in mirrored} == expected
