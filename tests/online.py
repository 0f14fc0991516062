"""A client and the emulator it talks to, for the tests of `http`, `wire`, `client` and `writes`.

Time runs a hundredfold, so the pauses of retry take milliseconds. Nothing leaves the machine, and no setting of
the shell gets in.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator, Switches
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry

API_TOKEN = "secret-api-token-5d41402abc4b2a76"
TENANT_TOKEN = "secret-tenant-7d793037a0760186"
SPEED = 100

Online = Callable[..., tuple[Emulator, Planhat]]

CLIENT_OPTIONS = ("read_only", "allow_delete", "timeout", "retry", "mirror", "scan", "custom")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No `PLANHAT_...` of the shell, and no connection to another machine."""
    for name in list(os.environ):
        if name.startswith("PLANHAT_") and name not in ("PLANHAT_PEERS", "PLANHAT_WRITE_DOCS", "PLANHAT_TORTURE"):
            monkeypatch.delenv(name)
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test wanted to connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def online() -> Iterator[Online]:
    """Start an emulator and a client of it; keywords go to the switches, the client or the emulator."""
    with ExitStack() as stack:

        def start(companies: int = 0, **options: Any) -> tuple[Emulator, Planhat]:
            names = Switches.__dataclass_fields__
            switches = Switches(**{key: options.pop(key) for key in list(options) if key in names})
            chosen = {key: options.pop(key) for key in list(options) if key in CLIENT_OPTIONS}
            chosen.setdefault("retry", Retry(attempts=3))
            limit = options.get("calls_per_min")
            emulator = stack.enter_context(
                Emulator(
                    companies, switches=switches, speed=SPEED, api_token=API_TOKEN, tenant_token=TENANT_TOKEN, **options
                )
            )
            planhat = client(emulator, calls_per_min=limit or 1_000_000, **chosen)
            stack.callback(planhat.close)
            return emulator, planhat

        yield start


def client(emulator: Emulator, **options: Any) -> Planhat:
    """A client of an emulator, with the emulator's clock."""
    options.setdefault("clock", Clock(SPEED))
    return Planhat(API_TOKEN, TENANT_TOKEN, api_url=emulator.url, **options)
