"""What the two drivers share: addresses, secrets, quota, retry, clock, and the count of calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from .clock import Clock
from .effects import Request, Response, Unanswered
from .quota import Quota
from .retry import Retry
from .transport import Secrets

logger = logging.getLogger("planhat_orm")

TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=60.0, pool=60.0)
LIMITS = httpx.Limits(max_connections=50, max_keepalive_connections=20)

_NEVER_SENT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol,
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Session:
    """The state of one client's traffic. Both drivers of a client hold the same one."""

    main_url: str
    analytics_url: str
    secrets: Secrets
    quota: Quota = field(default_factory=Quota)
    retry: Retry = field(default_factory=Retry)
    clock: Clock = field(default_factory=Clock)
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    notify: Callable[[str, Any], None] = lambda event, payload: None
    calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def set_timeout(self, seconds: float) -> None:
        """Wait so long for an answer; connecting keeps its own, shorter limit."""
        self.timeout = httpx.Timeout(connect=min(10.0, seconds), read=seconds, write=seconds, pool=seconds)

    def outgoing(self, request: Request) -> dict[str, Any]:
        """Count the request and return the arguments for httpx's `build_request`.

        Raises `ConfigurationError` for a token that is not there; nothing is counted then, as nothing is sent.
        """
        self.secrets.check(request)
        with self._lock:
            self.calls += 1
        self.notify("request", request)
        base = self.main_url if request.host == "main" else self.analytics_url
        headers = {"accept": "application/json", "x-planhat-auth": request.auth}
        if request.body is not None:
            headers["content-type"] = "application/json"
        return {
            "method": request.method,
            "url": base.rstrip("/") + request.path,
            "params": list(request.params) or None,
            "content": request.body,
            "headers": headers,
        }

    def incoming(self, request: Request, answer: httpx.Response) -> Response:
        """Turn httpx's answer into ours, and log what may be logged: method, path, status."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        # Records are handed on as they came; errors and the sink's answers end up in logs and pickles.
        records = request.host == "main" and answer.is_success
        body = answer.content if records else self.secrets.strike(answer.content)
        response = Response(answer.status_code, headers, body, seconds=answer.elapsed.total_seconds())
        logger.debug("%s %s -> %s, %d bytes", request.method, request.path, response.status, len(response.body))
        self.notify("response", (request, response))
        return response

    def lost(self, request: Request, error: httpx.TransportError | httpx.DecodingError) -> Unanswered:
        """Turn httpx's failure into ours. The kind is kept, not the text: it could hold an address with a secret."""
        logger.debug("%s %s -> no answer, %s", request.method, request.path, type(error).__name__)
        return Unanswered(type(error).__name__, sent=not isinstance(error, _NEVER_SENT))
