"""A tenant without a network: the client's own flows and retries, run against the emulator's API object.

Requests meet a list of faults, time stands until somebody waits, and a client can be killed at any effect.
"""

from __future__ import annotations

import weakref
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from planhat_orm import Planhat
from planhat_orm.emulator import Store, Switches
from planhat_orm.emulator.api import Api, Incoming
from planhat_orm.emulator.times import TODAY, Moments
from planhat_orm.http.drivers import Driver
from planhat_orm.http.effects import TENANT, Attempt, Request, Response, RunBlocking, Unanswered
from planhat_orm.http.retry import Retry

from ..http.fast import HandClock


class Killed(BaseException):
    """The process is gone."""


class Patient(HandClock):
    """A clock that passes at once when somebody waits."""

    def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)


class Tenant:
    """A tenant of Planhat. `faults` meet the next requests, one each; None lets one pass."""

    def __init__(self) -> None:
        self.clock = Patient()
        moments = Moments(self.clock, TODAY)
        moments.run()
        switches = Switches()
        self.store = Store(moments, switches)
        self._api = Api(self.store, switches, "token", "tenant", None)
        self.faults: list[str | None] = []

    def client(self, mirror: Path | str) -> Client:
        """A client of this tenant."""
        return Client(self, mirror)

    def answer(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "reset before":
            raise Unanswered("the connection broke", sent=True)
        if fault in ("500", "429"):
            return Response(int(fault), {}, b"no")
        path = unquote(request.path).replace(TENANT, "tenant")
        answer = self._api.answer(
            Incoming(request.method, path, dict(request.params), "Bearer token", request.body or b"")
        )
        if fault == "reset after":
            raise Unanswered("the connection broke", sent=True)
        if fault == "502, but done":
            return Response(502, {}, b"no")
        date = format_datetime(self.store.moments.now(), usegmt=True)
        return Response(answer.status, {"date": date}, answer.body)


class Client(Planhat):
    """A client that reaches its tenant without a network.

    `kill_in` counts the effects until it dies; `recorded_more` tells whether the outbox ever had more than `recorded`.
    """

    def __init__(self, tenant: Tenant, mirror: Path | str) -> None:
        super().__init__(
            "token", "tenant", api_url="https://tenant", mirror=mirror, calls_per_min=1e9, clock=tenant.clock, scan="allow",
            retry=Retry(attempts=2),
        )  # fmt: skip
        self.kill_in: int | None = None
        self.recorded = 0
        self.recorded_more = False
        self._holdings.driver = _Driver(self._session, self, tenant)


class _Driver(Driver):
    def __init__(self, session: Any, client: Client, tenant: Tenant) -> None:
        super().__init__(session)
        # Nobody closes a client that is killed. It is collected, as what would close it holds none.
        self._of: Client = weakref.proxy(client)
        self._tenant = tenant

    def _perform(self, effect: Any) -> Any:
        self._count()
        answer = super()._perform(effect)
        if isinstance(effect, RunBlocking) and len(self._of.mirror.outbox) > self._of.recorded:
            self._of.recorded_more = True
        self._count()
        return answer

    def _count(self) -> None:
        client = self._of
        if client.kill_in is not None:
            client.kill_in -= 1
            if client.kill_in < 0:
                raise Killed

    def _send(self, attempt: Attempt) -> Response:
        request = attempt.request
        try:
            return self._tenant.answer(request)
        finally:
            self._tenant.clock.pass_by(0.05)
            if request.metered:
                self.session.quota.release()
