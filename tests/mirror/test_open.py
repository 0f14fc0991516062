"""What is opened, what is refused, and that a refusal leaves no trace."""

from __future__ import annotations

import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import StatementError
from sqlmodel import Session, select

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorError, MirrorIncomplete, ReadOnlyError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.upkeep import migrate
from planhat_orm.models.resources import Company, Note
from planhat_orm.query.query import Query

from .conftest import Runner
from .test_search import put


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    Mirror(tmp_path / "mirror.db")
    assert list(tmp_path.iterdir()) == []


def test_the_file_belongs_to_its_owner_alone(mirror: Mirror) -> None:
    path = mirror.database.path
    assert path is not None and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are not a database")
    with pytest.raises(ConfigurationError, match="is not a mirror"):
        Mirror(path).status()
    assert path.read_text() == "my notes, which are not a database"


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts(id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="other tables"):
        Mirror(path).status()
    assert path.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["other.db"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be created"):
        Mirror(tmp_path / "nowhere" / "mirror.db").status()


@pytest.mark.parametrize(
    "where", ["", ":memory:", "sqlite://", "mysql://root:geheim@host/db", "oracle+nothing://x", "://"]
)
def test_what_cannot_hold_a_mirror_is_refused_without_its_password(where: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Mirror(where).status()
    assert "geheim" not in str(refused.value)


def test_a_model_never_synced_answers_nothing(mirror: Mirror, run: Runner) -> None:
    with pytest.raises(MirrorIncomplete, match="company"):
        run.rows(mirror.source.pages(Query("company")))


def test_an_empty_file_becomes_a_mirror(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    path.touch()
    with Mirror(path) as mirror:
        assert not list(mirror.status())


def test_database_errors_carry_no_rows(mirror: Mirror) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as error, mirror.database.engine.begin() as connection:
        connection.execute(text("INSERT INTO company (id, nosuch) VALUES (:id, 1)"), {"id": "a secret"})
    assert "a secret" not in str(error.value)


def test_a_table_class_has_the_tables_columns(mirror: Mirror) -> None:
    from planhat_orm.mirror.db import tables
    from planhat_orm.mirror.db.layout import tables as layouts

    for layout in layouts():
        made = mirror.table(layout.name)
        assert {column.name for column in made.__table__.c} == {
            column.name for column in tables.records(layout).c if not column.name.startswith("_")
        }
    assert mirror.table(Company) is mirror.table("company")
    assert mirror.table(Note).__tablename__ == "conversation"


def test_classes_of_tables_are_joined_by_their_references(
    either: Mirror, make_emulator: Callable[..., Emulator]
) -> None:
    from sqlalchemy.exc import AmbiguousForeignKeysError
    from sqlalchemy.orm import aliased
    from sqlmodel import Session, select

    emulator = make_emulator(companies=12)
    Runner(emulator.url)(either.sync(["User", "Company", "License"]))
    company, licence, user = map(either.table, ("company", "license", "user"))
    parent = aliased(company)
    with Session(either.engine) as session:
        pairs = session.exec(select(company.id, licence.company_id).join(licence)).all()
        back = session.exec(select(licence.company_id, company.id).join(company)).all()
        below = session.exec(select(company.name, parent.name).join(parent, company.parent_id == parent.id)).all()
    assert len(pairs) == len(back) == len(emulator.store.all("license"))
    assert all(left == right for left, right in [*pairs, *back])
    assert ("Beaconbrook Foods", "Alderbay Analytics") in below
    with pytest.raises(AmbiguousForeignKeysError):
        str(select(company.name).join(user))


def test_every_reference_is_a_foreign_key(mirror: Mirror) -> None:
    from planhat_orm.mirror.db.layout import references
    from planhat_orm.mirror.db.layout import tables as layouts

    for layout in layouts():
        keys = {key.parent.name: key.target_fullname for key in mirror.table(layout.name).__table__.foreign_keys}
        assert keys == {name: f"{target.table}.id" for name, target in references(layout)}


def test_two_threads_open_one_file_at_once(make_mirror: Callable[..., Mirror], tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    mirrors = [make_mirror(tmp_path / "one.db") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert [len(list(status)) for status in pool.map(lambda one: one.status(), mirrors)] == [0] * 6


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_new_mirror_has_the_tables_that_the_migrations_make(
    database: str, make_mirror: Callable[..., Mirror], postgres: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> list[str]:
        mirror = make_mirror(postgres() if database == "postgresql" else None)
        with mirror.database.reading() as connection:
            if database == "sqlite":
                found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").scalars()
                return sorted("".join(text.split()) for text in found)
            columns = connection.exec_driver_sql(
                "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name "
                "FROM information_schema.columns WHERE table_schema = current_schema()"
            )
            indexes = connection.exec_driver_sql("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()")
            return sorted(map(str, [*columns, *indexes]))

    new = made()
    monkeypatch.setattr(migrate, "_create", migrate._run)
    assert made() == new


def test_a_new_mirror_in_sqlite_is_made_without_alembic_and_postgresqls_dialect(tmp_path: Path) -> None:
    heavy = ("alembic", "sqlmodel", "pydantic", "filelock", "httpcore", "sqlalchemy.dialects.postgresql")
    program = (
        "import sys; from planhat_orm.mirror import Mirror; Mirror(sys.argv[1]).status(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "m.db")], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_a_mirror_that_nobody_has_any_more_closes_its_connections_at_once(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "planhat.db")
    mirror.status()
    with mirror.engine.connect():
        pass
    pools: list[Any] = [mirror.database.engine.pool, mirror.engine.pool]
    assert [pool.checkedin() for pool in pools] == [1, 1]
    del mirror
    assert [pool.checkedin() for pool in pools] == [0, 0]


def test_a_mirror_is_not_pickled(mirror: Mirror) -> None:
    with pytest.raises(MirrorError, match="open it in each process"):
        pickle.dumps(mirror)


def test_columns_of_a_table_class_have_pythons_types(either: Mirror) -> None:
    C, T = either.table(Company), either.table("conversation")
    put(either, "company", [{"_id": f"{n:024x}", "name": f"C{n}", "renewalDate": f"2026-0{n}-01T00:00:00.000Z",
                             "tags": ["a", n], "custom": {"Tier": n}} for n in range(1, 6)])  # fmt: skip
    put(either, "conversation", [{"_id": f"{n:024x}", "type": "call", "days": 20_000 + n} for n in range(3)])
    with Session(either.engine) as session:
        until = datetime(2026, 3, 1, tzinfo=UTC)
        rows = session.exec(select(C).where(C.renewal_date <= until).order_by(C.name)).all()
        assert [row.renewal_date for row in rows] == [datetime(2026, n, 1, tzinfo=UTC) for n in (1, 2, 3)]
        assert [row.tags for row in rows] == [["a", 1], ["a", 2], ["a", 3]]
        assert [row.custom for row in rows] == [{"Tier": 1}, {"Tier": 2}, {"Tier": 3}]
        assert len(session.exec(select(C).where(C.renewal_date <= until.date())).all()) == 3
        assert len(session.exec(select(C).where(C.renewal_date.in_([until, "2026-01-01"]))).all()) == 2
        calls = session.exec(select(T).where(T.days > date(2024, 10, 4)).order_by(T.days)).all()
        assert [row.days for row in calls] == [date(2024, 10, 5), date(2024, 10, 6)]
        with pytest.raises(StatementError, match="with a time zone"):
            session.exec(select(C).where(C.renewal_date <= datetime(2026, 3, 1))).all()


@pytest.mark.parametrize("how", ["change", "add", "delete"])
def test_a_row_of_a_table_class_is_not_written(either: Mirror, how: str) -> None:
    C = either.table(Company)
    put(either, "company", [{"_id": f"{1:024x}", "name": "C"}])
    with Session(either.engine) as session:
        row = session.exec(select(C)).one()
        if how == "change":
            row.name = "x"
        elif how == "delete":
            session.delete(row)
        else:
            session.add(C(id="new", name="N"))
        with pytest.raises(ReadOnlyError, match="save()"):
            session.commit()
    with Session(either.engine) as session:
        assert [row.name for row in session.exec(select(C)).all()] == ["C"]
