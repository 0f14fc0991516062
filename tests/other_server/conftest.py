"""Servers for the tests of the server, and a plain HTTP client that knows nothing of ours."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from planhat_orm import Planhat
from tests.other_server import OtherServer

Start = Callable[..., OtherServer]
Connect = Callable[..., tuple[OtherServer, Planhat]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers with options of `Behaviour`; they end with the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(OtherServer(**options))


@pytest.fixture
def connect(start: Start) -> Iterator[Connect]:
    """A server with these options, and a client of its first account."""
    clients: list[Planhat] = []

    def made(**options: Any) -> tuple[OtherServer, Planhat]:
        server = start(**options)
        clients.append(Planhat(**server.settings(), calls_per_min=1_000_000, scan="allow"))
        return server, clients[-1]

    yield made
    for client in clients:
        client.close()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


def call(
    server: OtherServer,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: Any = None,
    **query: Any,
) -> Reply:
    """One request on a connection of its own; `query` becomes the query string."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    given = {"Authorization": f"Bearer {token or server.token}", "Connection": "close", **(headers or {})}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        connection.request(method, path + (f"?{urlencode(query)}" if query else ""), data, given)
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def names(reply: Reply, key: str = "name") -> list[Any]:
    return [row.get(key) for row in reply.json]
