"""Writing rows: only what differs, the same on both databases, and nothing of a row in an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Counts, Store
from planhat_orm.wire.raw_records import RawRecord

RAW = {"_id": "a", "name": "Acme", "externalId": None, "custom": {"Tier": "A", "Seats": 3}, "odd\0": [1e22, "\0"]}


@pytest.fixture(params=["sqlite", "postgresql"])
def mirror(
    request: pytest.FixtureRequest, make_mirror: Callable[..., Mirror], postgres: Callable[[], str]
) -> Iterator[Mirror]:
    yield make_mirror(postgres() if request.param == "postgresql" else None)


def write(mirror: Mirror, *records: dict[str, Any] | RawRecord, **options: Any) -> Counts:
    with mirror.database.writing() as connection:
        return Store(connection, layout_for("company"), postgres=mirror.database.postgres).put(records, **options)


def read(mirror: Mirror, id: str = "a") -> dict[str, Any] | None:
    with mirror.database.reading() as connection:
        return Store(connection, layout_for("company"), postgres=mirror.database.postgres).read([id]).get(id)


def sliced(raw: dict[str, Any], json: bytes | None = None) -> RawRecord:
    return RawRecord(rewrite(raw) if json is None else json, raw)


def test_a_record_is_new_then_unchanged_then_changed(mirror: Mirror) -> None:
    assert write(mirror, RAW) == Counts(new=1)
    assert write(mirror, sliced(RAW)) == Counts(unchanged=1)
    assert write(mirror, {**RAW, "phase": "Live"}) == Counts(changed=1)
    assert read(mirror) == {**RAW, "phase": "Live"}


def test_the_same_record_in_other_words_is_unchanged_and_taken_for_it_from_then_on(mirror: Mirror) -> None:
    write(mirror, RAW)
    other = sliced(RAW, b" " + rewrite(dict(reversed(RAW.items()))))
    assert write(mirror, other) == Counts(unchanged=1)
    with mirror.database.reading() as connection:
        hashes = Store(connection, layout_for("company"), postgres=mirror.database.postgres).hashes(["a"])
    assert write(mirror, other, hashes=hashes) == Counts(unchanged=1)
    assert read(mirror) == RAW


def test_many_records_with_few_and_many_fields_come_back(mirror: Mirror) -> None:
    records = [
        {"_id": f"{n:024x}", "name": f"Company {n}", **({"mrr": n, "autoRenews": True, "__v": 2.5} if n % 3 else {})}
        for n in range(2500)
    ]
    assert write(mirror, *records) == Counts(new=2500)
    assert [read(mirror, record["_id"]) for record in records[::500]] == records[::500]  # type: ignore[arg-type]


WRITTEN = {
    "text": ("NULL", "''", "'other'", "'Ac' || char(1) || char(127) || char(8232) || 'é\"\\'", "x''", "x'4163'", "5"),
    "number": (
        "NULL",
        "0.3",
        "0.30000000000000004",
        "9e999",
        "-9e999",
        "''",
        "'x'",
        "x''",
        "1e17",
        "7",
        "1e-320",
        "100000000000000001",
    ),
    "boolean": ("NULL", "0", "1", "2", "0.5", "'x'", "x'01'"),
}
FULL = {
    "name": 'Ac\x01\x7f\u2028é"\\', "phase": "", "mrr": 0.3, "arr": 1e17, "h": 7, "autoRenews": True, "odd": "x",
    "nrr30": 1e-320, "custom": {"a": "Ac"}, "orgPath": "b,a", "lastRenewal": "2026-01-01T00:00:00.000Z", "mr": None,
}  # fmt: skip


def test_whatever_is_written_by_hand_into_whichever_column_is_seen(make_mirror: Callable[..., Mirror]) -> None:
    """And nothing else is: of a change that SQLite makes none of, such as 7.0 where 7 was, there is nothing to mend."""
    mirror, layout = make_mirror(), layout_for("company")
    kinds = {column.name: column.storage for column in (*layout.columns, *layout.derived)} | {"_extra": "text"}
    edits = {
        f"{number:05d}": edit
        for number, edit in enumerate(
            (name, value)
            for name, kind in kinds.items()
            for value in WRITTEN["text" if kind == "json" else kind]
            if name != "id"
        )
    }
    write(mirror, *({"_id": id, **FULL} for id in edits))
    changed = set()
    with mirror.database.writing() as connection:
        store = Store(connection, layout)
        assert store.unproved() == {}
        for id, (name, value) in edits.items():
            shown = f"SELECT typeof({name}), quote({name}) FROM company WHERE id = '{id}'"
            before = connection.exec_driver_sql(shown).one()
            connection.exec_driver_sql(f"UPDATE company SET {name} = {value} WHERE id = '{id}'")
            changed |= {id} if connection.exec_driver_sql(shown).one() != before else set()
        assert {edits[id] for id in store.unproved()} == {edits[id] for id in changed}
        assert 500 < len(changed) < len(edits)


def test_rows_as_they_come_are_looked_at_by_sqlite_alone(make_mirror: Callable[..., Mirror]) -> None:
    mirror = make_mirror()
    write(
        mirror,
        {"_id": "a", "name": "".join(map(chr, range(0xD800))), "mrr": 0.1, "autoRenews": False},
        FULL | {"_id": "b"},
    )
    with mirror.database.reading() as connection:
        [odd] = Store(connection, layout_for("company"))._looked_at_twice()
    assert [row[0] for row in odd] == ["b"]  # for its 1e17


def test_an_error_of_the_database_shows_nothing_of_the_row(mirror: Mirror) -> None:
    with mirror.database.writing() as connection:
        if mirror.database.postgres:
            connection.exec_driver_sql("ALTER TABLE company ADD CHECK (name <> 'Secret')")
        else:
            connection.exec_driver_sql(
                "CREATE TRIGGER stop BEFORE INSERT ON company WHEN new.name = 'Secret' "
                "BEGIN SELECT raise(ABORT, 'CHECK failed'); END"
            )
    with pytest.raises(Exception, match="(?i)check") as failure:
        write(mirror, {**RAW, "name": "Secret", "phase": "Hush"})
    assert "Secret" not in str(failure.value) and "Hush" not in str(failure.value)
    assert read(mirror) is None
