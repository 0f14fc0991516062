"""What other systems lack, as far as this one can do without it: no fork, no signals of POSIX, a narrow console."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LACKING = r"""
import os, signal, sys, time
MISSING = {
    os: "fork register_at_fork getpgid killpg setsid",
    signal: "pthread_kill SIGHUP SIGKILL SIGUSR1 alarm",
    time: "clock_gettime CLOCK_BOOTTIME CLOCK_MONOTONIC",
}
for module, names in MISSING.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.modules.update(dict.fromkeys(("resource", "termios", "pwd", "grp")))

from planhat_orm import Company, Planhat
from planhat_orm.cli.run import run
from planhat_orm.emulator import Emulator

with Emulator(3) as emulator:
    os.environ.update(
        PLANHAT_API_URL=emulator.url, PLANHAT_API_TOKEN=emulator.api_token, PLANHAT_MIRROR="C:\\data\\planhat.db"
    )
    Company.objects.using(Planhat(mirror=None)).create(name="食 Ltd", external_id="narrow")
    with Planhat() as planhat:
        planhat.sync(Company)
        with planhat.offline():
            company = Company.objects.first()
            company.phase = "Live"
            company.save()
        assert planhat.push().updated
    for words in ("query Company", "status", "export out", "doctor", "sync Company License", "show Company extid-narrow"):
        assert run(words.split()) == 0, words
"""


def test_the_main_job_runs_without_what_other_systems_lack_and_on_a_narrow_console(tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith(("PLANHAT_", "COLUMNS"))}
    done = subprocess.run(
        [sys.executable, "-c", LACKING],
        cwd=tmp_path,
        env={**without, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        encoding="cp1252",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\\u98df Ltd" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {r"C:\data\planhat.db", "out"} or sys.platform == "win32"
