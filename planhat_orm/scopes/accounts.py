"""Accounts: what tells clients apart whose records must never mix."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose records a client reads and writes: a host and the digest of a token, or the name that was given.

    Clients of one account stand in for each other; nothing of one account ever goes to another. `digest` is empty
    without a token, and where only a function knows it.
    """

    identity: tuple[Any, ...] = field(repr=False)
    host: str = field(compare=False)
    name: str | None = field(default=None, compare=False)
    digest: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name!r} at {self.host}" if self.name else self.host

    def portable(self) -> Account:
        """The account as a pickle may hold it: a token that only a function knows is left open."""
        identity = self.identity
        return self if all(isinstance(part, str) for part in identity) else Account(identity[:1], self.host)

    def matches(self, other: Account) -> bool:
        """Whether this account, which may come from a pickle, is `other`."""
        return self.identity in (other.identity, other.identity[:1])


def account(api_url: str, token: Any, name: str | None = None) -> Account:
    """The account behind an address and a token: a text, None, or a function, which is its own identity."""
    host = _host(api_url)
    digest = "" if callable(token) else _digest(token)
    if name is not None:
        return Account((name, "by name"), host, name, digest)
    return Account((host, token if callable(token) else digest), host, None, digest)


def _digest(token: str | None) -> str:
    return blake2b(token.encode(), digest_size=8).hexdigest() if token else ""


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    shown = "127.0.0.1" if host in _LOOPBACK else host
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return shown + port + parts.path.rstrip("/")
