"""Two accounts on the second server, and clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm import Planhat
from tests.other_server import OtherServer

from ..online import bare_environment
from ..registry import no_clients

__all__ = ["bare_environment"]

ROWS = 6
Make = Callable[..., Planhat]


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with no_clients():
        yield


@pytest.fixture
def server() -> Iterator[OtherServer]:
    """A server of the accounts a and b, with companies A0 ... and B0 ..."""
    with OtherServer(accounts={"token-a": "a", "token-b": "b"}) as server:
        for name in ("a", "b"):
            server.fill("company", ROWS, _company(name), account=name)
        yield server


def _company(account: str) -> Callable[[int], dict[str, Any]]:
    return lambda n: {"name": f"{account.upper()}{n}", "externalId": f"{account}-{n}", "phase": "new"}


@pytest.fixture
def make(server: OtherServer) -> Make:
    """Make a client of one of the accounts."""

    def make(account: str, /, **options: Any) -> Planhat:
        settings = {**server.settings(f"token-{account}"), "calls_per_min": 1_000_000, "scan": "allow", **options}
        return Planhat(**settings)

    return make


@pytest.fixture
def a(make: Make) -> Planhat:
    return make("a")


@pytest.fixture
def b(make: Make) -> Planhat:
    return make("b")


def writes(server: OtherServer, account: str | None = None) -> list[str]:
    """What was sent that changes something."""
    return [
        f"{request.method} {request.path}"
        for request in server.log
        if request.method != "GET" and account in (None, request.account)
    ]


def phases(server: OtherServer, account: str) -> set[Any]:
    return {record["phase"] for record in server.records("company", account=account)}
