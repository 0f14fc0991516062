"""Ctrl-C in a real terminal: while commands are loaded, while they connect, wait for an answer, and print.

The instants are places in the code where a command is held up, so that the key always comes in time. A tenth of the
commands by default, all with --torture.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .driven import EVERY, SERVING, SILENT, Forker, Prepared, Terminal, Words, ended, is_whole, opener, pexpect, tenth

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of forkpty:DeprecationWarning")

IMPORTING = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "planhat_orm.%s":
            print("held up", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from planhat_command import main
main()
"""


@pytest.fixture
def folder(prepared: Prepared, tmp_path: Path) -> Path:
    return prepared.copy(tmp_path / "folder")


@pytest.fixture
def terminal(prepared: Prepared, folder: Path, forker: Forker) -> Iterator[Terminal]:
    yield from opener(prepared, folder, forker)


@pytest.mark.parametrize("module", ["client", "cli.run"])
def test_while_importing_it_is_silent(prepared: Prepared, folder: Path, module: str) -> None:
    spawned = pexpect.spawn(
        sys.executable, ["-c", IMPORTING % module, "status"], cwd=folder, env=prepared.environment(), encoding="utf-8"
    )
    spawned.expect("held up")
    spawned.sendintr()
    text, _ = ended(spawned)
    assert text.replace("^C", "").strip() == ""
    assert spawned.signalstatus == signal.SIGINT


ASKS_FIRST = {("init", "eu")}


@pytest.mark.parametrize("where", ["connect", "print"])
def test_a_command_that_is_held_up_says_that_it_stopped(
    prepared: Prepared, folder: Path, terminal: Terminal, where: str, pytestconfig: pytest.Config
) -> None:
    # Where it serves already, Ctrl-C is no interruption.
    left_out = {*SILENT, *SERVING} if where == "print" else ASKS_FIRST
    for words in tenth([words for words in EVERY if words not in left_out], pytestconfig, where):
        spawned = terminal(*prepared.words(words), hold=where, TERM="dumb")
        spawned.expect("held up")
        spawned.sendintr()
        text, code = ended(spawned)
        assert (text.replace("^C", "").strip(), code) == ("planhat: stopped.", 130), words
    assert is_whole(folder / "planhat.db")


ASKING_PLANHAT: list[Words] = [
    ("sync", "Company"), ("doctor",), ("query", "Company", "--online"),
    ("query", "--by", "phase", "--count", "--online"), ("show", "Company", "extid-acct-1001", "--online"),
    ("models", "Company"), ("metrics", "get"), ("metrics", "push", "values.csv"), ("mirror", "adopt"),
    ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--yes"), ("push",),
]  # fmt: skip


def test_while_an_answer_is_waited_for(
    prepared: Prepared, folder: Path, terminal: Terminal, pytestconfig: pytest.Config
) -> None:
    for words in tenth(ASKING_PLANHAT, pytestconfig, "answer"):
        fault = prepared.tenant.faults.add("slow", delay=30, times=None)
        try:
            spawned = terminal(*words, TERM="dumb")
            while not fault.met:
                pass_time(spawned)
            spawned.sendintr()
            text, code = ended(spawned)
        finally:
            prepared.tenant.faults.clear()
        assert text.replace("^C", "").strip().endswith("planhat: stopped."), (words, text)
        assert code == 130 and "Traceback" not in text
    assert is_whole(folder / "planhat.db")


def pass_time(spawned: Any) -> None:
    """Wait a little, reading what comes so that the command is not held up."""
    assert spawned.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=0.05) == 0, spawned.before


def test_while_rows_are_printed(terminal: Terminal) -> None:
    spawned = terminal(
        "query", "Company", "--online", "--fields", "all", "--limit", "0", "--format", "csv", TERM="dumb"
    )
    spawned.expect("id,name")
    spawned.sendintr()
    text, code = ended(spawned)
    assert (text.endswith("planhat: stopped.\n"), code) == (True, 130)
    assert "Traceback" not in text


def test_while_a_token_is_asked_for(terminal: Terminal, folder: Path) -> None:
    spawned = terminal("init", "eu", TERM="dumb")
    spawned.expect("address")
    spawned.sendintr()
    while spawned.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1):
        # Python loses a signal that comes just before it waits for a line: a person presses again.
        spawned.sendintr()
    assert (spawned.before.strip().endswith("planhat: stopped."), spawned.wait()) == (True, 130)
    assert not (folder / "no-profiles.toml").exists()
