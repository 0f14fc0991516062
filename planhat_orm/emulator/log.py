"""The calls that arrived, in order, for tests to count and for the page to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ..forks import Lock


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    `at` is the clock's time of arrival; `rows` the records of a list answer or the items of a bulk write;
    `bytes` the size of the answer's body; `status` 0 when the connection was closed without an answer.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    status: int = 0
    at: float = 0.0
    rows: int = 0
    bytes: int = 0
    fault: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the call as JSON can hold it."""
        return asdict(self)


class Log:
    """All calls since the start or the last `clear()`. Safe to use from any thread."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __getitem__(self, number: int) -> Call:
        return self._calls[number]

    def add(self, call: Call) -> None:
        """Append a call."""
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._calls.clear()

    def matching(self, method: str | None = None, path: str | None = None) -> list[Call]:
        """Return the calls of a method, and on a path or below it."""
        return [
            call
            for call in self
            if (method is None or call.method == method.upper())
            and (path is None or call.path == path or call.path.startswith(path.rstrip("/") + "/"))
        ]

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """Count the calls of a method, and on a path or below it: `log.count("PUT", "/companies")`."""
        return len(self.matching(method, path))
