"""Fixtures: an emulator or the second server on loopback, and a client of it.

Every test of this area runs without a mirror and with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Conversation, Enduser, License, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.http.retry import Retry

from ..online import API_TOKEN, CLIENT_OPTIONS, SPEED, TENANT_TOKEN, bare_environment, client
from ..online import online as without_a_mirror
from ..other_server import stand_in
from ..other_server.stand_in import StandIn

__all__ = ["bare_environment", "without_a_mirror"]

Online = Callable[..., tuple[Emulator, Planhat]]
Plain = tuple[Emulator, Planhat]
WAYS = ["without a mirror", "with a mirror"]


@pytest.fixture(params=WAYS)
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the client keeps its mirror, or None."""
    return tmp_path / "planhat.db" if request.param == "with a mirror" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    stand_in.choose(config, items, "writes")


@pytest.fixture(params=stand_in.SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which server answers."""
    return str(request.param)


@pytest.fixture
def plain(mirror: Path | None, kind: str) -> Iterator[Plain]:
    """An empty tenant, and a client of it without a mirror and with a copy of that; no waiting."""
    with stand_in.server(kind) as emulator:
        retry = Retry(attempts=3, floor=0.001, ceiling=0.002)
        planhat = Planhat("test-token", api_url=emulator.url, mirror=mirror, calls_per_min=1_000_000, retry=retry)
        if mirror is not None:
            planhat.sync(Company, Conversation, Enduser, License)
            emulator.log.clear()
        yield emulator, planhat
        planhat.close()


@pytest.fixture
def online(mirror: Path | None, without_a_mirror: Online, kind: str) -> Iterator[Online]:
    """Start a server and a client of it, without and with a mirror; keywords as `tests.online` has them."""
    with ExitStack() as stack:

        def start(companies: int = 0, **options: Any) -> tuple[Any, Planhat]:
            if kind == "emulator":
                return without_a_mirror(companies, mirror=mirror, **options)
            chosen = {name: options.pop(name) for name in list(options) if name in CLIENT_OPTIONS}
            tokens = {"api_token": API_TOKEN, "tenant_token": TENANT_TOKEN}
            server: Any = stack.enter_context(StandIn(companies, speed=SPEED, **tokens, **options))
            chosen.setdefault("retry", Retry(attempts=3))
            planhat = client(server, calls_per_min=1_000_000, mirror=mirror, **chosen)
            return server, stack.enter_context(closing(planhat))

        yield start
