"""A disk that is full or read-only, a file that is locked, gone, another one or a link: each has its error and next step."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from planhat_orm import Company, Planhat, PlanhatError, User
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import tables
from planhat_orm.mirror.db.lease import acquire
from planhat_orm.mirror.db.life import Holder
from planhat_orm.mirror.sharing.export_table import ExportTable
from planhat_orm.runtime import WriteIntent

ROOT = Path(__file__).parents[2]
ODD = ("r?x.db", "r#x.db", "r%41.db", "r x'\".db", "r;--.db", "räö.db", "[r].db", "*.db")
SIDE_FILES = ("-wal", "-shm", "-inbox", "-inbox-wal", "-inbox-shm")


@pytest.fixture(scope="module")
def tenant() -> Iterator[Emulator]:
    with Emulator(40, endusers=0, conversations=0, tasks=0) as emulator:
        yield emulator


def client(emulator: Emulator, where: Path) -> Planhat:
    return Planhat("test-token", "test-tenant", api_url=emulator.url, calls_per_min=1_000_000, mirror=where)


@pytest.fixture(scope="module")
def filled(tenant: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "planhat.db"
    with client(tenant, path) as planhat:
        planhat.sync(Company)
        planhat.mirror.outbox.record([WriteIntent("create", "company", None, {"name": "Waits"}, {})], "pending")
    return path


@pytest.fixture
def mirror(filled: Path, tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(shutil.copy(filled, tmp_path / "planhat.db")) as made:
        yield made


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(SIDE_FILES)}


def test_a_file_that_another_program_writes_to_for_long(mirror: Mirror, tmp_path: Path) -> None:
    mirror.status()
    with closing(sqlite3.connect(tmp_path / "planhat.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = r"planhat\.db: database is locked\. Another thread or program"
        with pytest.raises(MirrorError, match=told), mirror.database.writing(patience=0.05):
            pass
        other.execute("ROLLBACK")
    with mirror.database.writing(patience=0.05):
        pass


def test_a_disk_that_is_full_loses_nothing(tenant: Emulator, tmp_path: Path) -> None:
    with client(tenant, tmp_path / "planhat.db") as planhat:
        mirror = planhat.mirror
        mirror.status()

        def limit(connection: sqlite3.Connection, pages: int | None = None) -> None:
            size = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages or size}")

        event.listen(mirror.database.engine, "checkout", lambda connection, *_: limit(connection))
        with pytest.raises(MirrorError, match="full.*Make room"):
            planhat.sync(Company)
        event.listen(mirror.database.engine, "checkout", lambda connection, *_: limit(connection, 10**6))
        planhat.sync(Company)
        assert Company.objects.using("mirror").count() == 40


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_a_file_that_goes_away_while_it_is_open(mirror: Mirror, tmp_path: Path, what: str) -> None:
    path = tmp_path / "planhat.db"
    copy = mirror.backup(tmp_path / "copy.db")
    if what == "replaced":
        copy.replace(path)
    else:
        path.unlink()
    with pytest.raises(MirrorError, match=rf"planhat\.db was {what}.* while it was open.*next call"):
        mirror.outbox.record([WriteIntent("create", "company", None, {"name": "N"}, {})], "pending")
    mirror.close()
    for side in SIDE_FILES:
        Path(f"{path}{side}").unlink(missing_ok=True)
    assert len(mirror.outbox) == (what == "replaced")


@pytest.mark.parametrize("rows", [0, 2])
def test_a_version_table_that_makes_no_sense(mirror: Mirror, tmp_path: Path, rows: int) -> None:
    mirror.close()
    with closing(sqlite3.connect(tmp_path / "planhat.db")) as other, other:
        other.execute("DROP TABLE mirror_version")
        other.execute("CREATE TABLE mirror_version(version_num TEXT)")
        other.executemany("INSERT INTO mirror_version VALUES (?)", [(tables.VERSIONS[-1],)] * rows)
    with pytest.raises(MirrorError, match=rf"holds {rows} versions, not one.*--rescue"):
        mirror.status()
    assert not mirror.doctor().ok
    saved = mirror.rescue(tmp_path / "saved.db")
    with Mirror(saved.path) as made:
        assert len(made.outbox) == 1


@pytest.mark.parametrize(
    "holder",
    ["garbage", "", "x" * 5000, "process 1 on a " + "f" * 5000, "../../escaped", "process 7 on \x1b[2J ²", 7, b"\xff", 2.5],
    ids=lambda holder: ascii(holder)[:20],
)  # fmt: skip
@pytest.mark.parametrize("fence", ["soon", b"\xff", 2**63 - 1, -(2**63)], ids=repr)
def test_a_lease_that_makes_no_sense_is_nobodys(filled: Path, tmp_path: Path, holder: object, fence: object) -> None:
    path = Path(shutil.copy(filled, tmp_path / "planhat.db"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM mirror_lease")
        named = "INSERT INTO mirror_lease (name, holder, fence, beat, token, kind) VALUES ('push', ?, ?, ?, ?, ?)"
        other.execute(named, (holder, fence, fence, holder, fence))
    with Mirror(path) as mirror:
        assert mirror.doctor() is not None
        work = Holder(mirror.database)
        try:
            acquire(work, "push").release()
        finally:
            work.end()
    assert names(tmp_path) == {"planhat.db"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "duckdb"])
def test_an_export_that_fails_half_way_leaves_no_file_and_no_folder(
    tenant: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    read: set[str] = set()
    whole = {"parts": ExportTable.parts, "rows": ExportTable.rows}

    def failing(what: str) -> Callable[[ExportTable], Iterator[Any]]:
        def rows(sheet: ExportTable) -> Iterator[Any]:
            read.add(sheet.layout.table)
            if len(read) > 1:
                raise OSError(28, "No space left on device")
            yield from whole[what](sheet)

        return rows

    with client(tenant, tmp_path / "planhat.db") as planhat:
        planhat.sync(Company, User)
        for name in whole:
            monkeypatch.setattr(ExportTable, name, failing(name))
        before = names(tmp_path)
        with pytest.raises(PlanhatError, match="No space left"):
            planhat.mirror.export(tmp_path / "deep" / "out", form)
        assert len(read) == 2 and names(tmp_path) == before
        monkeypatch.undo()
        assert planhat.mirror.export(tmp_path / "deep" / "out", form)


def test_too_many_open_files(mirror: Mirror, tmp_path: Path) -> None:
    mirror.close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # SQLite opens the file, its log and the log's index.
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    errors: list[PlanhatError] = []
    try:
        for more in range(4):
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, before[1]))
            with Mirror(tmp_path / "planhat.db") as other:
                try:
                    other.status()
                except PlanhatError as error:
                    errors.append(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert errors and all("open" in str(error) for error in errors)
    assert mirror.status()


# --- links and names --------------------------------------------------------------------------------------


def test_a_mirror_is_not_made_through_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "planted.db"
    target.parent.mkdir()
    (tmp_path / "planhat.db").symlink_to(target)
    with pytest.raises(ConfigurationError, match="is a link to a file that does not exist"):
        Mirror(tmp_path / "planhat.db").status()
    assert not target.exists()


def test_a_mirror_behind_a_link_is_opened(mirror: Mirror, tmp_path: Path) -> None:
    mirror.close()
    (tmp_path / "link.db").symlink_to(tmp_path / "planhat.db")
    with Mirror(tmp_path / "link.db") as linked:
        assert len(linked.outbox) == 1


@pytest.mark.parametrize("make", [Mirror.backup, Mirror.rescue], ids=["backup", "rescue"])
def test_a_copy_does_not_follow_a_link(mirror: Mirror, tmp_path: Path, make: Callable[[Mirror, Path], Any]) -> None:
    target = tmp_path / "planted"
    (tmp_path / "copy.db").symlink_to(target)
    with pytest.raises(ConfigurationError, match="exists: choose another name"):
        make(mirror, tmp_path / "copy.db")
    assert not target.exists()


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_that_file_everywhere(filled: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with Mirror(shutil.copy(filled, folder / name)) as mirror:
        assert len(mirror.outbox) == 1
        assert mirror.doctor().ok
        assert mirror.inbox.counts() == (0, 0)
        assert mirror.backup(folder / f"b{name}") == folder / f"b{name}"
        saved = mirror.rescue(folder / f"s{name}")
    for made in (folder / f"b{name}", saved.path):
        with Mirror(made) as copy:
            assert len(copy.outbox) == 1
    assert names(folder) == {name, f"b{name}", f"s{name}"}


def test_a_file_that_is_not_there_is_not_rescued(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Mirror(tmp_path / "none.db").rescue(tmp_path / "new.db")
    assert not list(tmp_path.iterdir())


# --- a disk of its own ------------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from planhat_orm.errors import PlanhatError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import tables
source, disk = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(disk)], check=True)
found = {}
def attempt(name, work):
    try:
        work()
        found[name] = ["nothing", ""]
    except BaseException as error:
        found[name] = [type(error).__name__ if isinstance(error, PlanhatError) else repr(error), str(error)]
    found[name].append(sorted(path.name for path in disk.rglob("*") if path.is_file()))
mirror = Mirror(source)
mirror.status()
filler = disk / "filler"
filler.write_bytes(b"x" * 180_000)
for form in ("csv", "jsonl", "parquet"):
    attempt(form, lambda: mirror.export(disk, form))
attempt("duckdb", lambda: mirror.export(disk / "d.duckdb", "duckdb"))
attempt("backup", lambda: mirror.backup(disk / "b.db"))
attempt("rescue", lambda: mirror.rescue(disk / "r.db"))
attempt("new mirror", lambda: Mirror(disk / "m.db").status())
mirror.close()
filler.unlink()
for path in disk.iterdir():
    path.unlink()
subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
shutil.copy(source, disk / "planhat.db")
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
attempt("read-only", lambda: Mirror(disk / "planhat.db").outbox.discard())
attempt("read-only export", lambda: Mirror(source).export(disk / "out", "csv"))
print(json.dumps(found))
"""


def test_a_small_disk_and_one_that_is_read_only(filled: Path, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare -m is not allowed here")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", ON_A_SMALL_DISK, str(filled), str(disk)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "permission denied" in done.stderr:
        pytest.skip("mount is not allowed here")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, (kind, said, left) in found.items():
        assert kind in ("ConfigurationError", "MirrorError"), (name, kind, said)
        if not name.startswith("read-only") and name != "new mirror":
            assert left == ["filler"], (name, left)
    assert "No space left on device" in found["csv"][1]
    assert "Make room" in found["backup"][1]


def test_the_server_of_a_mirror_is_not_asked_for_a_file(mirror: Mirror) -> None:
    """What a statement of your own does wrong stays SQLAlchemy's error."""
    from sqlalchemy.exc import OperationalError

    with pytest.raises(OperationalError, match="no such table"), mirror.database.engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


# --- a mirror from elsewhere ------------------------------------------------------------------------------

FOREIGN = {
    "a name of its own": "CREATE TRIGGER spy AFTER INSERT ON company BEGIN DELETE FROM mirror_outbox; END",
    "ours, with more": """CREATE TRIGGER search__company_new AFTER INSERT ON "company" BEGIN
        INSERT INTO search__company(rowid, name) VALUES(new.pk, new.name); DELETE FROM mirror_outbox; END""",
    "ours, with a function": """CREATE TRIGGER search__company_new AFTER INSERT ON "company" BEGIN
        INSERT INTO search__company(rowid, name) VALUES(new.pk, planhat_dig(new.custom, '["x"]')); END""",
}


@pytest.mark.parametrize("sql", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_trigger_that_is_not_ours_is_refused(mirror: Mirror, tmp_path: Path, sql: str) -> None:
    mirror.close()
    with closing(sqlite3.connect(tmp_path / "planhat.db")) as other, other:
        other.execute("CREATE TABLE search__company(name)")
        other.execute(" ".join(sql.split()))
    with pytest.raises(MirrorError, match=r"triggers that this library did not make: (spy|search__company_new)\."):
        mirror.status()
    diagnosis = mirror.doctor()
    assert not diagnosis.ok and "triggers" in str(diagnosis)
    with Mirror(mirror.rescue(tmp_path / "saved.db").path) as saved:
        assert len(saved.outbox) == 1


CALLING = {
    "a view": "CREATE VIEW spy AS SELECT planhat_dig(custom, '[\"x\"]') AS id FROM company",
    "a view over another": "CREATE VIEW below AS SELECT planhat_dig(custom, '[]') AS id FROM company; CREATE VIEW spy AS SELECT id FROM below",
    "a view in other letters": 'CREATE VIEW spy AS SELECT "Planhat_DIG" /**/ (custom, 1) AS id FROM company',
    "a table": "CREATE TABLE spy (a TEXT, b TEXT GENERATED ALWAYS AS (planhat_dig(a, '[]')) VIRTUAL)",
    "an index": "CREATE INDEX spy ON company(planhat_dig(custom, '[\"x\"]'))",
    "an index of some rows": "CREATE INDEX spy ON company(name) WHERE planhat_dig(custom, '[]') IS NULL",
}  # fmt: skip
"""What a file may hold that calls a function of ours."""


@pytest.mark.parametrize("sql", CALLING.values(), ids=CALLING.keys())
def test_what_a_file_holds_does_not_call_our_functions(mirror: Mirror, tmp_path: Path, sql: str) -> None:
    mirror.close()
    with closing(sqlite3.connect(tmp_path / "planhat.db")) as other, other:
        other.create_function("planhat_dig", 2, lambda *_: None, deterministic=True)
        other.executescript(sql)
    with pytest.raises(MirrorError, match=r"call functions of this library: (spy|below)\. .*--rescue"):
        mirror.status()
    assert not mirror.doctor().ok
    with Mirror(mirror.rescue(tmp_path / "saved.db").path) as saved:
        assert len(saved.outbox) == 1


def test_views_of_your_own_are_left_alone(mirror: Mirror, tmp_path: Path) -> None:
    mirror.close()
    with closing(sqlite3.connect(tmp_path / "planhat.db")) as other, other:
        other.execute("CREATE VIEW planhat_names AS SELECT lower(name) AS planhat_name FROM company")
    assert mirror.doctor().ok and len(mirror.sql("SELECT * FROM planhat_names")) >= 40


def test_our_own_triggers_are_known_as_such(mirror: Mirror) -> None:
    assert mirror.search("waits") is not None
    mirror.close()
    assert mirror.doctor().ok
    with mirror.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")).scalar_one() >= 3
