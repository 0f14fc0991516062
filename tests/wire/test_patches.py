"""Lists are merged as JSON values compare: 1 equals 1.0, and at no depth True."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm.wire.patches import merged_list


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ([1], [1, True], [1, 2], [1, 2, True]),
        ([True], [], [True, 1], [1]),
        ([{"a": 0}], [{"a": 0}, {"a": False}], [{"a": 0}], [{"a": 0}, {"a": False}]),
        ([1], [1.0, 2], [1, 3], [1, 3, 2]),
    ],
)
def test_lists_are_merged_with_flags_told_from_numbers(base: Any, mine: Any, theirs: Any, merged: Any) -> None:
    assert repr(merged_list(base, mine, theirs)) == repr(merged)
