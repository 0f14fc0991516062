"""Reading headers that any server may have written: what makes no sense is not there, and nothing raises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from urllib.parse import urlsplit

MOST = 1e9
"""Larger figures than this, of seconds or calls, mean nothing."""


def read_number(text: str | None) -> float | None:
    """The figure that a header holds, or None; no larger than `MOST` in either direction."""
    try:
        figure = float(text or "nan")
    except ValueError:
        return None
    return max(-MOST, min(MOST, figure)) if isfinite(figure) else None


def read_moment(text: str | None) -> datetime | None:
    """The moment that a header holds, in UTC, or None."""
    try:
        read = parsedate_to_datetime(text or "")
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        read.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
    return read


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """When an answer was given, by the server's clock, or None where it does not say."""
    return read_moment(headers.get("date"))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, or None. It holds a figure or a date.

    Planhat documents no such header, but a proxy may send it (docs/reference/planhat-api.md section 3).
    """
    text = headers.get("retry-after")
    seconds = read_number(text)
    if seconds is None:
        when = read_moment(text)
        seconds = None if when is None else (when - datetime.now(UTC)).total_seconds()
    return None if seconds is None else max(0.0, min(MOST, seconds))


def read_remaining(headers: Mapping[str, str]) -> float | None:
    """How many calls the server leaves, or None. Two spellings are in use (docs/reference/planhat-api.md section 3)."""
    return read_number(headers.get("x-rate-limit-remaining") or headers.get("x-ratelimit-remaining"))


def origin_of(location: str | None) -> str | None:
    """Scheme, host and port of the address that a redirect names, or None where it names no host."""
    try:
        parts = urlsplit(location or "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    plain = host.isascii() and host.replace("-", "").replace(".", "").isalnum() and len(host) <= 253
    if parts.scheme not in ("http", "https") or not plain:
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
