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
