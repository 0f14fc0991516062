"""A column that is made page by page is the one that all values at once make, and no page outlives its turn."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.query import kinds
from planhat_orm.tabular.arrays import array_of
from planhat_orm.tabular.paged_columns import PagedColumn, PagedCustoms, kind_of_types

from .test_arrays import columns

PAGE = 20


@pytest.mark.parametrize("kind", [kinds.ANY, kinds.NUMBER, kinds.DATETIME], ids=repr)
@settings(max_examples=60)
@given(pages=st.lists(columns, max_size=4))
def test_a_column_of_pages_is_that_of_all_values(kind: kinds.Kind, pages: list[list[Any]]) -> None:
    column, rows = PagedColumn(pyarrow, kind), 0
    for page in pages:
        column.add(rows, page)
        rows += len(page)
    raw = [value for page in pages for value in page]
    whole = kind_of_types(set(map(type, raw)) - {type(None)}) if kind is kinds.ANY else kind
    expected = array_of(pyarrow, whole, raw)
    found = column.array(rows)
    assert (found.type, found.to_pylist()) == (expected.type, expected.to_pylist())


def test_a_label_is_missing_where_a_page_has_none() -> None:
    pages: list[list[Any]] = [
        [{"number": 1, "mixed": "a", "c": 1}, None],
        [{"late": ["x"], "number": 2.5}, [], {"mixed": 2}],
        [{"number": None}],
        [{"late": None, "mixed": {"a": [1]}, "number": 3}, {"late": ["y", 5]}],
    ]
    customs, rows = PagedCustoms(pyarrow, lambda label: kinds.ANY, labels="z", without="c"), 0
    for page in pages:
        customs.add(rows, page)
        rows += len(page)
    assert {label: array.to_pylist() for label, array in customs.arrays(rows).items()} == {
        "late": [None, None, ["x"], None, None, None, None, ["y", "5"]],
        "mixed": ["a", None, None, None, "2", None, '{"a":[1]}', None],
        "number": [1.0, None, 2.5, None, None, None, 3.0, None],
        "z": [None] * 8,
    }


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_the_custom_fields_of_a_page_are_gone_when_the_next_is_added(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier: list[int] = []
    added = PagedCustoms.add

    def held() -> int:
        return sum(type(item) is dict and "Only here" in item for item in gc.get_objects())

    def add(self: PagedCustoms, start: int, customs: list[Any]) -> None:
        earlier.append(held() - before - len(customs))
        added(self, start, customs)

    monkeypatch.setattr("planhat_orm.mirror.reading.source.PAGE", PAGE)
    with Emulator(0, page_cap=PAGE) as emulator:
        for number in range(3 * PAGE):
            emulator.store.insert("company", {"name": f"{number}", "custom": {"Only here": [str(number)]}})
        with Planhat(emulator.api_token, api_url=emulator.url, mirror=tmp_path / "m.db", scan="allow") as planhat:
            planhat.sync(Company)
            monkeypatch.setattr(PagedCustoms, "add", add)
            before = held()  # the emulator's own
            found = Company.objects.using(source).to_arrow()
    assert found["custom.Only here"].to_pylist() == [[str(number)] for number in range(3 * PAGE)]
    # A page of the API begins with a record of the one before.
    assert len(earlier) >= 3 and max(earlier) < PAGE / 2


def test_arrow_s_own_allocator_holds_none_of_a_table() -> None:
    with Emulator(300) as emulator, Planhat(emulator.api_token, api_url=emulator.url):
        before = pyarrow.default_memory_pool().bytes_allocated()
        found = Company.objects.all().to_arrow()
        assert found.nbytes > 100_000
        assert pyarrow.default_memory_pool().bytes_allocated() == before
