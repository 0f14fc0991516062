"""Ctrl-C and SIGTERM at any instant: the right exception and status, no lock left, and the next command works.

The signals are real; the instants are numbers of calls, drawn by a seed, so that a round can be repeated.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm import Company, Enduser, Planhat
from planhat_orm.cli.run import run
from planhat_orm.emulator import Emulator
from planhat_orm.http.retry import Retry
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.upkeep import migrate
from planhat_orm.writes import server_state
from tests.mirror.fixtures import first_release
from tests.scale import sized

from .interrupts import Instant, events_of

pytestmark = [
    # A driver that is cut off while it connects says so when its half-made connection is collected.
    pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # What is torn out of a commit is rolled back by hand, which SQLAlchemy remarks on.
    pytest.mark.filterwarnings("ignore:transaction already deassociated:sqlalchemy.exc.SAWarning"),
]

ROUNDS = sized(6, 60)
"""Of each test; the whole file has ten times as many."""
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
SOON = 10.0
"""Seconds for clean-up and the next command on a busy machine; who waits for a lock that was left waits for thirty."""
DATABASES = pytest.mark.parametrize("database", ["sqlite", "postgresql"])
MODELS = (Company, Enduser)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(server_state, "QUIET", 0.0)
    yield
    gc.collect()  # what was cut off says so here, and not in another test


@pytest.fixture
def tenant() -> Iterator[Emulator]:
    with Emulator(12, endusers=20, conversations=0, tasks=0, page_cap=8) as emulator:
        yield emulator


@pytest.fixture
def where(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "planhat.db") if database == "sqlite" else request.getfixturevalue("postgres")()


@pytest.fixture
def planhat(tenant: Emulator, where: str) -> Iterator[Planhat]:
    with client(tenant, where) as made:
        yield made


def client(emulator: Emulator, where: str) -> Planhat:
    retry = Retry(attempts=2, floor=0.001, ceiling=0.002)
    return Planhat(
        "test-token", "test-tenant", api_url=emulator.url, calls_per_min=1_000_000, retry=retry, mirror=where
    )


def rounds(work: Callable[[], Any], seed: int, count: int = ROUNDS) -> Iterator[Instant]:
    """Instants all over a piece of work, which is run once undisturbed to know how long it is."""
    total, chance = events_of(work), random.Random(seed)
    for _ in range(count):
        yield Instant(chance.randrange(1, total), chance.choice(list(STATUS)))


def assert_nothing_is_left(mirror: Mirror) -> None:
    """No right, no lock of a writer, no lock file: somebody else can write at once."""
    with Mirror(mirror.where) as other, other.database.writing(patience=2.0) as connection:
        connection.execute(text("SELECT 1"))
    path = mirror.database.path
    assert path is None or not list(path.parent.glob("*.lock"))


def stopped(instant: Instant, work: Callable[[], Any]) -> bool:
    """Run work up to the instant; whether it was cut off. Nothing but `KeyboardInterrupt` may come of it, and soon."""
    before, began = signal.signal(signal.SIGTERM, signal.default_int_handler), time.monotonic()
    try:
        instant.run(work)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGTERM, before)
        assert time.monotonic() - began < SOON
    return False


def change(emulator: Emulator, number: int) -> None:
    for row in emulator.store.all("company")[:4]:
        emulator.store.update("company", row["_id"], {"phase": f"Phase {number}"})


@DATABASES
def test_a_sync(planhat: Planhat, tenant: Emulator, database: str) -> None:
    planhat.sync(*MODELS)
    planhat.sync(*MODELS, full=True)
    cut = 0
    for number, instant in enumerate(rounds(lambda: planhat.sync(*MODELS, full=True), 1)):
        change(tenant, number)
        cut += stopped(instant, lambda: planhat.sync(*MODELS, full=True))
        assert_nothing_is_left(planhat.mirror)
        planhat.sync(*MODELS)
        assert Company.objects.using("mirror").filter(phase=f"Phase {number}").count() == 4
    assert cut > ROUNDS / 3


@DATABASES
def test_a_push(planhat: Planhat, tenant: Emulator, database: str) -> None:
    planhat.sync(*MODELS)

    def write(number: int) -> None:
        with planhat.offline():
            for company in Company.objects.order_by("id")[:4]:
                company.phase = f"Ours {number}"
                company.save()
            Enduser.objects.create(email=f"{number}@new.example", company_id=company.id)

    write(-2)
    planhat.push()  # the first one imports and compiles what the others find
    write(-1)
    cut = 0
    for number, instant in enumerate(rounds(planhat.push, 2)):
        write(number)
        cut += stopped(instant, planhat.push)
        assert_nothing_is_left(planhat.mirror)
        assert planhat.push().ok and not len(planhat.mirror.outbox)
        assert sum(row["phase"] == f"Ours {number}" for row in tenant.store.all("company")) == 4
        assert sum(row.get("email") == f"{number}@new.example" for row in tenant.store.all("enduser")) == 1
    assert cut > ROUNDS / 3


@DATABASES
def test_a_save(planhat: Planhat, tenant: Emulator, database: str) -> None:
    planhat.sync(*MODELS)
    company = Company.objects.using("mirror").order_by("id")[0]

    def save(number: int) -> None:
        company.phase = f"Saved {number}"
        company.save()

    for number, instant in enumerate(rounds(lambda: save(-1), 3, ROUNDS // 2)):
        stopped(instant, partial(save, number))
        assert_nothing_is_left(planhat.mirror)
        save(number)
        assert planhat.push().ok
        assert f"Saved {number}" in [row.get("phase") for row in tenant.store.all("company")]


@pytest.mark.parametrize("form", ["csv", "duckdb"])
@pytest.mark.parametrize("database", ["sqlite"])
def test_an_export(planhat: Planhat, tmp_path: Path, database: str, form: str) -> None:
    planhat.sync(*MODELS)
    for number, instant in enumerate(
        rounds(lambda: planhat.mirror.export(tmp_path / "first", form, overwrite=True), 4, ROUNDS // 2)
    ):
        out = tmp_path / f"out{number}"
        stopped(instant, partial(planhat.mirror.export, out, form))
        left = [path.name for path in [*tmp_path.iterdir(), *(out.iterdir() if out.is_dir() else ())]]
        assert not [name for name in left if name.startswith(".")], left
        assert_nothing_is_left(planhat.mirror)
        assert planhat.mirror.export(out, form, overwrite=True)


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_backup(planhat: Planhat, tmp_path: Path, database: str) -> None:
    planhat.sync(*MODELS)
    folder = tmp_path / "copies"
    folder.mkdir()
    for number, instant in enumerate(rounds(lambda: planhat.mirror.backup(folder / "first.db"), 5, ROUNDS // 2)):
        copy = folder / f"{number}.db"
        stopped(instant, partial(planhat.mirror.backup, copy))
        for path in list(folder.iterdir()):
            assert path in (copy, folder / "first.db"), "nothing half made"
        if copy.exists():
            with Mirror(copy) as made:
                assert made.doctor().ok
            for path in folder.glob(f"{number}.db*"):
                path.unlink()


@DATABASES
def test_an_upgrade_from_the_first_release(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def old(name: str) -> str:
        file = first_release.restore(tmp_path / f"{name}.db")
        if database == "sqlite":
            return str(file)
        url: str = request.getfixturevalue("postgres")()
        first_release.restore_into_postgres(url, file)
        return url

    def upgrade(where: str) -> None:
        migrate.open_database(where).close()

    first = old("first")
    for number, instant in enumerate(rounds(lambda: upgrade(first), 6, ROUNDS // (2 if database == "sqlite" else 4))):
        where = old(str(number))
        stopped(instant, partial(upgrade, where))
        began = time.monotonic()
        with Mirror(where) as mirror:
            assert mirror.outbox.counts()
            assert mirror.doctor().ok or database
            assert_nothing_is_left(mirror)
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize("command", ["sync", "push", "export"])
def test_a_command(
    tenant: Emulator, where: str, database: str, command: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names = {"API_URL": tenant.url, "API_TOKEN": "test-token", "MIRROR": where, "CALLS_PER_MIN": "1000000"}
    for name, value in names.items():
        monkeypatch.setenv(f"PLANHAT_{name}", value)
    arguments = {
        "sync": ["sync", "Company"],
        "push": ["push"],
        "export": ["export", "out", "--format", "csv", "--force"],
    }[command]
    assert run(["sync", "Company"]) == 0

    def prepare(number: int) -> None:
        change(tenant, number)
        with client(tenant, where) as planhat, planhat.offline():
            for company in list(Company.objects.order_by("id"))[-4:]:
                company.phase = f"Ours {number}"
                company.save()

    prepare(-1)
    for number, instant in enumerate(rounds(lambda: run(arguments), 7, ROUNDS // 2)):
        prepare(number)
        capsys.readouterr()
        code = instant.run(lambda: run(arguments))
        said = capsys.readouterr().err
        assert code in (0, STATUS[instant._how]), (code, said)
        assert code == 0 or said.splitlines()[-1] == "planhat: stopped.", said
        with Mirror(where) as mirror:
            assert_nothing_is_left(mirror)
        assert run(arguments) == 0, capsys.readouterr()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    sys.setprofile(None)
