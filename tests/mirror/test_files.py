"""A mirror's file: the same one from any folder, noticed when it goes, whole by itself, readable where it is not ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from planhat_orm import Company, MirrorError, Planhat, ReadOnlyError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db.files import resolved
from tests.other_server import OtherServer

READ_ONLY = """
import os, sys
from planhat_orm import Company, MirrorError, Planhat
with Planhat(sys.argv[3], api_url=sys.argv[4], mirror=sys.argv[2]) as planhat:  # imports what is needed
    planhat.mirror.doctor()
    print(Company.objects.using("mirror").count())
    with planhat.offline():
        Company(name="new").save()
os.setgid(65534); os.setuid(65534)
with Planhat(sys.argv[3], api_url=sys.argv[4], mirror=sys.argv[1]) as planhat:
    print(Company.objects.using("mirror").count(), [part.what for part in planhat.mirror.doctor() if part.wrong])
    try:
        with planhat.offline():
            Company(name="new").save()
    except MirrorError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OtherServer]:
    with OtherServer() as server:
        for n in range(300):
            server.write("company", {"name": f"C{n}", "description": "x" * 2000})
        yield server


def synced(server: OtherServer, where: str | Path) -> Planhat:
    planhat = Planhat(**server.settings(), mirror=where, calls_per_min=1e9)
    planhat.sync(Company)
    return planhat


def test_a_relative_path_and_a_home_are_resolved_when_the_client_is_made(
    server: OtherServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "elsewhere").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    relative, own = Planhat(**server.settings(), mirror="m.db"), Planhat(**server.settings(), mirror="~/m.db")
    url = Mirror("sqlite:///m.db")
    monkeypatch.chdir(home / "elsewhere")
    with relative, own, url:
        relative.sync(Company)
        assert own.mirror.status()["company"].complete and url.status()["company"].complete
        assert relative.settings.mirror == own.settings.mirror == str(home / "m.db")
    assert not list((home / "elsewhere").iterdir())
    assert resolved("postgresql://host/db") == "postgresql://host/db"


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_mirror_that_goes_while_it_is_open_is_noticed(server: OtherServer, tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "m.db", tmp_path / "other.db"
    with synced(server, other):
        pass
    with synced(server, path) as planhat:
        if how == "deleted":
            path.unlink()
        else:
            other.replace(path)
        with pytest.raises(MirrorError, match=f"{path} was {how}"):
            Company.objects.using("mirror").count()
        if how == "replaced":
            assert Company.objects.using("mirror").count() == 300
            return
        with pytest.raises(MirrorError):
            Company.objects.using("mirror").count()
        planhat.sync(Company)
        assert Company.objects.using("mirror").count() == 300


def test_after_a_sync_the_file_alone_is_the_mirror(server: OtherServer, tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with synced(server, path) as planhat:
        shutil.copy(path, tmp_path / "copy.db")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            assert copy.execute("SELECT count(*) FROM company").fetchone() == (300,)
        company = Company.objects.using("mirror")[0]
        company.phase = "B"
        with planhat.offline():
            company.save()
        shown = sum(part.stat().st_size for part in tmp_path.iterdir() if part.name.startswith("m.db"))
        assert planhat.mirror.status().bytes == shown > path.stat().st_size
        finding = next(finding for finding in planhat.mirror.doctor() if finding.what == "file")
        assert not finding.result.startswith("0.0 MB")
    shutil.copy(path, tmp_path / "closed.db")
    with closing(sqlite3.connect(tmp_path / "closed.db")) as copy:
        assert copy.execute("SELECT count(*) FROM mirror_outbox").fetchone() == (1,)


def test_a_reader_does_not_hold_a_sync_up(server: OtherServer, tmp_path: Path) -> None:
    with synced(server, tmp_path / "m.db") as planhat, planhat.mirror.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM company")).all()
        planhat.sync(Company, full=True)
        assert reader.execute(text("SELECT count(*) FROM company")).scalar() == 300


@pytest.mark.skipif(sys.platform == "win32", reason="rights of folders are another thing there")
def test_a_mirror_in_a_folder_that_cannot_be_written_is_read(server: OtherServer, tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("it takes root to become somebody else")
    folder = Path("/tmp") / f"planhat-read-only-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        path = folder / "m.db"
        synced(server, path).close()
        path.chmod(0o644)
        shutil.copy(path, tmp_path / "own.db")
        own, given = tmp_path / "own.db", server.settings()
        command = [sys.executable, "-c", READ_ONLY, str(path), str(own), given["api_token"], given["api_url"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        _, first, second = done.stdout.splitlines()
        assert first == "300 ['file']", done.stderr  # that others can read it
        assert f"The mirror {path} can only be read" in second
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("statement", ["UPDATE company SET name = 'x'", "DELETE FROM company", "DROP TABLE company"])
def test_the_engine_that_people_get_reads_only(either: Mirror, statement: str) -> None:
    either.status()
    with either.engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM company")).all()
        with pytest.raises(ReadOnlyError, match=r"mirror\.engine reads only"):
            connection.execute(text(statement))
    either.status()
    with either.database.writing() as connection:
        connection.execute(text("UPDATE company SET name = 'x'"))


def test_a_second_mirror_of_a_process_leaves_the_locks_of_the_first_alone(server: OtherServer, tmp_path: Path) -> None:
    # SQLite's locks on a file are gone when this process closes any descriptor of it. Then another process, at its own
    # end, takes the log for left over and deletes it under the first.
    where = tmp_path / "planhat.db"
    with synced(server, where):
        with Mirror(where) as second:
            second.status()
        ask = (
            "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode=DELETE'))"
        )
        other = subprocess.run([sys.executable, "-c", ask, str(where)], capture_output=True, text=True, timeout=60)
        assert "database is locked" in other.stderr, other.stdout
