"""What the server saw: an entry for every request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.other_server.http1 import Request


@dataclass
class Entry:
    """A request as it came, and what it got. `at` is the server's time, `wall` the machine's monotonic one."""

    number: int
    request: Request
    at: float
    wall: float
    token: str
    account: str | None = None
    status: int = 0
    fault: str = ""
    parallel: int = 1

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def query(self) -> dict[str, str]:
        return self.request.query

    @property
    def connection(self) -> int:
        return self.request.connection

    @property
    def body(self) -> Any:
        """The body as JSON, None where there is none or it is no JSON."""
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError):
            return None

    @property
    def rows(self) -> int:
        """The rows of a bulk write, as they were sent."""
        return len(self.body) if isinstance(self.body, list) else 0

    def summary(self) -> dict[str, Any]:
        """The entry as JSON, for a server in a process of its own."""
        plain = {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": self.body,
        }
        rest = {"at": self.at, "token": self.token, "account": self.account, "status": self.status, "fault": self.fault}
        return {**plain, **rest, "connection": self.connection, "parallel": self.parallel}
