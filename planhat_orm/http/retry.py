"""Deliver one request: retry what may be retried, and turn what cannot into an error.

The rule that everything else rests on: a request that may have reached the server is sent again only when
repeating it does no harm. A request that never left, or that was refused with 429, may always go again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from .. import gc_pause
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

    `deadline` bounds a request's life from the first time it is sent, waiting for 429 included.
    """

    attempts: int = 5
    floor: float = 0.5
    ceiling: float = 30.0
    deadline: float = 300.0

    def pause(self, attempt: int) -> float:
        """Seconds before the try after `attempt`: at least half of the step, so that a floor remains."""
        step = min(self.ceiling, self.floor * 2.0 ** min(attempt - 1, 60))
        return float(step * random.uniform(0.5, 1.0))


def deliver(request: Request, retry: Retry, quota: Quota, clock: Clock) -> Flow[Response]:
    """Send `request` until it is answered, the tries are used up, or repeating could do harm.

    Raises the `RequestError` of its kind. For a request that must not be repeated a `ConnectionFailed`,
    `ServerError` or `BadAnswer` means that it may have been carried out; the `maybe_applied` of any error says
    whether an earlier try may have been.
    """
    started: float | None = None
    sent = failed = limited = 0
    maybe_applied = False
    while True:
        while request.metered and (wait := quota.reserve()):
            yield Sleep(wait)
        started = clock.now() if started is None else started
        sent += 1
        try:
            response: Response = yield Attempt(request)
        except Unanswered as lost:
            error: RequestError = _no_answer(request, lost, sent, maybe_done=lost.sent or maybe_applied)
            doubtful = lost.sent
            again = request.idempotent or not lost.sent
            failed += 1
            wait = retry.pause(failed)
        else:
            verdict = _judge(request, response, sent)
            if isinstance(verdict, Response):
                return verdict
            error = verdict
            doubtful = isinstance(error, (ServerError, BadAnswer))
            if response.status == 429:
                # Nothing was carried out, so this is no failed try: only the deadline ends it.
                again = True
                limited += 1
                wait = _retry_after(response) or retry.pause(limited + 4)
                if request.metered:
                    quota.block(min(wait, retry.deadline))
            else:
                again = request.idempotent and doubtful
                failed += 1
                wait = _retry_after(response) or retry.pause(failed)
        error.maybe_applied = maybe_applied
        if not again or failed >= retry.attempts or clock.now() + wait - started > retry.deadline:
            raise error
        maybe_applied = maybe_applied or doubtful
        yield Sleep(wait)


def _judge(request: Request, response: Response, attempt: int) -> Response | RequestError:
    """Return the response with its parsed body when it is a good answer, else the error it means."""
    status = response.status
    if not (200 <= status < 300 or status in request.accept):
        return _refusal(request, response, attempt)
    html = response.body.lstrip()[:1] == b"<"
    if (request.shape is None and not html) or (request.allow_empty and not response.body.strip()):
        return replace(response, attempts=attempt)
    try:
        with gc_pause.gc_paused():
            data = _slices(response.body) if request.raw_items else msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if status in request.accept:
            return _refusal(request, response, attempt)
        # A page comes from something in front of Planhat, even where any answer of Planhat's would do.
        kind = "HTML" if html else "no complete JSON"
        return BadAnswer(
            f"{request.method} {request.path} was answered {status} with {kind} ({len(response.body)} bytes).",
            request=request, response=response, attempts=attempt,
        )  # fmt: skip
    if request.shape is None or isinstance(data, request.shape):
        return replace(response, data=data, attempts=attempt)
    if status in request.accept:
        return _refusal(request, response, attempt)
    return BadAnswer(
        f"{request.method} {request.path} was answered {status} with a JSON {type(data).__name__}, "
        f"not the {_shape_name(request.shape)} that this endpoint returns.",
        request=request, response=response, attempts=attempt,
    )  # fmt: skip


def _slices(body: bytes) -> Any:
    """The elements of an array as JSON, checked as if they were read; anything else is read."""
    try:
        slices = msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return msgspec.json.decode(body)
    if not body.isascii():
        for raw_record in slices:
            str(raw_record, "utf-8")
    return slices


def _refusal(request: Request, response: Response, attempt: int) -> RequestError:
    status = response.status
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequest)
    elsewhere = "the API is at another address: set PLANHAT_API_URL to that" if 300 <= status < 400 else None
    advice = elsewhere or _ADVICE.get(status, "what the server said is in .detail")
    return kind(
        f"{request.method} {request.path} was answered {status}: {advice}.",
        request=request, response=response, attempts=attempt, detail=response.text[:2000],
    )  # fmt: skip


def _no_answer(request: Request, lost: Unanswered, attempt: int, *, maybe_done: bool) -> ConnectionFailed:
    fate = "it may have been carried out" if maybe_done and request.method != "GET" else "nothing was changed"
    error = ConnectionFailed(
        f"{request.method} {request.path} got no answer ({lost.reason}) after {attempt} "
        f"{'try' if attempt == 1 else 'tries'}; {fate}.",
        request=request, attempts=attempt,
    )  # fmt: skip
    error.sent = maybe_done
    error.timed_out = lost.sent and "Timeout" in lost.reason
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
    return " or ".join(names.get(shape, shape.__name__) for shape in shapes)
