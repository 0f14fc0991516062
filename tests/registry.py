"""The clients of a process, for tests that must not see those of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from planhat_orm.scopes import chain, clients


@contextmanager
def no_clients() -> Iterator[None]:
    """As in a process that has made no client yet; those that are made inside are closed at the end."""
    registered, default, scope = dict(clients._registered), clients.default(), chain.innermost()
    clients._registered.clear()
    clients.set_default(None)
    chain._scope.set(None)
    try:
        yield
    finally:
        for entry in list(clients._registered.values()):
            client: Any = entry.client()
            if client is not None:
                client.close()
        clients._registered.clear()
        clients._registered.update(registered)
        clients.set_default(default)
        chain._scope.set(scope)
