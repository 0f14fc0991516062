"""What the mirror learnt of a list, and how far a pass is, as earlier releases wrote it down and as this one does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state, tables
from planhat_orm.mirror.db.state import ListCursor, ListTraits, State

TRAITS: dict[str, Any] = {
    "two": True, "cap": 500, "overlap": 16, "bytes": 900, "stamp": "updatedAt", "unstamped": 3, "delta": 0,
    "volatile": {"mrr": 2}, "mass": 7, "thin": True, "memory_from": "2026-01-01T00:00:00.000Z",
    "full_at": "2026-01-02T00:00:00.000Z", "swept_at": "2026-01-03T00:00:00.000Z",
    "unsorted_at": "2026-01-04T00:00:00.000Z", "disordered_at": "2026-01-05T00:00:00.000Z", "from_day": 20000,
    "to_day": 20090,
}  # fmt: skip
CURSOR: dict[str, Any] = {
    "list": 1, "two": None, "anchor": "ab", "rank": 400, "longest": 100, "bytes": 12345, "rows": 384,
    "stamps": {"updatedAt": [384, "2026-01-01T00:00:00.000Z"]}, "first": {"updatedAt": "2025-01-01T00:00:00.000Z"},
    "doubtful": ["aa"], "date": "2026-01-01T00:00:00.000Z", "sent": "2026-01-01T00:00:01.000Z",
}  # fmt: skip


def written(mirror: Mirror, known: str | None, cursor: str | None) -> State:
    row = {"resource": "company", "complete": True, "known": known, "cursor": cursor}
    with mirror.database.writing() as connection:
        connection.execute(insert(tables.models), [row])
        return state.load(connection, "company")


def test_what_an_earlier_release_learnt_is_read(mirror: Mirror) -> None:
    known = msgspec.json.encode({**TRAITS, "a key of another release": 1}).decode()
    found = written(mirror, known, msgspec.json.encode(CURSOR).decode())
    assert found.traits == ListTraits(**TRAITS)
    cursor = {name: value for name, value in CURSOR.items() if name != "list"}
    stamps = {name: tuple(value) for name, value in CURSOR["stamps"].items()}
    assert found.cursor == ListCursor(**{**cursor, "number": 1, "stamps": stamps})


@pytest.mark.parametrize(("known", "cursor"), [(None, None), ("{}", "null"), ("null", None)])
def test_what_was_never_learnt_has_defaults(mirror: Mirror, known: str | None, cursor: str | None) -> None:
    found = written(mirror, known, cursor)
    assert (found.traits, found.cursor) == (ListTraits(), None)


def test_what_is_kept_is_what_comes_back(mirror: Mirror) -> None:
    kept = State("company", complete=True, traits=ListTraits(**TRAITS), cursor=ListCursor(rank=3, anchor="x"))
    with mirror.database.writing() as connection:
        state.save(connection, kept)
        assert state.load(connection, "company") == kept
        assert connection.execute(select(tables.models.c.cursor)).scalar_one() == '{"anchor":"x","rank":3}'
