"""`planhat.automation(url)`: what Planhat's automations take in (docs/reference/planhat-api.md section 12).

The address is a secret: whoever has it can start the automation. It is kept as tokens are, so that it is in no log,
error or event; a request shows `/{tenant}` in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .. import arguments
from ..errors import ConfigurationError, ValidationError
from ..fields.gate import json_row
from ..http.drivers import Driver
from ..http.effects import TENANT, Flow, Request
from ..http.quota import Quota
from ..http.secrets import Secrets
from ..http.session import Session
from ..json_encoding import encode
from ..wire import records
from .settings import is_loopback

if TYPE_CHECKING:
    from ..runtime import Client


class Automation:
    """An automation that begins with an incoming webhook. Making one makes no call."""

    def __init__(self, client: Client, session: Session, url: str) -> None:
        self._client = client
        self._session = _session(session, url)

    def send(self, data: Mapping[str, Any]) -> None:
        """Start the automation with `data`. One POST, which the quota does not count.

        It is not repeated when the answer is lost, as that would start it twice: `AmbiguousWrite` is raised.

        >>> planhat.automation(url).send({"email": "ann@acme.example", "plan": "Gold"})  # doctest: +SKIP
        """
        driver = Driver(self._session)
        try:
            driver.run(self._send(data))
        finally:
            driver.close()

    async def asend(self, data: Mapping[str, Any]) -> None:
        """Do what `send()` does, in a task."""
        from ..http.async_driver import AsyncDriver  # it needs asyncio, which who awaits has

        driver = AsyncDriver(self._session)
        try:
            await driver.run(self._send(data))
        finally:
            await driver.close()

    def _send(self, data: Mapping[str, Any]) -> Flow[None]:
        self._client.writer.guard()
        if not isinstance(data, Mapping):
            raise ValidationError(f"An automation is sent a dict, not a {type(data).__name__}.")
        body = encode(json_row(data, "", self._client.zone))
        path = f"/{TENANT}"
        yield from records.once(Request("POST", path, body=body, host="analytics", auth="none", idempotent=False))

    def __repr__(self) -> str:
        return "<Automation>"


def _session(like: Session, url: str) -> Session:
    """A session of its own, with the last part of the address as its secret."""
    before, _, secret = arguments.text("automation()", url).strip().rpartition("/")
    try:
        parts = urlsplit(before)
        good = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        good = False
    if not good or not parts.hostname or not secret or "?" in url or "#" in url:
        raise ConfigurationError(
            "An automation is known by the address that Planhat shows for it: https://.../<secret>."
        )
    own = replace(like, analytics_url=before, secrets=Secrets(None, unquote(secret)), quota=Quota(1e9, like.clock))
    own.notify = like.notify
    return own
