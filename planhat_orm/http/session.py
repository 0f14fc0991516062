"""What the two drivers share: addresses, secrets, quota, retry, clock, the count of calls, and who is told of what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from .. import forks
from ..errors import ValidationError
from ..scopes import blocks
from ..scopes.accounts import Account
from .answers import Body, body_of
from .clock import Clock
from .connecting import ConnectionOptions
from .effects import Pause, Request, Response, Sleep, Unanswered
from .events import LostEvent, RetryEvent, WaitEvent
from .quota import Quota
from .retry import Retry
from .secrets import Secrets

if TYPE_CHECKING:
    from .exchange import Exchange

logger = logging.getLogger("planhat_orm")

TIMEOUT = 60.0
CONNECT = 10.0
MAX_ANSWER = 1_000_000_000
_OF_A_LIST = 4
_OF_AN_ERROR = 100
_TOLD = 1.0
_DROPPED = frozenset(("set-cookie", "set-cookie2"))


@dataclass(slots=True, eq=False, weakref_slot=True)
class Session:
    """The state of one client's traffic. Both drivers of a client hold the same one.

    `timeout` is how many seconds nothing may come; `max_answer` how many bytes an answer may have, of which a list
    has a quarter: a smaller page is asked for as easily.
    """

    main_url: str
    analytics_url: str
    secrets: Secrets
    quota: Quota = field(default_factory=Quota)
    retry: Retry = field(default_factory=Retry)
    clock: Clock = field(default_factory=Clock)
    timeout: float = TIMEOUT
    max_answer: int = MAX_ANSWER
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    notify: Callable[[str, object], None] = field(default=lambda event, payload: None, repr=False)
    account: Account | None = None
    calls: int = 0
    _lock: forks.Lock = field(default_factory=forks.Lock, repr=False)
    _logged: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        forks.in_child(self._start_over)

    def _start_over(self) -> None:
        """Count the calls of this process only."""
        self.calls = 0

    # --- going out --------------------------------------------------------------------------------------

    def url_of(self, request: Request) -> str:
        """The address of the host that a request is for."""
        return self.main_url if request.host == "main" else self.analytics_url

    def check(self, request: Request) -> None:
        """Raise `BlockError` before anything is waited for, where a block holds what `request` would write."""
        if request.method != "GET" and self.account is not None:
            blocks.check_request(self.account)

    def begin(self, request: Request) -> None:
        """Count a request that leaves now, and tell of it."""
        with self._lock:
            self.calls += 1
        self.notify("request", request)

    def outgoing(self, request: Request) -> dict[str, Any]:
        """The arguments for a pool's `stream`, with the tokens in them: they stay in the frames of a driver's send."""
        base = urlsplit(self.url_of(request))
        path, proof = self.secrets.fill_in(request)
        try:
            query = urlencode(request.params, quote_via=quote, safe=",:")
        except UnicodeEncodeError:
            raise ValidationError("A parameter holds half of a surrogate pair, which no URL can carry.") from None
        headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "planhat_orm"}
        if request.body is not None:
            headers["content-type"] = "application/json"
        return {
            "method": request.method,
            "url": f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}{path}" + (f"?{query}" if query else ""),
            "content": request.body,
            "headers": headers | proof,
            "extensions": {"timeout": self._timeouts()},
        }

    def _timeouts(self) -> dict[str, float]:
        return {
            "connect": min(CONNECT, self.timeout),
            "read": self.timeout,
            "write": self.timeout,
            "pool": self.timeout,
        }

    # --- coming back ------------------------------------------------------------------------------------

    def head(self, exchange: Exchange, request: Request, status: int, raw: list[tuple[bytes, bytes]]) -> Head:
        """Read the head of an answer, and settle how much of a body may follow."""
        headers: dict[str, str] = {}
        pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
        for name, value in pairs:
            # An API's client keeps no cookies, and what repeats a token is not kept either.
            if name not in _DROPPED:
                value = self.secrets.strike_text(value)
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        limit = self.limit(request, status)
        exchange.room = limit + limit // 4 + 1_000_000  # chunks and packing have their own price
        body, foreign = body_of(pairs, limit)
        return Head(status, headers, body, limit, foreign)

    def limit(self, request: Request, status: int) -> int:
        """How many bytes an answer may have."""
        if not 200 <= status < 300 and status not in request.accept:
            return max(1000, self.max_answer // _OF_AN_ERROR)
        return self.max_answer // _OF_A_LIST if request.method == "GET" and request.shape is list else self.max_answer

    def incoming(self, request: Request, head: Head, seconds: float, *, is_whole: bool) -> Response:
        """Make the answer, and log what may be logged: method, path, status."""
        unread = head.foreign if head.body is None else "" if is_whole else f"with more than {head.limit:,} bytes"
        body = b"" if unread or head.body is None else head.body.whole()
        if not (request.host == "main" and 200 <= head.status < 300):
            # Records are handed on as they came; errors and the sink's answers end up in logs and pickles.
            body = self.secrets.strike(body)
        response = Response(head.status, head.headers, body, seconds=seconds, unread=unread)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s %s -> %s, %d bytes", request.method, request.route, response.status, len(response.body))
        self.notify("response", (request, response))
        return response

    def no_answer(self, request: Request, lost: BaseException, seconds: float) -> BaseException:
        """Tell of a try that got no answer, and return what is raised for it."""
        if isinstance(lost, Unanswered):
            self.notify("lost", LostEvent(request, lost.kind, seconds))
        return lost

    # --- waiting ----------------------------------------------------------------------------------------

    def ticks(self, sleep: Sleep) -> Iterator[float]:
        """Cut a pause into ticks, and tell of it whoever asked; those below a second are not worth a word."""
        pause, left = sleep.pause, sleep.seconds
        if pause is None or left < _TOLD:
            self._retrying(pause, left)
            yield left
            return
        self._log(pause, left)
        self._retrying(pause, left)
        while left > 0:
            self.notify("wait", WaitEvent(pause.request, pause.reason, left))
            yield min(left, _TOLD)
            left -= _TOLD

    def _retrying(self, pause: Pause | None, seconds: float) -> None:
        if pause is not None and pause.error is not None:
            request = pause.request
            logger.info("%s %s is sent again in %.1f s, after %s", request.method, request.route, seconds,
                        type(pause.error).__name__)  # fmt: skip
            self.notify("retry", RetryEvent(request, pause.attempt, seconds, pause.error))

    def _log(self, pause: Pause, seconds: float) -> None:
        """Log a wait for the quota, once for all threads and tasks that wait for the same moment."""
        ends = self.clock.now() + seconds
        if pause.reason == "quota" and ends > self._logged + _TOLD:
            self._logged = ends
            logger.info("Waiting %.0f s for the quota of %g calls a minute", seconds, self.quota.calls_per_min)


class Head(Struct):
    """The head of an answer, and the body that is being read; no body where it is not to be read."""

    status: int
    headers: dict[str, str]
    body: Body | None
    limit: int
    foreign: str
