"""A tenant for each page, and the environment that a reader would have set."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from ..registry import no_classes, no_clients

COMPANIES = 100
"""What the pages tell the reader to start: `planhat emulator --companies 100 --now 2026-06-01`."""

_logger = logging.getLogger("planhat_orm")


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
def clean_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a page did to the process: clients that readers leave to its end, classes, the level of a logger."""
    level = _logger.level
    with no_classes(), no_clients():
        yield
    _logger.setLevel(level)
