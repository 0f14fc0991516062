"""Whatever a server answers: an error of ours, in time, and no write twice that must not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BadAnswer, Enduser, Planhat, PlanhatError
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry

from . import answers, table
from .server import Answer, Asked, HostileServer, Step, always, respond
from .table import LIMIT, TENANT, TOKEN, Case, Seen

EVERY = [case.name for case in table.cases()]
MOST_SECONDS = 30.0
"""Seconds after which a call counts as one that hangs, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def seen() -> tuple[Seen, ...]:
    return table.seen()


def test_every_call_ends_in_time_with_an_error_of_ours_or_an_answer(seen: tuple[Seen, ...]) -> None:
    for outcome in seen:
        assert outcome.seconds < MOST_SECONDS, f"{outcome.case.name}, {outcome.call}: {outcome.seconds:.0f} s"
        assert isinstance(outcome.error, PlanhatError) or outcome.error is None


def test_the_page_in_the_reference_says_what_was_seen(seen: tuple[Seen, ...]) -> None:
    table.part_of_the_page(1, table.section())


def test_no_name_is_used_twice() -> None:
    assert len(set(EVERY)) == len(EVERY)


@pytest.mark.parametrize("group", ["Too slow", "Too much", "Broken HTTP"])
def test_what_is_no_answer_is_never_a_success_but_where_it_is_complete(seen: tuple[Seen, ...], group: str) -> None:
    complete = ("more body than it says", "no length, and closed", "a length and chunks")
    for outcome in seen:
        if outcome.case.group == group and outcome.case.name not in complete:
            assert outcome.told not in ("success", "created", "updated", "unchanged", "dropped"), outcome


def test_what_is_too_much_is_not_asked_for_again(seen: tuple[Seen, ...]) -> None:
    for outcome in seen:
        if outcome.case.name in ("a gzip bomb", "a body for ever", "chunks for ever", "gzip in gzip"):
            assert outcome.sent <= 2, f"{outcome.case.name}, {outcome.call}: sent {outcome.sent} times"


def test_what_has_no_key_is_sent_once(seen: tuple[Seen, ...]) -> None:
    for outcome in seen:
        if outcome.call == "metrics" and not outcome.case.name.startswith("429"):
            assert outcome.sent == 1, f"{outcome.case.name}: sent {outcome.sent} times"


def test_headers_that_make_no_sense_change_no_result(seen: tuple[Seen, ...]) -> None:
    for outcome in seen:
        if outcome.case.group.startswith("Headers") and outcome.call != "list":
            assert outcome.told in ("success", "created"), outcome


def test_no_record_is_lost_without_a_word(seen: tuple[Seen, ...]) -> None:
    told = {outcome.case.name: outcome for outcome in seen if outcome.case.group == "Lists"}
    assert [row["_id"] for row in told["a record twice"].value] == ["a"]
    assert [row["_id"] for row in told["no order"].value] == ["a", "b", "c"]
    assert told["half of an emoji"].value == [{"_id": "a", "name": "cut \ufffd"}]
    assert told["a byte order mark"].value == [{"_id": "a"}]
    for name in answers.LISTS:
        if name.startswith(("two", "one record")):
            assert told[name].told == "BadAnswer", name


def test_no_token_shows_in_any_error(seen: tuple[Seen, ...]) -> None:
    for outcome in seen:
        text = f"{outcome.error} {outcome.error!r} {vars(outcome.error) if outcome.error else ''}"
        assert TOKEN not in text
        assert TENANT not in text


@pytest.mark.parametrize(
    "case", [case for case in table.cases() if case.group in ("Too much", "Broken HTTP")], ids=lambda case: case.name
)
def test_tasks_get_what_threads_get(seen: tuple[Seen, ...], case: Case) -> None:
    threads = next(outcome for outcome in seen if outcome.case.name == case.name and outcome.call == "get")
    assert asyncio.run(_in_a_task(case.answer, Clock(50), Retry(attempts=3, floor=0.01, deadline=30))) == threads.told


def test_a_task_is_bounded_by_the_deadline_as_a_thread_is() -> None:
    told = asyncio.run(_in_a_task(answers.SLOW["a byte now and then"], Clock(), Retry(deadline=0.5)))
    assert told == "ConnectionFailed (deadline)"


async def _in_a_task(answer: Answer, clock: Clock, retry: Retry) -> str:
    case = Case("", "", answer)
    with HostileServer(answer) as server:
        planhat = Planhat(TOKEN, TENANT, api_url=server.url, retry=retry, clock=clock, timeout=10, max_answer=LIMIT)
        error: BaseException | None = None
        value: Any = None
        async with planhat:
            try:
                value = await planhat.company.aget_by_id(answers.ID)
            except PlanhatError as failure:
                error = failure
        return Seen(case, "get", error, value, 0.0, planhat.calls).told


def _with_another_behind(asked: Asked) -> Iterator[Step]:
    yield respond(b'["%b"]' % asked.target.rpartition("=")[2].encode() + respond(b'["forged"]'), length=11)


@pytest.mark.parametrize("in_tasks", [False, True])
def test_what_comes_behind_an_answer_is_not_taken_for_the_next_one(in_tasks: bool) -> None:
    """A length that is wrong by one must not shift all answers of the connection by one."""

    async def in_a_task(planhat: Planhat) -> list[Any]:
        async with planhat:
            return [(await planhat.arequest("GET", "/x", params={"a": f"number{n}"})).data for n in range(4)]

    with HostileServer(_with_another_behind) as server:
        planhat = Planhat(TOKEN, api_url=server.url)
        if in_tasks:
            got = asyncio.run(in_a_task(planhat))
        else:
            with planhat:
                got = [planhat.request("GET", "/x", params={"a": f"number{n}"}).data for n in range(4)]
        assert got == [["number0"], ["number1"], ["number2"], ["number3"]]
        assert server.connections == 4


@pytest.mark.parametrize("in_tasks", [False, True])
def test_a_good_connection_is_used_again(in_tasks: bool) -> None:
    async def in_a_task(planhat: Planhat) -> None:
        async with planhat:
            for _ in range(5):
                await planhat.arequest("GET", "/x")

    with HostileServer(always(respond(b"[]"))) as server:
        planhat = Planhat(TOKEN, api_url=server.url)
        if in_tasks:
            asyncio.run(in_a_task(planhat))
        else:
            with planhat:
                for _ in range(5):
                    planhat.request("GET", "/x")
        assert (server.connections, len(server.asked)) == (1, 5)


def test_a_gzip_bomb_is_not_unpacked_to_know_by_how_much_it_is_too_long() -> None:
    with HostileServer(answers.ENDLESS["a gzip bomb"]) as server:
        planhat = Planhat(TOKEN, api_url=server.url, max_answer=100_000)
        with planhat, pytest.raises(PlanhatError, match="more than 100,000 bytes. Ask for less") as raised:
            planhat.company.get_by_id(answers.ID)
        assert raised.value.response.body == b""  # type: ignore[attr-defined]


def test_a_create_whose_answer_is_too_long_is_in_doubt() -> None:
    with HostileServer(answers.ENDLESS["a body for ever"]) as server:
        planhat = Planhat(TOKEN, api_url=server.url, max_answer=100_000)
        with planhat, pytest.raises(AmbiguousWrite):
            planhat.conversation.create({"companyId": answers.ID, "type": "note"})


LISTS: dict[str, Callable[[Planhat], Any]] = {
    "records": lambda planhat: planhat.company.get_list(limit=10),
    "lean records": lambda planhat: planhat.company.get_lean_list(),
    "metrics": lambda planhat: planhat.metrics.get_dimension_data(1, 9),
    "a query": lambda planhat: Enduser.objects.using(planhat).using("api"),
}


@pytest.mark.parametrize("id", [b"{}", b'["a"]', b"true", b"7"])
@pytest.mark.parametrize("call", LISTS)
def test_a_list_with_an_id_that_is_no_text_is_no_answer(call: str, id: bytes) -> None:
    with (
        HostileServer(always(respond(b'[{"_id":%b,"name":"Acme"}]' % id))) as server,
        Planhat(TOKEN, api_url=server.url, scan="allow") as planhat,
        pytest.raises(BadAnswer, match="_id"),
    ):
        list(LISTS[call](planhat))
