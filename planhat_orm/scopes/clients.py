"""Which client code uses that names none."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, WhichClient
from .accounts import Account
from .chain import Scope, chain, innermost
from .places import caller

if TYPE_CHECKING:
    from ..runtime import Client


class Registration:
    """What the registry knows of one client: its account, its mirror, where it was made, and whether it is in use."""

    def __init__(self, client: Client, account: Account, mirror: str | None) -> None:
        self.client = weakref.ref(client)
        self.account = account
        self.mirror = mirror
        self.place = caller()
        self.is_open = True
        self.was_left = False

    def __str__(self) -> str:
        mirror = f" with {self.mirror}" if self.mirror else ""
        return f"{self.account}{mirror} (made at {self.place})"


_registered: dict[int, Registration] = {}
_default: Client | None = None


def register(client: Client, account: Account, mirror: str | None) -> Registration:
    """Note a client that was made just now."""
    entry = Registration(client, account, mirror)
    _registered[id(entry)] = entry
    weakref.finalize(client, _registered.pop, id(entry), None).atexit = False
    return entry


def default() -> Client | None:
    """The client that `make_default()` chose."""
    return _default


def set_default(client: Client | None) -> None:
    """Make `client` the one that code uses which nothing tells which; None for none."""
    global _default
    _default = client


def chosen() -> Client | None:
    """The client of the innermost scope."""
    return client_in(innermost())


def current(carried: Scope | None = None) -> Client:
    """Return the client of the innermost scope, else of `carried`, else the default one, else the only one there is.

    Raises `WhichClient` where clients of several accounts leave it open, `ConfigurationError` where there is none.
    """
    return chosen() or client_in(carried) or _default or _only()


def client_in(scope: Scope | None) -> Client | None:
    """The client of a scope, or of the nearest one around it."""
    for step in chain(scope):
        if (client := step.client) is not None:
            return client
    return None


def _only() -> Client:
    entries = [entry for entry in list(_registered.values()) if entry.client() is not None and not entry.was_left]
    entries = [entry for entry in entries if entry.is_open] or entries
    _check_clear(entries)
    newest = entries[-1].client()
    # Another thread may have dropped it this moment.
    return newest if newest is not None else _only()


def _check_clear(entries: list[Registration]) -> None:
    """Raise unless the clients are of one account and one mirror. No client is in this frame: an error keeps those."""
    if not entries:
        raise ConfigurationError("There is no Planhat client: make one with `planhat = Planhat()`.")
    if len({entry.account for entry in entries}) > 1 or len({entry.mirror for entry in entries} - {None}) > 1:
        shown = "; ".join(map(str, entries))
        raise WhichClient(
            f"There are clients of several accounts or mirrors, and nothing says which one is meant: {shown}. "
            f"Enter one (`with planhat:`), name it in the query (`.using(planhat)`), or make it the default "
            f"(`planhat.make_default()`)."
        )
