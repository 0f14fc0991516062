"""An automation is started by one POST to its address, which is a secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from planhat_orm import ConfigurationError, NotFound, PlanhatError, ServerError, ValidationError
from planhat_orm.errors import ReadOnlyError

from ..webhooks.conftest import Served

SECRET = "0b5f7c9e-1111-4222-8333-944455566677"


class Hook:
    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, Any]] = []

        async def take(request: Request) -> Response:
            self.got.append((request.url.path, await request.json()))
            return Response(status_code=self.status)

        self.served = Served(Starlette(routes=[Route("/hook/{secret}", take, methods=["POST"])]), "off")
        self.url = f"{self.served.url}/hook/{SECRET}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.served.stop()


def test_it_is_sent_once_with_and_without_a_loop(online: Any, hook: Hook) -> None:
    emulator, planhat = online(0)
    automation = planhat.automation(hook.url)
    automation.send({"plan": "Gold"})
    asyncio.run(automation.asend({"plan": "Silver"}))
    assert hook.got == [(f"/hook/{SECRET}", {"plan": "Gold"}), (f"/hook/{SECRET}", {"plan": "Silver"})]
    assert emulator.calls == 0


@pytest.mark.parametrize(("status", "error"), [(500, PlanhatError), (404, NotFound)])
def test_a_failure_is_told_without_the_secret_and_not_repeated(
    online: Any, hook: Hook, caplog: pytest.LogCaptureFixture, status: int, error: type[Exception]
) -> None:
    _, planhat = online(0)
    seen: list[Any] = []
    planhat.on("request", seen.append)
    hook.status = status
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as failed:
        planhat.automation(hook.url).send({"plan": "Gold"})
    assert len(hook.got) == 1
    for text in (str(failed.value), repr(failed.value), caplog.text, repr(seen), repr(planhat.automation(hook.url))):
        assert SECRET not in text and SECRET[:8] not in text
    assert not isinstance(failed.value, ServerError) or status == 500


def test_a_guarded_client_and_wrong_data_send_nothing(online: Any, hook: Hook) -> None:
    with pytest.raises(ReadOnlyError):
        online(0, read_only=True)[1].automation(hook.url).send({})
    _, planhat = online(0)
    for wrong in (["list"], {"number": float("nan")}):
        with pytest.raises(ValidationError):
            planhat.automation(hook.url).send(wrong)
    assert hook.got == []


@pytest.mark.parametrize(
    "url", ["", "hook", "http://example.com/x", "https:///x", "https://planhat.example/", "https://p.example/x?y=1"]
)
def test_an_address_that_is_none_is_refused(online: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="address that Planhat shows"):
        online(0)[1].automation(url)
