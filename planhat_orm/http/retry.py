"""Deliver one request: retry what may be retried, and turn what cannot into an error.

The rule that everything else rests on: a request that may have reached the server is sent again only when
repeating it does no harm. A request that never left, or that was refused with 429, may always go again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from ..errors import (
    AuthenticationError,
    BadAnswer,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
)
from .clock import Clock
from .effects import Attempt, Flow, Request, Response, Sleep, Unanswered
from .quota import Quota

_BY_STATUS: dict[int, type[RequestError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
}
_ADVICE = {
    401: "check PLANHAT_API_TOKEN; a token of another cluster is refused like this too (set PLANHAT_API_URL)",
    403: "give the token's private app permission for this model",
    404: "there is no such record, or this tenant does not have the model",
    429: "the account's quota is used up; wait, or lower calls_per_min",
}


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try: exponential from `floor` to `ceiling` seconds, with jitter.

    `deadline` bounds a request's whole life, waiting for 429 included.
    """

    attempts: int = 5
    floor: float = 0.5
    ceiling: float = 30.0
    deadline: float = 300.0

    def pause(self, attempt: int) -> float:
        """Seconds before the try after `attempt`: at least half of the step, so that a floor remains."""
        step = min(self.ceiling, self.floor * 2 ** (attempt - 1))
        return float(step * random.uniform(0.5, 1.0))


def deliver(request: Request, retry: Retry, quota: Quota, clock: Clock) -> Flow[Response]:
    """Send `request` until it is answered, the tries are used up, or repeating could do harm.

    Raises the `RequestError` of its kind. For a request that must not be repeated a `ConnectionFailed`,
    `ServerError` or `BadAnswer` means that it may have been carried out.
    """
    started = clock.now()
    attempt = 0
    limited = 0
    while True:
        attempt += 1
        try:
            response: Response = yield Attempt(request)
        except Unanswered as lost:
            error: RequestError = _no_answer(request, lost, attempt)
            again = request.repeat or not lost.sent
            wait = retry.pause(attempt)
        else:
            verdict = _judge(request, response, attempt)
            if isinstance(verdict, Response):
                return verdict
            error = verdict
            if response.status == 429:
                limited += 1
                wait = _retry_after(response) or retry.pause(limited + 4)
                quota.block(wait)
                # Waiting for a slot is not a failed try: only the deadline ends it.
                attempt -= 1
                again = True
            else:
                again = request.repeat and isinstance(error, (ServerError, BadAnswer))
                wait = _retry_after(response) or retry.pause(attempt)
        if not again or attempt >= retry.attempts or clock.now() + wait - started > retry.deadline:
            raise error
        yield Sleep(wait)


def _judge(request: Request, response: Response, attempt: int) -> Response | RequestError:
    """Return the response with its parsed body when it is a good answer, else the error it means."""
    status = response.status
    if not (200 <= status < 300 or status in request.accept):
        return _refusal(request, response, attempt)
    if request.shape is None:
        return Response(status, response.headers, response.body, None, attempt)
    try:
        data = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if status in request.accept:
            return _refusal(request, response, attempt)
        kind = "HTML" if response.body.lstrip()[:1] == b"<" else "no complete JSON"
        return BadAnswer(
            f"{request.method} {request.path} was answered {status} with {kind} ({len(response.body)} bytes).",
            request=request, response=response, attempts=attempt,
        )  # fmt: skip
    if isinstance(data, request.shape):
        return Response(status, response.headers, response.body, data, attempt)
    if status in request.accept:
        return _refusal(request, response, attempt)
    return BadAnswer(
        f"{request.method} {request.path} was answered {status} with a JSON {type(data).__name__}, "
        f"not the {_shape_name(request.shape)} that this endpoint returns.",
        request=request, response=response, attempts=attempt,
    )  # fmt: skip


def _refusal(request: Request, response: Response, attempt: int) -> RequestError:
    status = response.status
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequest)
    advice = _ADVICE.get(status, "what the server said is in .detail")
    return kind(
        f"{request.method} {request.path} was answered {status}: {advice}.",
        request=request, response=response, attempts=attempt, detail=response.text[:2000],
    )  # fmt: skip


def _no_answer(request: Request, lost: Unanswered, attempt: int) -> ConnectionFailed:
    fate = "it may have been carried out" if lost.sent and request.method != "GET" else "nothing was changed"
    error = ConnectionFailed(
        f"{request.method} {request.path} got no answer ({lost.reason}) after {attempt} "
        f"{'try' if attempt == 1 else 'tries'}; {fate}.",
        request=request, attempts=attempt,
    )  # fmt: skip
    error.sent = lost.sent
    return error


def _retry_after(response: Response) -> float | None:
    """Read `Retry-After`, in seconds or as a date; Planhat documents neither, but a proxy may send it."""
    value = response.headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _shape_name(shape: type | tuple[type, ...]) -> str:
    names: dict[type, str] = {list: "array", dict: "object"}
    shapes = shape if isinstance(shape, tuple) else (shape,)
    return " or ".join(names.get(one, one.__name__) for one in shapes)
