"""Delivering a request with a token that somebody has to be asked for."""

from __future__ import annotations

from dataclasses import replace

from ..errors import AuthenticationError, RequestError
from .effects import Flow, Request, Response, RunBlocking
from .retry import deliver
from .session import Session


def deliver_with_token(request: Request, session: Session) -> Flow[Response]:
    """Deliver `request`; where a function gives the token, ask it again after a 401, once."""
    session.check(request)
    secrets = session.secrets
    asked = secrets.asked(request)
    if asked == 0:
        yield RunBlocking(lambda: secrets.ask(request, 0))
        asked = secrets.asked(request)
    try:
        return (yield from _deliver(request, session))
    except AuthenticationError as refused:
        if asked < 0:
            raise
        first = refused
    yield RunBlocking(lambda: secrets.ask(request, asked))
    try:
        response = yield from _deliver(request, session)
    except RequestError as error:
        error.attempts += first.attempts
        error.maybe_applied = error.maybe_applied or first.maybe_applied
        raise
    return replace(response, attempts=response.attempts + first.attempts)


def _deliver(request: Request, session: Session) -> Flow[Response]:
    response = yield from deliver(request, session.retry, session.quota, session.clock)
    session.notify("data", (request, response))
    return response
