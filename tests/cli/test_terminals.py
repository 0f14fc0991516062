"""What people see: terminals of 60, 80 and 120 columns, dumb ones, without colours, a full disk, and Ctrl-C.

By default every command runs at one width in this process, and a few in a real terminal; all of them with --torture.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.cells import cell_len

from planhat_orm import Company, Planhat
from planhat_orm.cli import out
from planhat_orm.cli.tables import lines
from planhat_orm.emulator import Emulator

from .conftest import COMMAND, TENANT, TOKEN, Run, clean, subprocess_run

pexpect = pytest.importorskip("pexpect", reason="a terminal of our own needs a system with ptys")

WIDTHS = (60, 80, 120)
COMMANDS = [
    ("plan",), ("sync", "Company", "License"), ("sync", "--plan"), ("status",), ("doctor",), ("search", "Analytics"),
    ("history",), ("query", "Company"), ("query", "License", "--fields", "all", "--limit", "3"), ("query", "Company", "--count"),
    ("query", "--by", "phase", "--count"), ("query", "Company", "--explain"), ("show", "Company", "extid-acct-1001"),
    ("export", "out", "Company"), ("backup", "copy.db"), ("outbox",),
    ("webhook", "status"), ("sql", "select id, name, owner_name, custom from v_company"), ("models", "Company"), ("metrics", "get"),
    ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--yes"), ("push",), ("outbox", "retry"),
    ("forget", "nobody@customer.example"), ("undo", "--since", "1h", "--plan"),
]  # fmt: skip
TEXT = {("models", "Company"), ("query", "Company", "--explain"), ("backup", "copy.db")}
"""What they print is text of its own: a Python module, SQL, or a path."""
LONG = {"models", "export", "doctor"}
BROKEN_ID = re.compile(r"(?<![\w-])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,23}(?![\w-])")

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of forkpty:DeprecationWarning")


def fits(text: str, width: int) -> None:
    assert [line for line in text.splitlines() if cell_len(line) > width] == []
    assert BROKEN_ID.findall(text) == []


@pytest.fixture
def busy(connected: Run, tenant: Emulator) -> Run:
    """Run a command with a mirror, a change that was seen, and a write that waits."""
    assert connected("sync", "Company", "License", "User").code == 0
    tenant.store.change(
        "company", tenant.store.table("company").row(tenant.store.ids("company")[1]).record, {"phase": "Moved"}
    )
    assert connected("sync", "Company").code == 0
    with Planhat(TOKEN, api_url=tenant.url, mirror="planhat.db") as client, client.offline():
        company = Company.objects.get(external_id="acct-1001")
        company.phase = "Written offline, and with a text that is longer than a column"
        company.save()
    Path("crm.csv").write_text("external_id,phase\nacct-1003,Moved\n", "utf-8")
    return connected


def test_every_command_fits_its_terminal(
    busy: Run, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    whole = pytestconfig.getoption("--torture")
    for number, words in enumerate(COMMANDS):
        if words[0] in LONG and not whole:
            continue
        for width in WIDTHS if whole else (WIDTHS[number % 3],):
            for file in ("copy.db",):
                Path(file).unlink(missing_ok=True)
            monkeypatch.setattr(out, "width", lambda width=width: width)
            monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
            shown = busy(*words, *(["--force"] if words[0] == "export" else []))
            assert shown.code == 0, (words, shown.err)
            if words not in TEXT:
                fits(shown.out, width)


def test_the_list_of_commands_is_whole() -> None:
    from .test_help import ALL

    others = {
        "browse",
        "demo",
        "emulator",
        "init",
        "report",
        "webhook serve",
        "webhook template",
        "mirror adopt",
        "metrics push",
        "outbox discard",
    }
    groups = {"", "mirror", "metrics", "webhook"}
    names = {" ".join(path) for path in ALL}
    driven = {name for name in names for words in COMMANDS if list(words)[: len(name.split())] == name.split()}
    assert names - driven == others | groups - driven


ROWS = [
    ["65f0c1a2912265b1f5000019", "Alderbay Analytics", "2,930"],
    ["65f0c1a2912265b1f500001a", "食" * 20 + " Ltd", ""],
]
HEAD = ("id", "name", "mrr")


@pytest.mark.parametrize("width", range(12, 90))
def test_no_line_is_longer_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    written, as_blocks = lines(HEAD, ROWS, [False, False, True], width)
    text = "\n".join(written)
    if width >= 30:
        assert all(row[0] in text for row in ROWS)
        assert all(cell_len(line) <= width for line in written)
    assert "".join(sorted(text.replace("─", "").split())).count("食") == 20 and "2,930" in text
    assert as_blocks == (width < 24 + 24 + 5 + 2 + 2)


def test_columns_that_do_not_fit_become_blocks_and_a_line_says_so(synced: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", lambda: 60)
    shown = synced("query", "Company", "external_id='acct-1001'")
    assert shown.out.split("\n")[1].split() == ["id", shown.out.split()[1]]
    assert "7 columns do not fit 60 characters" in shown.err
    assert "do not fit" not in synced("query", "Company", "--columns", "id,mrr").err


Terminal = Callable[..., Any]


@pytest.fixture
def terminal(tenant: Emulator, tmp_path: Path) -> Iterator[Terminal]:
    running: list[Any] = []

    def open_terminal(*words: str, width: int = 80, python: list[str] | None = None, **environment: str) -> Any:
        settings = {"PLANHAT_API_TOKEN": TOKEN, "PLANHAT_TENANT_TOKEN": TENANT, "PLANHAT_API_URL": tenant.url}
        command = [*(python or COMMAND), *words]
        spawned = pexpect.spawn(
            command[0], command[1:], dimensions=(40, width), cwd=str(tmp_path), timeout=60, encoding="utf-8",
            env={**clean(os.environ), "TERM": "xterm-256color", **settings, **environment},
        )  # fmt: skip
        running.append(spawned)
        return spawned

    yield open_terminal
    for spawned in running:
        spawned.close(force=True)


def ended(spawned: Any) -> tuple[str, int | None]:
    spawned.expect(pexpect.EOF)
    spawned.wait()
    return spawned.before.replace("\r", ""), spawned.exitstatus


KINDS = [("dumb", {"TERM": "dumb"}), ("no colour", {"NO_COLOR": "1"}), ("xterm", {})]
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_commands_in_a_real_terminal(
    busy: Run, terminal: Terminal, kind: tuple[str, dict[str, str]], pytestconfig: pytest.Config
) -> None:
    whole = pytestconfig.getoption("--torture")
    cases = [(words, width) for words in COMMANDS for width in WIDTHS if words not in TEXT]
    for words, width in cases if whole else Random(kind[0]).sample(cases, 1):
        Path("copy.db").unlink(missing_ok=True)
        text, code = ended(terminal(*words, *(["--force"] if words[0] == "export" else []), width=width, **kind[1]))
        assert code == 0, text
        if kind[0] == "dumb":
            assert "\x1b" not in text
            fits("\n".join(line for line in text.splitlines() if "From the mirror" not in line), max(width, 60))
        if kind[0] == "no colour":
            assert not COLOUR.search(text)


@pytest.mark.parametrize("words", [*COMMANDS, ("--help",)], ids=" ".join)
@pytest.mark.torture
def test_every_command_says_that_the_disk_is_full(
    busy: Run, tenant: Emulator, tmp_path: Path, words: tuple[str, ...]
) -> None:
    says_that_the_disk_is_full(tenant, tmp_path, *words)


@pytest.mark.parametrize("words", [("--version",), ("plan", "--json")], ids=" ".join)
def test_a_full_disk_is_one_line(tenant: Emulator, tmp_path: Path, words: tuple[str, ...]) -> None:
    says_that_the_disk_is_full(tenant, tmp_path, *words)


def says_that_the_disk_is_full(tenant: Emulator, folder: Path, *words: str) -> None:
    import subprocess

    settings = {"PLANHAT_API_TOKEN": TOKEN, "PLANHAT_TENANT_TOKEN": TENANT, "PLANHAT_API_URL": tenant.url}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=folder,
            env={**clean(os.environ), **settings},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1 and done.stderr.endswith("planhat: No space left on device.\n"), done.stderr
    assert "Traceback" not in done.stderr


IMPORTING = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "planhat_orm.%s":
            print("importing", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from planhat_command import main
main()
"""


@pytest.mark.parametrize("module", ["client", "cli.run"])
def test_ctrl_c_while_importing_is_silent(terminal: Terminal, module: str) -> None:
    spawned = terminal("status", python=[sys.executable, "-c", IMPORTING % module])
    spawned.expect("importing")
    spawned.sendintr()
    text, _ = ended(spawned)
    assert text.replace("^C", "").strip() == ""
    assert spawned.signalstatus == signal.SIGINT


def test_ctrl_c_while_an_answer_is_waited_for(terminal: Terminal, tenant: Emulator) -> None:
    slow = tenant.faults.add("slow", path="/companies", delay=30, times=None)
    spawned = terminal("query", "Company", "--online", TERM="dumb")
    while not slow.met and spawned.isalive():
        pass_time(spawned)
    spawned.sendintr()
    text, code = ended(spawned)
    assert (text.replace("^C", "").strip(), code) == ("planhat: stopped.", 130)


def test_ctrl_c_while_rows_are_printed(terminal: Terminal, tenant: Emulator) -> None:
    spawned = terminal(
        "query", "Company", "--online", "--fields", "all", "--limit", "0", "--format", "csv", TERM="dumb"
    )
    spawned.expect("id,name")
    spawned.sendintr()
    text, code = ended(spawned)
    assert (text.endswith("planhat: stopped.\n"), code) == (True, 130)
    assert "Traceback" not in text


def pass_time(spawned: Any) -> None:
    """Wait a little, reading what comes so that the command is not held up."""
    try:
        spawned.expect(pexpect.EOF, timeout=0.05)
    except pexpect.TIMEOUT:
        return


def test_the_command_of_the_package_is_the_one_that_is_installed(tmp_path: Path) -> None:
    import tomllib

    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"planhat": "planhat_command:main"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["planhat_command.py"]


def test_a_version_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    assert subprocess_run("--version", cwd=tmp_path).code == 0
