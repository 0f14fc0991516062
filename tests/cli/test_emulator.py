"""`planhat emulator` serves until it is stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.emulator.switches import Switches, read_switches

from .conftest import COMMAND, Run, clean, subprocess_run


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_what_it_prints_until_it_is_stopped(tmp_path: Path, how: signal.Signals) -> None:
    options = ["--port", "0", "--companies", "12", "--licenses", "7", "--calls-per-min", "50", "--page-cap", "5"]
    with subprocess.Popen(
        [*COMMAND, "emulator", *options],
        cwd=tmp_path, env=clean(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        printed: list[str] = []
        while not printed or not printed[-1].startswith("Ctrl-C"):
            printed.append(running.stdout.readline())
            assert printed[-1], "it ended early"
        exported = dict(
            line.strip().removeprefix("export ").split("=", 1) for line in printed if line.startswith("export ")
        )
        assert any(line.startswith(f"It is {datetime.now(UTC):%Y-%m-}") for line in printed)
        assert "12 companies" in printed[0]
        assert "7 licences" in printed[0]
        url = exported["PLANHAT_API_URL"]
        answer = httpx.get(
            f"{url}/companies?limit=50", headers={"Authorization": f"Bearer {exported['PLANHAT_API_TOKEN']}"}
        )
        assert len(answer.json()) == 5
        assert answer.headers["x-rate-limit-limit"] == "50"
        assert httpx.get(f"{url}/__emulator__/").status_code == 200
        synced = subprocess_run("query", "Company", "--count", cwd=tmp_path, environment=exported)
        assert synced.out == "12\n"
        running.send_signal(how)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 0
    assert "Stopped after" in err
    assert "Traceback" not in err


def test_a_port_in_use_is_one_line_and_ctrl_c_does_afterwards_what_it_did(run: Run) -> None:
    before = signal.getsignal(signal.SIGINT)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = run("emulator", "--port", str(port), "--companies", "0")
    assert shown.code == 1
    assert shown.err == f"planhat: Port {port} is taken. Choose another, or 0 for a free one.\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("option", ["--companies", "--endusers", "--calls-per-min", "--port"])
def test_a_size_below_zero_is_refused(run: Run, option: str) -> None:
    assert run("emulator", option, "-1").code == 2


@pytest.mark.parametrize(
    ("switch", "says"),
    [
        ("nps_key=nps", "The emulator has no switch 'nps_key'. Did you mean 'nps_keys'?"),
        ("sort=sometimes", "sort=sometimes is not one of its values: honoured, ignored, lies."),
        ("thin_lists=7", "thin_lists=7 is not one of its values: on, off."),
        ("metric_limit=many", "metric_limit=many is not one of its values: a whole number."),
    ],
)
def test_a_switch_that_is_not_known_is_refused_by_name(run: Run, switch: str, says: str) -> None:
    shown = run("emulator", "--port", "0", "--companies", "0", "--switch", switch)
    assert (shown.code, shown.err) == (1, f"planhat: {says}\n")


def test_switches_are_set_by_their_texts() -> None:
    given = ["nps_keys=nps", "thin_lists=off", "honours_offset=yes", "metric_limit=7", "touch_types=QBR,Demo"]
    assert read_switches(given) == Switches(
        nps_keys="nps", thin_lists=False, metric_limit=7, touch_types=("QBR", "Demo")
    )


def test_its_time_is_now_unless_a_day_is_named() -> None:
    for today in (datetime(2027, 2, 3, 15, 30, tzinfo=UTC), date(2027, 2, 3)):
        served = Emulator(5, seed=1, today=today)
        now = served.store.moments.now()
        assert now.date() == date(2027, 2, 3) and now.hour in (15, 9)
        touched = [row["nextTouch"] for row in served.store.all("company") if row.get("nextTouch")]
        assert all(abs(moment / 86_400_000 - (date(2027, 2, 3) - date(1970, 1, 1)).days) < 60 for moment in touched)
