"""An emulated tenant that the tests of a worker share, a client of it, and the calls it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest

from planhat_orm import Company, Custom, Planhat
from planhat_orm.emulator import Emulator

Calls = Callable[[], list[str]]


class Account(Company):
    """A company with the custom fields of the emulated tenant."""

    tier = Custom("Tier", str)
    seats = Custom("Seats", int)
    modules = Custom("Modules", list)
    is_reference = Custom("Reference customer", bool)
    golive = Custom("Go-live", datetime)
    review = Custom("Next review day", date)


@pytest.fixture(scope="session")
def shared() -> Iterator[Emulator]:
    """A tenant that no test writes to."""
    with Emulator(companies=40, licenses=90, endusers=120, tasks=80, seed=1) as emulator:
        yield emulator


@pytest.fixture
def emulator(shared: Emulator) -> Emulator:
    shared.log.clear()
    return shared


@pytest.fixture
def own() -> Iterator[Callable[..., tuple[Emulator, Planhat]]]:
    """Start tenants for one test alone, each with a client."""
    started: list[tuple[Emulator, Planhat]] = []

    def start(**options: Any) -> tuple[Emulator, Planhat]:
        emulator = Emulator(**options).start()
        started.append((emulator, connect(emulator)))
        return started[-1]

    yield start
    for emulator, client in started:
        client.close()
        emulator.stop()


def connect(emulator: Emulator, **options: Any) -> Planhat:
    return Planhat(
        emulator.api_token,
        emulator.tenant_token,
        api_url=emulator.url,
        analytics_url=emulator.url,
        **{"calls_per_min": 1e9, "scan": "allow", **options},
    )


@pytest.fixture
def planhat(emulator: Emulator) -> Iterator[Planhat]:
    with connect(emulator) as client:
        yield client


@pytest.fixture
def calls(emulator: Emulator, planhat: Planhat) -> Calls:
    """The calls since the last look, as `GET /companies`."""

    def look() -> list[str]:
        found = [f"{call.method} {call.path}" for call in emulator.log]
        emulator.log.clear()
        return found

    return look


@pytest.fixture
def rows(emulator: Emulator) -> Callable[[str], list[dict[str, Any]]]:
    """What the server holds of a resource, in the order of ids."""
    return lambda name: sorted(emulator.store.all(name), key=lambda row: str(row["_id"]))
