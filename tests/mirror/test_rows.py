"""A record survives its row: nothing is lost, and a column holds exactly what comparisons use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_orm.errors import BadAnswer
from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror.db.changes import difference, undo
from planhat_orm.mirror.db.codec import RowCodec, decode, large_floats
from planhat_orm.mirror.db.layout import layout_for, layouts, tables
from planhat_orm.mirror.db.packing import plain_numbers
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


@settings(max_examples=200)
@given(st.lists(st.none() | st.floats() | st.sampled_from([7.0, -0.0, float(kinds.EXACT)]), min_size=1, max_size=6))
def test_numbers_of_a_column_are_what_each_is_alone(numbers: list[float | None]) -> None:
    alone = [plain_numbers([number])[0] for number in numbers]
    assert list(map(repr, plain_numbers(tuple(numbers)))) == list(map(repr, alone))


def test_whole_numbers_come_as_ints_up_to_where_floats_are_exact() -> None:
    exact, half = float(kinds.EXACT), 0.5
    assert list(map(repr, plain_numbers((7.0, None, -3.0)))) == ["7", "None", "-3"]
    assert list(map(repr, plain_numbers((7.0, half)))) == ["7", "0.5"]
    assert list(map(repr, plain_numbers((7.0, exact)))) == ["7", repr(exact)]
    assert plain_numbers((7.0, float("inf"))) == [7, float("inf")]


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(layouts())).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(records(name), min_size=1, max_size=4))
    ),
    st.integers(0, 12),
)
def test_rows_that_are_read_together_are_what_each_was_alone(case: tuple[str, list[dict[str, Any]]], few: int) -> None:
    name, raws = case
    columns = layout_for(name).columns
    wires = frozenset({"_id", *sorted({key for raw in raws for key in raw})[:few]})
    parts = [{key: value for key, value in raw.items() if key in wires} for raw in raws]
    for postgres in (False, True):
        rows = RowCodec(layout_for(name), postgres=postgres)
        stored = [
            [float(value) if postgres and type(value) is int else value for value in rows.encode_row(rewrite(raw))[:-1]]
            for raw in raws
        ]
        assert same(rows.decode_rows(columns, stored), raws)
        chosen = [column for column in columns if column.wire in wires]
        cut = [[*(row[columns.index(column)] for column in chosen), row[-1]] for row in stored]
        assert same(rows.decode_rows(chosen, cut, wires), parts)
        found = rows.decode_columns(chosen, cut, wires)
        assert same({wire: found[wire] for wire in wires}, {wire: [raw.get(wire) for raw in raws] for wire in wires})


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


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(layouts())).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(records(name), min_size=1, max_size=4))
    )
)
def test_records_that_are_packed_together_make_the_rows_that_each_makes_alone(
    case: tuple[str, list[dict[str, Any]]],
) -> None:
    name, raws = case
    for postgres in (False, True):
        rows = RowCodec(layout_for(name), postgres=postgres)
        packed = rows.encode_rows([rewrite(raw) for raw in raws])
        for number, raw in enumerate(raws):
            *alone, hash = rows.encode_row(rewrite(raw))
            together = [packed.columns[key][number] if key in packed.columns else None for key in rows.names]
            assert repr(together[:-2]) == repr(alone[:-1]) and together[-1] == hash
            assert same(decode(together[-2] or "{}"), decode(alone[-1] or "{}"))
        assert all(None not in values for key, values in packed.columns.items() if key not in packed.sparse)


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(layouts())).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(records(name), min_size=1, max_size=4))
    )
)
def test_a_row_is_sealed_as_it_is_read_and_not_once_a_cell_differs(case: tuple[str, list[dict[str, Any]]]) -> None:
    name, raws = case
    for postgres in (False, True):
        rows = RowCodec(layout_for(name), postgres=postgres)
        packed = [rows.encode_row(rewrite(raw)) for raw in raws]
        numbers = {column.name for column in rows.layout.columns if column.storage == "number"} if postgres else set()
        read = [
            [
                float(value) if name in numbers and value is not None else value
                for name, value in zip(rows.names, row, strict=True)
            ]
            for row in packed
        ]
        assert all(rows.are_sealed(read))
        place = rows.names.index("id")
        assert not any(rows.are_sealed([[*row[:place], "other", *row[place + 1 :]] for row in read]))


def test_what_a_seal_is_made_of_goes_into_one_function_of_sqlite() -> None:
    assert max(len(RowCodec(layout).others) for layout in tables()) <= 100


def test_rows_are_not_compared_with_seals_of_other_columns() -> None:
    company, user = (RowCodec(layout_for(name)) for name in ("company", "user"))
    hash = user.encode_row(b'{"_id":"a"}')[-1]
    assert user.has_seal(hash) and not company.has_seal(hash) and not user.has_seal(hash[:32])


@given(st.lists(st.sampled_from(["2021-07-28T16:15:50.772Z", "2021-07-28T16:15:50.772Z\n", "x", "\n" * 24])))
def test_a_text_with_a_line_break_is_not_taken_for_a_moment(texts: list[str]) -> None:
    rows, column = RowCodec(layout_for("company")), layout_for("company").by_wire["updatedAt"]
    packed = rows.encode_rows([rewrite({"_id": "a", "updatedAt": text}) for text in texts])
    assert list(packed.columns.get(column.name, [])) == [kinds.DATETIME.comparable(text) for text in texts] or not texts


def test_a_key_that_is_documented_nowhere_is_learnt_and_kept() -> None:
    rows = RowCodec(layout_for("company"))
    record = rewrite({"_id": "a", "name": "Acme", "neverHeardOf": {"b": [1]}, 'not " a name': 1})
    first = rows.encode_row(record)
    assert rows.encode_row(record) == first
    assert decode(first[-2]) == {"neverHeardOf": {"b": [1]}, 'not " a name': 1}
    assert rows.encode_row(rewrite({"_id": "a"}))[-2] is None


def test_a_number_that_no_float_holds_is_a_bad_answer_and_shows_nothing_of_the_record() -> None:
    with pytest.raises(BadAnswer, match="A record of company cannot be read: Number out of range"):
        RowCodec(layout_for("company")).encode_row(b'{"_id":"a","custom":{"Tier":1e400}}')


def test_every_listed_resource_has_a_table() -> None:
    assert {table.table for table in tables()} == set(layouts()) - {"note"}
    assert layout_for("note").table == "conversation"


@given(
    st.integers(16, 300),
    st.sampled_from(["[1e{}]", '{{"a":-2.5e{},"b":1}}', '{{"a":3e{}}}', "[1e{},2]", '[["x",7e{}]]']),
)
def test_postgresql_gets_large_floats_in_full(exponent: int, form: str) -> None:
    custom = form.format(exponent)
    rows = RowCodec(layout_for("company"), postgres=True)
    stored = rows.encode_rows([f'{{"_id":"a","custom":{custom}}}'.encode(), b'{"_id":"b","custom":{}}']).columns
    assert "e" not in stored["custom"][0] and same(decode(stored["custom"][0]), decode(custom))


def test_ids_are_not_taken_for_large_floats() -> None:
    ids = {"coOwner": "65f1e5c10000000000000001", "9e9": ["1e16", "5e+16"]}
    assert not large_floats(rewrite(ids).decode())


def test_keys_of_later_pages_are_read_in_any_order() -> None:
    rows = RowCodec(layout_for("task"))
    pages: list[list[dict[str, Any]]] = [
        [{"_id": "a"}],
        [{"_id": "b", "unheardOf": 1}, {"name": "Call", "_id": "c"}],
        [{"more": [], "unheardOf": 2, "_id": "d", "description": "x"}],
        [{"_id": "e", **{f"key{number}": number for number in range(400)}}],
        [{"_id": "f", "name": None, 'not " a name': 1}, {"key399": 2, "_id": "g"}],
    ]
    for page in pages * 2:
        packed = rows.encode_rows([rewrite(raw) for raw in page]).columns
        cells = [
            [packed[name][place] if name in packed else None for name in rows.names[:-1]] for place in range(len(page))
        ]
        assert same(rows.decode_rows([*rows.layout.columns, *rows.layout.derived], cells), page)
