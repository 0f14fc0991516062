"""Records and the rows they were made of, where no key tells."""

from __future__ import annotations

import random

import pytest

from planhat_orm.wire.content_match import pair, resembles
from planhat_orm.wire.resources import resource

TASK = resource("task")


@pytest.mark.parametrize(
    ("record", "sent", "same"),
    [
        ({"action": "Call"}, {"action": "Call"}, True),
        ({"action": "Call"}, {"action": "Write"}, False),
        ({"action": "Call", "_id": "1", "status": "x"}, {"action": "Call"}, True),
        ({"action": "Call", "companyId": "5f1"}, {"action": "Call", "companyId": "extid-7"}, True),
        ({"action": "Call", "companyId": "5f1"}, {"action": "Call", "companyId": "5f2"}, False),
        ({"action": "Call", "startTime": "2026-06-01T00:00:00.000Z"}, {"startTime": "2026-06-01"}, True),
        ({"startTime": "2026-06-01T07:00:00.000Z"}, {"startTime": "2026-06-01T09:00:00+02:00"}, True),
        ({"startTime": "2026-06-01T09:00:00.000Z"}, {"startTime": "2026-06-01T09:00:00+02:00"}, False),
        ({"startTime": "2026-06-02T00:00:00.000Z"}, {"startTime": "2026-06-01"}, False),
        ({"action": "3M"}, {"action": "4M"}, False),
        ({}, {"action": "Call"}, False),
        ({"action": "Call"}, {}, False),
        ({"not_processed": 1}, {"not_processed": 1}, False),
        ({"companyId": {"_id": "5f1"}}, {"companyId": "5f1"}, True),
    ],
)
def test_what_comes_back_of_what_was_sent_decides(record: dict, sent: dict, same: bool) -> None:  # type: ignore[type-arg]
    assert resembles(record, sent, TASK) is same


@pytest.mark.parametrize("seed", range(50))
def test_no_record_is_given_to_a_row_it_was_not_made_of(seed: int) -> None:
    rng = random.Random(seed)
    rows = [
        {name: rng.choice(["x", "y", 1, 2]) for name in ("action", "type", "status", "ownerId") if rng.random() < 0.7}
        for _ in range(12)
    ]
    records = [{"_id": str(place), "action": "", "type": "", **row} for place, row in enumerate(rows)]
    rng.shuffle(records)
    for place, id in pair(records, rows, TASK).items():
        assert rows[int(id)] == rows[place]
