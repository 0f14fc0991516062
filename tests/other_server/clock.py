"""The server's time, and what is made from it: ObjectIds and stamps."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime


class ServerClock:
    """Time of the server: runs at `speed`, can stand still and jump. Seconds since 1970."""

    def __init__(self, start: float | None = None, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._speed = speed
        self._from = time.time() if start is None else start
        self._since = time.monotonic()

    def now(self) -> float:
        with self._lock:
            return self._from + (time.monotonic() - self._since) * self._speed

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._from += seconds

    def run(self, speed: float) -> None:
        """Go on at this speed from now; 0 stands still."""
        with self._lock:
            elapsed = time.monotonic() - self._since
            self._from += elapsed * self._speed
            self._since += elapsed
            self._speed = speed


class ObjectIds:
    """Ids as MongoDB makes them: four bytes of time, five of the process, three that count."""

    def __init__(self) -> None:
        self._process = secrets.randbits(40)
        self._count = secrets.randbits(20)

    def make(self, at: float) -> str:
        self._count = (self._count + 1) % 2**24
        return f"{int(at):08x}{self._process:010x}{self._count:06x}"


def iso(at: float) -> str:
    """Write a moment as the API does: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> float | None:
    """Seconds of an ISO date or date-time, None where it is no date."""
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
