"""What all tests share: long proofs are run with `--torture`, doubtful tests again and again with `--repeat`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from planhat_orm.wire import list_page

from .postgres import postgres
from .scale import VARIABLE

__all__ = ["postgres"]

# The short runs draw the same examples each time, so that a failure is one of the change; the long ones draw new ones.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("torture", deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="run the long proofs whole")
    parser.addoption("--repeat", type=int, default=1, help="run tests that are marked `doubtful` so many times")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    times = metafunc.config.getoption("--repeat")
    if times > 1 and metafunc.definition.get_closest_marker("doubtful"):
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(times))


MEMORY = Path("/dev/shm")
TEMPORARY_BYTES = 2 * 2**30


def has_memory() -> bool:
    """Whether files in memory are possible, and there is enough of it."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        return False
    unused = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(shutil.disk_usage(MEMORY).free, unused) > TEMPORARY_BYTES


def pytest_configure(config: pytest.Config) -> None:
    # Hundreds of mirrors are made and closed: on a disk, most of their time is spent waiting for it.
    if has_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    if config.getoption("--torture"):
        os.environ[VARIABLE] = "1"
    settings.load_profile("torture" if os.environ.get(VARIABLE) else "default")


LABELS_MADE_UP = ("cli", "client", "http", "mirror", "tabular")
"""Areas whose tests use labels that no account has, so that the warning of them is no error there."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in LABELS_MADE_UP:
            item.add_marker(pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning"))
    if os.environ.get(VARIABLE):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
        return
    long = [item for item in items if item.get_closest_marker("torture")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def no_keys_learned_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has read no record alone yet: lists ask for the documented keys only."""
    monkeypatch.setattr(list_page, "_learned", {})
