"""Fixtures: a server and a client of it with a mirror; the emulator with SQLite, the second server with PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.http.retry import Retry
from planhat_orm.writes import server_state

from ..online import bare_environment
from ..other_server import stand_in
from ..other_server.stand_in import StandIn

__all__ = ["bare_environment"]

Start = Callable[..., tuple[Any, Planhat]]
WAYS = ["emulator, sqlite", "other server, postgres"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers have done what they were sent at once: nobody need wait before looking again."""
    monkeypatch.setattr(server_state, "QUIET", 0.0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    stand_in.choose(config, items, "undo")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Which server answers, and where the mirror is."""
    return str(request.param)


@pytest.fixture
def start(way: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start an empty server, and a client of it with a mirror that was synced; keywords go to the client.

    With `cascade` the server deletes what belongs to a company with it.
    """
    numbers = count()
    with ExitStack() as stack:

        def begin(cascade: bool = False, **options: Any) -> tuple[Any, Planhat]:
            if cascade and "other" not in way:
                pytest.skip("only the second server deletes what belongs to a company")
            server: Any = stack.enter_context(StandIn(0, delete_cascades=cascade) if "other" in way else _emulator())
            where = (
                request.getfixturevalue("postgres")() if "postgres" in way else tmp_path / f"planhat{next(numbers)}.db"
            )
            planhat = client(server, where, **options)
            stack.callback(planhat.close)
            return server, planhat

        yield begin


def _emulator() -> Emulator:
    return Emulator(0, endusers=0, conversations=0, tasks=0)


def client(server: Any, where: Any, **options: Any) -> Planhat:
    """A client whose retries take milliseconds."""
    retry = Retry(attempts=2, floor=0.001, ceiling=0.002)
    return Planhat("test-token", "test-tenant", api_url=server.url, calls_per_min=1_000_000, mirror=where, retry=retry,
                   scan="allow", **options)  # fmt: skip
