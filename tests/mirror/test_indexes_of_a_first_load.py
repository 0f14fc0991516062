"""A long first load goes without indexes, and whatever cuts it off: a table that is complete has all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import record_indexes, state
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.mirror.sync import full
from planhat_orm.wire.list_reader import NotSortedById

from .conftest import Runner, assert_equal
from .test_full import companies, interrupted

PAGE, COUNT = 10, 44
OF_IDS = "sqlite_autoindex_company_1"


@pytest.fixture(autouse=True)
def short_pages_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "_LONG", PAGE)


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    made = make_emulator(page_cap=PAGE)
    companies(made, COUNT)
    return made


def indexes_of(connection: Connection) -> dict[str, Any]:
    """The indexes of the table, by name: the statements that made them. Those of custom fields are left out."""
    of_table = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'company' AND name NOT LIKE 'custom%'"
    )
    return dict(map(tuple, connection.exec_driver_sql(of_table)))


def indexes(mirror: Mirror) -> dict[str, Any]:
    with mirror.database.reading() as connection:
        return indexes_of(connection)


def seen_while_loading(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The indexes of the table each time that rows were written."""
    seen: list[set[str]] = []
    put = Store.put

    def noting(store: Store, *arguments: Any, **options: Any) -> Any:
        seen.append({*indexes_of(store.connection)})
        return put(store, *arguments, **options)

    monkeypatch.setattr(Store, "put", noting)
    return seen


def test_a_long_first_load_makes_the_indexes_at_its_end(
    emulator: Emulator, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = indexes(mirror)
    assert len(declared) == 7
    seen = seen_while_loading(monkeypatch)
    Runner(emulator.url)(mirror.sync("Company"))
    assert len(seen) >= 5 and seen[0] == seen[4] == {OF_IDS}
    assert indexes(mirror) == declared
    assert_equal(mirror, emulator, "company")


def test_a_short_first_load_and_a_later_pass_leave_the_indexes_alone(
    emulator: Emulator, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_while_loading(monkeypatch)
    monkeypatch.setattr(full, "_LONG", PAGE + 1)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    monkeypatch.setattr(full, "_LONG", PAGE)
    run(mirror.sync("Company", full=True))
    assert seen and all(len(there) == 7 for there in seen)


def test_a_table_that_holds_records_keeps_its_indexes(
    emulator: Emulator, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror.database.writing() as connection:
        Store(connection, layout_for("company")).put([{"_id": f"old{n}"} for n in range(PAGE + 1)])
    seen = seen_while_loading(monkeypatch)
    Runner(emulator.url)(mirror.sync("Company"))
    assert seen and all(len(there) == 7 for there in seen)


@pytest.mark.parametrize("requests", range(2, 8))
def test_a_load_that_was_cut_off_has_its_indexes_once_it_is_complete(
    emulator: Emulator, mirror: Mirror, requests: int
) -> None:
    declared, run = indexes(mirror), Runner(emulator.url)
    cut = interrupted(run, mirror.sync("Company"), requests)
    if cut and requests > 2:
        assert indexes(mirror).keys() == {OF_IDS}
    with Mirror(mirror.where) as another:  # as after the process was killed
        run(another.sync("Company"))
        assert_equal(another, emulator, "company")
    assert indexes(mirror) == declared


@pytest.mark.parametrize("made", range(6))
def test_a_load_that_was_cut_off_while_it_made_indexes_makes_the_others_next(
    emulator: Emulator, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, made: int
) -> None:
    declared, run, left = indexes(mirror), Runner(emulator.url), made
    make = record_indexes.make

    def failing(connection: Connection, statement: str) -> None:
        nonlocal left
        make(connection, statement)
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(record_indexes, "make", failing)
    with pytest.raises(KeyboardInterrupt):
        run(mirror.sync("Company"))
    assert len(indexes(mirror)) == 1 + made
    with mirror.database.reading() as connection:
        assert not state.load(connection, "company").complete
    monkeypatch.setattr(record_indexes, "make", make)
    run(mirror.sync("Company"))
    assert indexes(mirror) == declared
    assert_equal(mirror, emulator, "company")


def test_a_full_pass_makes_what_is_missing_of_a_complete_table(emulator: Emulator, mirror: Mirror) -> None:
    declared, run = indexes(mirror), Runner(emulator.url)
    run(mirror.sync("Company"))
    with mirror.database.writing() as connection:
        record_indexes.drop(connection, layout_for("company"))
    run(mirror.sync("Company", full=True))
    assert indexes(mirror) == declared


def test_where_there_is_no_place_for_files_an_index_is_sorted_in_memory(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(record_indexes, "gettempdir", nowhere)
    layout = layout_for("company")
    with mirror.database.writing() as connection:
        record_indexes.drop(connection, layout)
        for statement in record_indexes.missing(connection, layout):
            record_indexes.make(connection, statement)
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == 2
        assert not record_indexes.missing(connection, layout)


def test_a_list_that_turns_out_not_to_be_sorted_ends_with_all_indexes(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = make_emulator(page_cap=PAGE)
    companies(emulator, COUNT)
    declared, pages = indexes(mirror), 0
    look = full._Full._apply

    def unsorted(pass_: Any, page: Any, *rest: Any) -> None:
        nonlocal pages
        pages += 1
        if pages == 3:
            raise NotSortedById
        look(pass_, page, *rest)

    monkeypatch.setattr(full._Full, "_apply", unsorted)
    Runner(emulator.url)(mirror.sync("Company"))
    assert indexes(mirror) == declared
    assert_equal(mirror, emulator, "company")
