"""An emulator to talk to over plain HTTP, as any client would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from planhat_orm.emulator import Emulator, Switches

Serve = Callable[..., tuple[Emulator, httpx.Client]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an emulator with these options; keywords that are switches become switches."""
    with ExitStack() as stack:

        def start(companies: int = 0, **options: Any) -> tuple[Emulator, httpx.Client]:
            names = Switches.__dataclass_fields__
            switches = Switches(**{key: options.pop(key) for key in list(options) if key in names})
            emulator = stack.enter_context(Emulator(companies, switches=switches, **options))
            headers = {"Authorization": f"Bearer {emulator.api_token}"}
            client = stack.enter_context(httpx.Client(base_url=emulator.url, headers=headers, timeout=10, verify=False))
            return emulator, client

        yield start


@pytest.fixture
def empty(serve: Serve) -> tuple[Emulator, httpx.Client]:
    """An emulator without records, and a client of it."""
    return serve()


@pytest.fixture
def acme(serve: Serve) -> tuple[Emulator, httpx.Client, str]:
    """An emulator with one company, a client, and the company's id."""
    emulator, client = serve()
    company = {"name": "Acme", "externalId": "acme", "sourceId": "crm-1", "domains": ["acme.example"]}
    return emulator, client, emulator.store.insert("company", company)["_id"]
