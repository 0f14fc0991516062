"""A record survives its row: nothing is lost, and a column holds exactly what comparisons use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_orm.errors import BadAnswer
from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror.db.changes import difference, undo
from planhat_orm.mirror.db.codec import RowCodec, decode
from planhat_orm.mirror.db.layout import layout_for, layouts, tables
from planhat_orm.query import kinds
from planhat_orm.wire.patches import same

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["12", "1e3", "2021-07-28T16:15:50.772Z", "2021-02-31T16:15:50.772Z", "2021-07-28", "5f" * 12])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def records(name: str) -> st.SearchStrategy[dict[str, Any]]:
    keys = st.sampled_from(sorted(layout_for(name).by_wire)) | st.text(max_size=4)
    return st.dictionaries(keys, values, max_size=8).map(lambda raw: {**raw, "_id": "5f0c"})


@settings(max_examples=100)
@given(st.sampled_from(sorted(layouts())).flatmap(lambda name: st.tuples(st.just(name), records(name))))
def test_any_record_comes_back_as_it_was(case: tuple[str, dict[str, Any]]) -> None:
    name, raw = case
    for postgres in (False, True):
        rows = RowCodec(layout_for(name), postgres=postgres)
        packed = rows.encode_row(rewrite(raw))[:-1]
        stored = [float(value) if postgres and type(value) is int else value for value in packed]
        back = rows.decode_rows(layout_for(name).columns, [stored])[0]
        assert same(back, raw)


@settings(max_examples=100)
@given(st.sampled_from(sorted(layouts())).flatmap(lambda name: st.tuples(st.just(name), records(name))))
def test_a_column_holds_the_comparable(case: tuple[str, dict[str, Any]]) -> None:
    name, raw = case
    packed = RowCodec(layout_for(name)).encode_row(rewrite(raw))
    for column, value in zip(layout_for(name).columns, packed, strict=False):
        if column.storage != "json":
            expected = column.kind.comparable(raw.get(column.wire))
            assert value == expected and isinstance(value, bool) == isinstance(expected, bool)


@given(
    st.text(alphabet="0123456789-:.TZ", min_size=20, max_size=26)
    | st.datetimes().map(lambda d: d.isoformat()[:23] + "Z")
)
def test_a_moment_taken_as_it_is_is_its_own_comparable(text: str) -> None:
    column = layout_for("company").by_wire["updatedAt"]
    packed = RowCodec(layout_for("company")).encode_row(rewrite({"_id": "a", "updatedAt": text}))
    assert packed[layout_for("company").columns.index(column)] == kinds.DATETIME.comparable(text)


@given(records("company"), records("company"))
def test_a_difference_undone_gives_the_record_before(before: dict[str, Any], now: dict[str, Any]) -> None:
    reverse = difference(now, before)
    assert (reverse is None) == same(now, before)
    assert same(undo(now, reverse or {}), before)


@settings(max_examples=100)
@given(st.sampled_from(sorted(layouts())).flatmap(lambda name: st.tuples(st.just(name), records(name))))
def test_the_quick_way_and_the_slow_one_give_the_same_row(case: tuple[str, dict[str, Any]]) -> None:
    name, raw = case
    for postgres in (False, True):
        rows = RowCodec(layout_for(name), postgres=postgres)
        *quick, extra, hash = rows.encode_row(rewrite(raw))
        *slow, more, same_hash = rows.pack_odd(rewrite(raw))
        assert (quick, hash) == (slow, same_hash)
        assert same(decode(extra or "{}"), decode(more or "{}"))


def test_a_key_that_is_documented_nowhere_does_not_make_a_record_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = RowCodec(layout_for("company"))
    record = rewrite({"_id": "a", "name": "Acme", "neverHeardOf": {"b": [1]}})
    slow = rows.encode_row(record)
    monkeypatch.setattr(RowCodec, "pack_odd", lambda *_: pytest.fail("read key by key"))
    assert rows.encode_row(record) == slow
    assert rows.encode_row(rewrite({"_id": "a"}))[-2] is None


def test_a_number_that_no_float_holds_is_a_bad_answer_and_shows_nothing_of_the_record() -> None:
    with pytest.raises(BadAnswer, match="A record of company cannot be read: Number out of range"):
        RowCodec(layout_for("company")).encode_row(b'{"_id":"a","custom":{"Tier":1e400}}')


def test_every_listed_resource_has_a_table() -> None:
    assert {table.table for table in tables()} == set(layouts()) - {"note"}
    assert layout_for("note").table == "conversation"
