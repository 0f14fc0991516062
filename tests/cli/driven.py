"""Every command as tests drive it: its words, what it asks and is answered, and a folder that it starts from."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from rich.cells import cell_len
from typer.main import get_command

from planhat_orm import Company, Planhat
from planhat_orm.cli.app import app
from planhat_orm.emulator import Emulator

from .conftest import TENANT, TOKEN, clean

pexpect = pytest.importorskip("pexpect", reason="a terminal of our own needs a system with ptys")
if sys.platform == "win32":
    pytest.skip("needs a system with ptys", allow_module_level=True)
from .forker import Forker, Opened  # noqa: E402

Words = tuple[str, ...]
Terminal = Callable[..., Any]
Item = TypeVar("Item")

WIDTHS = (60, 80, 120)
ENDING: list[Words] = [
    ("plan",), ("sync", "Company", "License"), ("sync", "--plan"), ("status",), ("doctor",), ("search", "Analytics"),
    ("history",), ("query", "Company"), ("query", "License", "--fields", "all", "--limit", "3"), ("query", "Company", "--count"),
    ("query", "--by", "phase", "--count"), ("query", "Company", "--explain"), ("show", "Company", "extid-acct-1001"),
    ("export", "out", "Company"), ("export", "new", "Company", "--since", "last"), ("backup", "copy.db"), ("outbox",),
    ("webhook", "status"), ("webhook", "template", "Company"), ("sql", "select id, name, owner_name, custom from v_company"),
    ("models", "Company"), ("metrics", "get"), ("metrics", "push", "values.csv"), ("mirror", "adopt", "--force"),
    ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--yes"), ("push",), ("outbox", "retry"),
    ("outbox", "discard", "--all"), ("forget", "nobody@customer.example"), ("undo", "--since", "1h", "--plan"),
    ("report", "--out", "page.html"), ("demo", "--companies", "20", "--endusers", "40", "--licenses", "30"),
]  # fmt: skip
SERVING: list[Words] = [
    ("browse", "--port", "0"),
    ("emulator", "--port", "0", "--companies", "5"),
    ("webhook", "serve", "--port", "PORT"),
]
SERVES = r"Ctrl-C(\s|\x1b\[[\d;]*m)+stops(\s|\x1b\[[\d;]*m)+it"
"""Each says so when it serves; a line may end between two words, and a style with it."""
ASKING: dict[Words, list[tuple[str, str]]] = {
    ("init", "eu"): [("address", "URL"), ("local copy", "eu.db"), ("Keep the token", "file"), ("API token", "TOKEN")],
    ("push", "asked.csv", "--model", "Company", "--key", "external_id", "--plan"): [("Send this", "n")],
}
"""What a command asks for in a terminal, and what is typed there."""
EVERY = [*ENDING, *SERVING, *ASKING]
SILENT: set[Words] = {
    ("backup", "copy.db"), ("metrics", "push", "values.csv"), ("mirror", "adopt", "--force"), ("report", "--out", "page.html"),
    ("forget", "nobody@customer.example"), ("webhook", "serve", "--port", "PORT"), ("init", "eu"),
}  # fmt: skip
"""All that they say goes to standard error."""

TEXT = {("models", "Company"), ("query", "Company", "--explain"), ("webhook", "template", "Company")}
"""What they print is text of its own: a Python module, SQL, JSON."""
_BROKEN_ID = re.compile(r"(?<![\w-])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,23}(?![\w-])")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][0-9A-B]")


@cache
def leaves() -> set[str]:
    """The commands of the app; of a group only its own, and itself where it does something alone."""
    names = set()

    def walk(command: Any, path: Words) -> None:
        inner = getattr(command, "commands", {})
        if path and (not inner or command.invoke_without_command):
            names.add(" ".join(path))
        for name, below in inner.items():
            walk(below, (*path, name))

    walk(get_command(app), ())
    return names - {"mirror", "metrics", "webhook"}


def name_of(words: Words) -> str:
    """The command that words call: its longest name that they begin with."""
    return max((name for name in leaves() if list(words)[: len(name.split())] == name.split()), key=len)


def tenth(cases: Sequence[Item], config: pytest.Config, seed: str) -> list[Item]:
    """All cases with --torture; else a tenth of them, the same each time."""
    if config.getoption("--torture"):
        return list(cases)
    return Random(seed).sample(list(cases), max(1, len(cases) // 10))


def fits(text: str, width: int) -> None:
    """Assert that no line is longer than the terminal, and that no id is in two pieces."""
    plain = _CONTROL.sub("", text)
    assert [line for line in re.split(r"[\r\n]+", plain) if cell_len(line) > width] == []
    assert _BROKEN_ID.findall(plain) == []


@dataclass(frozen=True)
class Prepared:
    """A folder with a mirror, a change that was seen, and a write that waits; and where its records come from."""

    folder: Path
    tenant: Emulator

    def environment(self) -> dict[str, str]:
        """The settings that lead to the tenant, and nobody's profiles."""
        settings = {"PLANHAT_API_TOKEN": TOKEN, "PLANHAT_TENANT_TOKEN": TENANT, "PLANHAT_API_URL": self.tenant.url}
        return {**clean(os.environ), **settings, "PLANHAT_HOOK_SECRET": "a-secret-of-hooks"}

    def copy(self, to: Path) -> Path:
        """The folder again, for one command."""
        shutil.copytree(self.folder, to)
        return to

    def words(self, words: Words) -> list[str]:
        """The words with a port where one is asked for."""
        return [free_port() if word == "PORT" else word for word in words]

    def typed(self, text: str) -> str:
        """What is typed, with the address and token of the tenant."""
        return {"URL": self.tenant.url, "TOKEN": TOKEN}.get(text, text)


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def prepare(folder: Path, tenant: Emulator) -> Prepared:
    """Fill a folder as commands find it after a while of work."""
    folder.mkdir(parents=True)
    with Planhat(TOKEN, api_url=tenant.url, mirror=folder / "planhat.db", scan="allow") as client:
        client.sync()
        first = tenant.store.table("company").row(tenant.store.ids("company")[1])
        tenant.store.change("company", first.record, {"phase": "Moved"})
        client.sync(Company)
        with client.offline():
            company = Company.objects.get(external_id="acct-1001")
            company.phase = "Written offline, and with a text that is longer than a column"
            company.save()
    (folder / "crm.csv").write_text("external_id,phase\nacct-1003,Moved\n", "utf-8")
    (folder / "asked.csv").write_text("external_id,phase\nacct-1004,Nobody says yes\n", "utf-8")
    (folder / "values.csv").write_text("dimensionId,value,externalId\nlogins,12.5,acct-1001\n", "utf-8")
    return Prepared(folder, tenant)


def opener(prepared: Prepared, folder: Path, forker: Forker) -> Iterator[Terminal]:
    """Open terminals on commands in a folder; what still runs at the end is ended."""
    running: list[Any] = []

    def open_terminal(*words: str, width: int = 80, hold: str = "", **environment: str) -> Any:
        settings = {**prepared.environment(), "TERM": "xterm-256color", **environment}
        running.append(Opened(forker, words, width, folder, settings, hold))
        return running[-1]

    yield open_terminal
    for opened in running:
        opened.close()


def ended(spawned: Any) -> tuple[str, int | None]:
    """What a command printed until its end, and its exit code."""
    assert spawned.expect([pexpect.EOF, pexpect.TIMEOUT]) == 0, f"it goes on after {spawned.before!r}"
    spawned.wait()
    return spawned.before.replace("\r\n", "\n"), spawned.exitstatus


def is_whole(path: Path) -> bool:
    """Whether a mirror's file is sound."""
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("pragma integrity_check").fetchone() == ("ok",))
