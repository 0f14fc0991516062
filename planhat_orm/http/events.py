"""What `planhat.on` tells of the traffic: waiting, sending again, no answer, and webhooks that come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..errors import RequestError
from .effects import Request

WebhookOutcome = Literal["accepted", "forged", "oversized", "unreadable", "failed"]
"""What became of a webhook."""


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """A request waits. `seconds` are left: of the pause, or, for an answer, until it is given up.

    `reason` is "quota" (for a slot), "rate limit" (the server answered 429), "retry" (before the next try), or
    "answer". It is told when a pause of a second or more begins, and then once a second.
    """

    request: Request
    reason: Literal["quota", "rate limit", "retry", "answer"]
    seconds: float


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """A try failed, and the request is sent again after `seconds`. `attempt` is how often it was sent so far."""

    request: Request
    attempt: int
    seconds: float
    error: RequestError = field(repr=False)


@dataclass(frozen=True, slots=True)
class LostEvent:
    """A try got no answer, after `seconds`; "retry" follows where it is sent again.

    `kind` is one of those of `ConnectionFailed`: "refused", "timeout", "certificate" and so on.
    """

    request: Request
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A webhook came in, and named so many `records`.

    `outcome` is "accepted", "forged" (a wrong secret), "oversized", "unreadable" (no record can be told) or "failed"
    (it could not be written down, and was answered 503).
    """

    outcome: WebhookOutcome
    records: int = 0
