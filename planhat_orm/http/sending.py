"""One request sent and its answer read, over the pools of a driver: in a thread, and in a task.

Only this end of a driver needs httpcore: a process that never asks Planhat, but reads a mirror, does not load it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import httpcore

from ..errors import interrupt_behind
from .answers import TooLong
from .effects import Attempt, Request, Response, Unanswered
from .events import WaitEvent
from .exchange import Exchange, has_surplus
from .failures import FAILURES, strip_frames, unanswered
from .pools import LoopPools, Pools
from .session import Head, Session

logger = logging.getLogger("planhat_orm")

_LONGEST = 86_400.0


def send(attempt: Attempt, session: Session, pools: Pools, close: Callable[[], None]) -> Response:
    """Send a request from this thread. `close` closes the connections, after an interrupt."""
    request = attempt.request
    exchange = _begin(attempt, session)
    head = lost = None
    handled = sys.exc_info()[1]
    try:
        head, is_whole = _exchange(request, exchange, session, pools)
    except FAILURES as failure:
        lost = exchange.failure or _lost(request, failure, exchange, session)
    except BaseException as failure:
        interrupt = interrupt_behind(failure, handled) if isinstance(failure, Exception) else failure
        if interrupt is not None:
            close()  # what is torn out of a connection's code leaves it half way between two states
        raise (exchange.failure or strip_frames(interrupt or failure)) from None
    finally:
        seconds = exchange.seconds
        if attempt.has_slot:
            session.quota.release(head.headers if head else None, seconds)
    if head is None:
        assert lost is not None
        # Not in the handler: the frames of httpcore, kept with its error, hold the tokens.
        raise session.no_answer(request, lost, seconds)
    return session.incoming(request, head, seconds, is_whole=is_whole)


def _exchange(request: Request, exchange: Exchange, session: Session, pools: Pools) -> tuple[Head, bool]:
    """Send a request and read the answer, all of it if it is not too long."""
    with (
        pools.pool(request, session.url_of(request)) as pool,
        exchange,
        pool.stream(**session.outgoing(request)) as answer,
    ):
        head = session.head(exchange, request, answer.status, answer.headers)
        if head.body is not None:
            try:
                for data in answer.iter_stream():
                    head.body.add(data)
                head.body.end()
            except (TooLong, httpcore.RemoteProtocolError) as failure:
                if not exchange.is_over and not isinstance(failure, TooLong):
                    raise
                return head, False
        if has_surplus(answer):
            answer.extensions["network_stream"].close()
    return head, True


async def send_in_task(attempt: Attempt, session: Session, pools: LoopPools) -> Response:
    """Send a request from this task."""
    request = attempt.request
    exchange = _begin(attempt, session)
    head = lost = None
    try:
        head, is_whole = await _exchange_in_task(request, exchange, session, pools)
    except FAILURES as failure:
        lost = exchange.failure or _lost(request, failure, exchange, session)
    except BaseException as failure:
        raise (exchange.failure or strip_frames(failure)) from None
    finally:
        seconds = exchange.seconds
        if attempt.has_slot:
            session.quota.release(head.headers if head else None, seconds)
    if head is None:
        assert lost is not None
        # Not in the handler: the frames of httpcore, kept with its error, hold the tokens.
        raise session.no_answer(request, lost, seconds)
    return session.incoming(request, head, seconds, is_whole=is_whole)


async def _exchange_in_task(
    request: Request, exchange: Exchange, session: Session, pools: LoopPools
) -> tuple[Head, bool]:
    """Send a request and read the answer, all of it if it is not too long."""
    async with pools.pool(request, session.url_of(request)) as pool:
        with exchange:
            async with pool.stream(**session.outgoing(request)) as answer:
                head = session.head(exchange, request, answer.status, answer.headers)
                if head.body is not None:
                    try:
                        async for data in answer.aiter_stream():
                            head.body.add(data)
                        head.body.end()
                    except (TooLong, httpcore.RemoteProtocolError) as failure:
                        if not exchange.is_over and not isinstance(failure, TooLong):
                            raise
                        return head, False
                if has_surplus(answer):
                    await answer.extensions["network_stream"].aclose()
    return head, True


# --- what both begin and end with -----------------------------------------------------------------------


def _begin(attempt: Attempt, session: Session) -> Exchange:
    """Count a request and return the exchange to send it in."""
    request = attempt.request
    session.begin(request)

    def waiting(left: float) -> None:
        session.notify("wait", WaitEvent(request, "answer", left))

    return Exchange(min(attempt.within, _LONGEST), waiting, session.secrets.strike_text)


def _lost(request: Request, error: Exception, exchange: Exchange, session: Session) -> Unanswered:
    """Turn a failure of the connection into ours."""
    url = session.url_of(request)
    lost = unanswered(error, urlsplit(url).netloc, session.timeout, exchange, session.connection.proxy_for(url))
    logger.debug("%s %s -> no answer, %s", request.method, request.route, lost.reason)
    return lost
