"""Retry: what may be sent again, how often, and what the errors tell."""

from __future__ import annotations

import pytest

from planhat_orm.errors import (
    AuthenticationError,
    BadAnswer,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from planhat_orm.http.effects import Request, Response, Unanswered
from planhat_orm.http.quota import Quota
from planhat_orm.http.retry import Retry

from .fast import Delivery, HandClock, answer, refused, reset

GET = Request("GET", "/companies", shape=list)
PUT = Request("PUT", "/companies/1", body=b"{}", shape=dict)
POST = Request("POST", "/companies", body=b"{}", idempotent=False, shape=dict)
DELETE = Request("DELETE", "/companies/1")
METRICS = Request("POST", "/dimensiondata/{tenant}", body=b"[]", host="analytics", auth="none", idempotent=False)


@pytest.mark.parametrize("request_", [GET, PUT, DELETE], ids=lambda one: one.method)
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(500), ServerError),
        (answer(502, b"<html>"), ServerError),
        (reset(), ConnectionFailed),
        (refused(), ConnectionFailed),
        (answer(200, b"<!doctype html>"), BadAnswer),
    ],
)
def test_what_does_no_harm_is_tried_five_times(
    request_: Request, given: Response | Unanswered, error: type[Exception]
) -> None:
    done = Delivery(request_, given)
    assert isinstance(done.error, error)
    assert (done.tries, done.error.attempts) == (5, 5)


def test_an_address_that_points_elsewhere_says_what_to_set() -> None:
    done = Delivery(GET, answer(301, location="https://api-eu2.planhat.com/companies"))
    assert done.tries == 1
    assert "set Planhat(api_url='https://api-eu2.planhat.com')" in str(done.error)
    lost = Delivery(GET, answer(302, location="../somewhere"))
    assert "set api_url (PLANHAT_API_URL)" in str(lost.error)


@pytest.mark.parametrize("request_", [POST, METRICS], ids=["create", "metrics"])
@pytest.mark.parametrize("given", [answer(500), answer(502), reset(), answer(200, b"<html>")])
def test_what_may_have_happened_is_not_sent_again(request_: Request, given: Response | Unanswered) -> None:
    assert Delivery(request_, given).tries == 1


@pytest.mark.parametrize("request_", [GET, PUT, POST, DELETE, METRICS], ids=lambda one: f"{one.method} {one.host}")
def test_what_never_left_may_always_go_again(request_: Request) -> None:
    good = answer(200, b"[]" if request_ is GET else b"{}")
    done = Delivery(request_, refused(), refused(), good)
    assert done.response is not None
    assert done.tries == 3


@pytest.mark.parametrize("request_", [PUT, POST, METRICS], ids=["update", "create", "metrics"])
def test_a_429_may_always_go_again_and_is_no_failed_try(request_: Request) -> None:
    done = Delivery(request_, *[answer(429, b"Too many requests")] * 8, answer(), retry=Retry(attempts=1))
    assert done.response is not None
    assert done.response.attempts == 9


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (401, AuthenticationError),
        (403, PermissionDenied),
        (404, NotFound),
        (413, InvalidRequest),
    ],
)
def test_a_refusal_is_final(status: int, error: type[Exception]) -> None:
    done = Delivery(GET, answer(status, b"no"))
    assert type(done.error) is error
    assert done.tries == 1
    assert done.error.request is GET
    assert done.error.response.status == status  # type: ignore[union-attr]
    assert done.error.detail == "no"


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'[{"_id": "1"', b'{"message": "ok"}', b"null", b"\xff\xfe", b'"ok"']
)
def test_a_bad_answer_to_a_list_is_tried_again(body: bytes) -> None:
    done = Delivery(GET, answer(200, body), answer(200, b"[]"))
    assert done.response.data == []  # type: ignore[union-attr]
    failed = Delivery(GET, answer(200, body), retry=Retry(attempts=2))
    assert isinstance(failed.error, BadAnswer)
    assert failed.error.attempts == 2
    assert failed.error.response.body == body  # type: ignore[union-attr]


def test_pauses_grow_from_half_the_floor_to_the_ceiling() -> None:
    retry = Retry(attempts=12, floor=1.0, ceiling=8.0, deadline=1000)
    for _ in range(50):
        pauses = Delivery(GET, answer(500), retry=retry).pauses
        steps = [1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8]
        assert all(step / 2 <= pause <= step for pause, step in zip(pauses, steps, strict=True))
    assert len({Delivery(GET, answer(500), retry=retry).pauses[0] for _ in range(10)}) > 1


def test_the_deadline_ends_tries_that_are_left() -> None:
    done = Delivery(GET, answer(500), retry=Retry(attempts=1000, floor=1, ceiling=10, deadline=60))
    assert sum(done.pauses) <= 60
    assert 6 < done.tries < 20


def test_a_rate_limit_without_end_ends_with_the_deadline() -> None:
    done = Delivery(POST, answer(429, b"Too many requests"), retry=Retry(deadline=120))
    assert isinstance(done.error, RateLimited)
    assert sum(done.pauses) <= 120
    assert done.error.attempts == done.tries > 3


def test_short_pauses_may_go_on_for_thousands_of_429() -> None:
    done = Delivery(GET, answer(429), retry=Retry(floor=1e-9, ceiling=0.01, deadline=20))
    assert isinstance(done.error, RateLimited)
    assert done.tries > 1100


def test_retry_after_is_kept_to() -> None:
    done = Delivery(GET, answer(429, retry_after="17"), answer(503, retry_after="9"), answer(200, b"[]"))
    assert done.pauses == [17, 9]
    dated = Delivery(GET, answer(429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"))
    assert isinstance(dated.error, RateLimited)
    assert not dated.pauses
    odd = Delivery(GET, answer(429, retry_after="soon"), answer(200, b"[]"))
    assert 4 <= odd.pauses[0] <= 8


def test_a_retry_after_beyond_the_deadline_raises_at_once() -> None:
    done = Delivery(GET, answer(429, retry_after="301"))
    assert isinstance(done.error, RateLimited)
    assert not done.pauses


def used_up(clock: HandClock) -> Quota:
    quota = Quota(1, clock)
    assert quota.reserve() == 0.0
    quota.release()
    return quota


def test_the_deadline_bounds_the_wait_for_a_slot_too() -> None:
    done = Delivery(GET, answer(200, b"[]"), quota=used_up(HandClock()), retry=Retry(deadline=59))
    assert isinstance(done.error, RateLimited)
    assert (done.tries, done.error.attempts, done.pauses) == (0, 0, [])
    assert "was not sent" in str(done.error)
    served = Delivery(GET, answer(200, b"[]"), quota=used_up(HandClock()), retry=Retry(deadline=61))
    assert served.response is not None
    assert served.pauses == [60]


def test_a_failed_try_whose_next_slot_is_too_far_off_is_told_as_it_failed() -> None:
    quota = Quota(1, HandClock())
    done = Delivery(GET, answer(503), answer(200, b"[]"), quota=quota, retry=Retry(deadline=30))
    assert isinstance(done.error, ServerError)
    assert done.tries == 1


def test_an_error_after_a_doubtful_try_says_so() -> None:
    cases = [
        ((refused(), answer(404)), False),
        ((answer(429), answer(404)), False),
        ((reset(), answer(404)), True),
        ((answer(500), answer(404)), True),
        ((answer(200, b"<html>"), answer(404)), True),
    ]
    for given, doubtful in cases:
        done = Delivery(DELETE, *given)  # type: ignore[arg-type]
        assert isinstance(done.error, NotFound)
        assert done.error.maybe_applied is doubtful, given


def test_a_server_that_died_after_the_first_try_leaves_it_open() -> None:
    done = Delivery(PUT, reset(), refused())
    assert isinstance(done.error, ConnectionFailed)
    assert done.error.sent
    assert "may have been carried out" in str(done.error)
    never = Delivery(PUT, refused())
    assert isinstance(never.error, ConnectionFailed)
    assert not never.error.sent
    assert "nothing was changed" in str(never.error)


def test_a_page_is_no_answer_even_where_any_would_do() -> None:
    for request_ in (DELETE, METRICS):
        assert isinstance(Delivery(request_, answer(200, b"  <!doctype html>")).error, BadAnswer)
        assert Delivery(request_, answer(200, b"ok")).response is not None
        assert Delivery(request_, answer(200, b"")).response is not None


def test_a_message_holds_what_the_server_said_and_a_repr_nothing_of_the_answer_or_the_question() -> None:
    request_ = Request("PUT", "/companies", params=(("email", "m@rker"),), body=b"m@rker", shape=dict)
    for given in (answer(400, b"m@rker"), answer(200, b"<m@rker"), answer(200, b'["m@rker"]'), reset()):
        error = Delivery(request_, given).error
        assert error is not None
        assert "m@rker" not in f"{error!r} {error.args} {error.request!r} {error.response!r}"
        if isinstance(error, InvalidRequest):
            assert str(error).endswith("the server refused it. The server said: m@rker")
        else:
            assert "m@rker" not in str(error)
