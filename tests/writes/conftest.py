"""Fixtures: an emulator on loopback and a client of it. Every test of this area runs without a mirror and with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Conversation, Enduser, License, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.http.retry import Retry

from ..online import bare_environment
from ..online import online as without_a_mirror

__all__ = ["bare_environment", "without_a_mirror"]

Online = Callable[..., tuple[Emulator, Planhat]]
Plain = tuple[Emulator, Planhat]
WAYS = ["without a mirror", "with a mirror"]


@pytest.fixture(params=WAYS)
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the client keeps its mirror, or None."""
    return tmp_path / "planhat.db" if request.param == "with a mirror" else None


@pytest.fixture
def plain(mirror: Path | None) -> Iterator[Plain]:
    """An empty tenant, and a client of it without a mirror and with a copy of that; no waiting."""
    with Emulator(0) as emulator:
        retry = Retry(attempts=3, floor=0.001, ceiling=0.002)
        planhat = Planhat("test-token", api_url=emulator.url, mirror=mirror, calls_per_min=1_000_000, retry=retry)
        if mirror is not None:
            planhat.sync(Company, Conversation, Enduser, License)
            emulator.log.clear()
        yield emulator, planhat
        planhat.close()


@pytest.fixture
def online(mirror: Path | None, without_a_mirror: Online) -> Online:
    """Start an emulator and a client of it, without and with a mirror; keywords as `tests.online` has them."""

    def start(companies: int = 0, **options: Any) -> tuple[Emulator, Planhat]:
        return without_a_mirror(companies, mirror=mirror, **options)

    return start
