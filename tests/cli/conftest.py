"""The commands as a user runs them: the real entry point, against a real emulator, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from planhat_orm.cli import main
from planhat_orm.emulator import Emulator

from ..registry import no_classes

if TYPE_CHECKING:
    from .driven import Prepared
    from .forker import Forker

COMMAND = [sys.executable, "-m", "planhat_orm.cli"]
TOKEN = "secret-token-of-the-test"
TENANT = "secret-tenant-of-the-test"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table, without its head."""
        lines = [line for line in self.out.splitlines() if line.startswith(" ") and "─" not in line]
        return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in lines[1:]]


Run = Callable[..., Result]


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without settings, without the profiles of whoever runs the tests, and with output as usual.

    Tests that run in several processes have a width in theirs.
    """
    unusual = ("PLANHAT_", "PYTHONUNBUFFERED", "COLUMNS")
    without = {name: value for name, value in environment.items() if not name.startswith(unusual)}
    return {**without, "PLANHAT_CONFIG": "no-profiles.toml"}


def subprocess_run(
    *arguments: str, cwd: Path, timeout: float = 120, environment: Mapping[str, str] | None = None
) -> Result:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**clean(os.environ), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def declares_nothing() -> Iterator[None]:
    """The command line declares no class, whatever the tests before it did."""
    with no_classes():
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, without settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PLANHAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLANHAT_CONFIG", str(tmp_path / "profiles.toml"))

    def command(*arguments: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        printed = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        for text in (printed.out, printed.err):
            assert "Traceback" not in text
            assert TOKEN not in text
            assert TENANT not in text
        return Result(stop.value.code, printed.out, printed.err)

    return command


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    with Emulator(30, api_token=TOKEN, tenant_token=TENANT) as emulator:
        yield emulator


@pytest.fixture
def connected(run: Run, tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with settings that lead to the emulator."""
    monkeypatch.setenv("PLANHAT_API_TOKEN", TOKEN)
    monkeypatch.setenv("PLANHAT_TENANT_TOKEN", TENANT)
    monkeypatch.setenv("PLANHAT_API_URL", tenant.url)
    return run


@pytest.fixture
def synced(connected: Run) -> Run:
    """The same, with a mirror of companies and licences."""
    assert connected("sync", "Company", "License").code == 0
    return connected


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A folder with a mirror of everything, to be copied, and the tenant that it is of."""
    from .driven import prepare

    with Emulator(30, api_token=TOKEN, tenant_token=TENANT) as emulator:
        with no_classes():
            made = prepare(tmp_path_factory.mktemp("prepared") / "folder", emulator)
        yield made


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """What starts commands in no time."""
    from .forker import Forker

    made = Forker()
    yield made
    made.close()
