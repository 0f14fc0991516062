"""Opening mirrors of other releases: upgraded in one transaction, or refused untouched."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Engine,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    create_mock_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import make_url

from planhat_orm.errors import ConfigurationError
from planhat_orm.mirror import Mirror, include_object
from planhat_orm.mirror.db import clock, state, tables
from planhat_orm.mirror.db.layout import tables as layouts
from planhat_orm.mirror.upkeep import damage, migrate
from planhat_orm.mirror.upkeep.record_tables import making
from planhat_orm.models.resources import Company
from planhat_orm.query.kinds import iso
from planhat_orm.query.query import Query
from tests.scale import LONG, sized

from .conftest import Runner
from .fixtures import first_release

LATER = '''
"""A later release: columns for keys that records already carry, an index, a table, a table written out anew."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{last}"


def upgrade() -> None:
    op.add_column("company", sa.Column("mood", sa.Text()))
    op.create_index("company__mood", "company", ["mood"])
    op.create_table("mirror_later", sa.Column("id", sa.Text(), primary_key=True))
    op.execute("INSERT INTO mirror_later SELECT id FROM company")
    op.execute("CREATE TABLE again AS SELECT * FROM mirror_later")
    op.drop_table("mirror_later")
    op.rename_table("again", "mirror_later")
    {more}
'''
KEPT = ("mirror_outbox", "mirror_change", "mirror_alias", "mirror_model", "mirror_stage", "mirror_run", "mirror_meta")

Release = Callable[..., Path]


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Turn this release into the next one, whose migration does `more`; return its migrations."""

    def next_release(more: str = "pass") -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(migrate.folder(), folder)
        (folder / "versions" / "9999_later.py").write_text(LATER.format(more=more, last=tables.VERSIONS[-1]))
        monkeypatch.setattr(migrate, "folder", lambda: folder)
        monkeypatch.setattr(tables, "VERSIONS", (*tables.VERSIONS, "9999"))
        return folder

    return next_release


@pytest.fixture(scope="module")
def old_in_postgres(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The same mirror in PostgreSQL; each call gives the URL of a copy, or of a copy of another database."""
    template = make_url(postgres())
    path = first_release.restore(tmp_path_factory.mktemp("first") / "old.db")
    first_release.restore_into_postgres(template.render_as_string(hide_password=False), path)
    made: list[str] = []

    def new(source: str | None = None) -> str:
        made.append(f"{template.database}_{len(made)}")
        name = template.database if source is None else make_url(source).database
        engine = create_engine(template.set(drivername="postgresql+psycopg", database="postgres"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {made[-1]} TEMPLATE {name}"))
        engine.dispose()
        return template.set(database=made[-1]).render_as_string(hide_password=False)

    return new


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A mirror that the first release wrote."""
    if request.param == "sqlite":
        return str(first_release.restore(tmp_path / "old.db"))
    url: str = request.getfixturevalue("old_in_postgres")()
    return url


@contextmanager
def plainly(where: str) -> Iterator[Any]:
    """A connection to a mirror's database without the library."""
    url = where.replace("postgresql://", "postgresql+psycopg://") if "://" in where else f"sqlite:///{where}"
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


ADDED = {
    "company": ("parent_id",),
    "mirror_outbox": ("below", "holder", "job", "floor_id"),
    "mirror_run": ("oldest_asked",),
    "mirror_stage": ("asked", "sent_at"),
    "mirror_lease": ("token", "kind"),
}
"""Columns that releases after the first one added."""
CHANGES = (
    "SELECT seq, run, resource, record, kind, reverse, seen_at, origin FROM mirror_change",
    "SELECT c.seq, c.run, c.resource, n.id, c.kind, c.reverse, c.at, c.origin FROM mirror_change c "
    "JOIN mirror_name n ON n.rid = c.rid",
)
"""The memory of the first release, and the same of this one."""


def contents(where: str, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of some tables, of all that there are when none is named, in the columns of the first release."""
    with plainly(where) as connection:
        chosen = names or sorted(inspect(connection).get_table_names())
        found = {}
        for name in chosen:
            if not name.startswith("search__"):
                columns = [f'"{get_column["name"]}"' for get_column in inspect(connection).get_columns(name)
                           if get_column["name"] not in ADDED.get(name, ())]  # fmt: skip
                statement = f'SELECT {", ".join(columns)} FROM "{name}"'
                if name == "mirror_change":
                    statement = CHANGES['"rid"' in columns]
                rows = connection.execute(text(statement))
                found[name] = sorted(map(tuple, rows), key=repr)
        if "mirror_change" in found:
            found["mirror_change"] = [_change(*row) for row in found["mirror_change"]]
        if "mirror_meta" in found:
            found["mirror_meta"] = [row for row in found["mirror_meta"] if row[0] != "feed"]
        return found


def _change(*row: Any) -> tuple[Any, ...]:
    """A change with its moment as it was written by the first release."""
    *before, at, origin = row
    return (*before, at if isinstance(at, str) else iso(clock.moment(at)), origin)


def schema(where: str) -> Any:
    """Every object of the database, as the database itself describes it."""
    question = (
        "SELECT relname, relkind::text, coalesce(pg_get_viewdef(oid), '') FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace ORDER BY 1"
        if "://" in where
        else "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
    )
    with plainly(where) as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def records(mirror: Mirror, name: str) -> dict[str, Any]:
    return {row["_id"]: row for row in Runner().rows(mirror.source.pages(Query(name, hidden=True)))}


def test_the_migrations_make_the_declared_tables(either: Mirror) -> None:
    with either.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "version_table": migrate.VERSION_TABLE,
                "include_name": lambda name, kind, _: kind != "table" or migrate.ours(name),
            },
        )
        declared: Any = list(tables.all_metadata())  # which Alembic takes, and its types do not say
        differences = compare_metadata(context, declared)
    if not either.database.postgres:
        # SQLite has no identities, which some versions of Alembic then miss.
        differences = [change for change in differences if not _is_of_an_identity(change)]
    assert differences == []


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_tables_of_records_are_made_as_they_are_declared(dialect: str) -> None:
    declared: list[str] = []

    def note(statement: Any, *_: Any) -> None:
        declared.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine(f"{dialect}://", note)
    for layout in layouts():
        declared.clear()
        tables.records(layout).metadata.create_all(engine, checkfirst=False)
        assert sorted(making(layout, engine.dialect)) == sorted(declared)  # SQLAlchemy has indexes in any order


def _is_of_an_identity(change: Any) -> bool:
    return isinstance(change, list) and all(
        step[0] == "modify_default" and isinstance(step[-1], Identity) for step in change
    )


def test_the_release_knows_all_its_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.folder()))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == tables.VERSIONS


def test_a_mirror_of_the_first_release_is_upgraded_and_keeps_everything(old: str) -> None:
    before = contents(old)
    with Mirror(old) as mirror:
        assert len(list(mirror.status())) == 5
        company = records(mirror, "company")
        assert "Seen by a sync" in {row.get("phase") for row in company.values()}
        assert 43 in {row.get("shoeSize") for row in records(mirror, "license").values()}
        states = [(entry.op, entry.state) for entry in mirror.outbox]
        assert states == [("update", "inflight"), ("update", "conflict"), ("create", "pending"), ("delete", "pending")]
        assert {change.kind for change in mirror.changes(models=[Company])} == {"created", "updated", "deleted"}
        gone = next(change for change in mirror.changes(models=[Company]) if change.kind == "deleted")
        past = Runner().rows(mirror.as_of(_moments(mirror)[1]).pages(Query("company")))
        assert gone.id in {row["_id"] for row in past} and gone.id not in company
        assert mirror.search("e", limit=1)
    after = contents(old)
    assert {name: rows for name, rows in after.items() if name in before} == {
        name: rows for name, rows in before.items() if name in after
    }
    assert before.keys() - after.keys() <= {"alembic_version"}


def _moments(mirror: Mirror) -> list[str]:
    with mirror.engine.connect() as connection:
        return list(connection.execute(text("SELECT started_at FROM mirror_run ORDER BY run")).scalars())


def test_an_older_mirror_is_upgraded_says_so_and_keeps_everything(
    old: str, release: Release, caplog: pytest.LogCaptureFixture
) -> None:
    release()
    before = contents(old, *KEPT, "company", "license")
    views = [column for column in schema(old) if str(column[1]).startswith("v_") or str(column[0]).startswith("v_")]
    assert views
    with caplog.at_level(logging.WARNING), Mirror(old) as mirror:
        assert mirror.status().upgraded_from == "0001"
        assert "upgraded from version 0001" in str(mirror.status())
        companies = records(mirror, "company")
        assert mirror.search("e", limit=1)
    assert "was upgraded from version 0001 of its tables to 9999" in caplog.text
    assert ("old.db was" in caplog.text) is ("://" not in old)
    assert len([column for column in schema(old) if "v_" in f"{column[0]} {column[1]}"]) >= len(views)
    after = contents(old, *KEPT, "license")
    assert after == {name: before[name] for name in after}
    assert len(companies) == len(before["company"])
    with Mirror(old) as again:
        assert again.status().upgraded_from is None


def test_unsent_writes_are_copied_before_an_upgrade(tmp_path: Path, release: Release) -> None:
    path = first_release.restore(tmp_path / "old.db")
    before = contents(str(path), "mirror_outbox", "company")
    release()
    Mirror(path).status()
    copy = tmp_path / "old.db.before-9999"
    assert contents(str(copy), "mirror_outbox", "company") == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_new_columns_take_over_what_waited_for_them(old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that lacked some columns kept their values as it got them; the next one needs no request to use them."""
    names = ("mrr", "phase", "renewal_date", "tags", "auto_renews")
    later = "".join(
        f"    op.add_column('company', sa.Column({name!r}, {kind}))\n"
        for name, kind in zip(names, ("NUMBER", "TEXT", "TEXT", "JSON", "sa.Boolean()"), strict=True)
    )
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.folder(), folder)
    first = next((folder / "versions").glob("0001*")).read_text()
    (folder / "versions" / "9999_columns.py").write_text(
        first[: first.index("def upgrade()")]
        .replace('"0001"', '"9999"')
        .replace("= None", f'= "{tables.VERSIONS[-1]}"', 1)
        + f"def upgrade() -> None:\n{later}"
    )
    with Mirror(old) as mirror:
        expected = records(mirror, "company")
        assert any(row["mrr"] for row in expected.values()) and any(row.get("tags") for row in expected.values())
    with plainly(old) as connection:
        for view in inspect(connection).get_view_names():
            connection.execute(text(f"DROP VIEW {view}"))
        for id, raw in expected.items():
            # What the older release would have written: the same record, with these keys among the unknown ones.
            extra = connection.execute(text("SELECT _extra FROM company WHERE id = :id"), {"id": id}).scalar()
            wires = {"mrr": "mrr", "phase": "phase", "renewal_date": "renewalDate", "tags": "tags"}
            wires["auto_renews"] = "autoRenews"
            more = {**_json(extra), **{wires[name]: raw[wires[name]] for name in names if wires[name] in raw}}
            connection.execute(text("UPDATE company SET _extra = :e WHERE id = :id"), {"e": _text(more), "id": id})
        for name in names:
            connection.execute(text(f"ALTER TABLE company DROP COLUMN {name}"))
        connection.commit()
    monkeypatch.setattr(migrate, "folder", lambda: folder)
    monkeypatch.setattr(tables, "VERSIONS", (*tables.VERSIONS, "9999"))
    with Mirror(old) as mirror:
        assert mirror.status().upgraded_from == tables.VERSIONS[-2]
        assert records(mirror, "company") == expected
        with mirror.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM company WHERE mrr > 0 AND phase <> ''")).scalar()
            assert not connection.execute(text("SELECT count(*) FROM company WHERE _extra LIKE '%\"mrr\"%'")).scalar()


def _json(cell: str | None) -> dict[str, Any]:
    import json

    return json.loads(cell) if cell else {}


def _text(value: Any) -> str:
    import json

    return json.dumps(value)


# --- cut off half way -------------------------------------------------------------------------------------


class Cut(Exception):
    """The injected failure."""


@contextmanager
def cut_at(place: int | None) -> Iterator[list[str]]:
    """Fail at the n-th statement that any engine is given; the list has those before it."""
    seen: list[str] = []

    def before(_: Any, __: Any, statement: str, *___: Any) -> None:
        if len(seen) == place:
            raise Cut(statement)
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def test_an_upgrade_cut_off_at_any_statement_leaves_the_old_mirror(
    old: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old), schema(old)
    release()
    monkeypatch.setattr(damage, "check_after_a_death", lambda database: None)  # it comes after the upgrade
    place = 0
    while True:
        mirror = Mirror(old)
        with cut_at(place) as seen:
            try:
                _ = mirror.database
            except Cut:
                mirror.close()
            else:
                break
        assert (contents(old), schema(old)) == before, seen[-1:]
        place += sized(13, 1)
    assert len(seen) > 60
    assert mirror.status().upgraded_from == "0001" and len(mirror.outbox) == 4
    mirror.close()
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="newer release"):
        Mirror(old).status()


KILLED = """
import os, signal, sys
from pathlib import Path
import alembic.command, psycopg
from sqlalchemy import Engine, event
from planhat_orm.errors import MirrorError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import tables
from planhat_orm.mirror.upkeep import backfill, damage, migrate, replay

folder = Path(sys.argv[1])
migrate.folder = lambda: folder
tables.VERSIONS = (*tables.VERSIONS, "9999")
damage.check_after_a_death = lambda database: None

def terminate(where):
    with psycopg.connect(where, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE pid <> pg_backend_pid() AND datname = current_database()")

def upgrade(where, place, moment, what):
    left, killed = [int(place)], []

    def meet(*_):
        left[0] -= 1
        if left[0] == -1:
            killed.append(1)
            os.kill(os.getpid(), signal.SIGKILL) if what == "process" else terminate(where)

    event.listen(Engine, f"{moment}_cursor_execute", meet)
    try:
        Mirror(where).database
    except MirrorError as error:
        return 3 if "Nothing is half written" in str(error) else 5
    return 4 if killed else 0

for line in sys.stdin:
    child = os.fork()  # what it imports takes longer than what it does
    if not child:
        code = 6
        try:
            code = upgrade(*line.rstrip().split(chr(9)))
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ENDED = {"process": -signal.SIGKILL, "connection": 3}
"""How an upgrade ends whose process or whose connection is killed."""


@contextmanager
def upgrades(folder: Path) -> Iterator[Callable[..., int]]:
    """Upgrades in processes of their own that are killed at a place, one after another: how each ended."""
    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None and running.stdout is not None

        def upgrade(where: str, place: int, moment: str, what: str) -> int:
            print(where, place, moment, what, sep="\t", file=running.stdin, flush=True)
            return int(running.stdout.readline())  # type: ignore[union-attr]

        yield upgrade
        running.stdin.close()


@pytest.mark.parametrize("moment", sized(["before"], ["before", "after"]))
def test_an_upgrade_that_is_killed_leaves_the_old_mirror_usable(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """At each statement of the upgrade, before and after it: more than a hundred kills in all."""
    path = first_release.restore(tmp_path / "old.db")
    folder = release()
    monkeypatch.undo()
    before, killed = contents(str(path)), 0
    with upgrades(folder) as upgrade:
        for place in sized([70, 10**6], range(10**6)):
            if (ended := upgrade(str(path), place, moment, "process")) != ENDED["process"]:
                break
            killed += 1
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert contents(str(path)) == before
            if not LONG or killed % 20 == 0:
                # The release that wrote it goes on with a copy of it.
                copy = shutil.copy(path, tmp_path / f"copy{place}.db")
                with Mirror(copy) as mirror:
                    assert len(mirror.outbox) == 4 and len(records(mirror, "company")) == len(before["company"])
    assert ended == 0 and killed >= sized(1, 60)
    assert contents(str(path), "mirror_outbox") == {"mirror_outbox": before["mirror_outbox"]}
    with pytest.raises(ConfigurationError, match="newer release"):
        Mirror(path).status()


@pytest.mark.parametrize(("moment", "what"), sized(
    [("before", "process"), ("after", "connection")], [(m, w) for m in ("before", "after") for w in ENDED]
))  # fmt: skip
def test_an_upgrade_that_is_killed_leaves_the_old_mirror_in_postgresql_usable(
    old_in_postgres: Callable[..., str], release: Release, monkeypatch: pytest.MonkeyPatch, moment: str, what: str
) -> None:
    """At each statement of the upgrade: the server takes back what a process or a connection that is gone has begun."""
    folder, url = release(), old_in_postgres()
    monkeypatch.undo()
    before, made, killed = contents(url), schema(url), 0
    with upgrades(folder) as upgrade:
        for place in sized([80, 10**6], range(10**6)):
            if (ended := upgrade(url, place, moment, what)) != ENDED[what]:
                break
            killed += 1
            wait_until_alone(url)
            assert (contents(url), schema(url)) == (before, made), place
            if not LONG or killed % 20 == 0:
                with Mirror(old_in_postgres(url)) as mirror:
                    assert len(mirror.outbox) == 4 and len(records(mirror, "company")) == len(before["company"])
    assert ended == 0 and killed >= sized(1, 60)
    assert contents(url, "mirror_outbox") == {"mirror_outbox": before["mirror_outbox"]}
    with pytest.raises(ConfigurationError, match="newer release"):
        Mirror(url).status()


def wait_until_alone(url: str) -> None:
    """The server notices a moment later that a process is gone, and takes back what it had begun."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with plainly(url) as connection:
        while connection.execute(text(asked)).scalar():
            connection.rollback()
            time.sleep(0.01)


def test_a_newer_mirror_is_refused_untouched(old: str, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    release()
    with Mirror(old) as mirror:
        mirror.status()
    monkeypatch.undo()
    file = Path(old) if "://" not in old else None
    before = file.read_bytes() if file else (contents(old), schema(old))
    with pytest.raises(ConfigurationError, match="newer release.*version 9999.*knows 0004.*upgrade planhat_orm"):
        Mirror(old).status()
    assert (file.read_bytes() if file else (contents(old), schema(old))) == before


# --- beside other people's tables -------------------------------------------------------------------------


def test_the_users_own_alembic_leaves_the_mirror_alone(either: Mirror) -> None:
    with either.database.writing() as connection:
        state.save(connection, state.State("company", complete=True))
    either.search("acme")
    theirs = MetaData()
    Table("forecast", theirs, Column("id", Integer, primary_key=True))
    Table("mood", theirs, Column("id", Integer, primary_key=True), Column("text", Text))
    # As the users' own program connects: the engine that a mirror hands out only reads.
    engine = create_engine(either.database.engine.url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE forecast (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE dropped (id INTEGER PRIMARY KEY)"))
        context = MigrationContext.configure(connection, opts={"include_object": include_object})
        operations = produce_migrations(context, theirs).upgrade_ops
        assert operations is not None
        named = [(type(op).__name__, getattr(op, "table_name", None)) for op in operations.ops]
        connection.rollback()
    engine.dispose()
    assert {item for item in named if item[0] != "ModifyTableOps"} == {
        ("CreateTableOp", "mood"),
        ("DropTableOp", "dropped"),
    }


def test_a_table_of_the_users_own_metadata_is_theirs_whatever_its_name(either: Mirror) -> None:
    theirs = MetaData()
    Table("company", theirs, Column("id", Text, primary_key=True))
    with either.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": include_object})
        operations = produce_migrations(context, theirs).upgrade_ops
    assert operations is not None and {getattr(op, "table_name", None) for op in operations.ops} == {"company"}


def test_the_users_alembic_version_table_and_the_mirrors_live_side_by_side(either: Mirror) -> None:
    either.status()
    with either.database.writing() as connection:
        MigrationContext.configure(connection)._ensure_version_table()
        connection.execute(text("INSERT INTO alembic_version VALUES ('a1b2c3')"))
    either.close()
    assert list(either.status()) == []


def test_a_schema_with_other_tables_is_refused_and_another_schema_serves(postgres: Callable[[], str]) -> None:
    url = postgres()
    with plainly(url) as connection:
        connection.execute(text("CREATE TABLE project (id integer)"))
        connection.execute(text("CREATE SCHEMA planhat"))
        connection.commit()
    with pytest.raises(ConfigurationError, match="holds other tables.*search_path"):
        Mirror(url).status()
    within = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dplanhat"
    with Mirror(within) as mirror:
        assert list(mirror.status()) == []
    with plainly(url) as connection:
        assert inspect(connection).get_table_names() == ["project"]


@pytest.mark.skipif(not LONG, reason="builds and installs a wheel")
def test_the_migrations_travel_in_the_wheel(tmp_path: Path) -> None:
    """In an environment with nothing of the tree: a mirror is made, and one of the first release is upgraded."""
    tree = Path(__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PLANHAT"))}

    def run(*command: str | Path) -> str:
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", tmp_path / "wheel", tree)
    [wheel] = (tmp_path / "wheel").glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    path = first_release.restore(tmp_path / "old.db")
    before = contents(str(path), "mirror_outbox")
    code = (
        "import planhat_orm, sys; from planhat_orm.mirror import Mirror; from planhat_orm.mirror.upkeep import migrate; "
        "print(planhat_orm.__file__, migrate.folder()); "
        "print(len(list(Mirror('new.db').status())), len(list(Mirror('old.db').status())))"
    )
    shown = run(python, "-c", code)
    assert str(tmp_path / "venv") in shown and str(tree) not in shown and "_migrations" in shown
    assert shown.splitlines()[-1] == "0 5"
    assert contents(str(path), "mirror_outbox") == before
