"""What a failed request means for what it was to write, and the server's own word on it."""

from __future__ import annotations

from ..errors import (
    AmbiguousWrite,
    AuthenticationError,
    BadAnswer,
    ConnectionFailed,
    PlanhatError,
    RateLimited,
    RequestError,
    ServerError,
)


def may_be_done(failure: PlanhatError) -> bool:
    """Whether a write that failed so may have been carried out all the same."""
    if isinstance(failure, ConnectionFailed):
        return failure.sent
    if isinstance(failure, RequestError):
        return failure.maybe_applied or isinstance(failure, (ServerError, BadAnswer))
    return isinstance(failure, AmbiguousWrite)


def is_unprocessed(failure: PlanhatError) -> bool:
    """Whether a write failed for no reason of its own: the server did not look at it."""
    return isinstance(failure, (AuthenticationError, RateLimited, ConnectionFailed))


def reason(failure: PlanhatError) -> str:
    """Why a write failed: the server's own word where there is one. It belongs to the row, not to a log."""
    return (failure.reason or str(failure)) if isinstance(failure, RequestError) else str(failure)
