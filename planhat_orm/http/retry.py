"""Deliver one request: retry what may be retried, and turn what cannot into an error.

The rule that everything else rests on: a request that may have reached the server is sent again only when
repeating it does no harm. A request that never left, or that was refused with 429, may always go again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from .. import gc_pause, json_decoding
from ..errors import (
    AuthenticationError,
    BadAnswer,
    ConfigurationError,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
)
from ..names import quoted
from .clock import Clock
from .effects import Attempt, Flow, Pause, Request, Response, RunBlocking, Sleep, Unanswered
from .headers import origin_of, read_retry_after
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
_SHORTEST = 0.1
_LEAST = 1.0
"""Seconds that must be left of the deadline for a first try: a write that is sent and not waited for is in doubt."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try: exponential from `floor` to `ceiling` seconds, with jitter.

    `deadline` bounds a call whole, in seconds: waiting for the quota, for answers, after a 429 and between tries.
    """

    attempts: int = 5
    floor: float = 0.5
    ceiling: float = 30.0
    deadline: float = 300.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigurationError(
                f"Retry(attempts=...) must be a whole number from 1 on, not {quoted(self.attempts)}."
            )
        for name in ("floor", "ceiling", "deadline"):
            check_seconds(f"Retry({name}=...)", getattr(self, name))

    def pause(self, attempt: int) -> float:
        """Seconds before the try after `attempt`: at least half of the step, so that a floor remains."""
        step = min(self.ceiling, self.floor * 2.0 ** min(attempt - 1, 60))
        return float(step * random.uniform(0.5, 1.0))


def check_seconds(what: str, value: object) -> float:
    """A positive number of seconds; `ConfigurationError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ConfigurationError(f"{what} must be a positive number of seconds, not {quoted(value)}.")
    return float(value)


def deliver(request: Request, retry: Retry, quota: Quota, clock: Clock) -> Flow[Response]:
    """Send `request` until it is answered, the tries are used up, or repeating could do harm.

    Raises the `RequestError` of its kind. For a request that must not be repeated a `ConnectionFailed`,
    `ServerError` or `BadAnswer` means that it may have been carried out; the `maybe_applied` of any error says
    whether an earlier try may have been.
    """
    started = clock.now()
    margin = min(_LEAST, retry.deadline / 2)
    sent = failed = limited = 0
    maybe_applied = False
    error: RequestError | None = None
    metered = request.metered
    while True:
        while metered and (wait := (yield from _reserved(quota))):
            if clock.now() + wait - started > retry.deadline - margin:
                raise error or _no_slot(request, wait, retry, quota)
            yield Sleep(wait, Pause(request, "quota"))
        sent += 1
        try:
            response: Response = yield Attempt(
                request, max(_SHORTEST, started + retry.deadline - clock.now()), has_slot=metered
            )
        except Unanswered as lost:
            error = _no_answer(request, lost, sent, maybe_done=lost.sent or maybe_applied)
            doubtful = lost.sent
            again = (request.idempotent or not lost.sent) and not lost.final
            failed += 1
            wait = retry.pause(failed)
        else:
            verdict = _judge(request, response, sent)
            if isinstance(verdict, Response):
                return verdict
            error = verdict
            doubtful = isinstance(error, (ServerError, BadAnswer))
            asked = read_retry_after(response.headers)
            if response.status == 429:
                # Nothing was carried out, so this is no failed try: only the deadline ends it.
                again = True
                limited += 1
                wait = retry.pause(limited + 4) if asked is None else max(asked, retry.pause(limited))
                if metered:
                    quota.block(wait, is_guess=asked is None)
                    yield from _asked(quota)
            else:
                # What is too long, or not to be had in another form, would be so again.
                again = request.idempotent and doubtful and not response.unread and response.status != 304
                failed += 1
                wait = max(asked or 0.0, retry.pause(failed))
        error.maybe_applied = maybe_applied
        if not again or failed >= retry.attempts or clock.now() + wait - started > retry.deadline:
            raise error
        maybe_applied = maybe_applied or doubtful
        yield Sleep(wait, Pause(request, "rate limit" if isinstance(error, RateLimited) else "retry", sent, error))


def _reserved(quota: Quota) -> Flow[float]:
    """Take a slot and return 0.0, or return the seconds to wait."""
    yield from _asked(quota)
    return quota.reserve()


def _asked(quota: Quota) -> Flow[None]:
    """Ask for a part of a quota that is shared, where that is due."""
    if quota.must_ask():
        yield RunBlocking(quota.ask)


def _judge(request: Request, response: Response, attempt: int) -> Response | RequestError:
    """Return the response with its parsed body when it is a good answer, else the error it means."""
    status = response.status
    if not (200 <= status < 300 or status in request.accept):
        return _refusal(request, response, attempt)
    if response.unread:
        return _bad(request, response, attempt, f"was answered {status} {response.unread}. {_LONG}")
    html = response.body.lstrip()[:1] == b"<"
    if (request.shape is None and not html) or (request.allow_empty and not response.body.strip()):
        return replace(response, attempts=attempt)
    try:
        response, data = _read(request, response)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if status in request.accept:
            return _refusal(request, response, attempt)
        # A page comes from something in front of Planhat, even where any answer of Planhat's would do.
        kind = "HTML" if html else "no complete JSON"
        return _bad(request, response, attempt, f"was answered {status} with {kind} ({len(response.body)} bytes).")
    if request.shape is None or isinstance(data, request.shape):
        return replace(response, data=data, attempts=attempt)
    if status in request.accept:
        return _refusal(request, response, attempt)
    return _bad(
        request, response, attempt,
        f"was answered {status} with a JSON {type(data).__name__}, not the {_shape_name(request.shape)} that this "
        f"endpoint returns.",
    )  # fmt: skip


_LONG = "Ask for less at once (a list by pages: limit=...), or raise Planhat(max_answer=...)."


def _bad(request: Request, response: Response, attempt: int, what: str) -> BadAnswer:
    return BadAnswer(f"{request.method} {request.path} {what}", request=request, response=response, attempts=attempt)


def _read(request: Request, response: Response) -> tuple[Response, Any]:
    """The JSON of a body, and the response with the body that was read: what is wrong with letters in it is mended."""
    with gc_pause.gc_paused():
        try:
            return response, _parsed(request, response.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = json_decoding.repair(response.body)
            if body is None:
                raise
            halves = json_decoding.has_more_replaced(response.body, body)
            return replace(response, body=body, is_repaired=halves), _parsed(request, body)


def _parsed(request: Request, body: bytes) -> Any:
    return json_decoding.split_items(body) if request.raw_items else json_decoding.decode(body)


def _refusal(request: Request, response: Response, attempt: int) -> RequestError:
    status = response.status
    what = f"was answered {status}"
    if status < 200 or status == 304:
        return _bad(
            request, response, attempt,
            f"{what}, which answers a question that was not asked: something between here and Planhat is at fault.",
        )  # fmt: skip
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequest)
    advice = (
        _elsewhere(response)
        if status < 400
        else _ADVICE.get(status, "the server failed" if status >= 500 else "the server refused it")
    )
    return kind(
        f"{request.method} {request.path} {what}: {advice}.",
        request=request, response=response, attempts=attempt, detail=response.text[:2000],
    )  # fmt: skip


def _elsewhere(response: Response) -> str:
    """What to do about a redirect. It is not followed: the token would go where the answer says."""
    origin = origin_of(response.headers.get("location"))
    if origin is None:
        return "the API is at another address: set api_url (PLANHAT_API_URL) to that"
    return (
        f"it points to {origin}. If that is Planhat's address for your account, set "
        f"Planhat(api_url={origin!r}) or PLANHAT_API_URL"
    )


def _no_answer(request: Request, lost: Unanswered, attempt: int, *, maybe_done: bool) -> ConnectionFailed:
    fate = "it may have been carried out" if maybe_done and request.method != "GET" else "nothing was changed"
    error = ConnectionFailed(
        f"{request.method} {request.path} got no answer after {attempt} "
        f"{'try' if attempt == 1 else 'tries'}: {lost.reason}; {fate}. {lost.advice}".rstrip(),
        request=request, attempts=attempt,
    )  # fmt: skip
    error.sent = maybe_done
    error.kind = lost.kind
    error.timed_out = lost.sent and lost.kind in ("timeout", "deadline")
    return error


def _no_slot(request: Request, wait: float, retry: Retry, quota: Quota) -> RateLimited:
    return RateLimited(
        f"{request.method} {request.path} was not sent: the next of {quota.calls_per_min:g} calls a minute is free in "
        f"{wait:.0f} s, and a call may take {retry.deadline:g} s in all. Ask for less at once, or raise "
        f"Planhat(retry=Retry(deadline=...)).",
        request=request, attempts=0,
    )  # fmt: skip


def _shape_name(shape: type | tuple[type, ...]) -> str:
    names: dict[type, str] = {list: "array", dict: "object"}
    shapes = shape if isinstance(shape, tuple) else (shape,)
    return " or ".join(names.get(shape, shape.__name__) for shape in shapes)
