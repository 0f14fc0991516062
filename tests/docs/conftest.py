"""A tenant for each page, and the environment that a reader would have set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import Planhat, runtime
from planhat_orm.emulator import Emulator

COMPANIES = 100
"""What the pages tell the reader to start: `planhat emulator --companies 100`."""


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A fresh emulator of the seeded tenant, named by the environment; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    with Emulator(COMPANIES) as emulator:
        monkeypatch.setenv("PLANHAT_API_URL", emulator.url)
        monkeypatch.setenv("PLANHAT_API_TOKEN", emulator.api_token)
        monkeypatch.setenv("PLANHAT_TENANT_TOKEN", emulator.tenant_token)
        monkeypatch.setenv("PLANHAT_MIRROR", str(tmp_path / "planhat.db"))
        monkeypatch.delenv("PLANHAT_ANALYTICS_URL", raising=False)
        monkeypatch.delenv("PLANHAT_CALLS_PER_MIN", raising=False)
        yield emulator


@pytest.fixture
def close_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every client that a page made; readers leave that to the end of their process."""
    made: list[Planhat] = []
    before = runtime._latest
    monkeypatch.setattr(runtime, "made", lambda client, _made=runtime.made: (made.append(client), _made(client)))
    yield
    for client in made:
        client.close()
    runtime._latest = before
