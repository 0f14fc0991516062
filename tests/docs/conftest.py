"""A tenant for each page, and the environment that a reader would have set."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import runtime
from planhat_orm.emulator import Emulator

from ..registry import no_clients

COMPANIES = 100
"""What the pages tell the reader to start: `planhat emulator --companies 100`."""

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
    models, classes, level = dict(runtime.models), dict(runtime.classes), _logger.level
    for name, model in models.items():
        if not model.__module__.startswith("planhat_orm."):
            del runtime.models[name]  # a class of another test has custom fields, too
    for place in classes:
        if not place[0].startswith("planhat_orm."):
            del runtime.classes[place]
    with no_clients():
        yield
    runtime.models.clear()
    runtime.models.update(models)
    runtime.classes.clear()
    runtime.classes.update(classes)
    _logger.setLevel(level)
