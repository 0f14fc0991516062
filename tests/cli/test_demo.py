"""The demo: what it promises holds, and it says so itself when something does not."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from planhat_orm.cli.demo import code, story
from planhat_orm.cli.demo.story import Story

from ..docs.demo_picture import PICTURE, parts, texts
from .conftest import COMMAND, Result, Run, subprocess_run

SMALL = ("demo", "--companies", "40", "--endusers", "200", "--licenses", "90")


def counts(shown: Result) -> list[tuple[int, int]]:
    """The closing table: requests of the client and of the emulator's log, step by step."""
    return [(int(row[-2]), int(row[-1])) for row in shown.rows[-6:]]


def any_requests(text: str) -> str:
    """Text without the numbers of the closing table's steps."""
    return re.sub(r"^( [a-z][a-z ,]*?) {2,}\d+ +\d+ *$", r"\1", text, flags=re.MULTILINE)


def test_the_whole_demo_ends_within_a_minute_and_its_counts_agree_with_the_log(tmp_path: Path) -> None:
    began = time.monotonic()
    shown = subprocess_run("demo", cwd=tmp_path)
    assert time.monotonic() - began < 60
    assert (shown.code, shown.err) == (0, "")
    for size in ("500 companies", "10,000 contacts", "1,500 licences"):
        assert size in shown.out
    *steps, total = counts(shown)
    assert all(sent == logged for sent, logged in [*steps, total])
    assert total[0] == sum(sent for sent, _ in steps) > 0
    assert steps[1] == (0, 0), "the questions are asked with the server off"
    assert "Both counts agree." in shown.out
    assert re.search(r"Yes: all \d{3} changed records are the same field by field", shown.out)
    assert "3 bulk upserts, one for each model" in shown.out
    assert list(tmp_path.iterdir()) == []
    # The picture in the README is of such a run. How many pages a sync asks for ahead hangs on how fast they come.
    written = any_requests("\n".join(texts(PICTURE.read_text("utf-8"))))
    assert [line for line in parts(any_requests(shown.out)) if line.strip() and line.rstrip() not in written] == []


def test_two_demos_run_at_the_same_time(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([*COMMAND, *SMALL], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for task in running:
        out, err = task.communicate(timeout=120)
        assert (task.returncode, err) == (0, "")
        assert "Both counts agree." in out


def test_what_it_shows_is_what_it_runs(run: Run) -> None:
    shown = run(*SMALL)
    assert shown.code == 0
    for question in code.QUESTIONS:
        for line in code.shown(question).splitlines():
            assert line in shown.out
            compile(line, "shown", "exec")
    compile(code.shown(code.change), "shown", "exec")


def test_a_token_in_the_environment_is_not_used_and_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", "a-real-token")
    monkeypatch.setenv("PLANHAT_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PLANHAT_ANALYTICS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PLANHAT_MIRROR", "mine.db")
    shown = run(*SMALL)
    assert shown.code == 0
    assert "PLANHAT_API_TOKEN is set, and not used here" in shown.out
    assert "a-real-token" not in shown.out
    assert not Path("mine.db").exists()


def test_a_kept_copy_can_be_asked_and_is_not_written_over(run: Run) -> None:
    assert run(*SMALL, "--keep", "here/too").code == 0
    assert run("query", "Company", "--count", "--mirror", "here/too/planhat.db").out == "40\n"
    again = run(*SMALL, "--keep", "here/too")
    assert again.code == 1
    assert "planhat.db exists: choose another folder" in again.err


@pytest.mark.parametrize("sizes", [("1", "0", "0"), ("3", "5", "0")])
def test_it_needs_no_certain_size(run: Run, sizes: tuple[str, str, str]) -> None:
    companies, endusers, licenses = sizes
    shown = run("demo", "--companies", companies, "--endusers", endusers, "--licenses", licenses)
    assert (shown.code, shown.err) == (0, "")


def test_it_fails_when_the_emulator_logged_a_call_that_the_client_did_not_count(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(planhat: Any, told: Any) -> None:
        code.change(planhat, told)
        httpx.get(f"{planhat.settings.api_url}/users", headers={"Authorization": "Bearer test-token"})

    monkeypatch.setattr(story, "change", change)
    monkeypatch.setattr(story, "shown", lambda _: "")
    shown = run(*SMALL)
    assert shown.code == 1
    assert "but the emulator logged" in shown.out
    assert "Both counts agree." not in shown.out


def test_it_fails_when_the_copy_and_the_server_differ(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    second_sync = Story._second_sync

    def drift(self: Story, planhat: Any, result: Any) -> None:
        second_sync(self, planhat, result)
        store = self._emulator.store
        store.change("company", store.table("company").row(result.rows[0].object.id).record, {"city": "Elsewhere"})

    monkeypatch.setattr(Story, "_second_sync", drift)
    shown = run(*SMALL)
    assert shown.code == 1
    assert "Not as it should be: Company" in shown.out
    assert "Yes: all" not in shown.out


def test_in_a_terminal_it_draws_bars(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("needs a pseudo-terminal")
    import os
    import pty

    parent, child = pty.openpty()
    running = subprocess.Popen([*COMMAND, *SMALL], cwd=tmp_path, stdout=child, stderr=child, close_fds=True)
    os.close(child)
    printed = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        printed += part
    os.close(parent)
    assert running.wait(30) == 0
    assert "━".encode() in printed
    assert b"Both counts agree." in printed
