"""A mirror's PostgreSQL that is down, killed, full or read-only, and texts that it cannot take: errors with a next step."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from planhat_orm import Company, Custom, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorError, ValidationError
from planhat_orm.mirror import Mirror
from tests.mirror.conftest import make_mirror

__all__ = ["make_mirror"]

ODD = ("it's", 'a "quote"', "100%", "%s", ":bound", "a\\b", "{x}", "$1", "-- no", "ü; DROP TABLE company", "$.x", "")


@pytest.fixture
def mirror(make_mirror: Callable[..., Mirror], postgres: Callable[[], str]) -> Mirror:
    return make_mirror(postgres())


def client(emulator: Emulator, where: str) -> Planhat:
    return Planhat(
        "test-token", "test-tenant", api_url=emulator.url, calls_per_min=1_000_000, mirror=where, custom="warn"
    )


def terminate_all(mirror: Mirror, postgres_url: str) -> None:
    with Mirror(postgres_url) as other, other.engine.begin() as connection:
        ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(ends))


def test_a_server_that_is_down(make_mirror: Callable[..., Mirror]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    mirror = make_mirror(f"postgresql://somebody:geheim@127.0.0.1:{port}/planhat")
    with pytest.raises(
        MirrorError, match=r"PostgreSQL \(127\.0\.0\.1, database planhat\) cannot be reached.*Is it run"
    ) as down:
        mirror.status()
    assert "geheim" not in str(down.value)
    assert not mirror.doctor().ok


def test_connections_that_are_killed(mirror: Mirror) -> None:
    mirror.status()
    url = str(mirror.where)
    with pytest.raises(MirrorError, match="Nothing is half written"), mirror.database.writing() as connection:
        connection.execute(text("UPDATE mirror_meta SET value = 'half' WHERE key = 'created_at'"))
        terminate_all(mirror, url)
        connection.execute(text("SELECT 1"))
    with mirror.database.writing() as connection:
        kept = connection.execute(text("SELECT value FROM mirror_meta WHERE key = 'created_at'")).scalar_one()
    assert kept != "half"
    terminate_all(mirror, url)
    assert mirror.status(), "connections that were killed while nobody used them are made anew"


def test_a_sync_whose_connections_are_killed_goes_on_next_time(postgres: Callable[[], str]) -> None:
    with Emulator(30, endusers=0, conversations=0, tasks=0, page_cap=5) as emulator:
        url = postgres()
        with client(emulator, url) as planhat:
            planhat.sync(Company)
            killed: list[int] = []

            def kill(_: object) -> None:
                if not killed:
                    killed.append(1)
                    terminate_all(planhat.mirror, url)

            try:
                planhat.sync(Company, full=True, progress=kill)
            except MirrorError as error:
                assert "PostgreSQL" in str(error) or "took over" in str(error)
            assert killed
            planhat.sync(Company, full=True)
            assert Company.objects.using("mirror").count() == 30


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("53100", "Make room on the server"), ("53200", "Make room"), ("53300", "connections"), ("57P01", "try again"),
        ("40P01", "in each other's way"), ("25006", "may only read"), ("42501", "postgresql.md"),
        ("55P03", "Another program is writing"), ("XX001", "damaged"), ("58030", "its own log"), ("08006", "try again"),
        ("28P01", "password"),
    ],
)  # fmt: skip
def test_what_the_server_says_of_itself(mirror: Mirror, state: str, advice: str) -> None:
    raises = f"DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{state}'; END $$"
    with (
        pytest.raises(MirrorError, match=rf"could not extend file\..*{advice}"),
        mirror.database.writing() as connection,
    ):
        connection.execute(text(raises))
    assert mirror.status()


REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{}'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON company FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.mark.parametrize(
    ("state", "advice"),
    [("53100", "Make room on the server"), ("57P01", "try again"), ("22003", "refuses a row: could not extend file")],
)
def test_rows_that_the_server_does_not_take_in(postgres: Callable[[], str], state: str, advice: str) -> None:
    """By COPY, which SQLAlchemy has no part in."""
    with Emulator(0) as emulator, client(emulator, postgres()) as planhat:
        emulator.store.insert("company", {"name": "Canary Holdings"})
        planhat.mirror.status()
        with planhat.mirror.database.writing() as connection:
            connection.exec_driver_sql(REFUSING.format(state))
        with pytest.raises(MirrorError, match=advice) as refused:
            planhat.sync(Company)
        assert "Canary" not in str(refused.value)
        with planhat.mirror.database.writing() as connection:
            connection.exec_driver_sql("DROP FUNCTION refuse CASCADE")
        planhat.sync(Company)
        assert Company.objects.using("mirror").count() == 1


@pytest.mark.parametrize(("state", "advice"), [("53200", "Make room on the server"), ("57P01", "try again")])
def test_what_the_server_says_of_itself_under_sql(mirror: Mirror, state: str, advice: str) -> None:
    raises = f"BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = '{state}'; END"
    with mirror.database.writing() as connection:
        connection.exec_driver_sql(f"CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS $$ {raises} $$")
    with pytest.raises(MirrorError, match=f"no more.*{advice}"):
        mirror.sql("SELECT refuse()")
    with pytest.raises(ValidationError, match="The database says: division by zero"):
        mirror.sql("SELECT 1/0")


def test_what_a_statement_of_your_own_does_wrong_stays_sqlalchemys_error(mirror: Mirror) -> None:
    with pytest.raises(DBAPIError, match="nowhere"), mirror.engine.begin() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


@pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")
def test_nul_in_a_filter_or_a_label_is_refused_by_name(postgres: Callable[[], str]) -> None:
    with Emulator(3, endusers=0) as emulator, client(emulator, postgres()) as planhat:
        planhat.sync(Company)
        companies = Company.objects.using("mirror")
        for query in (
            companies.filter(name="a\0b"),
            companies.filter(name__contains="\0"),
            companies.filter(**{"custom.a\0b": "x"}),
        ):
            with pytest.raises(ValidationError, match="NUL"):
                query.count()
        assert companies.count() == 3


def test_labels_are_bound_and_never_a_part_of_a_statement(postgres: Callable[[], str]) -> None:
    class Account(Company):
        tier = Custom("It's 100% :of $1", str, index=True)

    with Emulator(0) as emulator:
        for number, label in enumerate(ODD):
            emulator.store.insert("company", {"name": f"C{number}", "custom": {label or "x": f"v{number}"}})
        emulator.store.insert("company", {"name": "Mine", "custom": {"It's 100% :of $1": "gold"}})
        with client(emulator, postgres()) as planhat:
            planhat.sync(Account)
            statements: list[tuple[str, Any]] = []

            def note(
                connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool
            ) -> None:
                statements.append((statement, parameters))

            event.listen(planhat.mirror.database.engine, "before_cursor_execute", note)
            for number, label in enumerate(ODD):
                found = Company.objects.using("mirror").filter(**{f"custom.{label or 'x'}": f"v{number}"})
                assert [company.name for company in found] == [f"C{number}"], label
            assert not [statement for statement, _ in statements if "DROP TABLE" in statement or "quote" in statement]
            assert any("company" in statement for statement, _ in statements)
            statements.clear()
            assert [company.name for company in Account.objects.using("mirror").filter(tier="gold")] == ["Mine"]
            assert not [statement for statement, _ in statements if "100%" in statement]
