"""Columns made as a whole hold what they would hold if every value was read alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.query import kinds
from planhat_orm.query.kinds import Kind
from planhat_orm.query.loading import load_column
from planhat_orm.tabular.arrays import array_of
from planhat_orm.tabular.typed import TYPES, typed

KINDS = [getattr(kinds, name.upper()) for name in TYPES]
MOMENTS = st.datetimes().map(lambda moment: f"{moment.isoformat()[:19]}.{moment.microsecond // 1000:03d}Z")
ODD = st.sampled_from(
    [
        "0000-01-01T00:00:00.000Z",
        "2021-02-31T16:15:50.772Z",
        "2021-07-28T24:00:00.000Z",
        "2021-07-28 16:15:50.772Z",
        "2021-07-28T16:15:50.772",
        "2021-07-28T16:15:50.77211Z",
        "2021-07-28T16:15:50.772+02:00",
        "2021-07-28",
        1627488950772,
        2**53,
        -(2**53) - 1,
        2**70,
        1e300,
        True,
        "1e3",
        [1, "a"],
        ["a", None],
        {"a": [1]},
        {"_id": "5f0c"},
        [{"_id": "5f0c"}, "5f0d"],
    ]
)
ALIKE = [
    st.text(max_size=4),
    MOMENTS,
    st.integers(-(2**60), 2**60),
    st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3) | st.text(max_size=2), max_size=2),
]
"""The values of columns that hold one type, as nearly all do."""
columns = st.sampled_from(ALIKE).flatmap(
    lambda values: st.lists(values | st.none(), max_size=5) | st.lists(values | st.none() | ODD, max_size=5)
)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@settings(max_examples=60)
@given(columns)
def test_a_column_is_loaded_as_its_values_are(kind: Kind, raw: list[Any]) -> None:
    assert repr(list(load_column(kind, raw))) == repr([None if value is None else kind.load(value) for value in raw])


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@settings(max_examples=60)
@given(columns)
def test_an_array_holds_what_each_value_is_in_a_typed_column(kind: Kind, raw: list[Any]) -> None:
    expected = pyarrow.array([typed(kind, value) for value in raw], type=TYPES[kind.name][0](pyarrow))
    made = array_of(pyarrow, kind, raw)
    assert made.type == expected.type and made.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_objects_are_written_alike_whatever_the_order_of_their_keys(source: str, tmp_path: Path) -> None:
    unsorted = {"b": 1, "a": {"d": [{"z": 1, "y": 2}], "c": 2}}
    written = '{"a":{"c":2,"d":[{"y":2,"z":1}]},"b":1}'
    with (
        Emulator(0) as emulator,
        Planhat(emulator.api_token, api_url=emulator.url, mirror=tmp_path / "m.db", scan="allow") as planhat,
    ):
        emulator.store.insert("company", {"usage": unsorted, "custom": {"Mixed": unsorted, "List": [unsorted]}})
        emulator.store.insert("company", {"usage": [unsorted], "custom": {"Mixed": "a", "List": None}})
        planhat.sync(Company)
        found = Company.objects.using(source).order_by("id").to_arrow()
        assert found["usage"].to_pylist() == [written, f"[{written}]"]
        assert found["custom.Mixed"].to_pylist() == [written, "a"]
        assert found["custom.List"].to_pylist() == [[written], None]
        assert Company.objects.using(source).values("usage").to_arrow()["usage"].to_pylist()[0] == written
