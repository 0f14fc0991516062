"""SQL of one's own over the mirror: rows and frames, and nothing but reading."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ValidationError
from planhat_orm.mirror import Mirror

from .conftest import Runner


@pytest.fixture
def filled(make_emulator: Callable[..., Emulator], either: Mirror) -> Mirror:
    emulator = make_emulator(companies=5)
    Runner(emulator.url)(either.sync(["User", "Company", "License"]))
    return either


def test_rows_are_dicts_by_column_and_frames(filled: Mirror) -> None:
    found = filled.sql("select id, name, mrr, name from v_company order by id")
    assert found.columns == ("id", "name", "mrr", "name_2") and len(found) == 5 and not found.truncated
    assert found[0]["name"] == found[0]["name_2"] == next(iter(found))["name"]
    assert [row["id"] for row in found[1:3]] == [row["id"] for row in found][1:3]
    assert found.to_pandas().shape == found.to_polars().shape == (5, 4)
    assert filled.sql("select * from v_company where 1 = 0").to_arrow().num_rows == 0


def test_names_stand_for_parameters_and_the_rest_is_left_alone(filled: Mirror) -> None:
    names = [row["name"] for row in filled.sql("select name from company order by name")]
    asked = "select name from company where name >= :first and name like '%' and ':x' = ':x' order by name"
    given = {"first": names[2]}
    if filled.database.postgres:
        asked = asked.replace("':x' = ':x'", "1 = 1")
    assert [row["name"] for row in filled.sql(asked, given)] == names[2:]


def test_more_rows_than_the_limit_are_said_to_be_there(filled: Mirror) -> None:
    some = filled.sql("select id from company order by id", limit=3)
    assert len(some) == 3 and some.truncated
    assert len(filled.sql("select id from company", limit=None)) == 5
    for limit in (0, -1, True, "5"):
        with pytest.raises(ValidationError, match="limit must be a whole number"):
            filled.sql("select 1", limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from company", "update company set name = 'x'", "insert into company (id) values ('x')",
        "drop table company", "create table x (a int)", "create temp table x (a int)", "begin", "commit", "vacuum",
        "select 1; delete from company", "with a as (select 1) delete from company", "analyze",
        "select 1; commit; delete from company",
    ],
)  # fmt: skip
def test_nothing_is_changed(filled: Mirror, statement: str) -> None:
    with pytest.raises(ValidationError):
        filled.sql(statement)
    assert len(filled.sql("select id from company")) == 5


def test_sqlite_reaches_no_other_file(filled: Mirror) -> None:
    if filled.database.postgres:
        pytest.skip("of SQLite alone")
    for statement in (
        "attach 'other.db' as other", "pragma query_only = 0", "pragma table_info(company)",
        "select load_extension('x')", "detach main",
    ):  # fmt: skip
        with pytest.raises(ValidationError, match="This reads"):
            filled.sql(statement)


def test_items_of_lists_are_rows(filled: Mirror) -> None:
    each = "jsonb_array_elements_text" if filled.database.postgres else "json_each"
    found = filled.sql(f"select count(*) as n from company c join {each}(c.domains) j on 1 = 1")
    assert found[0]["n"] >= 5


def test_a_wrong_table_is_answered_with_the_nearest(filled: Mirror) -> None:
    with pytest.raises(ValidationError, match="There is no table v_compny. Did you mean 'v_company'"):
        filled.sql("select * from v_compny")
    with pytest.raises(ValidationError, match="The database says: "):
        filled.sql("select nothing from company")
    with pytest.raises(ValidationError, match="takes a statement"):
        filled.sql(" ")
