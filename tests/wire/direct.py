"""Planhat's side without a network: flows run against the emulator's API object, time stands until somebody waits."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from planhat_orm.emulator import Store, Switches
from planhat_orm.emulator.api import Api, Incoming
from planhat_orm.emulator.times import TODAY, Moments
from planhat_orm.http.effects import (
    Attempt,
    CurrentAccount,
    Emit,
    Flow,
    Request,
    Response,
    Sleep,
    Start,
    Unanswered,
    Wait,
)
from planhat_orm.http.quota import Quota
from planhat_orm.http.retry import Retry, deliver

from ..http.fast import HandClock

Spoil = Callable[[Request, Callable[[], Response]], Response]


class Direct:
    """An empty tenant. `weather` gets each try and what does the work, and returns the answer or raises."""

    def __init__(self, *, page_cap: int | None = None, **switches: Any) -> None:
        self.clock = HandClock()
        moments = Moments(self.clock, TODAY)
        moments.run()
        chosen = Switches(**switches)
        self.store = Store(moments, chosen)
        self.tries: list[Request] = []
        self.weather: Spoil = lambda request, work: work()
        self._api = Api(self.store, chosen, "token", "tenant", page_cap)
        self._quota = Quota(10_000, self.clock)
        self.retry = Retry()

    def run(self, flow: Flow[Any]) -> Any:
        """Run a flow and return what it returns."""
        value, _ = self.watch(flow)
        return value

    def emitted(self, flow: Flow[Any]) -> list[Any]:
        """Run a flow and return what it emits."""
        _, items = self.watch(flow)
        return items

    def watch(self, flow: Flow[Any]) -> tuple[Any, list[Any]]:
        items: list[Any] = []
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                effect = flow.throw(error) if error is not None else flow.send(answer)
            except StopIteration as stop:
                return stop.value, items
            answer = error = None
            try:
                match effect:
                    case Emit(item):
                        items.append(item)
                    case Sleep(seconds):
                        self.clock.pass_by(seconds)
                        answer = self.clock.now()
                    case Request():
                        answer = self.run(deliver(effect, self.retry, self._quota, self.clock))
                    case Start(request):
                        answer = self.run(deliver(request, self.retry, self._quota, self.clock))
                    case Wait(begun):
                        answer = begun
                    case CurrentAccount():
                        answer = self
                    case Attempt(request):
                        answer = self._try(request)
                    case _:
                        raise AssertionError(effect)
            except Exception as failure:
                error = failure

    def count(self, method: str, path: str = "") -> int:
        return sum(attempt.method == method and attempt.path.startswith(path) for attempt in self.tries)

    def bodies(self, method: str = "PUT") -> list[Any]:
        return [msgspec.json.decode(attempt.body) for attempt in self.tries if attempt.method == method]  # type: ignore[arg-type]

    def _try(self, request: Request) -> Response:
        self.tries.append(request)
        try:
            return self.weather(request, lambda: self._work(request))
        finally:
            self.clock.pass_by(0.05)
            if request.metered:
                self._quota.release()

    def _work(self, request: Request) -> Response:
        authorization = "Bearer token" if request.auth == "token" else "Basic dGVuYW50Og=="
        path = unquote(request.path).replace("{tenant}", "tenant")
        answer = self._api.answer(
            Incoming(request.method, path, dict(request.params), authorization, request.body or b"")
        )
        date = format_datetime(self.store.moments.now(), usegmt=True)
        return Response(answer.status, {"date": date}, answer.body)


def reset() -> Unanswered:
    return Unanswered("the connection broke", sent=True)


def times(number: int, spoil: Spoil, *, method: str | None = None, after: int = 0) -> Spoil:
    """Meet the first `number` tries of a method (but `after` of them) with `spoil`, and let the others be."""
    seen = 0

    def weather(request: Request, work: Callable[[], Response]) -> Response:
        nonlocal seen
        if method is not None and request.method != method:
            return work()
        seen += 1
        return spoil(request, work) if after < seen <= after + number else work()

    return weather


def lost_after(request: Request, work: Callable[[], Response]) -> Response:
    """Do the work, and lose the answer."""
    work()
    raise reset()


def lost_before(request: Request, work: Callable[[], Response]) -> Response:
    """Lose the request."""
    raise reset()


def status(code: int, body: bytes = b"no") -> Spoil:
    return lambda request, work: Response(code, {}, body)


def done_but(code: int, body: bytes = b"no") -> Spoil:
    """Do the work, and answer something else."""
    return lambda request, work: (work(), Response(code, {}, body))[1]
