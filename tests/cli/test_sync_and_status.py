"""`planhat sync`, `plan` and `status`."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planhat_orm.cli.app import _COMMANDS
from planhat_orm.emulator import Emulator

from .conftest import COMMAND, TOKEN, Run, clean, subprocess_run


def test_a_sync_tells_what_it_did_and_each_model_once(connected: Run) -> None:
    shown = connected("sync", "Company", "license")
    assert shown.code == 0
    assert [row[:3] for row in shown.rows] == [
        ["Company", "30", "0"],
        ["License", "90", "0"],
        ["CustomField", "12", "0"],
    ]
    assert [line.split()[0] for line in shown.err.splitlines()] == ["Company", "License", "CustomField"]


def test_its_requests_are_those_of_the_log(connected: Run, tenant: Emulator) -> None:
    shown = connected("sync", "Company", "Enduser")
    assert f"{tenant.calls} requests" in shown.out


def test_planhats_own_plural_names_a_model_too(connected: Run) -> None:
    assert connected("sync", "companies").rows[0][0] == "Company"


def test_a_second_sync_finds_nothing_new(synced: Run) -> None:
    assert "0 new, 0 changed, 0 deleted" in synced("sync", "Company").out


def test_a_model_that_the_token_may_not_read_is_skipped_and_named(connected: Run, tenant: Emulator) -> None:
    tenant.forbid("license")
    shown = connected("sync", "Company", "License")
    assert shown.code == 0
    assert shown.rows[1][-2:] == ["skipped", "no permission (403)"]


@pytest.mark.parametrize("arguments", [["plan"], ["sync", "--plan"], ["plan", "Company", "--full"]])
def test_a_plan_makes_no_request_and_no_file(connected: Run, tenant: Emulator, arguments: list[str]) -> None:
    shown = connected(*arguments)
    assert shown.code == 0
    assert "requests, at least" in shown.out
    assert tenant.calls == 0
    assert list(Path.cwd().iterdir()) == []


def test_ctrl_c_ends_a_sync_in_one_line_and_the_next_one_goes_on(tenant: Emulator, tmp_path: Path) -> None:
    settings = {"PLANHAT_API_TOKEN": TOKEN, "PLANHAT_API_URL": tenant.url}
    slow = tenant.faults.add("slow", path="/companies", delay=30, times=None)
    with subprocess.Popen(
        [*COMMAND, "sync", "User", "Company"],
        cwd=tmp_path, env={**clean(os.environ), **settings}, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        deadline = time.monotonic() + 30
        while not slow.met and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running.stderr is not None
        assert running.stderr.readline().startswith("User")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (130, "planhat: stopped.\n")
    tenant.faults.clear()
    assert subprocess_run("sync", "Company", cwd=tmp_path, environment=settings).code == 0


def test_a_plan_needs_no_token(run: Run) -> None:
    assert run("plan", "Company").code == 0


def test_a_plan_after_a_sync_knows_how_much_there_is(synced: Run) -> None:
    assert synced("plan", "Company").rows[0][3] == "30"


def test_status_says_how_current_each_model_is(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    shown = synced("status")
    assert shown.code == 0
    assert [row[:2] for row in shown.rows] == [["Company", "30"], ["CustomField", "12"], ["License", "90"]]
    assert shown.rows[0][2].endswith("UTC")
    assert tenant.calls == before


def test_the_mirror_can_be_named_by_option_and_by_environment(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connected("sync", "Company", "--mirror", "one.db").code == 0
    monkeypatch.setenv("PLANHAT_MIRROR", "two.db")
    assert connected("sync", "Company").code == 0
    assert sorted(path.name for path in Path.cwd().glob("*.db")) == ["one.db", "two.db"]
    assert connected("status").out.splitlines()[-1].startswith("two.db")


def test_without_a_token_it_names_the_variable_and_makes_nothing(run: Run) -> None:
    shown = run("sync", "Company")
    assert shown.code == 1
    assert "PLANHAT_API_TOKEN" in shown.err
    assert len(shown.err.splitlines()) == 1
    assert list(Path.cwd().iterdir()) == []


def test_a_wrong_token_is_one_line(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", "wrong-token")
    shown = connected("sync", "Company")
    assert shown.code == 1
    assert "401" in shown.err
    assert "wrong-token" not in shown.err


def test_status_without_a_mirror_says_how_to_make_one(run: Run) -> None:
    shown = run("status")
    assert shown.code == 1
    assert "planhat sync" in shown.err
    assert not Path("planhat.db").exists()


@pytest.mark.parametrize(
    "arguments", [["status"], ["sync", "Company"], ["query", "Company", "--offline"], ["plan"], ["doctor"]]
)
def test_a_database_that_is_no_mirror_is_refused_untouched(connected: Run, arguments: list[str]) -> None:
    with sqlite3.connect("other.db") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    before = Path("other.db").read_bytes()
    shown = connected(*arguments, "--mirror", "other.db")
    assert shown.code == 1
    assert "is not a mirror" in shown.err + shown.out
    assert Path("other.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(connected: Run) -> None:
    Path("notes.txt").write_text("my notes, which are long enough to be some text")
    shown = connected("sync", "Company", "--mirror", "notes.txt")
    assert shown.code == 1
    assert "no SQLite database" in shown.err
    assert Path("notes.txt").read_text().startswith("my notes")


def test_a_folder_that_is_not_there_is_one_line(connected: Run) -> None:
    shown = connected("sync", "Company", "--mirror", "no/such/folder.db")
    assert shown.code == 1
    assert len(shown.err.splitlines()) == 1


def test_the_password_of_a_database_url_is_not_printed(run: Run) -> None:
    shown = run("query", "Company", "--offline", "--mirror", "mysql://me:hidden@localhost/db")
    assert shown.code == 1
    assert "hidden" not in shown.err


@pytest.mark.parametrize("command", ["sync", "plan"])
def test_a_misspelt_model_is_answered_with_the_right_one(connected: Run, tenant: Emulator, command: str) -> None:
    shown = connected(command, "Compny")
    assert shown.code == 2
    assert "Did you mean 'Company'?" in shown.err
    assert tenant.calls == 0


def test_status_says_who_shares_the_quota(synced: Run) -> None:
    assert "quota 200/min, shared by 1\n" in synced("status").out
    assert json.loads(synced("status", "--json").out)["quota"] == {"calls_per_min": 200, "shared_by": 1}


def test_a_status_loads_no_other_command_and_nothing_of_postgresql(synced: Run) -> None:
    program = (
        "import sys; from planhat_orm.cli.run import run; code = run(['status']); "
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Company" in shown.stdout
    loaded = set(shown.stderr.split())
    heavy = {"httpcore", "urllib.request", "lark", "filelock", "alembic", "sqlmodel", "pandas", "polars", "pyarrow"}
    assert not heavy & loaded
    assert "sqlalchemy.dialects.postgresql" not in loaded
    commands = {f"planhat_orm.cli.{place.rpartition('.')[0]}" for place in _COMMANDS.values()}
    assert commands & loaded == {"planhat_orm.cli.status"}
    assert not [name for name in loaded if name.startswith(("planhat_orm.webhooks", "planhat_orm.mirror.inbox"))]
