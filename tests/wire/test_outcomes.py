"""An answer read against its rows: by key, whatever the order and the shape of its items."""

from __future__ import annotations

import random
from typing import Any

import pytest

from planhat_orm.wire.outcomes import Reading, message, read
from planhat_orm.wire.resources import resource

COMPANY = resource("company")
ROWS = [{"externalId": f"row-{number}", "name": "x"} for number in range(6)]


def statuses(reading: Reading) -> dict[int, str]:
    return {place: outcome.status for place, outcome in sorted(reading.outcomes.items())}


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_told_by_key_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    rows = [{"externalId": f"row-{number}"} for number in range(40)]
    kinds = {number: rng.choice(["created", "updated", "failed", "open"]) for number in range(40)}
    answer: dict[str, Any] = {
        "created": sum(kind == "created" for kind in kinds.values()),
        "insertsKeys": [{"_id": f"id-{n}", "externalId": f"row-{n}"} for n, kind in kinds.items() if kind == "created"],
        "updated": sum(kind == "updated" for kind in kinds.values()),
        "updatesKeys": [{"_id": f"id-{n}", "externalId": f"row-{n}"} for n, kind in kinds.items() if kind == "updated"],
        "createdErrors": [
            {"message": f"no {n}", "externalId": f"row-{n}"} for n, kind in kinds.items() if kind == "failed"
        ],
    }
    for value in answer.values():
        if isinstance(value, list):
            rng.shuffle(value)
    reading = read(COMPANY, rows, answer)
    assert statuses(reading) == {n: kind for n, kind in kinds.items() if kind not in ("open", "failed")}
    assert reading.open == [n for n, kind in kinds.items() if kind in ("open", "failed")]
    assert all(outcome.id == f"id-{n}" for n, outcome in reading.outcomes.items())
    assert reading.suspects == {n: [f"no {n}"] for n, kind in kinds.items() if kind == "failed"}


@pytest.mark.parametrize(
    "item",
    [
        {"message": "no", "externalId": "row-3"},
        {"error": "no", "index": 3},
        {"reason": "no", "item": {"externalId": "row-3", "name": "x"}},
        {"errmsg": 'E11000 duplicate key: { externalId: "row-3" }'},
        "row 'row-3' is bad",
        {"message": "no", "_id": None, "externalId": "row-3"},
    ],
)
def test_a_row_that_an_error_seems_to_speak_of_is_suspected_and_no_more(item: Any) -> None:
    for name in ("createdErrors", "updatedErrors", "permissionErrors", "validationErrors"):
        reading = read(COMPANY, ROWS, {name: [item]})
        assert reading.suspects == {3: [message(item)]}
        assert (reading.outcomes, len(reading.open), reading.errors) == ({}, 6, [message(item)])


def test_a_record_that_is_made_of_a_row_with_another_id_is_a_fragment_and_no_success() -> None:
    rows = [{"_id": "gone", "externalId": "a"}, {"_id": "kept", "externalId": "b"}]
    inserted = [{"_id": "new", "externalId": "a"}, {"_id": "kept", "externalId": "b"}]
    reading = read(COMPANY, rows, {"created": 2, "insertsKeys": inserted})
    assert statuses(reading) == {0: "failed", 1: "created"}
    assert reading.outcomes[0].id == "gone" and "new" in reading.outcomes[0].error


def test_an_entry_with_keys_of_two_rows_names_neither() -> None:
    reading = read(
        COMPANY, [{"externalId": "a"}, {"sourceId": "s"}], {"updatesKeys": [{"externalId": "a", "sourceId": "s"}]}
    )
    assert reading.outcomes == {}


@pytest.mark.parametrize(
    "item",
    ["name required", "at most 100 characters", {"message": "required"}, {"index": 77}, {"index": True}, None, 7]
)  # fmt: skip
def test_a_message_that_names_no_row_is_kept_as_one(item: Any) -> None:
    rows = [{"externalId": "100"}, {"externalId": "name"}, {"externalId": "required"}]
    reading = read(COMPANY, rows, {"createdErrors": [item]})
    assert (reading.outcomes, reading.suspects) == ({}, {})
    assert reading.errors == [message(item)]


def test_a_record_named_by_id_among_texts_is_found() -> None:
    rows = [{"_id": "65f0c1a2b3d4e5f6070010ff", "name": "x"}, {"_id": "65f0c1a2b3d4e5f607001000", "name": "x"}]
    reading = read(COMPANY, rows, {"updatedErrors": ["cannot cast 65f0c1a2b3d4e5f607001000"]})
    assert list(reading.suspects) == [1]


def test_keys_of_another_record_inside_an_error_are_not_taken_for_a_row() -> None:
    item = {"message": "wrong company", "company": {"externalId": "row-2"}}
    assert read(COMPANY, ROWS, {"createdErrors": [item]}).suspects == {}


def test_numbers_and_emails_are_keys_as_the_server_writes_them() -> None:
    rows = [{"externalId": 1234}, {"email": "Ada@Acme.example"}]
    answer = {"insertsKeys": [{"_id": "b", "email": "ada@acme.example"}, {"_id": "a", "externalId": "1234"}]}
    reading = read(resource("enduser"), rows, answer)  # type: ignore[arg-type]
    assert {place: outcome.id for place, outcome in reading.outcomes.items()} == {0: "a", 1: "b"}


def test_what_is_counted_but_not_named_is_counted() -> None:
    answer = {
        "created": 2, "insertsKeys": [{"_id": "a", "externalId": "row-0"}, "b"], "upsertedIds": ["a", "b"],
        "updated": 1, "updatesKeys": [{"_id": "c"}], "nonupdates": 2, "createdErrors": None,
    }  # fmt: skip
    reading = read(COMPANY, ROWS, answer)
    assert statuses(reading) == {0: "created"}
    assert (reading.created_unnamed, reading.updated_unnamed, reading.unchanged) == (1, 1, 2)
    assert reading.updated_ids == ["c"]
    assert reading.created_ids == ["b"]
    assert reading.stored


def test_older_answers_name_changed_records_by_id_only() -> None:
    rows = [{"_id": "a", "name": "x"}, {"_id": "b", "name": "x"}]
    reading = read(COMPANY, rows, {"updated": 1, "modified": ["b"], "nonupdates": 1})
    assert statuses(reading) == {1: "updated"}
    assert (reading.open, reading.unchanged) == ([0], 1)


@pytest.mark.parametrize("answer", [{}, {"created": True}, {"created": "3"}, {"insertsKeys": [None, 7, []]}])
def test_an_answer_without_sense_tells_nothing(answer: dict[str, Any]) -> None:
    reading = read(COMPANY, ROWS, answer)
    assert reading.outcomes == {}
    assert not reading.stored
    assert len(reading.open) == 6
