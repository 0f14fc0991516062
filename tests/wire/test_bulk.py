"""Bulk upserts against the emulator's own logic, without a network: chunks, outcomes, bad weather."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from planhat_orm import BulkError, ValidationError
from planhat_orm.http.effects import Request, Response, Unanswered
from planhat_orm.wire import bulk_rows, bulk_sender
from planhat_orm.wire.bulk import upsert
from planhat_orm.wire.bulk_sender import BulkAnswer
from planhat_orm.wire.outcomes import ERROR_LISTS, Outcome
from planhat_orm.wire.resources import resource

from .direct import Direct, lost_after, lost_before, status, times

COMPANY = resource("company")
Rows = list[dict[str, Any]]


def companies(count: int, start: int = 0) -> Rows:
    return [{"externalId": f"c-{n}", "name": f"Company {n}"} for n in range(start, start + count)]


def statuses(answer: BulkAnswer) -> list[str]:
    return [outcome.status for outcome in answer.outcomes]


def only_external(direct: Direct) -> list[str]:
    return sorted(str(record.get("externalId")) for record in direct.store.all("company"))


# --- chunks -----------------------------------------------------------------------------------------------------


def test_rows_leave_in_chunks_one_after_another_and_each_has_an_outcome() -> None:
    direct = Direct()
    answer = direct.run(upsert(COMPANY, companies(25), chunk_size=10))
    assert statuses(answer) == ["created"] * 25
    assert [outcome.index for outcome in answer.outcomes] == list(range(25))
    assert [len(body) for body in direct.bodies()] == [10, 10, 5]
    assert answer.requests == 3
    ids = {record["externalId"]: record["_id"] for record in direct.store.all("company")}
    assert [outcome.id for outcome in answer.outcomes] == [ids[f"c-{n}"] for n in range(25)]
    assert answer.summed["created"] == 25
    assert len(answer.summed["insertsKeys"]) == 25


def test_a_generator_is_read_a_chunk_at_a_time() -> None:
    direct = Direct()
    taken: list[int] = []
    sent_before: list[int] = []

    def rows() -> Any:
        for row in companies(30):
            taken.append(1)
            sent_before.append(direct.count("PUT"))
            yield row

    assert statuses(direct.run(upsert(COMPANY, rows(), chunk_size=10))) == ["created"] * 30
    assert sent_before == [0] * 10 + [1] * 10 + [2] * 10


def test_a_generator_that_fails_midway_leaves_the_outcomes_of_what_was_sent() -> None:
    direct = Direct()

    def rows() -> Any:
        yield from companies(15)
        raise KeyError("m@rker")

    with pytest.raises(BulkError, match="KeyError after 10 of them") as raised:
        direct.run(upsert(COMPANY, rows(), chunk_size=10))
    assert statuses(raised.value.result) == ["created"] * 10
    assert "m@rker" not in str(raised.value)
    with pytest.raises(KeyError):
        direct.run(upsert(COMPANY, rows(), chunk_size=20))


def test_bodies_stay_below_the_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_rows, "MAX_BYTES", 2000)
    direct = Direct()
    rows = companies(60)
    rows[30]["name"] = "x" * 5000  # too large for any request, so it goes alone
    assert statuses(direct.run(upsert(COMPANY, rows))) == ["created"] * 60
    sizes = [len(attempt.body) for attempt in direct.tries]  # type: ignore[arg-type]
    assert sum(size > 2000 for size in sizes) == 1
    assert len(sizes) <= 4


@pytest.mark.parametrize("size", [0, -1, 5001, 2.5, "10", True, None])
def test_an_impossible_chunk_size_is_refused_before_anything_is_sent(size: Any) -> None:
    direct = Direct()
    with pytest.raises(ValidationError, match="chunk_size"):
        direct.run(upsert(COMPANY, companies(3), chunk_size=size))
    assert direct.tries == []


def test_a_list_that_holds_more_than_dicts_is_refused_before_anything_is_sent() -> None:
    direct = Direct()
    with pytest.raises(ValidationError, match="takes dicts, not str"):
        direct.run(upsert(COMPANY, [*companies(30), "m@rker"], chunk_size=10))  # type: ignore[list-item]
    assert direct.tries == []
    with pytest.raises(BulkError) as raised:
        direct.run(upsert(COMPANY, iter([*companies(30), 7]), chunk_size=10))  # type: ignore[arg-type]
    assert statuses(raised.value.result) == ["created"] * 30


def test_no_rows_make_no_request() -> None:
    direct = Direct()
    assert direct.run(upsert(COMPANY, [])).outcomes == []
    assert direct.tries == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}.pop, object()])
def test_a_row_that_is_no_json_fails_alone(value: Any) -> None:
    direct = Direct()
    rows = companies(3)
    rows[1]["custom"] = {"Score": [value]}
    answer = direct.run(upsert(COMPANY, rows))
    assert statuses(answer) == ["created", "failed", "created"]
    assert "cannot be sent as JSON" in answer.outcomes[1].error
    assert only_external(direct) == ["c-0", "c-2"]


# --- what the server says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_item", ["object", "string", "indexed"])
@pytest.mark.parametrize("bulk_errors", ["partial", "whole"])
def test_bad_rows_are_named_and_the_others_stored(error_item: str, bulk_errors: str) -> None:
    direct = Direct(error_item=error_item, bulk_errors=bulk_errors)
    rows = companies(200)
    for place in (3, 77, 78, 199):
        rows[place]["name"] = ""
    rows[100]["phase"] = "Live"
    direct.store.insert("company", {"externalId": "c-100", "name": "Company 100", "phase": "Trial"})
    direct.store.insert("company", {"externalId": "c-101", "name": "Company 101"})
    answer = direct.run(upsert(COMPANY, rows))
    assert {place for place, outcome in enumerate(answer.outcomes) if outcome.status == "failed"} == {3, 77, 78, 199}
    assert all("name required" in answer.outcomes[place].error for place in (3, 77, 78, 199))
    assert answer.outcomes[100].status in ("updated", "unchanged")
    assert answer.outcomes[101].status == "unchanged"
    assert len(direct.store.all("company")) == 196
    assert answer.requests == direct.count("PUT") <= 60
    assert sum(len(answer.summed[name]) for name in ERROR_LISTS) == 4


@pytest.mark.parametrize("error_item", ["object", "string", "indexed"])
@pytest.mark.parametrize("bulk_errors", ["partial", "whole"])
def test_a_file_of_bad_rows_stays_cheap(error_item: str, bulk_errors: str) -> None:
    direct = Direct(error_item=error_item, bulk_errors=bulk_errors)
    rows = [{"externalId": f"c-{n}"} for n in range(3000)]
    answer = direct.run(upsert(COMPANY, rows))
    assert statuses(answer) == ["failed"] * 3000
    assert all("name required" in outcome.error for outcome in answer.outcomes)
    assert direct.count("PUT") == 1


def test_looking_for_the_bad_among_rows_that_are_refused_as_one_is_bounded() -> None:
    direct = Direct()
    direct.weather = status(400, b"m@rker is wrong")
    answer = direct.run(upsert(COMPANY, companies(3000)))
    assert statuses(answer) == ["failed"] * 3000
    assert all("m@rker is wrong" in outcome.error for outcome in answer.outcomes)
    assert direct.count("PUT") <= bulk_sender.MAX_EXTRA_REQUESTS + 1


def test_one_bad_row_in_a_chunk_that_is_refused_whole_is_found_by_halving() -> None:
    direct = Direct()

    def refuse(request: Request, work: Callable[[], Response]) -> Response:
        return Response(400, {}, b"c-1234 cannot be") if b'"c-1234"' in (request.body or b"") else work()

    direct.weather = refuse
    answer = direct.run(upsert(COMPANY, companies(5000)))
    assert [outcome.index for outcome in answer.outcomes if outcome.status != "created"] == [1234]
    assert answer.outcomes[1234].error == "c-1234 cannot be"
    assert direct.count("PUT") <= 2 * 13 + 1


def test_messages_with_numbers_are_not_mistaken_for_rows() -> None:
    """`at most 100 characters` is not about the row 100, and the bad row is not reported as stored."""
    direct = Direct(error_item="string")
    rows = [{"externalId": str(n), "name": "Acme"} for n in range(200)]
    direct.run(upsert(COMPANY, rows))
    direct.store.refusals["company"] = [lambda row: "at most 100 characters" if row["externalId"] == "7" else None]
    answer = direct.run(upsert(COMPANY, rows))
    assert [outcome.index for outcome in answer.outcomes if outcome.status == "failed"] == [7]


def test_different_messages_reach_the_rows_they_are_about() -> None:
    direct = Direct(error_item="string")
    direct.store.refusals["company"] = [lambda row: f"no {row['name']}" if row["name"] in "pqr" else None]
    rows = [{"externalId": f"c-{n}", "name": name} for n, name in enumerate("apbqcr")]
    answer = direct.run(upsert(COMPANY, rows))
    assert [outcome.error for outcome in answer.outcomes] == ["", "no p", "", "no q", "", "no r"]


def test_all_statuses_of_a_bulk_answer_are_read_alike() -> None:
    for code in (200, 206, 400, 403):
        direct = Direct()
        direct.store.insert("company", companies(4)[3])
        direct.store.refusals["company"] = [lambda row: "no" if row["externalId"] == "c-1" else None]
        body = msgspec.json.encode(
            {
                "created": 1, "insertsKeys": [{"_id": "new", "externalId": "c-2"}], "updated": 1, "nonupdates": 1,
                "updatesKeys": [{"_id": "old", "externalId": "c-0"}],
                "updatedErrors": [{"externalId": "c-1", "message": "no"}],
            }
        )  # fmt: skip
        direct.weather = times(1, status(code, body))
        answer = direct.run(upsert(COMPANY, companies(4)))
        assert statuses(answer) == ["updated", "failed", "created", "unchanged"], code
        assert direct.count("PUT") == 3


def test_a_permission_error_fails_its_rows_with_the_servers_word() -> None:
    for name in ("object", "string", "indexed"):
        direct = Direct(error_item=name)
        direct.store.forbidden["company", "write"] = 403
        answer = direct.run(upsert(COMPANY, companies(30), chunk_size=10))
        assert statuses(answer) == ["failed"] * 30
        assert {outcome.error for outcome in answer.outcomes} == {"Forbidden"}
        assert direct.count("PUT") == 3


@pytest.mark.parametrize(("code", "word"), [(401, "Unauthorized"), (404, "Not found")])
def test_after_a_refusal_of_everything_nothing_more_is_sent(code: int, word: str) -> None:
    direct = Direct()
    direct.weather = status(code, word.encode())
    answer = direct.run(upsert(COMPANY, companies(50), chunk_size=10))
    assert statuses(answer) == ["failed"] * 50
    assert answer.outcomes[0].error == word
    assert "Not sent" in answer.outcomes[49].error
    assert direct.count("PUT") == 1


def test_an_endless_rate_limit_fails_the_rows_because_none_was_stored() -> None:
    direct = Direct()
    direct.weather = times(10_000, status(429), after=1)
    answer = direct.run(upsert(COMPANY, companies(30), chunk_size=10))
    assert statuses(answer) == ["created"] * 10 + ["failed"] * 20


def test_rows_the_server_ignores_are_dropped_with_the_likely_reason() -> None:
    direct = Direct()
    direct.store.insert("company", {"externalId": "a", "name": "Acme"})
    rows = [
        {"sourceId": "t-1", "email": "ada@acme.example", "companyId": "extid-a", "subject": "Help"},
        {"sourceId": "t-2", "companyId": "extid-a", "subject": "Nobody asks"},
        {"sourceId": "t-3", "email": "", "companyId": "extid-a", "subject": "Nobody asks"},
    ]
    answer = direct.run(upsert(resource("ticket"), rows))
    assert statuses(answer) == ["created", "dropped", "dropped"]
    assert "without an email" in answer.outcomes[1].error
    again = direct.run(upsert(resource("ticket"), rows))
    assert [outcome.status for outcome in again.outcomes[1:]] == ["dropped", "dropped"]
    assert again.outcomes[0].status == "unchanged"


def test_a_contact_without_a_company_is_dropped_for_that_reason() -> None:
    direct = Direct(enduser_no_domain_match="drop")
    direct.store.insert("company", {"name": "Acme", "domains": ["acme.example"]})
    rows: Rows = [{"email": "ada@acme.example"}, {"email": "bo@elsewhere.example"}]
    answer = direct.run(upsert(resource("enduser"), rows))
    assert statuses(answer) == ["created", "dropped"]
    assert "no company owns the domain" in answer.outcomes[1].error


def test_records_named_without_the_key_they_were_sent_with_are_counted_as_stored() -> None:
    """docs/reference/planhat-api.md section 7: answers for users hold `_id` and email, whatever the row had."""
    direct = Direct()
    answer = {"created": 0, "updated": 2, "updatesKeys": [{"_id": "a"}, {"_id": "b"}], "modified": ["a", "b"]}
    direct.weather = status(200, msgspec.json.encode(answer))
    rows = [{"externalId": "u-1", "firstName": "Ada"}, {"externalId": "u-2", "firstName": "Bo"}]
    assert statuses(direct.run(upsert(resource("user"), rows))) == ["updated", "updated"]


def test_an_answer_without_sense_leaves_keyed_rows_unknown_after_asking_again() -> None:
    direct = Direct()
    direct.weather = status(200, b'{"created": 3}')
    answer = direct.run(upsert(COMPANY, companies(8)))
    assert statuses(answer) == ["unknown"] * 8
    assert direct.count("PUT") == 15


# --- keys -------------------------------------------------------------------------------------------------------


def test_rows_with_one_key_are_merged_and_share_their_outcome() -> None:
    direct = Direct()
    rows = [
        {"externalId": "a", "name": "Acme", "custom": {"Tier": "A", "Size": 1}},
        {"externalId": "b", "name": "Bolt"},
        {"externalId": "a", "phase": "Live", "custom": {"Tier": "B"}},
        {"externalId": "a", "sourceId": "s-a"},
    ]
    answer = direct.run(upsert(COMPANY, rows))  # type: ignore[arg-type]
    assert statuses(answer) == ["created"] * 4
    assert len({answer.outcomes[place].id for place in (0, 2, 3)}) == 1
    (acme,) = (record for record in direct.store.all("company") if record["externalId"] == "a")
    assert (acme["phase"], acme["custom"], acme["sourceId"]) == ("Live", {"Tier": "B", "Size": 1}, "s-a")


@pytest.mark.parametrize(
    "rows",
    [
        [{"externalId": "a", "sourceId": "1", "name": "A"}, {"externalId": "a", "sourceId": "2", "name": "B"}],
        [{"externalId": "a", "name": "A"}, {"sourceId": "1", "name": "B"},
         {"externalId": "a", "sourceId": "1", "name": "C"}],
    ],
)  # fmt: skip
def test_rows_whose_keys_contradict_each_other_are_refused_before_sending(rows: Rows) -> None:
    direct = Direct()
    answer = direct.run(upsert(COMPANY, rows))
    assert statuses(answer) == [*["created"] * (len(rows) - 1), "failed"]
    assert "cannot be one record" in answer.outcomes[-1].error
    assert len(direct.store.all("company")) == len(rows) - 1


@pytest.mark.parametrize("change", [{"tags": {"$add": ["b"]}}, {"custom": {"Products": {"Remove": ["b"]}}}])
def test_two_changes_of_one_array_are_not_merged_into_one(change: dict[str, Any]) -> None:
    direct = Direct()
    first = {"tags": ["a"]} if "tags" in change else {"custom": {"Products": ["a", "b"]}}
    rows: Rows = [{"externalId": "a", "name": "Acme", **first}, {"externalId": "a", **change}]
    answer = direct.run(upsert(COMPANY, rows))
    assert statuses(answer) == ["created", "failed"]
    assert "a batch of its own" in answer.outcomes[1].error
    assert statuses(direct.run(upsert(COMPANY, rows[1:]))) == ["updated"]
    (acme,) = direct.store.all("company")
    assert acme["tags"] == ["a", "b"] if "tags" in change else acme["custom"] == {"Products": ["a"]}


def test_odd_custom_values_in_rows_with_one_key_do_no_harm() -> None:
    direct = Direct()
    rows = [{"externalId": "a", "name": "A", "custom": "odd"}, {"externalId": "a", "custom": {"Tier": "A"}}]
    assert statuses(direct.run(upsert(COMPANY, rows))) == ["created", "created"]  # type: ignore[arg-type]


@pytest.mark.parametrize("duplicate_keys", ["refuse", "item"])
def test_rows_whose_keys_differ_only_for_us_are_settled_all_the_same(duplicate_keys: str) -> None:
    """The server compares emails with case, so it sees two records where we see one, or the reverse."""
    direct = Direct(duplicate_keys=duplicate_keys)
    company = direct.store.insert("company", {"name": "Acme"})["_id"]
    rows = [{"email": mail, "companyId": company} for mail in ("ada@acme.example", "ADA@acme.example", "bo@x.example")]
    answer = direct.run(upsert(resource("enduser"), rows))
    assert statuses(answer) == ["created"] * 3


# --- lost answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weather", [lost_before, lost_after, status(500), status(502), status(429), status(200, b"<")])
@pytest.mark.parametrize("tries", [1, 3])
def test_a_chunk_of_keyed_rows_survives_bad_weather(weather: Any, tries: int) -> None:
    direct = Direct()
    direct.weather = times(tries, weather, after=1)
    answer = direct.run(upsert(COMPANY, companies(30), chunk_size=10))
    assert {outcome.status for outcome in answer.outcomes} <= {"created", "unchanged"}
    assert only_external(direct) == sorted(f"c-{n}" for n in range(30))


def test_five_chunks_of_which_the_third_is_refused_and_the_fourth_reset() -> None:
    direct = Direct()
    seen = 0

    def weather(request: Request, work: Callable[[], Response]) -> Response:
        nonlocal seen
        seen += 1
        first = msgspec.json.decode(request.body or b"")[0]["externalId"]
        if first == "c-200" and seen == 3:
            return Response(400, {}, b"Bad request")
        if first.startswith("c-3"):
            work()
            raise Unanswered("the connection broke", sent=True)
        return work()

    direct.weather = weather
    answer = direct.run(upsert(COMPANY, companies(500), chunk_size=100))
    assert len(answer.outcomes) == 500
    assert statuses(answer) == ["created"] * 300 + ["unknown"] * 100 + ["created"] * 100
    assert only_external(direct) == sorted(f"c-{n}" for n in range(500))


@pytest.mark.parametrize(
    ("weather", "then"), [(lost_after, "unknown"), (lost_before, "unknown"), (status(500), "unknown")]
)
def test_a_chunk_whose_answer_stays_lost_is_unknown_and_the_later_ones_go(weather: Any, then: str) -> None:
    direct = Direct()
    direct.weather = lambda request, work: weather(request, work) if b'"c-1' in (request.body or b"") else work()
    answer = direct.run(upsert(COMPANY, companies(30, start=10)[::-1], chunk_size=10))
    assert statuses(answer) == ["created"] * 20 + [then] * 10
    answer = direct.run(upsert(COMPANY, companies(30, start=10), chunk_size=10))
    assert statuses(answer) == [then] * 10 + ["unchanged"] * 20


@pytest.mark.parametrize("weather", [status(500), status(502), lost_before, lost_after, status(200, b"<html>")])
@pytest.mark.parametrize("bad", [{"c-234"}, {"c-7", "c-234", "c-499"}])
def test_the_rows_that_a_server_fails_on_are_found_and_the_others_stored(weather: Any, bad: set[str]) -> None:
    direct = Direct()

    def fail(request: Request, work: Callable[[], Response]) -> Response:
        body = request.body or b""
        return weather(request, work) if any(f'"{key}"'.encode() in body for key in bad) else work()

    direct.weather = fail
    rows = companies(600)
    answer = direct.run(upsert(COMPANY, rows, chunk_size=500))
    assert {rows[outcome.index]["externalId"] for outcome in answer.outcomes if outcome.status == "unknown"} == bad
    assert {outcome.status for outcome in answer.outcomes} <= {"created", "unchanged", "unknown"}
    assert set(only_external(direct)) >= {row["externalId"] for row in rows} - bad
    assert answer.requests <= 2 + 18 * len(bad)


@pytest.mark.parametrize("weather", [status(500), lost_before])
def test_a_server_that_fails_on_everything_is_not_asked_much(weather: Any) -> None:
    direct = Direct()
    direct.weather = weather
    answer = direct.run(upsert(COMPANY, companies(3000), chunk_size=300))
    assert statuses(answer) == ["unknown"] * 3000
    assert answer.requests <= 10 + 7


@pytest.mark.parametrize("weather", [lost_after, status(500), status(200, b"<html>")])
@pytest.mark.parametrize("tags", [{"$add": ["b"]}, {"Append": ["b"]}, {"push": ["b"]}])
def test_a_row_that_adds_to_an_array_is_sent_once(weather: Any, tags: dict[str, Any]) -> None:
    direct = Direct()
    direct.run(upsert(COMPANY, companies(3)))
    direct.tries.clear()
    direct.weather = times(1, weather, after=1)
    rows: Rows = [{"externalId": "c-0", "phase": "Live"}, {"externalId": "c-1", "tags": tags},
                  {"externalId": "c-2", "custom": {"Products": tags}}]  # fmt: skip
    answer = direct.run(upsert(COMPANY, rows))
    assert statuses(answer) == ["updated", "unknown", "unknown"]
    assert [len(body) for body in direct.bodies()] == [1, 2]
    assert statuses(direct.run(upsert(COMPANY, [{"externalId": "c-0", "tags": {"$remove": ["b"]}}]))) == ["unchanged"]


def test_an_answer_that_does_not_count_what_was_equal_leaves_it_unknown_and_not_dropped() -> None:
    direct = Direct()
    direct.weather = status(200, b'{"created": 0, "updated": 0, "createdErrors": []}')
    assert statuses(direct.run(upsert(COMPANY, companies(8)))) == ["unknown"] * 8
    assert direct.count("PUT") == 1


def test_a_permission_error_of_one_row_does_not_fail_the_others() -> None:
    direct = Direct()
    body = msgspec.json.encode({"permissionErrors": [{"externalId": "c-1", "message": "Forbidden"}]})
    direct.store.refusals["company"] = [lambda row: "Forbidden" if row["externalId"] == "c-1" else None]
    direct.weather = times(1, status(403, body))
    answer = direct.run(upsert(COMPANY, companies(4)))
    assert statuses(answer) == ["created", "failed", "created", "created"]


def test_a_server_that_dies_after_taking_a_chunk_leaves_it_unknown_not_failed() -> None:
    direct = Direct()

    def weather(request: Request, work: Callable[[], Response]) -> Response:
        if len(direct.tries) == 1:
            work()
            raise Unanswered("the connection broke", sent=True)
        raise Unanswered("nothing listens", sent=False, kind="refused")

    direct.weather = weather
    answer = direct.run(upsert(COMPANY, companies(10), chunk_size=5))
    assert statuses(answer) == ["unknown"] * 5 + ["failed"] * 5


def test_a_refusal_after_a_lost_answer_leaves_the_chunk_unknown() -> None:
    for code in (401, 403, 404):
        direct = Direct()
        direct.weather = lambda request, work, code=code, direct=direct: (  # type: ignore[misc]
            lost_after(request, work) if len(direct.tries) == 1 else Response(code, {}, b"no")
        )
        assert statuses(direct.run(upsert(COMPANY, companies(5)))) == ["unknown"] * 5


# --- any answer at all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(150))
def test_every_row_has_one_outcome_and_no_success_is_claimed_that_the_server_does_not_hold(seed: int) -> None:
    """Random rows, switches and weather; what is reported is compared with what is stored."""
    rng = random.Random(seed)
    direct = Direct(
        error_item=rng.choice(["object", "string", "indexed"]),
        bulk_errors=rng.choice(["partial", "whole"]),
        duplicate_keys=rng.choice(["refuse", "item"]),
        key_priority="any",
    )
    for number in range(0, 40, 3):
        direct.store.insert("company", {"externalId": f"c-{number}", "name": rng.choice(["old", f"new {number}"])})
    rows: Rows = []
    for number in range(rng.randint(1, 40)):
        row: dict[str, Any] = {"externalId": f"c-{rng.choice([number, number, number, 5])}", "name": f"new {number}"}
        row |= rng.choice([{}, {}, {"name": ""}, {"sourceId": f"s-{number}"}, {"owner": "nobody"}])
        rows.append(row)
    bad = {f"c-{rng.randint(0, 40)}" for _ in range(rng.randint(0, 4))}
    direct.store.refusals["company"] = [lambda row: "refused 'c-1' of 5" if row.get("externalId") in bad else None]
    plan = [
        rng.choice([None, None, None, lost_after, lost_before, status(500), status(429), status(400)])
        for _ in range(60)
    ]
    direct.weather = lambda request, work: (
        plan.pop()(request, work) if plan and plan[-1] else (plan and plan.pop(), work())[1]  # type: ignore[misc]
    )
    answer = direct.run(upsert(COMPANY, rows, chunk_size=rng.choice([1, 7, 5000])))
    assert [outcome.index for outcome in answer.outcomes] == list(range(len(rows)))
    stored = {record["externalId"]: record for record in direct.store.all("company") if record.get("externalId")}
    assert len(stored) == len([record for record in direct.store.all("company") if record.get("externalId")])
    last = {row["externalId"]: number for number, row in enumerate(rows)}
    for row, outcome in zip(rows, answer.outcomes, strict=True):
        key = row["externalId"]
        if outcome.status in ("created", "updated", "unchanged"):
            assert key in stored, (seed, row, outcome)
            if last[key] == outcome.index and row["name"]:
                assert stored[key]["name"] == row["name"], (seed, row, outcome)
        if key in bad:
            assert outcome.status in ("failed", "unknown"), (seed, row, outcome)
            assert isinstance(outcome, Outcome)
