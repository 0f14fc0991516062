"""The middleware of docs/how-to/threads-and-web-apps.md, under a real framework, with blocks open elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from planhat_orm import Company, Planhat
from tests.other_server import OtherServer

from .conftest import ROWS, phases, writes

PAGE = Path(__file__).parents[2] / "docs/how-to/threads-and-web-apps.md"


@pytest.fixture
def middleware(a: Planhat) -> dict[str, Any]:
    """What the page defines."""
    found: dict[str, Any] = {"planhat": a.make_default()}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        if block.startswith(("class Planhat", "def planhat_middleware")):
            exec(block, found)
    return found


def edit(number: int) -> None:
    record = Company.objects.get(f"extid-a-{number}")
    record.phase = "x"
    record.save()


def endpoint(request: Request) -> JSONResponse:
    edit(int(request.query_params["n"]))
    return JSONResponse({})


async def call(app: Any, number: int) -> int:
    """One request, as an ASGI server makes it."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [], "root_path": "",
        "query_string": f"n={number}".encode(), "http_version": "1.1", "scheme": "http", "server": ("h", 1),
        "client": ("c", 1),
    }  # fmt: skip
    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_requests_are_not_disturbed_by_a_dry_run_elsewhere(
    a: Planhat, middleware: dict[str, Any], server: OtherServer
) -> None:
    app = middleware["PlanhatMiddleware"](Starlette(routes=[Route("/", endpoint)]))

    async def serve() -> list[int]:
        requests = [asyncio.create_task(call(app, number)) for number in range(ROWS)]
        with a.batch(dry_run=True) as batch:
            company = await Company.objects.aget("extid-a-0")
            company.phase = "never"
            await company.asave()
            answers = list(await asyncio.gather(*requests))
            assert len(batch._saves) == 1
        return answers

    assert asyncio.run(serve()) == [200] * ROWS
    assert phases(server, "a") == {"x"} and len(writes(server)) == ROWS
    assert a._holdings.driver._pools._pools, "the connections stay open between requests"


def test_the_other_middleware_enters_the_client(a: Planhat, middleware: dict[str, Any]) -> None:
    from planhat_orm.scopes import clients

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert clients.chosen() is a
        return [b"ok"]

    assert middleware["PlanhatWSGI"](app)({}, None) == [b"ok"]
    assert middleware["planhat_middleware"](lambda request: clients.chosen())(None) is a
    assert clients.chosen() is None
