"""Flows made of flows."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm.http.effects import Emit, Flow, Request, Sleep
from planhat_orm.http.flows import at_most, collected, mapped

REQUEST = Request("GET", "/companies")


def emitting(closed: list[bool]) -> Flow[str]:
    try:
        yield Emit([1, 2])
        answer = yield REQUEST
        yield Emit([answer])
    finally:
        closed.append(True)
    return "done"


def drive(flow: Flow[Any], *answers: Any) -> tuple[list[Any], Any]:
    """Run a flow; every effect but an Emit is sent the next of `answers`, or has it thrown in."""
    left, seen, answer = list(answers), [], None
    try:
        while True:
            effect = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            seen.append(effect)
            answer = None if isinstance(effect, Emit) else left.pop(0)
    except StopIteration as stop:
        return seen, stop.value


def test_collected_joins_what_is_emitted_and_passes_the_rest_on() -> None:
    closed: list[bool] = []
    assert drive(collected(emitting(closed)), "answer") == ([REQUEST], [1, 2, "answer"])
    assert closed == [True]


def test_mapped_puts_a_flow_in_the_place_of_each_emission() -> None:
    def doubled(items: list[Any]) -> Flow[None]:
        yield Sleep(1)
        yield Emit(items * 2)

    seen, value = drive(mapped(emitting([]), doubled), None, "a", None)
    assert seen == [Sleep(1), Emit([1, 2, 1, 2]), REQUEST, Sleep(1), Emit(["a", "a"])]
    assert value == "done"


@pytest.mark.parametrize("wrap", [collected, lambda flow: at_most(5, flow)])
def test_an_error_reaches_the_inner_flow_which_is_closed(wrap: Any) -> None:
    closed: list[bool] = []
    with pytest.raises(KeyError):
        drive(wrap(emitting(closed)), KeyError("x"))
    assert closed == [True]


def test_at_most_ends_before_the_request_too_many() -> None:
    def three() -> Flow[None]:
        for number in range(3):
            yield REQUEST
            yield Emit(number)

    assert drive(at_most(2, three()), None, None)[0] == [REQUEST, Emit(0), REQUEST, Emit(1)]
    assert len(drive(at_most(3, three()), None, None, None)[0]) == 6
