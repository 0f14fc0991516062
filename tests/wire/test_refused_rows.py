"""Which rows of a body the analytics host refused, in every shape that its errors may have."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm.wire.refused_rows import refused_rows

ROWS = [{"dimensionId": "d", "externalId": key, "value": 1} for key in ("a", "b", "b", 3)]


@pytest.mark.parametrize(
    ("errors", "refused", "doubtful"),
    [
        ([], [], []),
        (None, [], []),
        ([{"index": 1, "message": "no"}], [1], []),
        ([{"index": 9, "message": "no"}], [], [0, 1, 2, 3]),
        ([{"index": True, "message": "no"}], [], [0, 1, 2, 3]),
        ([{"message": "no", "item": ROWS[0]}], [0], []),
        ([{"message": "no", "dimensionId": "d", "externalId": "3"}], [3], []),
        ([{"message": "no", "externalId": "b"}], [], [1, 2]),
        ([{"message": "no", "externalId": "b"}] * 2, [1, 2], []),
        ([{"message": "no", "externalId": "other"}], [], [0, 1, 2, 3]),
        (["no"], [], [0, 1, 2, 3]),
        (["no"] * 4, [0, 1, 2, 3], []),
        ([{"index": 0}, "no"], [0], [1, 2, 3]),
        ([7, None, {"index": 0}], [0], [1, 2, 3]),
    ],
)
def test_an_error_names_a_row_or_leaves_it_open(errors: Any, refused: list[int], doubtful: list[int]) -> None:
    found = refused_rows(ROWS, {"processed": 0, "errors": errors})
    assert (sorted(found.errors), sorted(found.doubtful)) == (refused, doubtful)
    assert all(isinstance(error, str) for error in found.errors.values())
