"""Fixtures: an emulator or the second server on loopback, and clients of it with a mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator, Switches
from planhat_orm.http.retry import Retry
from planhat_orm.writes import server_state

from ..online import bare_environment
from ..other_server import stand_in
from ..other_server.stand_in import StandIn

__all__ = ["bare_environment"]

Start = Callable[..., tuple[Emulator, Planhat]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator has done what it was sent at once: nobody need wait before looking again."""
    monkeypatch.setattr(server_state, "QUIET", 0.0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    stand_in.choose(config, items, "outbox")


@pytest.fixture(params=stand_in.SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which server answers."""
    return str(request.param)


@pytest.fixture
def start(tmp_path: Path, kind: str) -> Iterator[Start]:
    """Start a server and a client with a mirror in `tmp_path`; keywords go to the switches or the emulator."""
    with ExitStack() as stack:

        def begin(companies: int = 0, **options: Any) -> tuple[Emulator, Planhat]:
            if kind == "other server":
                emulator: Any = stack.enter_context(StandIn(companies, **options))
            else:
                names = Switches.__dataclass_fields__
                switches = Switches(**{key: options.pop(key) for key in list(options) if key in names})
                emulator = stack.enter_context(
                    Emulator(companies, switches=switches, **{"endusers": 0, "conversations": 0, "tasks": 0, **options})
                )
            planhat = client(emulator, tmp_path)
            stack.callback(planhat.close)
            return emulator, planhat

        yield begin


def client(emulator: Emulator, folder: Path, **options: Any) -> Planhat:
    """A client of an emulator whose retries take milliseconds."""
    options.setdefault("retry", Retry(attempts=2, floor=0.001, ceiling=0.002))
    options.setdefault("mirror", folder / "planhat.db")
    return Planhat("test-token", "test-tenant", api_url=emulator.url, calls_per_min=1_000_000, **options)
