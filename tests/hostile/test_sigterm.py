"""SIGTERM ends a command as Ctrl-C does: cleaned up, the lease given back, with a status of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator

ROOT = Path(__file__).parents[2]
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = pytest.mark.parametrize("how", list(STATUS), ids=lambda how: how.name)
COMMAND = ["-m", "planhat_orm.cli"]
SLOW_EXPORT = """
import sys, time
from planhat_orm.cli import main
from planhat_orm.mirror.sharing.export_table import ExportTable
parts = ExportTable.parts
def slow(self):
    yield from parts(self)
    print("half", file=sys.stderr, flush=True)
    time.sleep(60)
ExportTable.parts = slow
main(sys.argv[1:])
"""


COLLECTED = """
import os, signal, sys, time
from planhat_orm.cli import main
from planhat_orm.mirror import Mirror
class Collected:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv.pop()))
        time.sleep(0.2)
def slow(self):
    Collected()
    time.sleep(60)
Mirror.status = slow
main(sys.argv[1:-1])
"""

HELD_LOCK = """
import sys, threading, time
from planhat_orm.cli import main
from planhat_orm.mirror import Mirror
lock = threading.Lock()
class Waiting:
    def __del__(self, lock=lock):
        lock.acquire()
sys.kept = Waiting()
def hold():
    with lock:
        time.sleep(600)
def slow(self):
    threading.Thread(target=hold, daemon=True).start()
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)
Mirror.status = slow
main()
"""


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    with Emulator(60, endusers=0, conversations=0, tasks=0, page_cap=20) as emulator:
        yield emulator


@contextmanager
def process(
    emulator: Emulator, mirror: Path, *arguments: str, code: list[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ, "PLANHAT_API_URL": emulator.url, "PLANHAT_API_TOKEN": "test-token",
        "PLANHAT_MIRROR": str(mirror), "PLANHAT_CALLS_PER_MIN": "1000000", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    started = subprocess.Popen(
        [sys.executable, *(code or COMMAND), *arguments],
        env=environment, cwd=mirror.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def stop(running: subprocess.Popen[str], how: signal.Signals) -> str:
    """Send the signal; the process ends soon, in order, and says so in one line, which is returned."""
    running.send_signal(how)
    _, said = running.communicate(timeout=60)
    assert running.returncode == STATUS[how], said
    assert "Traceback" not in said and said.splitlines()[-1] == "planhat: stopped."
    return said


def wait_until(condition: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    while not condition():
        assert running.poll() is None, running.communicate()
        time.sleep(0.005)


def holders(mirror: Path) -> list[str]:
    with closing(sqlite3.connect(mirror)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM mirror_lease WHERE holder IS NOT NULL")]


def client(emulator: Emulator, mirror: Path) -> Planhat:
    return Planhat("test-token", "test-tenant", api_url=emulator.url, calls_per_min=1_000_000, mirror=mirror)


@BOTH
@pytest.mark.doubtful
def test_a_sync_that_waits_for_an_answer_ends(tenant: Emulator, tmp_path: Path, how: signal.Signals) -> None:
    mirror = tmp_path / "planhat.db"
    fault = tenant.faults.add("slow", path="/companies", after=2, times=None, delay=60)
    with process(tenant, mirror, "sync", "Company") as running:
        wait_until(lambda: fault.met > 0, running)
        assert holders(mirror) == ["sync"]
        stop(running, how)
    assert holders(mirror) == []
    tenant.faults.clear()
    with client(tenant, mirror) as planhat:
        planhat.sync(Company)
        assert Company.objects.using("mirror").count() == 60


def test_a_service_between_two_syncs_ends(tenant: Emulator, tmp_path: Path) -> None:
    mirror = tmp_path / "planhat.db"
    with process(tenant, mirror, "sync", "Company", "--every", "1h") as running:
        assert running.stderr is not None
        while "next sync" not in running.stderr.readline():
            assert running.poll() is None
        stop(running, signal.SIGTERM)
    assert holders(mirror) == []


@BOTH
@pytest.mark.doubtful
def test_a_push_that_waits_for_an_answer_ends(tenant: Emulator, tmp_path: Path, how: signal.Signals) -> None:
    mirror = tmp_path / "planhat.db"
    with client(tenant, mirror) as planhat:
        planhat.sync(Company)
        with planhat.offline():
            for company in Company.objects.order_by("id")[:5]:
                company.phase = "Moved"
                company.save()
    fault = tenant.faults.add("timeout_after", method="PUT", times=None, delay=60)
    with process(tenant, mirror, "push") as running:
        wait_until(lambda: fault.met > 0, running)
        assert holders(mirror) == ["push"]
        stop(running, how)
    assert holders(mirror) == []
    tenant.faults.clear()
    with client(tenant, mirror) as planhat:
        assert planhat.push().ok and not len(planhat.mirror.outbox)
    assert sum(row["phase"] == "Moved" for row in tenant.store.all("company")) == 5


@pytest.mark.parametrize("form", ["csv", "duckdb"])
def test_an_export_leaves_nothing_half_made(tenant: Emulator, tmp_path: Path, form: str) -> None:
    mirror = tmp_path / "planhat.db"
    with client(tenant, mirror) as planhat:
        planhat.sync(Company)
    out = tmp_path / "out"
    with process(tenant, mirror, "export", str(out), "--format", form, code=["-c", SLOW_EXPORT]) as running:
        assert running.stderr is not None and running.stderr.readline() == "half\n"
        stop(running, signal.SIGTERM)
    assert not list(out.glob("*")) if out.exists() else True
    assert {path.name for path in tmp_path.iterdir()} <= {
        "planhat.db", "planhat.db-wal", "planhat.db-shm", "out", "planhat.db-sync.lock", "planhat.db-push.lock"
    }  # fmt: skip


STOPPED_IN_EXEC = """
import sys
from planhat_orm.cli import main
from planhat_orm.mirror.sharing.export_table import ExportTable
ExportTable.parts = lambda self: exec("import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
main(sys.argv[1:])
"""


def test_its_status_is_the_same_where_it_comes_while_a_class_is_made(tenant: Emulator, tmp_path: Path) -> None:
    """A dataclass is text that is executed, and `python -m` remembers that an interrupt left such a text."""
    mirror = tmp_path / "planhat.db"
    (tmp_path / "command.py").write_text(STOPPED_IN_EXEC)
    with client(tenant, mirror) as planhat:
        planhat.sync(Company)
    with process(tenant, mirror, "export", "out", "--format", "csv", code=["-m", "command"]) as running:
        _, said = running.communicate(timeout=60)
        assert (running.returncode, said) == (143, "planhat: stopped.\n")
    assert not (tmp_path / "out").exists()


def test_a_process_that_ignores_it_still_does(tenant: Emulator, tmp_path: Path) -> None:
    """As Ctrl-C of a shell does not reach what runs in its background."""
    mirror = tmp_path / "planhat.db"
    ignoring = ["-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); import sys\n"
                "from planhat_orm.cli import main; main(sys.argv[1:])"]  # fmt: skip
    fault = tenant.faults.add("slow", path="/companies", delay=0.3)
    with process(tenant, mirror, "sync", "Company", code=ignoring) as running:
        wait_until(lambda: fault.met > 0, running)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
        assert running.returncode == 0


def test_the_library_alone_installs_no_handler(tmp_path: Path) -> None:
    program = """
import signal, sys
from planhat_orm import Planhat
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
with Planhat("t", mirror=sys.argv[1]) as planhat:
    planhat.mirror.status()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
assert before == [signal.default_int_handler, signal.SIG_DFL]
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "m.db")], cwd=ROOT, check=True)


@BOTH
def test_a_signal_while_an_object_is_collected_ends_a_command_too(
    tenant: Emulator, tmp_path: Path, how: signal.Signals
) -> None:
    with client(tenant, tmp_path / "planhat.db") as planhat:
        planhat.sync(Company)
    with process(tenant, tmp_path / "planhat.db", "status", str(int(how)), code=["-c", COLLECTED]) as running:
        _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (STATUS[how], "planhat: stopped.\n")


@BOTH
def test_a_thread_that_holds_a_lock_does_not_keep_a_stopped_command_from_its_end(
    tenant: Emulator, tmp_path: Path, how: signal.Signals
) -> None:
    with client(tenant, tmp_path / "planhat.db") as planhat:
        planhat.sync(Company)
    with process(tenant, tmp_path / "planhat.db", "status", code=["-c", HELD_LOCK]) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "waiting\n"
        assert stop(running, how) == "planhat: stopped.\n"
