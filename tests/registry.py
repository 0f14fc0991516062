"""The clients and the model classes of a process, for tests that must not see those of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from planhat_orm import runtime
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


@contextmanager
def no_classes() -> Iterator[None]:
    """As in a program that declares no class yet, such as the command line; those of inside are forgotten at the end."""
    models, classes = dict(runtime.models), dict(runtime.classes)
    for name, model in models.items():
        if not model.__module__.startswith("planhat_orm."):
            del runtime.models[name]
    for place in classes:
        if not place[0].startswith("planhat_orm."):
            del runtime.classes[place]
    try:
        yield
    finally:
        runtime.models.clear()
        runtime.models.update(models)
        runtime.classes.clear()
        runtime.classes.update(classes)
